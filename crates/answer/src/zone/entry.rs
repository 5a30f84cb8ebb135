//! One name of a zone with everything at it, as bytes in a shard's arena.
//!
//! Layout, numbers little-endian: length of the name (1), the name in wire form, flags (1), number
//! of direct children (4), length of the RRsets (4), the RRsets.

use super::rrset::{self, RrsetRef};
use crate::record::RecordType;

/// The entry is a zone cut: it has NS records, is not the apex and not a wildcard.
const CUT: u8 = 1;

/// The entry has a DNAME record: the names below it are those below another name.
const REDIRECT: u8 = 2;

const FIXED: usize = 9;

/// One name of a zone. Without RRsets it is an empty non-terminal: it exists because of the names
/// below it (RFC 4592 §2.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'z> {
    /// The name in wire form.
    pub(super) name: &'z [u8],
    flags: u8,
    /// How many names exist that have exactly one label more.
    pub(super) children: u32,
    rrsets: &'z [u8],
}

impl<'z> Entry<'z> {
    /// Reads the entry at the start of `bytes`.
    pub(super) fn read(bytes: &'z [u8]) -> Option<Self> {
        let (&length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(length))?;
        let (&[flags, c0, c1, c2, c3, l0, l1, l2, l3], rest) = rest.split_first_chunk::<FIXED>()?;
        Some(Self {
            name,
            flags,
            children: u32::from_le_bytes([c0, c1, c2, c3]),
            rrsets: rest.get(..u32::from_le_bytes([l0, l1, l2, l3]) as usize)?,
        })
    }

    /// Whether the entry at the start of `bytes` has this name.
    pub(super) fn is_named(bytes: &[u8], name: &[u8]) -> bool {
        bytes.split_first().is_some_and(|(&length, rest)| {
            usize::from(length) == name.len() && rest.starts_with(name)
        })
    }

    /// How many octets the entry takes in the arena.
    pub(super) fn length(&self) -> usize {
        1 + self.name.len() + FIXED + self.rrsets.len()
    }

    /// Whether the zone ends here and another begins (RFC 1034 §4.2).
    pub(super) fn is_cut(&self) -> bool {
        self.flags & CUT != 0
    }

    /// Whether names below are taken from below another name (RFC 6672 §2.1).
    pub(super) fn is_redirect(&self) -> bool {
        self.flags & REDIRECT != 0
    }

    /// Whether what lies below the name is not found under its own name.
    pub(super) fn is_border(&self) -> bool {
        self.flags & (CUT | REDIRECT) != 0
    }

    /// Whether nothing but the names below keeps the entry alive.
    pub(super) fn has_no_records(&self) -> bool {
        self.rrsets.is_empty()
    }

    /// The RRsets in the order in which they were set.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = RrsetRef<'z>> + use<'z> {
        let mut rest = self.rrsets;
        std::iter::from_fn(move || {
            let (rrset, after) = rrset::read(rest)?;
            rest = after;
            Some(rrset)
        })
    }

    /// The RRset of this type.
    pub(super) fn rrset(&self, rtype: RecordType) -> Option<RrsetRef<'z>> {
        self.rrsets().find(|rrset| rrset.rtype() == rtype)
    }
}

/// Replaces the contents of `out` by an entry whose RRsets `write` appends.
pub(super) fn write<E>(
    name: &[u8],
    can_be_cut: bool,
    children: u32,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    out.clear();
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    let flags = out.len();
    out.push(0);
    out.extend_from_slice(&children.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let rrsets = out.len();
    write(out)?;
    let length = (out.len() - rrsets) as u32;
    if let Some(place) = out.get_mut(rrsets - 4..rrsets) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    let written = Entry::read(out);
    let has = |rtype| written.is_some_and(|entry| entry.rrset(rtype).is_some());
    let mut bits = 0;
    if can_be_cut && has(RecordType::NS) {
        bits |= CUT;
    }
    if has(RecordType::DNAME) {
        bits |= REDIRECT;
    }
    if let Some(place) = out.get_mut(flags) {
        *place = bits;
    }
    Ok(())
}

/// Changes the number of children of the entry at the start of `bytes`.
pub(super) fn set_children(bytes: &mut [u8], children: u32) {
    let at = bytes.first().map_or(0, |&length| 2 + usize::from(length));
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&children.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back() {
        let mut bytes = Vec::new();
        write::<()>(b"\x01a\0", true, 7, &mut bytes, |_| Ok(())).unwrap();
        set_children(&mut bytes, 0x0102_0304);
        let entry = Entry::read(&bytes).unwrap();
        assert_eq!(entry.name, b"\x01a\0");
        assert_eq!(entry.children, 0x0102_0304);
        assert_eq!(entry.length(), bytes.len());
        assert!(entry.has_no_records() && !entry.is_cut());
        assert!(Entry::is_named(&bytes, b"\x01a\0"));
        assert!(!Entry::is_named(&bytes, b"\0") && !Entry::is_named(&bytes, b"\x01b\0"));
    }
}
