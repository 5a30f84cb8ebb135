//! Why a template is refused.

use std::fmt;

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
    pub help: Option<String>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at byte {}", self.message, self.offset)?;
        self.help
            .as_ref()
            .map_or(Ok(()), |help| write!(formatter, ": {help}"))
    }
}

impl std::error::Error for TemplateError {}

/// The candidate that `word` was most likely meant to be, where one is near enough.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Comparing takes the product of both lengths: no field is this long.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    candidates
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_ascii_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| distance * 2 < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
