//! Why a template is refused.

use std::fmt;
use std::ops::Range;

/// Something in a template that is outside the subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
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

/// A word that means nothing in a template, and those that would: enough to suggest what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The word as it was written, a field with its dot.
    pub word: String,
    /// What may stand in its place, written the same way.
    pub candidates: Vec<String>,
}

impl TemplateError {
    /// An error about the bytes at `place`. `message` says what is wrong and `help` what would be
    /// right, each in one line.
    #[must_use]
    pub fn new(place: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            offset: place.start,
            length: place.len(),
            message: message.into(),
            help: help.into(),
            unknown: None,
        }
    }

    /// Adds that the cause is a word of which nobody knows the meaning.
    pub(crate) fn unknown(mut self, word: String, candidates: Vec<String>) -> Self {
        self.unknown = Some(UnknownWord { word, candidates });
        self
    }
}

impl fmt::Display for TemplateError {
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

impl std::error::Error for TemplateError {}
