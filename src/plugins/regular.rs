//! Regular expressions that a Corefile has.

use corefile::{Diagnostic, Token};
use regex::Regex;

/// Longer expressions are refused, as CoreDNS does, in octets.
const LONGEST: usize = 10_000;

/// The regular expression that a word is. Its syntax is nearly that of Go; it takes time in
/// proportion to the text that is looked at, whatever it is.
///
/// # Errors
///
/// It is none, or too large.
pub(super) fn expression(word: &Token) -> Result<Regex, Diagnostic> {
    let wrong = |label: String| {
        let message = format!("{} is no regular expression", word.shown());
        Err(Diagnostic::error(word.span, message).label(label))
    };
    if word.text.len() > LONGEST {
        return wrong(format!("it has more than {LONGEST} octets"));
    }
    Regex::new(&word.text).or_else(|error| wrong(reason(&error)))
}

/// Why an expression is none, in one line: the last one of a picture.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
