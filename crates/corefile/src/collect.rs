//! Several mistakes: a file is read to its end, and all of them are shown at once.

use crate::limits::MAX_DIAGNOSTICS;
use crate::{Diagnostic, Severity};

/// Collects diagnostics while a configuration is read.
///
/// It keeps the first hundred and counts the rest. One that is already there, as when a snippet is
/// imported twice, is not repeated.
///
/// ```
/// use corefile::{Diagnostic, Diagnostics};
///
/// let mut diagnostics = Diagnostics::new();
/// let ttl = diagnostics.keep(Ok(30)).unwrap_or_default();
/// let size: Option<u16> = diagnostics.keep(Err(Diagnostic::error(None, "no size")));
/// assert_eq!((ttl, size), (30, None));
/// assert!(diagnostics.into_result(ttl).is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    hidden: usize,
    errors: bool,
}

impl Diagnostics {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.errors |= diagnostic.severity == Severity::Error;
        if self.kept.len() == MAX_DIAGNOSTICS {
            self.hidden += 1;
        } else if !self.kept.contains(&diagnostic) {
            self.kept.push(diagnostic);
        }
    }

    /// The value, or `None` after adding the error.
    pub fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.push(diagnostic)).ok()
    }

    /// Whether there is an error among them.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors
    }

    /// All that was kept, in the order in which it was added; if some was not, the last one says so.
    #[must_use]
    pub fn into_vec(self) -> Vec<Diagnostic> {
        let mut all = self.kept;
        if self.hidden > 0 {
            let severity = if self.errors {
                Severity::Error
            } else {
                Severity::Warning
            };
            let message = format!("and {} more", self.hidden);
            all.push(Diagnostic {
                severity,
                ..Diagnostic::error(None, message)
            });
        }
        all
    }

    /// `value` with the warnings if there is no error.
    ///
    /// # Errors
    /// Everything that was collected, warnings included, if there is an error.
    pub fn into_result<T>(self, value: T) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.errors {
            Err(self.into_vec())
        } else {
            Ok((value, self.into_vec()))
        }
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_errors_ends_with_their_number() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.extend((0..250).map(|n| Diagnostic::error(None, n.to_string())));
        let all = diagnostics.into_vec();
        assert_eq!(all.len(), 101);
        assert_eq!(all[100].message, "and 150 more");
    }

    #[test]
    fn the_same_error_is_shown_once() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.extend([Diagnostic::error(None, "a"), Diagnostic::error(None, "a")]);
        assert_eq!(diagnostics.into_vec().len(), 1);
    }

    #[test]
    fn warnings_alone_do_not_fail() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.push(Diagnostic::warning(None, "odd"));
        assert_eq!(
            diagnostics
                .into_result(1)
                .map(|(value, warnings)| (value, warnings.len())),
            Ok((1, 1))
        );
    }
}
