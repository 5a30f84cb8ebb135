//! Splits the actions of programs into words.

use std::ops::Range;

use crate::TemplateError;
use crate::scan::{Scanner, Word as Plain};

use super::parse::ACCEPTED;

/// A word of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// `.Group.name` as `Group.name`.
    Field(&'a str),
    /// `$x` as `x`; `$` alone is empty.
    Variable(&'a str),
    Name(&'a str),
    Text(String),
    Number(i64),
    Pipe,
    Open,
    Close,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// White space.
    Space,
    /// `}}`, or ` -}}` with `trim`.
    End {
        trim: bool,
    },
}

/// A word and its place.
pub(super) type Placed<'a> = (Word<'a>, Range<usize>);

/// Reads the words of an action up to its `}}`. White space stands only between values that need
/// it.
pub(super) fn words<'a>(
    scanner: &mut Scanner<'a>,
    start: usize,
) -> Result<Vec<Placed<'a>>, TemplateError> {
    let mut words = Vec::new();
    loop {
        let begin = scanner.position();
        let word = word(scanner, start)?;
        let ends = matches!(word, Word::End { .. });
        words.push((word, begin..scanner.position()));
        if ends {
            return Ok(words);
        }
    }
}

fn word<'a>(scanner: &mut Scanner<'a>, start: usize) -> Result<Word<'a>, TemplateError> {
    let begin = scanner.position();
    for (symbol, word) in [
        (":=", Word::Declare),
        ("=", Word::Assign),
        ("(", Word::Open),
        (")", Word::Close),
    ] {
        if scanner.take(symbol) {
            return Ok(word);
        }
    }
    if scanner.take("$") {
        return Ok(Word::Variable(scanner.take_name()));
    }
    let digits = scanner.rest().trim_start_matches('-');
    if digits.starts_with(|it: char| it.is_ascii_digit()) {
        let text = scanner.take_number();
        return text.parse().map(Word::Number).map_err(|_| {
            TemplateError::new(
                begin..scanner.position(),
                format!("{text} is no number"),
                "numbers are whole and decimal",
            )
        });
    }
    if scanner.rest().starts_with('.') {
        return Ok(Word::Field(scanner.take_path()));
    }
    let (plain, place) = scanner.word(start)?;
    Ok(match plain {
        Plain::Name(name) => Word::Name(name),
        Plain::Text(text) => Word::Text(text),
        Plain::Pipe => Word::Pipe,
        Plain::Space => Word::Space,
        Plain::Close { trim } => Word::End { trim },
        Plain::Field(_) => {
            return Err(TemplateError::new(
                place,
                "this has no meaning here",
                ACCEPTED,
            ));
        }
    })
}

/// Takes the blanks out, and looks that there is one between two values.
pub(super) fn separated(words: Vec<Placed<'_>>) -> Result<Vec<Placed<'_>>, TemplateError> {
    let is_value = |word: &Word<'_>| {
        matches!(
            word,
            Word::Field(_) | Word::Variable(_) | Word::Name(_) | Word::Text(_) | Word::Number(_)
        )
    };
    for pair in words.windows(2) {
        if let [(left, _), (right, place)] = pair
            && is_value(left)
            && is_value(right)
            && !matches!((left, right), (Word::Variable(""), Word::Field(_)))
        {
            return Err(TemplateError::new(
                place.clone(),
                "a space is missing before this",
                "separate words with spaces",
            ));
        }
    }
    let kept = words.into_iter().filter(|(word, _)| *word != Word::Space);
    Ok(kept.collect())
}

/// Where the parenthesis is closed that was opened before these words.
pub(super) fn closing(words: &[Placed<'_>]) -> Option<usize> {
    let mut open = 1_usize;
    words.iter().position(|(word, _)| {
        open += usize::from(*word == Word::Open);
        open -= usize::from(*word == Word::Close);
        open == 0
    })
}
