//! Why an expression is refused, and why it has no value.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Something in an expression that is outside the subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where it begins, in bytes from the start of the text.
    pub offset: usize,
    /// How many bytes it takes; 0 where something is missing at the end of the text.
    pub length: usize,
    /// What is wrong, one line.
    pub message: String,
    /// What would be right, one line.
    pub help: String,
    /// The word that nobody knows, where that is what is wrong.
    pub unknown: Option<UnknownWord>,
}

/// A word that means nothing, and those that would: enough to suggest what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What may stand in its place.
    pub candidates: Vec<String>,
}

impl ExpressionError {
    pub(crate) fn new(
        place: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            offset: place.start,
            length: place.len(),
            message: message.into(),
            help: help.into(),
            unknown: None,
        }
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            message,
            help,
            ..
        } = self;
        write!(formatter, "{message} at byte {offset}: {help}")
    }
}

impl Error for ExpressionError {}

/// Why an expression has no value: one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub(crate) &'static str);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Error for Failure {}
