//! Names as people write them (presentation format, RFC 1035 §5.1, RFC 4343 §2.1).

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::{MAX_LABEL, MAX_NAME, Name};

/// Why a name was not accepted. Positions are byte offsets into the text that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is no text; the root is written `.`.
    Empty,
    /// Two dots without a label between them, or a dot at the start.
    EmptyLabel {
        /// Where the label would have begun.
        position: usize,
    },
    /// A label of more than 63 octets.
    LabelTooLong {
        /// Where the label begins.
        position: usize,
        /// The label as it was written.
        label: String,
        /// Its length in octets.
        length: usize,
    },
    /// A name of more than 255 octets in wire form.
    TooLong {
        /// Its length in octets in wire form.
        length: usize,
    },
    /// A backslash with neither a character nor three digits from 000 to 255 after it.
    BadEscape {
        /// Where the backslash stands.
        position: usize,
    },
    /// A blank, a control character, or a letter outside ASCII.
    BadCharacter {
        /// Where it stands.
        position: usize,
        /// The character.
        character: char,
    },
    /// Bytes that are not one uncompressed name in wire form.
    BadWire,
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the name is empty; write the root as \".\""),
            Self::EmptyLabel { position } => write!(
                formatter,
                "empty label at byte {position}: put something between the dots or remove one"
            ),
            Self::LabelTooLong { label, length, .. } => write!(
                formatter,
                "label \"{label}\" has {length} octets; a label has at most {MAX_LABEL}"
            ),
            Self::TooLong { length } => write!(
                formatter,
                "the name has {length} octets in wire form; a name has at most {MAX_NAME}"
            ),
            Self::BadEscape { position } => write!(
                formatter,
                "bad escape at byte {position}: after a backslash comes a character, \
                 or three digits from 000 to 255"
            ),
            Self::BadCharacter {
                position,
                character,
            } if character.is_ascii() => write!(
                formatter,
                "character {character:?} at byte {position} cannot stand in a name; \
                 escape it as \\{:03} if it is meant",
                u32::from(*character)
            ),
            Self::BadCharacter {
                position,
                character,
            } => write!(
                formatter,
                "character {character:?} at byte {position} is not ASCII; \
                 write international names in their xn-- form"
            ),
            Self::BadWire => formatter.write_str(
                "the bytes are not one name in wire form: labels of at most 63 octets, at most \
                 255 in all, no compression",
            ),
        }
    }
}

impl Error for NameError {}

impl Name {
    /// Reads a name in presentation format.
    ///
    /// `\.` and the like take a character as it is, `\DDD` is an octet in decimal. The name is
    /// absolute with or without its trailing dot, and is made lower case.
    ///
    /// # Errors
    ///
    /// A [`NameError`] that says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_relative(text, &Self::root())
    }

    /// Reads a name as zone files have it: without a trailing dot, `origin` follows it
    /// (RFC 1035 §5.1).
    ///
    /// # Errors
    ///
    /// A [`NameError`] that says what is wrong and where; [`NameError::TooLong`] also where only
    /// `origin` makes it so.
    pub fn parse_relative(text: &str, origin: &Name) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text == "." {
            return Ok(Self::root());
        }
        let mut labels = LabelWriter::new(text, origin.as_wire());
        let mut characters = text.char_indices();
        while let Some((position, character)) = characters.next() {
            match character {
                '.' => labels.end(position)?,
                '\\' => {
                    let (octet, length) = unescape(text.get(position + 1..).unwrap_or_default())
                        .ok_or(NameError::BadEscape { position })?;
                    labels.push(octet);
                    // One step less than the escape is long, since `nth` counts from zero.
                    characters.nth(length - 1);
                }
                '!'..='~' => labels.push(character as u8),
                _ => {
                    return Err(NameError::BadCharacter {
                        position,
                        character,
                    });
                }
            }
        }
        labels.finish()
    }
}

/// Reads what follows a backslash: the octet that it means and the number of characters it takes.
fn unescape(rest: &str) -> Option<(u8, usize)> {
    let mut characters = rest.chars();
    match characters.next()? {
        '0'..='9' => {
            let digits = rest.get(..3)?;
            let all_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
            all_digits
                .then(|| digits.parse().ok())
                .flatten()
                .map(|octet| (octet, 3))
        }
        character @ '!'..='~' => Some((character as u8, 1)),
        _ => None,
    }
}

/// Gathers labels into wire form and holds them to their limits.
struct LabelWriter<'t> {
    text: &'t str,
    /// What follows a name without a trailing dot, in wire form.
    origin: &'t [u8],
    wire: Vec<u8>,
    /// Where the length octet of the current label stands in `wire`.
    label: usize,
    /// Where the current label begins in `text`.
    start: usize,
}

impl<'t> LabelWriter<'t> {
    fn new(text: &'t str, origin: &'t [u8]) -> Self {
        // Without escapes this is exact, so the name need not be copied once more.
        let mut wire = Vec::with_capacity(1 + text.len() + origin.len());
        wire.push(0);
        Self {
            text,
            origin,
            wire,
            label: 0,
            start: 0,
        }
    }

    fn push(&mut self, octet: u8) {
        self.wire.push(octet.to_ascii_lowercase());
    }

    /// Ends the current label at `position` in the text and begins the next after the dot.
    fn end(&mut self, position: usize) -> Result<(), NameError> {
        let length = self.wire.len() - self.label - 1;
        if length == 0 {
            return Err(NameError::EmptyLabel {
                position: self.start,
            });
        }
        if length > MAX_LABEL {
            return Err(NameError::LabelTooLong {
                position: self.start,
                label: self
                    .text
                    .get(self.start..position)
                    .unwrap_or_default()
                    .to_owned(),
                length,
            });
        }
        if let Some(octet) = self.wire.get_mut(self.label) {
            *octet = length as u8;
        }
        self.label = self.wire.len();
        self.wire.push(0);
        self.start = position + 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Name, NameError> {
        if self.wire.len() > self.label + 1 {
            self.end(self.text.len())?;
            self.wire.pop();
            self.wire.extend_from_slice(self.origin);
        }
        match self.wire.len() {
            0..=MAX_NAME => Ok(Name::from_checked(self.wire)),
            length => Err(NameError::TooLong { length }),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// Shows the name in presentation format with its trailing dot. What a zone file would read
/// otherwise is escaped, so that [`Name::parse`] gives the same name again.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.labels(), formatter)
    }
}

/// Writes a name's labels in presentation format, each with a dot behind it.
pub(super) fn show<'l>(
    labels: impl Iterator<Item = &'l [u8]>,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    let mut root = true;
    for label in labels {
        root = false;
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    write!(out, "\\{}", char::from(octet))?;
                }
                b'!'..=b'~' => out.write_char(char::from(octet))?,
                _ => write!(out, "\\{octet:03}")?,
            }
        }
        out.write_char('.')?;
    }
    if root {
        out.write_char('.')?;
    }
    Ok(())
}

/// Shows the name as [`Display`](fmt::Display) does.
impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_absolute_and_lower_case() {
        let name = Name::parse("Worker4.TF.local").unwrap();
        assert_eq!(name.as_wire(), b"\x07worker4\x02tf\x05local\0");
        assert_eq!(name, Name::parse("worker4.tf.local.").unwrap());
        assert_eq!(Name::parse(".").unwrap(), Name::root());
    }

    #[test]
    fn an_origin_follows_names_without_a_trailing_dot() {
        let origin = Name::parse("Example").unwrap();
        let read = |text: &str| Name::parse_relative(text, &origin).map(|name| name.to_string());
        assert_eq!(read("A.b").unwrap(), "a.b.example.");
        assert_eq!(read("a.").unwrap(), "a.");
        assert_eq!(read(".").unwrap(), ".");
        assert_eq!(read(r"a\.").unwrap(), r"a\..example.");
        assert_eq!(read(r"a\046").unwrap(), r"a\..example.");
        assert_eq!(read(r"a\\.").unwrap(), r"a\\.");
        assert_eq!(read(""), Err(NameError::Empty));
        let longest = "a.".repeat(127);
        assert!(read(&longest).is_ok());
        let relative = longest.trim_end_matches('.');
        assert_eq!(read(relative), Err(NameError::TooLong { length: 263 }));
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(Name::parse(r"a\.b.c").unwrap().as_wire(), b"\x03a.b\x01c\0");
        assert_eq!(
            Name::parse(r"\065\\\000.").unwrap().as_wire(),
            b"\x03a\\\0\0"
        );
        for bad in [r"a\", r"a\1", r"a\12", r"a\256", r"a\1a2", r"a\é"] {
            assert_eq!(
                Name::parse(bad),
                Err(NameError::BadEscape { position: 1 }),
                "{bad}"
            );
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        use NameError::{BadCharacter, Empty, EmptyLabel, LabelTooLong, TooLong};
        assert_eq!(Name::parse(""), Err(Empty));
        assert_eq!(Name::parse(".a"), Err(EmptyLabel { position: 0 }));
        assert_eq!(Name::parse("a..b"), Err(EmptyLabel { position: 2 }));
        assert_eq!(Name::parse(".."), Err(EmptyLabel { position: 0 }));
        assert_eq!(
            Name::parse("a b"),
            Err(BadCharacter {
                position: 1,
                character: ' '
            })
        );
        assert_eq!(
            Name::parse("é"),
            Err(BadCharacter {
                position: 0,
                character: 'é'
            })
        );
        let label = "a".repeat(64);
        assert_eq!(
            Name::parse(&format!("b.{label}.c")),
            Err(LabelTooLong {
                position: 2,
                label,
                length: 64
            })
        );
        assert_eq!(Name::parse(&"a.".repeat(127)).unwrap().as_wire().len(), 255);
        assert_eq!(Name::parse(&"a.".repeat(128)), Err(TooLong { length: 257 }));
    }

    #[test]
    fn errors_are_one_line_that_says_what_to_do() {
        let message = Name::parse("a b").unwrap_err().to_string();
        assert_eq!(
            message,
            r"character ' ' at byte 1 cannot stand in a name; escape it as \032 if it is meant"
        );
    }

    proptest! {
        // A name shown in a log or an API must be the same name when it is pasted back.
        #[test]
        fn what_is_shown_reads_back(labels in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 1..=30), 0..8))
        {
            let mut name = Name::root();
            for label in &labels {
                name = name.prepend(label).unwrap();
            }
            prop_assert_eq!(Name::parse(&name.to_string()), Ok(name));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::from_wire(name.as_wire()), Ok(name));
            }
        }
    }
}
