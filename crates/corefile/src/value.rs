//! Words that stand for values: numbers, durations, one of a few names.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{duration, shown};
use crate::secret::{MASK, masked, user_of_url};
use crate::{Diagnostic, Span, Token, nearest};

/// Longer words are cut in messages, in characters.
const SHOWN_CHARACTERS: usize = 60;

impl Token {
    /// The word for use in a message: in backticks, control characters escaped, cut if it is long. A
    /// secret is not shown, nor are user and password of a URL.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.secret {
            true => format!("`{MASK}`"),
            false => format!("`{}`", shortened(&self.text)),
        }
    }

    /// Where the bytes `offset..offset + length` of the word's text stand in the file: the whole
    /// word where its text is not what stands there, because of variables or escapes.
    #[must_use]
    pub fn part(&self, offset: usize, length: usize) -> Span {
        let quote = usize::from(self.quoted);
        let written = (self.span.end - self.span.start) as usize;
        if written != self.text.len() + 2 * quote {
            return self.span;
        }
        let place = |at: usize| self.span.start + (quote + at.min(self.text.len())) as u32;
        let (start, end) = (place(offset), place(offset.saturating_add(length)));
        match start < end {
            true => Span {
                start,
                end,
                ..self.span
            },
            false => self.span,
        }
    }

    /// The word as a whole decimal number within `range`.
    ///
    /// # Errors
    /// It is no number, or outside the range, which the message names.
    pub fn integer<T>(&self, range: RangeInclusive<T>) -> Result<T, Diagnostic>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let (low, high) = (*range.start(), *range.end());
        let digits = self.text.strip_prefix(['-', '+']).unwrap_or(&self.text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match self.text.parse() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => {
                let what = if is_number {
                    "is out of range"
                } else {
                    "is not a whole number"
                };
                Err(
                    Diagnostic::error(self.span, format!("{} {what}", self.shown()))
                        .label(format!("expected a whole number from {low} to {high}")),
                )
            }
        }
    }

    /// The word as a duration in Go's syntax (see [`duration`](crate::duration())) within `range`.
    ///
    /// # Errors
    /// It is no duration, or outside the range, which the message names. A number without a unit gets a
    /// hint.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, Diagnostic> {
        let value = duration(&self.text);
        if let Some(value) = value
            && range.contains(&value)
        {
            return Ok(value);
        }
        let accepted = if *range.end() == Duration::MAX {
            format!("of at least {}", shown(*range.start()))
        } else {
            format!("from {} to {}", shown(*range.start()), shown(*range.end()))
        };
        let what = if value.is_some() {
            "is out of range"
        } else {
            "is not a duration"
        };
        let error = Diagnostic::error(self.span, format!("{} {what}", self.shown()))
            .label(format!("expected a duration {accepted}"));
        Err(match value {
            Some(_) => error,
            None if self.text.parse::<u64>().is_ok() => {
                error.help(format!("a duration needs a unit: `{}s`", self.text))
            }
            None => error.help("durations look like `300ms`, `1.5s` or `1h30m`"),
        })
    }

    /// The value that belongs to the word among `accepted`. `what` says what the word is: "policy".
    ///
    /// ```
    /// # fn main() -> Result<(), corefile::Diagnostic> {
    /// # let mut sources = corefile::Sources::new();
    /// # let text = ".\nlocal on";
    /// # let file = corefile::parse(&mut sources, "", "".as_ref(), text, &corefile::ProcessEnvironment);
    /// # let token = file.unwrap().blocks[0].directives[0].arguments[0].clone();
    /// let on = token.one_of("setting", &[("on", true), ("off", false)])?;
    /// # assert!(on);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It is none of them, as [`Token::unknown`].
    pub fn one_of<T: Copy>(&self, what: &str, accepted: &[(&str, T)]) -> Result<T, Diagnostic> {
        match accepted.iter().find(|(name, _)| *name == self.text) {
            Some((_, value)) => Ok(*value),
            None => {
                let names: Vec<&str> = accepted.iter().map(|(name, _)| *name).collect();
                Err(self.unknown(what, &names))
            }
        }
    }

    /// The error that the word is none of `accepted`, with the nearest of them and a list of all.
    /// `what` says what the word is: "directive", "option", "policy".
    #[must_use]
    pub fn unknown(&self, what: &str, accepted: &[&str]) -> Diagnostic {
        // What is like a secret tells something of it.
        let candidates = accepted.iter().copied().filter(|_| !self.secret);
        let label = match nearest(&self.text, candidates) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("no such {what}"),
        };
        let error =
            Diagnostic::error(self.span, format!("unknown {what} {}", self.shown())).label(label);
        if accepted.is_empty() {
            error
        } else {
            error.help(format!("accepted here: {}", accepted.join(", ")))
        }
    }
}

/// `text` for use in a message: control characters escaped, cut if it is long, without user and password
/// of a URL.
pub(crate) fn shortened(text: &str) -> String {
    let without_user = user_of_url(text).map(|user| masked(text, &[user]));
    let text = without_user.as_deref().unwrap_or(text);
    let escape = |character: char| {
        let escaped = character.is_control().then(|| character.escape_default());
        let itself = (!character.is_control()).then_some(character);
        escaped.into_iter().flatten().chain(itself)
    };
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .flat_map(escape)
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}
