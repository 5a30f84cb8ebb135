//! The formats of `printf`.

use crate::Kind;

/// The largest width that a verb may ask for: the length of the longest domain name.
const WIDTH_LIMIT: u8 = 255;

/// How a value is widened to a number of characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// The least number of characters; 0 and 1 change nothing.
    pub width: u8,
    /// Zeros before the value (`%03d`). Otherwise it is spaces, before it or after it.
    pub zeros: bool,
}

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text between the verbs, `%%` among it as `%`.
    Text(&'a str),
    /// A verb: takes the next argument.
    Verb { verb: Verb, padding: Padding },
}

/// What a verb takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Number,
    Text,
    Any,
}

impl Verb {
    pub(crate) fn fits(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Any, _) | (Self::Number, Kind::Number) | (Self::Text, Kind::Text)
        )
    }

    pub(crate) fn for_kind(kind: Kind) -> &'static str {
        match kind {
            Kind::Number => "%d",
            Kind::Text => "%s",
        }
    }
}

/// Splits a format into texts and verbs.
///
/// # Errors
///
/// One line that names the verb that is not accepted.
pub(crate) fn pieces(format: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        if percent > 0 {
            pieces.push(Piece::Text(&rest[..percent]));
        }
        let after = &rest[percent + 1..];
        let (piece, remaining) = match after.strip_prefix('%') {
            Some(remaining) => (Piece::Text("%"), remaining),
            None => verb(after)?,
        };
        pieces.push(piece);
        rest = remaining;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// Reads flags, width and verb: what follows a `%`.
fn verb(text: &str) -> Result<(Piece<'_>, &str), String> {
    let flags = text.trim_start_matches(['0', '-']);
    let flag = |flag| text[..text.len() - flags.len()].contains(flag);
    let after = flags.trim_start_matches(|character: char| character.is_ascii_digit());
    let digits = &flags[..flags.len() - after.len()];
    let width = match digits {
        "" => 0,
        digits => digits
            .parse()
            .map_err(|_| format!("the width {digits} is more than {WIDTH_LIMIT}"))?,
    };
    let mut characters = after.chars();
    let verb = match characters.next() {
        Some('d') => Verb::Number,
        Some('s') => Verb::Text,
        Some('v') => Verb::Any,
        Some(other) => {
            let shown = &text[..text.len() - characters.as_str().len()];
            return Err(format!(
                "%{shown} is not supported: {other:?} is no verb here"
            ));
        }
        None => return Err(format!("%{text} has no verb")),
    };
    let padding = Padding {
        width,
        zeros: flag('0') && !flag('-'),
    };
    Ok((Piece::Verb { verb, padding }, characters.as_str()))
}
