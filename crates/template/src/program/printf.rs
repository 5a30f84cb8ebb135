//! The formats of a program's `printf`.

use std::fmt::Write;

use super::{Failure, Value};

/// The largest width that a verb may ask for.
const MOST_WIDTH: usize = 255;

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Verb(Verb),
}

/// A verb and how its value is widened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verb {
    letter: char,
    width: usize,
    zeros: bool,
    left: bool,
}

/// Splits a format.
///
/// # Errors
///
/// One line that names the verb that is not accepted.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut verb = Verb {
            letter: '%',
            width: 0,
            zeros: false,
            left: false,
        };
        while let Some(flag) = rest.next_if(|it| matches!(it, '0' | '-')) {
            verb.zeros |= flag == '0';
            verb.left |= flag == '-';
        }
        while let Some(digit) = rest.peek().and_then(|it| it.to_digit(10)) {
            rest.next();
            verb.width = verb.width * 10 + digit as usize;
            if verb.width > MOST_WIDTH {
                return Err(format!("a width is more than {MOST_WIDTH}"));
            }
        }
        match rest.next() {
            Some('%') => text.push('%'),
            Some(letter @ ('d' | 's' | 'v' | 'x' | 'X' | 't')) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Verb(Verb { letter, ..verb }));
            }
            Some(letter) => return Err(format!("%{letter} is not supported")),
            None => return Err("the format ends within a verb".into()),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

impl Verb {
    /// Writes a value.
    pub(super) fn write(self, out: &mut String, value: &Value<'_>) -> Result<(), Failure> {
        let shown = match (self.letter, value) {
            ('d' | 'v', Value::Number(number)) => number.to_string(),
            ('x', Value::Number(number)) if *number >= 0 => format!("{number:x}"),
            ('X', Value::Number(number)) if *number >= 0 => format!("{number:X}"),
            ('s' | 'v', Value::Text(text)) => text.clone().into_owned(),
            ('x' | 'X', Value::Text(text)) => {
                let mut digits = String::new();
                for octet in text.bytes() {
                    // Writing to a text cannot fail.
                    let _ = match self.letter {
                        'x' => write!(digits, "{octet:02x}"),
                        _ => write!(digits, "{octet:02X}"),
                    };
                }
                digits
            }
            ('t' | 'v', Value::Boolean(value)) => value.to_string(),
            (letter, _) => return Err(Failure(format!("%{letter} does not fit its value"))),
        };
        let missing = self.width.saturating_sub(shown.chars().count());
        let (sign, digits) = match shown.strip_prefix('-') {
            Some(digits) if self.zeros => ("-", digits),
            _ => ("", shown.as_str()),
        };
        if self.left {
            out.push_str(&shown);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            let fill = if self.zeros { '0' } else { ' ' };
            out.push_str(sign);
            out.extend(std::iter::repeat_n(fill, missing));
            out.push_str(digits);
        }
        Ok(())
    }
}
