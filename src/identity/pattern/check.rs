//! Whether a pattern makes host names.

use std::ops::Range;

use answer::{MAX_LABEL, MAX_NAME};
use template::{Content, Part};

use super::derive::Label;
use super::{PatternError, Source};
use crate::store::Slot;

/// The length of the longest name that is looked at; whatever is longer is too long.
const LONGEST: usize = 4096;

/// A name of a slot, each byte with its place in the pattern's text.
type Rendered = Vec<(u8, Range<usize>)>;

impl Source {
    /// Checks that there is a number in the pattern.
    pub(super) fn check_number(&self) -> Result<(), PatternError> {
        if self.template.parts().iter().any(is_number) {
            return Ok(());
        }
        Err(self.error_of_all(
            "this pattern has no number: all nodes would have the same name".into(),
            "write {{.ID}} where the number belongs: worker{{.ID}}.cluster.internal.",
        ))
    }

    /// Checks that the last label has no number: there must be a domain for the pool to live in.
    pub(super) fn check_domain(&self, labels: &[Label]) -> Result<(), PatternError> {
        if labels.last().is_some_and(|label| label.len() == 1) {
            return Ok(());
        }
        let mut parts = self.template.parts().iter().rev();
        let place = parts
            .find(|part| is_number(part))
            .map_or(0..self.length, place_of);
        Err(PatternError::new(
            place,
            "the number is in the last label: the names belong to no domain",
            "put a domain behind it: worker{{.ID}}.cluster.internal.",
        ))
    }

    /// Checks that the name of `slot` is a host name.
    pub(super) fn check_slot(&self, slot: Slot) -> Result<(), PatternError> {
        let mut rendered = self.rendered(slot)?;
        if !matches!(rendered.last(), Some((b'.', _))) {
            rendered.push((b'.', self.length..self.length));
        }
        // A label takes its length octet in the place of its dot; the root takes one more.
        let length = rendered.len() + 1;
        for label in rendered.split_inclusive(|(byte, _)| *byte == b'.') {
            if let [label @ .., dot] = label {
                self.check_label(label, &dot.1, slot)?;
            }
        }
        if length > MAX_NAME {
            return Err(self.too_long(slot));
        }
        Ok(())
    }

    fn check_label(
        &self,
        label: &[(u8, Range<usize>)],
        dot: &Range<usize>,
        slot: Slot,
    ) -> Result<(), PatternError> {
        let (Some((first, begin)), Some((last, end))) = (label.first(), label.last()) else {
            return Err(PatternError::new(
                dot.clone(),
                "this label is empty",
                "between two dots, and before the first, stands at least one character",
            ));
        };
        if label.len() > MAX_LABEL {
            return Err(PatternError::new(
                begin.start..end.end,
                format!("this label has {} characters in slot {slot}", label.len()),
                "a label of a name has at most 63",
            ));
        }
        for (byte, place) in [(first, begin), (last, end)] {
            if *byte == b'-' {
                return Err(PatternError::new(
                    place.clone(),
                    "this label begins or ends with a '-'",
                    "a label begins and ends with a letter, a digit or '_'",
                ));
            }
        }
        Ok(())
    }

    /// The name of `slot`, byte by byte, all of them allowed ones.
    fn rendered(&self, slot: Slot) -> Result<Rendered, PatternError> {
        let mut rendered = Rendered::new();
        for part in self.template.parts() {
            let place = place_of(part);
            let text = match &part.content {
                Content::Text(text) => text.clone(),
                Content::Field { name, padding } => {
                    if padding.width > 1 && (!padding.zeros || name == "Pool") {
                        return Err(PatternError::new(
                            place,
                            "this width fills names up with spaces",
                            "numbers are filled up with zeros: {{printf \"%03d\" .ID}}",
                        ));
                    }
                    let width = usize::from(padding.width);
                    match name.as_str() {
                        "Pool" => self.pool.clone(),
                        _ => format!("{slot:0width$}"),
                    }
                }
            };
            // Text that was copied has its bytes where they are; what an action yields has the
            // place of the action, which is longer than its text.
            let copied = matches!(&part.content, Content::Text(text) if text.len() == part.length);
            for (at, character) in text.char_indices() {
                let place = match copied {
                    true => part.offset + at..part.offset + at + character.len_utf8(),
                    false => place.clone(),
                };
                match u8::try_from(character) {
                    Ok(byte) if is_allowed(byte) => rendered.push((byte, place)),
                    _ => return Err(self.bad_character(part, place, character)),
                }
            }
            if rendered.len() > LONGEST {
                return Err(self.too_long(slot));
            }
        }
        Ok(rendered)
    }

    /// The largest slot that has a name; slot 1 must have one.
    pub(super) fn largest(&self) -> Slot {
        let mut largest = 9;
        while largest < Slot::MAX {
            // One more digit: a name is never longer for a smaller number.
            let next = largest.saturating_mul(10).saturating_add(9);
            if self.check_slot(next).is_err() {
                break;
            }
            largest = next;
        }
        largest
    }

    /// An error of the whole pattern.
    pub(super) fn error_of_all(&self, message: String, help: &str) -> PatternError {
        PatternError::new(0..self.length, message, help)
    }

    fn too_long(&self, slot: Slot) -> PatternError {
        self.error_of_all(
            format!("the name of slot {slot} is too long"),
            "a name has at most 255 octets, and every label of it takes one more",
        )
    }

    fn bad_character(&self, part: &Part, place: Range<usize>, character: char) -> PatternError {
        let message = match &part.content {
            Content::Field { .. } => format!(
                "the pool's name {:?} has a {character:?}, which no host name may have",
                self.pool
            ),
            Content::Text(_) => format!("no host name may have a {character:?}"),
        };
        let help = match character {
            '*' | '%' => "the number is written {{.ID}}; else letters, digits, '-', '_' and dots",
            _ => "letters, digits, '-', '_' and dots are allowed",
        };
        PatternError::new(place, message, help)
    }
}

fn place_of(part: &Part) -> Range<usize> {
    part.offset..part.offset + part.length
}

fn is_number(part: &Part) -> bool {
    matches!(&part.content, Content::Field { name, .. } if name == "ID")
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
