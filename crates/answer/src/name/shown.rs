//! A name as text, on the stack.

use std::fmt::{self, Write};

use super::{LookupName, MAX_NAME, Name};

/// An octet is shown as four characters at most: `\000`.
const LONGEST: usize = 4 * MAX_NAME;

/// A domain name in presentation format, absolute and in lower case, made without allocation: what
/// regular expressions and conditions look at.
#[derive(Clone)]
pub struct NameText {
    bytes: [u8; LONGEST],
    length: usize,
}

impl NameText {
    /// The text, with its trailing dot.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        // Only ASCII is ever written.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn of(write: impl FnOnce(&mut Self) -> fmt::Result) -> Self {
        let mut text = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        // There is room for every name.
        let _ = write(&mut text);
        text
    }
}

impl Write for NameText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl From<&LookupName> for NameText {
    fn from(name: &LookupName) -> Self {
        let labels = (0..name.label_count()).map(|index| name.label(index));
        Self::of(|text| super::text::show(labels, text))
    }
}

impl From<&Name> for NameText {
    fn from(name: &Name) -> Self {
        Self::of(|text| write!(text, "{name}"))
    }
}

impl fmt::Debug for NameText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a rule for a name does not see the name that a log shows, or the longest
    /// names are cut.
    #[test]
    fn the_text_is_what_is_displayed() {
        let worst = [&[3, 0, 0, 0].repeat(63)[..], &[1, b'.', 0]].concat();
        assert_eq!(worst.len(), 255);
        let names = [
            Name::root(),
            Name::parse("Worker4.TF.local").unwrap(),
            Name::parse(r"a\.b.\000.\(.c").unwrap(),
            Name::from_wire(&worst).unwrap(),
        ];
        for name in names {
            let looked_up = LookupName::from(&name);
            assert_eq!(NameText::from(&looked_up).as_str(), name.to_string());
            assert_eq!(NameText::from(&name).as_str(), name.to_string());
        }
    }
}
