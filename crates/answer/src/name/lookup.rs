//! The name that a look-up takes: on the stack, lower case, with the places of its labels.

use std::cmp::Ordering;
use std::fmt;

use super::Name;
use crate::wire::{MAX_NAME, is_wildcard, name_length};

/// A name can have 127 labels, and the root.
const MAX_LABELS: usize = 128;

/// A domain name in lower case with the offset of each label, held without allocation.
///
/// It is made once per query from the question, and gives the name and everything above it as
/// slices in wire form: what a search for zones, cuts and wildcards walks along.
#[derive(Clone)]
pub struct LookupName {
    wire: [u8; MAX_NAME],
    length: u8,
    /// Where each label begins, the root's last.
    offsets: [u8; MAX_LABELS],
    labels: u8,
}

impl LookupName {
    /// Takes a name in uncompressed wire form, in any case; `None` unless `wire` is exactly one
    /// such name (RFC 1035 §3.1).
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        if name_length(wire)? != wire.len() {
            return None;
        }
        Self::from_checked(wire)
    }

    /// Takes a name whose form has been checked before.
    pub(crate) fn from_checked(wire: &[u8]) -> Option<Self> {
        let mut name = Self {
            wire: [0; MAX_NAME],
            length: u8::try_from(wire.len()).ok()?,
            offsets: [0; MAX_LABELS],
            labels: 0,
        };
        let copy = name.wire.get_mut(..wire.len())?;
        copy.copy_from_slice(wire);
        // Length octets are at most 63 and so below 'A': lower-casing passes them by.
        copy.make_ascii_lowercase();
        let mut position = 0;
        loop {
            *name.offsets.get_mut(usize::from(name.labels))? = position as u8;
            match *wire.get(position)? {
                0 => return Some(name),
                length => position += 1 + usize::from(length),
            }
            name.labels += 1;
        }
    }

    /// The whole name in wire form and lower case.
    pub fn as_wire(&self) -> &[u8] {
        self.wire.get(..usize::from(self.length)).unwrap_or(&[0])
    }

    /// How many labels there are, the root's not counted: 0 to 127.
    pub fn label_count(&self) -> usize {
        usize::from(self.labels)
    }

    /// Where label `index`, counted from the left, begins: octets from the name's own start.
    /// An index past the last label gives the root's place.
    pub fn offset(&self, index: usize) -> usize {
        let index = index.min(self.label_count());
        usize::from(self.offsets.get(index).copied().unwrap_or_default())
    }

    /// The name without its first `index` labels, in wire form; the root where there are fewer.
    pub fn suffix(&self, index: usize) -> &[u8] {
        self.wire
            .get(self.offset(index)..usize::from(self.length))
            .unwrap_or(&[0])
    }

    /// Label `index`, counted from the left, without its length octet; empty past the last.
    pub fn label(&self, index: usize) -> &[u8] {
        let suffix = self.suffix(index);
        let length = suffix.first().copied().map_or(0, usize::from);
        suffix.get(1..=length).unwrap_or(&[])
    }

    /// Whether the name is `ancestor` or lies below it.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        super::is_at_or_below(self.as_wire(), ancestor.as_wire())
    }

    /// Whether the first label is the asterisk label of a wildcard (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        is_wildcard(self.as_wire())
    }

    /// How the name stands to another in DNSSEC's canonical order (RFC 4034 §6.1).
    pub fn canonical_cmp(&self, other: &Self) -> Ordering {
        for depth in 1..=self.label_count().min(other.label_count()) {
            let ours = self.label(self.label_count() - depth);
            let theirs = other.label(other.label_count() - depth);
            match ours.cmp(theirs) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        self.label_count().cmp(&other.label_count())
    }

    /// An owned copy. Allocates.
    pub fn to_name(&self) -> Name {
        Name::from_checked(self.as_wire().to_vec())
    }
}

/// Shows the name in presentation format. Allocates.
impl fmt::Debug for LookupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_name(), formatter)
    }
}

impl From<&Name> for LookupName {
    fn from(name: &Name) -> Self {
        // A `Name` always has the right form; the root stands in for the impossible.
        Self::from_checked(name.as_wire()).unwrap_or(Self {
            wire: [0; MAX_NAME],
            length: 1,
            offsets: [0; MAX_LABELS],
            labels: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_the_names_above() {
        let name = LookupName::from_wire(b"\x03WwW\x07Example\0").unwrap();
        assert_eq!(name.label_count(), 2);
        assert_eq!(name.as_wire(), b"\x03www\x07example\0");
        assert_eq!(name.suffix(1), b"\x07example\0");
        assert_eq!(name.suffix(2), b"\0");
        assert_eq!(name.suffix(99), b"\0");
        assert_eq!(name.offset(1), 4);
        assert_eq!(name.label(1), b"example");
        assert_eq!(name.label(2), b"");
        assert_eq!(name.to_name().to_string(), "www.example.");
    }

    #[test]
    fn the_most_labels_fit() {
        let mut wire = b"\x01a".repeat(127);
        wire.push(0);
        let name = LookupName::from_wire(&wire).unwrap();
        assert_eq!(name.label_count(), 127);
        assert_eq!(name.suffix(126), b"\x01a\0");
        assert_eq!(name.suffix(127), b"\0");
    }

    #[test]
    fn anything_but_one_name_is_refused() {
        for bad in [&b""[..], b"\x01a", b"\0\0", b"\xc0\x0c"] {
            assert!(LookupName::from_wire(bad).is_none(), "{bad:?}");
        }
    }
}
