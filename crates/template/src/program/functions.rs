//! The functions of programs.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Data, Failure, Value};

/// A function; `printf` stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Index,
    Length,
    Print,
    ParseInteger,
}

/// Every function with its name, and how many arguments it takes: at least and at most.
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 13] = [
    ("and", Function::And, 1, 32),
    ("or", Function::Or, 1, 32),
    ("not", Function::Not, 1, 1),
    ("eq", Function::Equal, 2, 32),
    ("ne", Function::Unequal, 2, 2),
    ("lt", Function::Less, 2, 2),
    ("le", Function::LessOrEqual, 2, 2),
    ("gt", Function::Greater, 2, 2),
    ("ge", Function::GreaterOrEqual, 2, 2),
    ("index", Function::Index, 2, 2),
    ("len", Function::Length, 1, 1),
    ("print", Function::Print, 1, 32),
    ("parseInt", Function::ParseInteger, 3, 3),
];

impl Function {
    /// Applies it; `and` and `or` are not applied here, since they may leave arguments out.
    pub(super) fn apply<'d>(
        self,
        arguments: &[Value<'d>],
        data: &'d dyn Data,
    ) -> Result<Value<'d>, Failure> {
        Ok(match (self, arguments) {
            (Self::Not, [value]) => Value::Boolean(!holds(value, data)),
            (Self::Equal, [first, rest @ ..]) => {
                let mut equal = false;
                for other in rest {
                    equal |= order(first, other)? == Ordering::Equal;
                }
                Value::Boolean(equal)
            }
            (Self::Unequal, [one, other]) => Value::Boolean(order(one, other)?.is_ne()),
            (Self::Less, [one, other]) => Value::Boolean(order(one, other)?.is_lt()),
            (Self::LessOrEqual, [one, other]) => Value::Boolean(order(one, other)?.is_le()),
            (Self::Greater, [one, other]) => Value::Boolean(order(one, other)?.is_gt()),
            (Self::GreaterOrEqual, [one, other]) => Value::Boolean(order(one, other)?.is_ge()),
            (Self::Index, [Value::Collection(field), key]) => Value::Text(match key {
                Value::Number(number) => {
                    let found = usize::try_from(*number).ok();
                    let found = found.and_then(|number| data.element(*field, number));
                    found.ok_or_else(|| Failure(format!("there is no element {number}")))?
                }
                Value::Text(key) => data.entry(*field, key),
                _ => return Err(Failure("index needs a number or a name".into())),
            }),
            (Self::Length, [Value::Text(text)]) => Value::Number(text.len() as i64),
            (Self::Length, [Value::Collection(field)]) => Value::Number(data.length(*field) as i64),
            (Self::Print, values) => {
                let mut text = String::new();
                let mut before_is_text = true;
                for value in values {
                    // As in Go, a blank stands between two of which neither is a text.
                    let is_text = matches!(value, Value::Text(_));
                    if !before_is_text && !is_text {
                        text.push(' ');
                    }
                    text.push_str(&shown(value)?);
                    before_is_text = is_text;
                }
                Value::Text(text.into())
            }
            (Self::ParseInteger, [Value::Text(text), Value::Number(base), Value::Number(bits)]) => {
                Value::Number(parse_integer(text, *base, *bits)?)
            }
            _ => {
                return Err(Failure(
                    "a function was given a value of the wrong kind".into(),
                ));
            }
        })
    }
}

/// Whether Go takes the value for true: it is not empty and not 0.
pub(super) fn holds(value: &Value<'_>, data: &dyn Data) -> bool {
    match value {
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0,
        Value::Boolean(value) => *value,
        Value::Collection(field) => data.length(*field) > 0,
    }
}

/// The value as it is written into the text.
pub(super) fn shown<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, Failure> {
    Ok(match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Number(number) => number.to_string().into(),
        Value::Boolean(value) => value.to_string().into(),
        Value::Collection(_) => return Err(Failure("a list or map has no text".into())),
    })
}

fn order(one: &Value<'_>, other: &Value<'_>) -> Result<Ordering, Failure> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => Ok(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => Ok(one.cmp(other)),
        (Value::Boolean(one), Value::Boolean(other)) => Ok(one.cmp(other)),
        _ => Err(Failure("values of two kinds cannot be compared".into())),
    }
}

/// A number without a sign in a base, of so many bits: 0 stands for 64.
fn parse_integer(text: &str, base: i64, bits: i64) -> Result<i64, Failure> {
    let failure = || {
        Failure(format!(
            "{text:?} is no number of {bits} bits in base {base}"
        ))
    };
    let (digits, base) = match base {
        0 => {
            let bases = [("0x", 16), ("0X", 16), ("0b", 2), ("0o", 8), ("0", 8)];
            let mut bases = bases.iter();
            let found = bases.find_map(|(start, base)| Some((text.strip_prefix(start)?, *base)));
            found
                .filter(|(digits, _)| !digits.is_empty())
                .unwrap_or((text, 10))
        }
        2..=36 => (text, base as u32),
        _ => return Err(failure()),
    };
    // A sign is none here.
    if !digits.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        return Err(failure());
    }
    let number = u64::from_str_radix(digits, base).map_err(|_| failure())?;
    let most = match bits {
        0 => u64::MAX,
        1..=64 => u64::MAX >> (64 - bits),
        _ => return Err(failure()),
    };
    let number = Some(number).filter(|number| *number <= most);
    number.and_then(|it| it.try_into().ok()).ok_or_else(failure)
}
