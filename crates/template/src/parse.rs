//! Text to parts.

use std::ops::Range;

use crate::format::{Piece, Verb, pieces};
use crate::scan::{ACCEPTED, Scanner, Word, is_space};
use crate::{Content, Field, Padding, Part, TemplateError};

/// Compiles `text`.
pub(crate) fn parse(text: &str, fields: &[Field<'_>]) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut scanner = Scanner::new(text);
    let mut trim_next = false;
    loop {
        let mut literal = literal(&mut scanner, trim_next);
        let start = scanner.position();
        let opened = scanner.take("{{");
        if opened && scanner.rest().starts_with('-') && scanner.rest()[1..].starts_with(is_space) {
            scanner.take("-");
            let trimmed = text[literal.clone()].trim_end_matches(is_space);
            literal.end = literal.start + trimmed.len();
        }
        if !literal.is_empty() {
            parts.push(part(literal.clone(), Content::Text(text[literal].into())));
        }
        if !opened {
            return Ok(parts);
        }
        let contents;
        (contents, trim_next) = action(&mut scanner, start, fields)?;
        let place = start..scanner.position();
        parts.extend(
            contents
                .into_iter()
                .map(|content| part(place.clone(), content)),
        );
    }
}

/// Reads the text before the next action; where it is, less what the last action trims.
fn literal(scanner: &mut Scanner<'_>, trim: bool) -> Range<usize> {
    if trim {
        scanner.take_space();
    }
    let start = scanner.position();
    scanner.take_until("{{");
    start..scanner.position()
}

/// Reads an action after its `{{`: what it yields, and whether it trims what follows.
fn action(
    scanner: &mut Scanner<'_>,
    start: usize,
    fields: &[Field<'_>],
) -> Result<(Vec<Content>, bool), TemplateError> {
    // Where a comment may begin: right after `{{`, or one space after a trim marker.
    let trimmed = scanner.position() > start + 2;
    if scanner.take("/*") || trimmed && scanner.take(" /*") {
        return comment(scanner, start).map(|trim| (Vec::new(), trim));
    }
    let mut words = Vec::new();
    loop {
        let (word, place) = scanner.word(start)?;
        match word {
            Word::Close { trim } => {
                let place = start..scanner.position();
                return Ok((pipeline(&words, place, fields)?, trim));
            }
            word => words.push((word, place)),
        }
    }
}

/// Reads a comment after its `/*`; whether it trims what follows.
fn comment(scanner: &mut Scanner<'_>, start: usize) -> Result<bool, TemplateError> {
    scanner.take_until("*/");
    if !scanner.take("*/") {
        return Err(TemplateError::new(
            start..scanner.position(),
            "this comment is not closed",
            "a comment ends with */}}",
        ));
    }
    match scanner.word(start) {
        Ok((Word::Close { trim }, _)) => Ok(trim),
        _ => Err(TemplateError::new(
            start..scanner.position(),
            "something stands beside this comment",
            "a comment has an action of its own: {{/* text */}}",
        )),
    }
}

/// A word of an action and its place.
type Placed<'a> = (Word<'a>, Range<usize>);

/// Compiles the words of an action: a command, or a field piped into one.
fn pipeline(
    words: &[Placed<'_>],
    action: Range<usize>,
    fields: &[Field<'_>],
) -> Result<Vec<Content>, TemplateError> {
    for pair in words.windows(2) {
        if let [(left, _), (right, place)] = pair
            && is_value(left)
            && is_value(right)
        {
            return Err(TemplateError::new(
                place.clone(),
                "a space is missing before this",
                "separate words with spaces; a field has one name, such as {{.ID}}",
            ));
        }
    }
    let words: Vec<&Placed<'_>> = words
        .iter()
        .filter(|(word, _)| *word != Word::Space)
        .collect();
    let commands: Vec<&[&Placed<'_>]> = words.split(|(word, _)| *word == Word::Pipe).collect();
    match commands.as_slice() {
        [command] => self::command(command, None, &action, fields),
        [[argument], command] => self::command(command, Some(argument), &action, fields),
        _ => Err(TemplateError::new(
            action,
            "this pipe is not supported",
            "a pipe takes a field into a format: {{.ID | printf \"%03d\"}}",
        )),
    }
}

/// Compiles a command; `piped` is its last argument.
fn command(
    words: &[&Placed<'_>],
    piped: Option<&Placed<'_>>,
    action: &Range<usize>,
    fields: &[Field<'_>],
) -> Result<Vec<Content>, TemplateError> {
    match (words, piped) {
        ([field @ (Word::Field(_), _)], None) => {
            let name = self::field(field, fields)?.name.to_owned();
            let padding = Padding::default();
            Ok(vec![Content::Field { name, padding }])
        }
        ([(Word::Name("printf"), place), format, arguments @ ..], _) => {
            let (Word::Text(text), place) = format else {
                return Err(TemplateError::new(
                    format.1.clone(),
                    "printf begins with a format",
                    format!(
                        "printf at byte {} is used so: {{{{printf \"%03d\" .ID}}}}",
                        place.start
                    ),
                ));
            };
            let arguments = arguments.iter().copied().chain(piped);
            printf(text, place, arguments, fields)
        }
        ([(Word::Name("printf"), place)], _) => Err(TemplateError::new(
            place.clone(),
            "printf has no format",
            "it is used so: {{printf \"%03d\" .ID}}",
        )),
        ([(Word::Name(name), place), ..], _) => {
            let mut candidates = names(fields);
            candidates.push("printf".to_owned());
            let message = format!("{name} is not supported");
            let error = TemplateError::new(place.clone(), message, ACCEPTED);
            Err(error.unknown((*name).to_owned(), candidates))
        }
        ([], _) => Err(TemplateError::new(
            action.clone(),
            "something is missing here",
            ACCEPTED,
        )),
        ([first, .., last], _) => Err(TemplateError::new(
            first.1.start..last.1.end,
            "these words make no action",
            ACCEPTED,
        )),
        ([(_, place)], _) => Err(TemplateError::new(
            place.clone(),
            "this is not supported",
            ACCEPTED,
        )),
    }
}

/// Compiles a format and its arguments.
fn printf<'a>(
    format: &str,
    place: &Range<usize>,
    mut arguments: impl Iterator<Item = &'a Placed<'a>>,
    fields: &[Field<'_>],
) -> Result<Vec<Content>, TemplateError> {
    let pieces = pieces(format).map_err(|message| {
        TemplateError::new(
            place.clone(),
            message,
            "verbs are %d, %s, %v with flags 0 and -, and a width: %03d",
        )
    })?;
    let mut contents = Vec::new();
    for piece in pieces {
        contents.push(match piece {
            Piece::Text(text) => Content::Text(text.to_owned()),
            Piece::Verb { verb, padding } => {
                let Some(argument) = arguments.next() else {
                    return Err(TemplateError::new(
                        place.clone(),
                        "this format has more verbs than there are fields after it",
                        "every verb takes a field: {{printf \"%03d\" .ID}}",
                    ));
                };
                let field = field(argument, fields)?;
                if !verb.fits(field.kind) {
                    return Err(TemplateError::new(
                        place.clone(),
                        format!("this verb does not fit .{}", field.name),
                        format!("use {}", Verb::for_kind(field.kind)),
                    ));
                }
                let name = field.name.to_owned();
                Content::Field { name, padding }
            }
        });
    }
    match arguments.next() {
        None => Ok(contents),
        Some((_, place)) => Err(TemplateError::new(
            place.clone(),
            "the format has no verb for this",
            "every field after a format needs a verb in it, such as %d",
        )),
    }
}

/// The field that a word names.
fn field<'f>(
    (word, place): &Placed<'_>,
    fields: &'f [Field<'f>],
) -> Result<&'f Field<'f>, TemplateError> {
    let Word::Field(name) = word else {
        return Err(TemplateError::new(
            place.clone(),
            "only a field can stand here",
            accepted(fields),
        ));
    };
    if let Some(field) = fields.iter().find(|field| field.name == *name) {
        return Ok(field);
    }
    let word = format!(".{name}");
    let message = format!("there is no field {word}");
    let error = TemplateError::new(place.clone(), message, accepted(fields));
    Err(error.unknown(word, names(fields)))
}

/// The fields as they are written.
fn names(fields: &[Field<'_>]) -> Vec<String> {
    fields
        .iter()
        .map(|field| format!(".{}", field.name))
        .collect()
}

/// The accepted fields, for the reader of an error.
fn accepted(fields: &[Field<'_>]) -> String {
    match names(fields).as_slice() {
        [] => "no fields are known here".to_owned(),
        [name] => format!("the only field is {name}"),
        names => format!("fields are {}", names.join(", ")),
    }
}

fn is_value(word: &Word<'_>) -> bool {
    matches!(word, Word::Field(_) | Word::Name(_) | Word::Text(_))
}

fn part(place: Range<usize>, content: Content) -> Part {
    Part {
        offset: place.start,
        length: place.len(),
        content,
    }
}
