//! Text to a program.

use std::ops::Range;

use super::functions::{FUNCTIONS, Function};
use super::printf;
use super::words::{Placed, Word, closing, separated, words};
use super::{Branch, Condition, FieldKind, Node, Operand, Program, ProgramField};
use crate::TemplateError;
use crate::scan::{Scanner, is_space};

/// What an action may be, for the reader of an error.
pub(super) const ACCEPTED: &str = "an action is a field such as {{ .Name }}, a function, {{ if }}, {{ else }}, {{ end }}, {{ $x := .Name }} or a comment {{/* */}}";

/// How deep `if`s and parentheses may stand within one another.
const MOST_DEPTH: usize = 32;

/// How many variables a program may have.
const MOST_VARIABLES: usize = 64;

/// The longest text of a program, in octets.
const LONGEST: usize = 65_535;

/// Go's other actions.
const REFUSED: [&str; 7] = [
    "range", "with", "define", "template", "block", "break", "continue",
];

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn parse(text: &str, fields: &[ProgramField]) -> Result<Program> {
    if text.len() > LONGEST {
        return Err(TemplateError::new(
            0..text.len(),
            "this template is too long",
            format!("it may have {LONGEST} octets"),
        ));
    }
    let mut parser = Parser {
        text,
        fields,
        scanner: Scanner::new(text),
        trim_next: false,
        scope: Vec::new(),
        variables: 0,
        depth: 0,
    };
    let (nodes, end) = parser.nodes()?;
    match end {
        Stop::Text => Ok(Program {
            nodes,
            variables: parser.variables,
        }),
        Stop::Else(_, place) | Stop::End(place) => Err(TemplateError::new(
            place,
            "there is no if that this belongs to",
            "it stands behind {{ if }}",
        )),
    }
}

/// What ended a row of pieces.
enum Stop<'a> {
    Text,
    /// `else` with what follows it.
    Else(Vec<Placed<'a>>, Range<usize>),
    End(Range<usize>),
}

struct Parser<'a> {
    text: &'a str,
    fields: &'a [ProgramField],
    scanner: Scanner<'a>,
    trim_next: bool,
    /// The variables that can be used now, each with its number.
    scope: Vec<(&'a str, usize)>,
    variables: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Pieces up to the end of the text, or to an `else` or `end`.
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop<'a>)> {
        self.depth += 1;
        let scope = self.scope.len();
        let mut nodes = Vec::new();
        let end = loop {
            let literal = self.literal();
            if !literal.is_empty() {
                let text = self.text.get(literal).unwrap_or_default();
                nodes.push(Node::Text(text.to_owned()));
            }
            let start = self.scanner.position();
            if !self.open() {
                break Stop::Text;
            }
            if self.comment(start)? {
                continue;
            }
            let mut words = words(&mut self.scanner, start)?;
            if let Some((Word::End { trim }, _)) = words.pop() {
                self.trim_next = trim;
            }
            let place = start..self.scanner.position();
            if self.depth > MOST_DEPTH {
                return Err(too_deep(place));
            }
            let words = separated(words)?;
            match words.first() {
                Some((Word::Name("if"), _)) => {
                    nodes.push(self.decision(words.get(1..).unwrap_or_default(), place)?);
                }
                Some((Word::Name("else"), _)) => {
                    break Stop::Else(words.get(1..).unwrap_or_default().to_vec(), place);
                }
                Some((Word::Name("end"), _)) if words.len() == 1 => break Stop::End(place),
                _ => nodes.push(self.action(&words, &place)?),
            }
        };
        self.scope.truncate(scope);
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// The text before the next action, less what is trimmed of it.
    fn literal(&mut self) -> Range<usize> {
        if std::mem::take(&mut self.trim_next) {
            self.scanner.take_space();
        }
        let start = self.scanner.position();
        let taken = self.scanner.take_until("{{");
        let after = self.scanner.rest().strip_prefix("{{-");
        let trims = after.is_some_and(|rest| rest.starts_with(is_space));
        let kept = match trims {
            true => taken.trim_end_matches(is_space),
            false => taken,
        };
        start..start + kept.len()
    }

    fn open(&mut self) -> bool {
        let found = self.scanner.take("{{");
        let rest = self.scanner.rest().strip_prefix('-');
        if found && rest.is_some_and(|rest| rest.starts_with(is_space)) {
            self.scanner.take("-");
        }
        found
    }

    /// Reads a comment, if the action that began at `start` is one.
    fn comment(&mut self, start: usize) -> Result<bool> {
        let trimmed = self.scanner.position() > start + 2;
        if !(self.scanner.take("/*") || trimmed && self.scanner.take(" /*")) {
            return Ok(false);
        }
        self.scanner.take_until("*/");
        let closed = self.scanner.take("*/");
        self.trim_next = self.scanner.take(" -}}");
        match closed && (self.trim_next || self.scanner.take("}}")) {
            true => Ok(true),
            false => Err(TemplateError::new(
                start..self.scanner.position(),
                "this comment is not closed",
                "a comment ends with */}}, and nothing stands beside it",
            )),
        }
    }

    /// An `if` up to its `end`.
    fn decision(&mut self, words: &[Placed<'a>], place: Range<usize>) -> Result<Node> {
        let scope = self.scope.len();
        let mut branches = Vec::new();
        let mut condition = Some(self.condition(words, &place)?);
        loop {
            let (then, end) = self.nodes()?;
            let was_else = condition.is_none();
            branches.push(Branch { condition, then });
            match end {
                Stop::End(_) => break,
                Stop::Else(words, place) if !was_else => match words.split_first() {
                    None => condition = None,
                    Some(((Word::Name("if"), _), rest)) => {
                        condition = Some(self.condition(rest, &place)?);
                    }
                    Some(((_, place), _)) => {
                        return Err(TemplateError::new(
                            place.clone(),
                            "this is not expected behind else",
                            "write {{ else }} or {{ else if CONDITION }}",
                        ));
                    }
                },
                Stop::Else(_, place) => {
                    return Err(TemplateError::new(
                        place,
                        "this if has had its else",
                        "write {{ else if CONDITION }} before the last {{ else }}",
                    ));
                }
                Stop::Text => {
                    return Err(TemplateError::new(
                        place,
                        "this if is not closed",
                        "it ends with {{ end }}",
                    ));
                }
            }
        }
        self.scope.truncate(scope);
        Ok(Node::If(branches))
    }

    fn condition(&mut self, words: &[Placed<'a>], place: &Range<usize>) -> Result<Condition> {
        if let [(Word::Variable(name), at), (Word::Declare, _), rest @ ..] = words {
            let value = self.pipeline(rest, place)?;
            let variable = Some(self.declare(name, at)?);
            return Ok(Condition { variable, value });
        }
        Ok(Condition {
            variable: None,
            value: self.pipeline(words, place)?,
        })
    }

    fn action(&mut self, words: &[Placed<'a>], place: &Range<usize>) -> Result<Node> {
        match words {
            [(Word::Name(name), place), ..] if REFUSED.contains(name) => Err(TemplateError::new(
                place.clone(),
                format!("{name} is not supported"),
                ACCEPTED,
            )),
            [(Word::Variable(name), at), (Word::Declare, _), rest @ ..] => {
                let value = self.pipeline(rest, place)?;
                Ok(Node::Set(self.declare(name, at)?, value))
            }
            [(Word::Variable(name), at), (Word::Assign, _), rest @ ..] => {
                let value = self.pipeline(rest, place)?;
                Ok(Node::Set(self.variable(name, at)?, value))
            }
            _ => match self.pipeline(words, place)? {
                Operand::Collection(_) => Err(TemplateError::new(
                    place.clone(),
                    "a list or map has no text",
                    "take an element: {{ index .Match 1 }} or {{ .Group.name }}",
                )),
                operand => Ok(Node::Show(operand)),
            },
        }
    }

    fn declare(&mut self, name: &'a str, place: &Range<usize>) -> Result<usize> {
        if name.is_empty() || self.variables == MOST_VARIABLES {
            return Err(TemplateError::new(
                place.clone(),
                "this is no new variable",
                format!("a variable has a name, such as $x, and there may be {MOST_VARIABLES}"),
            ));
        }
        self.scope.push((name, self.variables));
        self.variables += 1;
        Ok(self.variables - 1)
    }

    fn variable(&self, name: &str, place: &Range<usize>) -> Result<usize> {
        let mut known = self.scope.iter().rev();
        let found = known.find(|(known, _)| *known == name);
        found.map(|(_, number)| *number).ok_or_else(|| {
            let names = self.scope.iter().map(|(name, _)| format!("${name}"));
            TemplateError::new(
                place.clone(),
                format!("there is no variable ${name}"),
                format!("declare it before: {{{{ ${name} := .Name }}}}"),
            )
            .unknown(format!("${name}"), names.collect())
        })
    }

    /// Commands with pipes between them: each is the last argument of the next.
    fn pipeline(&mut self, words: &[Placed<'a>], place: &Range<usize>) -> Result<Operand> {
        let mut depth = 0_usize;
        let mut piped = None;
        for command in words.split(|(word, _)| {
            depth += usize::from(*word == Word::Open);
            depth = depth.saturating_sub(usize::from(*word == Word::Close));
            depth == 0 && *word == Word::Pipe
        }) {
            piped = Some(self.command(command, piped, place)?);
        }
        piped.ok_or_else(|| missing(place))
    }

    fn command(
        &mut self,
        words: &[Placed<'a>],
        piped: Option<Operand>,
        place: &Range<usize>,
    ) -> Result<Operand> {
        let Some(((first, at), rest)) = words.split_first() else {
            return Err(missing(place));
        };
        let place = at.start..words.last().map_or(at.end, |(_, last)| last.end);
        match first {
            Word::Name("true" | "false") => {}
            Word::Name(name) => {
                let mut arguments = self.operands(rest, &place)?;
                arguments.extend(piped);
                return self.call(name, at, arguments, &place);
            }
            Word::Field(path) => {
                if let Some(function) = self.function_field(path) {
                    let mut arguments = self.operands(rest, &place)?;
                    arguments.extend(piped);
                    return match <[Operand; 1]>::try_from(arguments) {
                        Ok([argument]) => Ok(Operand::Entry(function, argument.into())),
                        Err(_) => Err(TemplateError::new(
                            place,
                            format!(".{path} takes one text"),
                            format!("write {{{{ .{path} \"...\" }}}}"),
                        )),
                    };
                }
            }
            _ => {}
        }
        let mut operands = self.operands(words, &place)?;
        match (operands.pop(), operands.is_empty(), piped) {
            (Some(only), true, None) => Ok(only),
            _ => Err(TemplateError::new(
                place,
                "this is no function and takes no arguments",
                ACCEPTED,
            )),
        }
    }

    fn call(
        &mut self,
        name: &str,
        at: &Range<usize>,
        arguments: Vec<Operand>,
        place: &Range<usize>,
    ) -> Result<Operand> {
        if name == "printf" {
            return formatted(arguments, place);
        }
        let mut known = FUNCTIONS.iter();
        let Some((_, function, least, most)) = known.find(|(known, ..)| *known == name) else {
            let names = FUNCTIONS.iter().map(|(name, ..)| *name);
            let names: Vec<String> = names.chain(["printf"]).map(ToOwned::to_owned).collect();
            let help = format!("functions are {}", names.join(", "));
            let error = TemplateError::new(at.clone(), format!("{name} is not supported"), help);
            return Err(error.unknown(name.to_owned(), names));
        };
        if !(*least..=*most).contains(&arguments.len()) {
            let message = format!("{name} does not take {} arguments", arguments.len());
            let help = match least == most {
                true => format!("it takes {least}"),
                false => format!("it takes at least {least}"),
            };
            return Err(TemplateError::new(place.clone(), message, help));
        }
        let keyed = matches!(arguments.first(), Some(Operand::Collection(_)));
        if *function == Function::Index && !keyed {
            return Err(TemplateError::new(
                place.clone(),
                "index takes a list or map first",
                "write {{ index .Match 1 }}",
            ));
        }
        if let [Operand::Collection(field), Operand::Text(key)] = arguments.as_slice() {
            self.check_key(*field, key, place)?;
        }
        Ok(Operand::Call(*function, arguments))
    }

    /// The operands of a command.
    fn operands(&mut self, words: &[Placed<'a>], place: &Range<usize>) -> Result<Vec<Operand>> {
        let mut operands = Vec::new();
        let mut rest = words;
        while let Some(((word, at), after)) = rest.split_first() {
            rest = after;
            operands.push(match word {
                Word::Text(text) => Operand::Text(text.clone()),
                Word::Number(number) => Operand::Number(*number),
                Word::Name("true") => Operand::Boolean(true),
                Word::Name("false") => Operand::Boolean(false),
                Word::Field(path) => self.field(path, at)?,
                // `$` is what the dot is outside of everything, and the dot never changes here.
                Word::Variable("") => match rest.split_first() {
                    Some(((Word::Field(path), at), after)) => {
                        rest = after;
                        self.field(path, at)?
                    }
                    _ => return Err(missing(at)),
                },
                Word::Variable(name) => Operand::Variable(self.variable(name, at)?),
                Word::Open => {
                    let end = closing(rest).ok_or_else(|| {
                        let help = "it ends with )";
                        TemplateError::new(at.clone(), "this parenthesis is not closed", help)
                    })?;
                    let (inside, after) = rest.split_at(end);
                    rest = after.get(1..).unwrap_or_default();
                    self.depth += 1;
                    if self.depth > MOST_DEPTH {
                        return Err(too_deep(at.clone()));
                    }
                    let operand = self.pipeline(inside, at)?;
                    self.depth -= 1;
                    operand
                }
                Word::Name(name) => {
                    return Err(TemplateError::new(
                        at.clone(),
                        format!("{name} cannot stand here"),
                        "put a function that is an argument between parentheses",
                    ));
                }
                _ => {
                    let help = ACCEPTED;
                    return Err(TemplateError::new(
                        at.start..place.end.max(at.end),
                        "this is not expected here",
                        help,
                    ));
                }
            });
        }
        Ok(operands)
    }

    fn function_field(&self, path: &str) -> Option<usize> {
        let mut fields = self.fields.iter();
        fields.position(|it| it.name == path && matches!(it.kind, FieldKind::Function))
    }

    fn field(&self, path: &str, place: &Range<usize>) -> Result<Operand> {
        for (number, field) in self.fields.iter().enumerate() {
            match &field.kind {
                FieldKind::Text | FieldKind::Number if field.name == path => {
                    return Ok(Operand::Field(number));
                }
                FieldKind::List | FieldKind::Map(_) if field.name == path => {
                    return Ok(Operand::Collection(number));
                }
                FieldKind::Map(_) => {
                    let key = path.strip_prefix(field.name);
                    if let Some(key) = key.and_then(|rest| rest.strip_prefix('.')) {
                        self.check_key(number, key, place)?;
                        return Ok(Operand::Entry(number, Operand::Text(key.into()).into()));
                    }
                }
                FieldKind::Function if field.name == path => {
                    return Err(TemplateError::new(
                        place.clone(),
                        format!(".{path} takes a text"),
                        format!(
                            "write (.{path} \"...\"), between parentheses where it is an argument"
                        ),
                    ));
                }
                _ => {}
            }
        }
        let names: Vec<String> = self
            .fields
            .iter()
            .map(|it| format!(".{}", it.name))
            .collect();
        let help = format!("fields are {}", names.join(", "));
        let error = TemplateError::new(place.clone(), format!("there is no field .{path}"), help);
        Err(error.unknown(format!(".{path}"), names))
    }

    fn check_key(&self, field: usize, key: &str, place: &Range<usize>) -> Result<()> {
        let Some(ProgramField {
            name,
            kind: FieldKind::Map(keys),
        }) = self.fields.get(field)
        else {
            return Ok(());
        };
        if keys.iter().any(|known| known == key) {
            return Ok(());
        }
        let names: Vec<String> = keys.iter().map(|key| format!(".{name}.{key}")).collect();
        let help = match names.is_empty() {
            true => format!(".{name} has no entries"),
            false => format!("entries are {}", names.join(", ")),
        };
        let error = TemplateError::new(place.clone(), format!("there is no .{name}.{key}"), help);
        Err(error.unknown(format!(".{name}.{key}"), names))
    }
}

/// Compiles `printf`.
fn formatted(mut arguments: Vec<Operand>, place: &Range<usize>) -> Result<Operand> {
    let wrong = |message: String| {
        let help = "it is used so: printf \"%03d\" 7; verbs are %d, %s, %v, %x, %X and %t";
        Err(TemplateError::new(place.clone(), message, help))
    };
    if !matches!(arguments.first(), Some(Operand::Text(_))) {
        return wrong("printf begins with a format between quotes".into());
    }
    let Operand::Text(format) = arguments.remove(0) else {
        return wrong("printf has no format".into());
    };
    let pieces = match printf::pieces(&format) {
        Ok(pieces) => pieces,
        Err(message) => return wrong(message),
    };
    let is_verb = |piece: &&printf::Piece| matches!(piece, printf::Piece::Verb(_));
    if pieces.iter().filter(is_verb).count() != arguments.len() {
        return wrong("the format has more or fewer verbs than there are values".into());
    }
    Ok(Operand::Printf(pieces, arguments))
}

fn missing(place: &Range<usize>) -> TemplateError {
    TemplateError::new(place.clone(), "something is missing here", ACCEPTED)
}

fn too_deep(place: Range<usize>) -> TemplateError {
    TemplateError::new(
        place,
        "too much stands within one another here",
        format!("at most {MOST_DEPTH} ifs and parentheses do"),
    )
}
