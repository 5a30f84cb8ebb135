//! The part of the [expression language][expr] of CoreDNS's views and templates that Callsign's
//! configuration uses.
//!
//! An [`Expression`] is read and checked once: every part has a type, every function is known, every
//! regular expression and network is one. Then it is evaluated as often as is wanted, against an
//! [`Environment`], without panic, in bounded time, and without allocation unless it makes new
//! texts. What lies outside the subset is refused, with the place in the text.
//!
//! Accepted are:
//!
//! * numbers (`5`, `0x1f`, `2.5`), texts (`'a'`, `"a"` with escapes, `` `a` `` without), `true`,
//!   `false`;
//! * functions: those of the environment, and `incidr(address, network)`, `len(text)`,
//!   `lower(text)`, `upper(text)`, `int(text)`, `string(value)`;
//! * `== != < <= > >=`, `matches`, `contains`, `startsWith`, `endsWith`, `in [a, b]`, each of the
//!   last five also with `not` before it;
//! * `&&`, `and`, `||`, `or`, `!`, `not`, `condition ? a : b`;
//! * `+ - * / %`, and `+` for texts;
//! * `any`, `all`, `none` and `one`: `any(['10.0.0.0/8', '172.16.0.0/12'], incidr(client_ip(), #))`.
//!
//! [expr]: https://expr-lang.org/docs/language-definition

#![forbid(unsafe_code)]

mod error;
mod evaluate;
mod network;
mod parse;
mod scan;
mod tree;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use error::{ExpressionError, Failure, UnknownWord};

use tree::Node;

/// A function that the environment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Whether it takes one text; otherwise it takes nothing.
    pub takes_text: bool,
    /// What it gives.
    pub gives: Type,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// Any other number.
    Float,
    /// A text.
    Text,
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Boolean => "a condition",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Text => "a text",
        })
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'v> {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'v, str>),
}

/// Shows a value as the language writes it, texts without quotes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Float(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
        }
    }
}

/// What an expression is evaluated against.
pub trait Environment {
    /// The value of the function with this number in the list that the expression was read with.
    /// `argument` is empty where the function takes none.
    fn call(&self, function: usize, argument: &str) -> Value<'_>;
}

/// An expression that has been checked.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    gives: Type,
}

impl Expression {
    /// Reads an expression that may use these functions.
    ///
    /// # Errors
    ///
    /// The first thing that is outside the subset, of the wrong type or unknown, with its place.
    pub fn parse(text: &str, functions: &[Function]) -> Result<Self, ExpressionError> {
        let (root, gives) = parse::parse(text, functions)?;
        Ok(Self { root, gives })
    }

    /// The same for an expression that must be a condition.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and one for an expression that gives something else.
    pub fn condition(text: &str, functions: &[Function]) -> Result<Self, ExpressionError> {
        let expression = Self::parse(text, functions)?;
        match expression.gives {
            Type::Boolean => Ok(expression),
            other => Err(ExpressionError::new(
                0..text.len(),
                format!("this is {other} and no condition"),
                "compare it with something: name() == 'example.org.'",
            )),
        }
    }

    /// What it gives.
    #[must_use]
    pub fn gives(&self) -> Type {
        self.gives
    }

    /// Evaluates it.
    ///
    /// # Errors
    ///
    /// What cannot be known before: a text that is no address or number, a division by zero, a
    /// number that is too large, more steps or a longer text than an expression may take.
    pub fn evaluate<'v>(&'v self, environment: &'v dyn Environment) -> Result<Value<'v>, Failure> {
        evaluate::evaluate(&self.root, environment)
    }

    /// Whether it holds; what is no condition does not.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate).
    pub fn holds(&self, environment: &dyn Environment) -> Result<bool, Failure> {
        Ok(self.evaluate(environment)? == Value::Boolean(true))
    }
}
