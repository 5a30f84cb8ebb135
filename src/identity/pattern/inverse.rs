//! From names to numbers. Runs for queries: nothing here allocates.

use answer::{MAX_LABEL, MAX_NAME};

use super::{Pattern, Piece};
use crate::store::Slot;

/// The digits of the largest slot.
const MAX_DIGITS: usize = Slot::MAX.ilog10() as usize + 1;

impl Pattern {
    /// The slot whose name is `name`, in lower case and with the dot at its end.
    ///
    /// The exact inverse of [`Pattern::text`], whatever the pool's limit: a number with zeros
    /// before it that the pattern does not have is no slot, nor is 0, nor one whose name would be
    /// too long.
    #[must_use]
    pub fn slot_of_text(&self, name: &str) -> Option<Slot> {
        self.slot_of(name.as_bytes())
    }

    /// The slot whose name is `wire`, a lower-case name in uncompressed wire form.
    ///
    /// [`None`] also for bytes that are no name.
    #[must_use]
    pub fn slot_of_wire(&self, wire: &[u8]) -> Option<Slot> {
        let mut buffer = [0; MAX_NAME];
        let mut rest = wire;
        let mut written = 0;
        loop {
            let (label, after) = split_label(rest)?;
            if label.is_empty() {
                return match after {
                    [] => self.slot_of(buffer.get(..written)?),
                    _ => None,
                };
            }
            // A dot inside a label is not the dot between two.
            if label.contains(&b'.') {
                return None;
            }
            let end = written + label.len();
            buffer.get_mut(written..end)?.copy_from_slice(label);
            *buffer.get_mut(end)? = b'.';
            written = end + 1;
            rest = after;
        }
    }

    /// Whether the pool answers for `wire`, a lower-case name in uncompressed wire form: the name
    /// of a slot, the list name, and what lies below one of these.
    #[must_use]
    pub fn owns_wire(&self, wire: &[u8]) -> bool {
        let Some(labels) = count_labels(wire) else {
            return false;
        };
        let last = |count: usize| last_labels(wire, labels, count);
        last(self.list_labels).is_some_and(|suffix| suffix == self.list_name.as_wire())
            || last(self.labels).is_some_and(|suffix| self.slot_of_wire(suffix).is_some())
    }

    fn slot_of(&self, name: &[u8]) -> Option<Slot> {
        let prefix = self.literal_prefix().as_bytes();
        let rest = name.strip_prefix(prefix)?;
        let width = self.pieces.iter().find_map(|piece| match piece {
            Piece::Number { width } => Some(usize::from(*width)),
            Piece::Text(_) => None,
        })?;
        // How many digits the first number has is not known where digits follow it; a longer
        // number makes a longer name, so that at most one fits.
        (width..=width.max(MAX_DIGITS))
            .map_while(|digits| number(rest.get(..digits)?))
            .filter(|slot| (1..=u64::from(self.largest)).contains(slot))
            .filter_map(|slot| Slot::try_from(slot).ok())
            .find(|slot| self.is_name_of(name, *slot))
    }

    /// Whether `name` is what the pattern renders for `slot`.
    fn is_name_of(&self, name: &[u8], slot: Slot) -> bool {
        let rest = self
            .pieces
            .iter()
            .try_fold(name, |rest, piece| match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_bytes()),
                Piece::Number { width } => {
                    let digits = usize::from(*width).max(slot.ilog10() as usize + 1);
                    let (field, rest) = rest.split_at_checked(digits)?;
                    (number(field) == Some(u64::from(slot))).then_some(rest)
                }
            });
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// The number that `digits` are in decimal; [`None`] where they are none, or the number is huge.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The first label of a name in wire form, without its length octet, and what follows it.
fn split_label(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = wire.split_first()?;
    let length = usize::from(length);
    (length <= MAX_LABEL).then(|| rest.split_at_checked(length))?
}

/// The labels of a name in wire form, the root's not counted.
fn count_labels(mut wire: &[u8]) -> Option<usize> {
    let mut labels = 0;
    loop {
        let (label, rest) = split_label(wire)?;
        if label.is_empty() {
            return Some(labels);
        }
        labels += 1;
        wire = rest;
    }
}

/// The last `count` of the `labels` of a name in wire form, with the root.
fn last_labels(wire: &[u8], labels: usize, count: usize) -> Option<&[u8]> {
    (0..labels.checked_sub(count)?).try_fold(wire, |wire, _| Some(split_label(wire)?.1))
}
