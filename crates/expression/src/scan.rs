//! Text to words.

use std::ops::Range;

use crate::ExpressionError;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word<'a> {
    Integer(i64),
    Float(f64),
    /// Without quotes and with its escapes resolved.
    Text(String),
    /// A name, or an operator that is a word.
    Name(&'a str),
    Symbol(&'static str),
    End,
}

/// Longer ones stand before their beginnings.
const SYMBOLS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", "?", ":", "#", "!", "<",
    ">", "+", "-", "*", "%",
];

/// The words of a text, each with its place; the last is [`Word::End`].
pub(crate) fn words(text: &str) -> Result<Vec<(Word<'_>, Range<usize>)>, ExpressionError> {
    let mut words = Vec::new();
    let mut position = 0;
    loop {
        let rest = text.get(position..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        let (start, rest) = (position + blanks, rest.trim_start());
        let Some(first) = rest.chars().next() else {
            words.push((Word::End, start..start));
            return Ok(words);
        };
        let (word, length) = match first {
            '0'..='9' => number(rest, start)?,
            '\'' | '"' | '`' => quoted(rest, first, start)?,
            '_' | 'a'..='z' | 'A'..='Z' => {
                let name = taken(rest, |it| it == '_' || it.is_ascii_alphanumeric());
                (Word::Name(name), name.len())
            }
            // No symbol is the beginning of it.
            '/' => (Word::Symbol("/"), 1),
            _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => (Word::Symbol(symbol), symbol.len()),
                None => {
                    return Err(ExpressionError::new(
                        start..start + first.len_utf8(),
                        format!("{first:?} has no meaning here"),
                        "an expression looks like type() == 'A' && incidr(client_ip(), '10.0.0.0/8')",
                    ));
                }
            },
        };
        position = start + length;
        words.push((word, start..position));
    }
}

fn taken(text: &str, accept: impl Fn(char) -> bool) -> &str {
    let end = text.find(|character| !accept(character));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

fn number(rest: &str, start: usize) -> Result<(Word<'_>, usize), ExpressionError> {
    let text = taken(rest, |it| {
        it == '_' || it == '.' || it.is_ascii_alphanumeric()
    });
    let digits = text.replace('_', "");
    let number = if let Some(hexadecimal) = digits.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16).ok().map(Word::Integer)
    } else if digits.contains('.') {
        let float = digits.parse().ok().filter(|float: &f64| float.is_finite());
        float.map(Word::Float)
    } else {
        digits.parse().ok().map(Word::Integer)
    };
    let number = number.ok_or_else(|| {
        ExpressionError::new(
            start..start + text.len(),
            format!("{text} is no number"),
            "numbers look like 5, 0x1f or 2.5, and whole ones have at most 63 bits",
        )
    })?;
    Ok((number, text.len()))
}

/// Reads a text; behind a backslash stand the escapes of Go, but not between backticks.
fn quoted(rest: &str, quote: char, start: usize) -> Result<(Word<'_>, usize), ExpressionError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok((Word::Text(text), at + 1)),
            '\\' if quote != '`' => {
                let escape = characters.next();
                let resolved = escape.and_then(|(_, escape)| match escape {
                    '\\' | '\'' | '"' | '`' => Some(escape),
                    'n' => Some('\n'),
                    'r' => Some('\r'),
                    't' => Some('\t'),
                    _ => None,
                });
                let end = escape.map_or(rest.len(), |(at, escape)| at + escape.len_utf8());
                text.push(resolved.ok_or_else(|| {
                    ExpressionError::new(
                        start + at..start + end,
                        "this escape is not supported",
                        r"write two backslashes where one is meant, or put the text between backticks",
                    )
                })?);
            }
            _ => text.push(character),
        }
    }
    Err(ExpressionError::new(
        start..start + rest.len(),
        "this text is not closed",
        "it ends with the quote that it begins with",
    ))
}
