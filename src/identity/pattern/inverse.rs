//! From names to numbers. Runs for queries: nothing here allocates.

use answer::{LookupName, MAX_NAME};

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

    /// The slot whose name is `name`, or is above it.
    #[must_use]
    pub fn slot_at_or_above(&self, name: &LookupName) -> Option<Slot> {
        let from = name.label_count().checked_sub(self.labels)?;
        self.slot_above(name, from)
    }

    /// Whether the pool answers for `name`: the name of a slot, the list name, and what lies below
    /// one of these.
    #[must_use]
    pub fn owns(&self, name: &LookupName) -> bool {
        let above = |labels| name.label_count().checked_sub(labels);
        above(self.list_labels).is_some_and(|from| name.suffix(from) == self.list_name.as_wire())
            || self.slot_at_or_above(name).is_some()
    }

    /// The slot whose name is `name` without its first `from` labels.
    pub(super) fn slot_above(&self, name: &LookupName, from: usize) -> Option<Slot> {
        let mut buffer = [0; MAX_NAME];
        let mut written = 0;
        for index in from..name.label_count() {
            let label = name.label(index);
            // A dot inside a label is not the dot between two.
            if label.contains(&b'.') {
                return None;
            }
            let end = written + label.len();
            buffer.get_mut(written..end)?.copy_from_slice(label);
            *buffer.get_mut(end)? = b'.';
            written = end + 1;
        }
        self.slot_of(buffer.get(..written)?)
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
