//! RRsets as a zone stores them: ready to be copied into a reply.
//!
//! In the arena an RRset is a header (type 2, record count 4, body length 4 octets, little-endian)
//! and its body. The body is what follows the question in a reply: each record with the owner
//! written as a compression pointer to offset 12, where the question's name stands, then type,
//! class IN, TTL, length and data, names uncompressed (RFC 1035 §4.1.3 and §4.1.4).

use super::EditError;
use crate::name::Name;
use crate::record::{Class, MAX_TTL, RecordData, RecordType, Rrset};

/// The largest RRset that a zone takes, in octets as it is stored: 16 MiB, which is a million
/// IPv4 addresses.
pub const MAX_RRSET: usize = 16 << 20;

/// The compression pointer to the question's name, at offset 12.
pub(crate) const QUESTION_NAME: [u8; 2] = [0xc0, 12];

/// Owner pointer, type, class, TTL and length: what stands before a record's data.
pub(crate) const RECORD_HEADER: usize = 12;

/// Where in a record the TTL begins, behind an owner of two octets.
const TTL: usize = 6;

const RRSET_HEADER: usize = 10;

/// All records of one type at one name, borrowed from a zone: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RrsetRef<'z> {
    rtype: RecordType,
    count: u32,
    body: &'z [u8],
}

impl<'z> RrsetRef<'z> {
    /// The type of all records.
    pub fn rtype(&self) -> RecordType {
        self.rtype
    }

    /// How many records there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The time to live of all records, in seconds.
    pub fn ttl(&self) -> u32 {
        self.records().next().map_or(0, |record| record.ttl)
    }

    /// The records in the order in which they are stored.
    pub fn records(&self) -> Records<'z> {
        Records { body: self.body }
    }

    /// The records as they stand in a reply whose question has their owner's name.
    pub(crate) fn body(&self) -> &'z [u8] {
        self.body
    }

    /// Parts the body before record `index`, the first being 0.
    pub(crate) fn split_before(&self, index: u32) -> (&'z [u8], &'z [u8]) {
        let position = match self.rtype {
            // Equal lengths: no need to walk.
            RecordType::A => index as usize * (RECORD_HEADER + 4),
            RecordType::AAAA => index as usize * (RECORD_HEADER + 16),
            _ => self
                .records()
                .take(index as usize)
                .map(|record| record.bytes.len())
                .sum(),
        };
        self.body
            .split_at_checked(position)
            .unwrap_or((self.body, &[]))
    }
}

/// One record of an RRset, borrowed from a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'z> {
    /// The whole record, its owner the pointer to offset 12.
    pub(crate) bytes: &'z [u8],
    /// Time to live in seconds.
    pub ttl: u32,
    /// The record's data in wire form, names uncompressed.
    pub data: &'z [u8],
}

/// The records of an RRset; made by [`RrsetRef::records`].
#[derive(Clone, Debug)]
pub struct Records<'z> {
    body: &'z [u8],
}

impl<'z> Records<'z> {
    /// The records in a piece of a body, which must begin at a record.
    pub(crate) fn new(body: &'z [u8]) -> Self {
        Self { body }
    }
}

impl<'z> Iterator for Records<'z> {
    type Item = RecordRef<'z>;

    fn next(&mut self) -> Option<RecordRef<'z>> {
        let header: &[u8; RECORD_HEADER] = self.body.first_chunk()?;
        let [.., ttl0, ttl1, ttl2, ttl3, length0, length1] = *header;
        let length = usize::from(u16::from_be_bytes([length0, length1]));
        let (bytes, rest) = self.body.split_at_checked(RECORD_HEADER + length)?;
        self.body = rest;
        Some(RecordRef {
            bytes,
            ttl: u32::from_be_bytes([ttl0, ttl1, ttl2, ttl3]),
            data: bytes.get(RECORD_HEADER..)?,
        })
    }
}

/// Reads the RRset at the start of `bytes` and what comes after it.
pub(super) fn read(bytes: &[u8]) -> Option<(RrsetRef<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<RRSET_HEADER>()?;
    let [
        type0,
        type1,
        count0,
        count1,
        count2,
        count3,
        length0,
        length1,
        length2,
        length3,
    ] = *header;
    let length = u32::from_le_bytes([length0, length1, length2, length3]) as usize;
    let (body, rest) = rest.split_at_checked(length)?;
    let rtype = RecordType(u16::from_le_bytes([type0, type1]));
    let count = u32::from_le_bytes([count0, count1, count2, count3]);
    Some((RrsetRef { rtype, count, body }, rest))
}

/// Appends a stored RRset once more.
pub(super) fn copy(rrset: RrsetRef<'_>, arena: &mut Vec<u8>) {
    arena.extend_from_slice(&header(rrset.rtype, rrset.count, rrset.body.len() as u32));
    arena.extend_from_slice(rrset.body);
}

/// Appends an RRset that comes from outside, each record once (RFC 2181 §5).
pub(super) fn write(name: &Name, rrset: &Rrset, arena: &mut Vec<u8>) -> Result<(), EditError> {
    // In ascending order none is there twice.
    if rrset.data.is_sorted_by(|one, next| one < next) {
        return write_distinct(name, rrset, rrset.data.iter(), arena);
    }
    let mut seen = std::collections::HashSet::with_capacity(rrset.data.len());
    let mut distinct: Vec<&RecordData> = rrset.data.iter().collect();
    distinct.retain(|data| seen.insert(*data));
    write_distinct(name, rrset, distinct.iter().copied(), arena)
}

fn write_distinct<'d>(
    name: &Name,
    rrset: &Rrset,
    data: impl ExactSizeIterator<Item = &'d RecordData> + Clone,
    arena: &mut Vec<u8>,
) -> Result<(), EditError> {
    let rtype = rrset.rtype;
    check_data(name, rtype, data.clone())?;
    let length: usize = data
        .clone()
        .map(|data| RECORD_HEADER + data.as_bytes().len())
        .sum();
    check_length(name, rtype, length)?;
    arena.extend_from_slice(&header(rtype, data.len() as u32, length as u32));
    for data in data {
        write_record(rrset, data, arena);
    }
    Ok(())
}

/// Appends the RRset that `old` becomes without the records of `gone` and with those of `come`,
/// which come to stand before the first one that is greater; nothing where none is left.
pub(super) fn write_exchanged(
    name: &Name,
    old: Option<RrsetRef<'_>>,
    gone: &[RecordData],
    come: &Rrset,
    arena: &mut Vec<u8>,
) -> Result<(), EditError> {
    let rtype = come.rtype;
    let mut new: Vec<&RecordData> = come.data.iter().collect();
    new.sort_unstable();
    new.dedup();
    check_data(name, rtype, new.iter().copied())?;
    let mut replaced: Vec<&RecordData> = gone.iter().chain(&come.data).collect();
    replaced.sort_unstable();
    let is_replaced = |data: &[u8]| {
        replaced
            .binary_search_by(|other| other.as_bytes().cmp(data))
            .is_ok()
    };

    let start = arena.len();
    arena.extend_from_slice(&[0; RRSET_HEADER]);
    let body = arena.len();
    let mut count = new.len();
    let mut new = new.into_iter().peekable();
    let old = old.map(|old| old.body()).unwrap_or_default();
    let copy = |records: std::ops::Range<usize>, arena: &mut Vec<u8>| {
        let first = arena.len();
        arena.extend_from_slice(old.get(records).unwrap_or_default());
        set_ttl(arena.get_mut(first..).unwrap_or_default(), come);
    };
    // What stays is copied together with its neighbours: from `staying` on until something changes.
    let (mut staying, mut position) = (0, 0);
    for record in Records::new(old) {
        let end = position + record.bytes.len();
        let goes = is_replaced(record.data);
        count += usize::from(!goes);
        let is_before = |new: &&RecordData| new.as_bytes() < record.data;
        if goes || new.peek().is_some_and(is_before) {
            copy(staying..position, arena);
            staying = if goes { end } else { position };
            while let Some(new) = new.next_if(is_before) {
                write_record(come, new, arena);
            }
        }
        position = end;
    }
    copy(staying..position, arena);
    new.for_each(|new| write_record(come, new, arena));

    let length = arena.len() - body;
    check_length(name, rtype, length)?;
    if count == 0 {
        arena.truncate(start);
    } else if let Some(place) = arena.get_mut(start..body) {
        place.copy_from_slice(&header(rtype, count as u32, length as u32));
    }
    Ok(())
}

/// Gives written records the TTL of an RRset.
fn set_ttl(mut records: &mut [u8], rrset: &Rrset) {
    let ttl = rrset.ttl.min(MAX_TTL).to_be_bytes();
    // All of an RRset have the same, but for signatures, which keep theirs.
    if rrset.rtype == RecordType::RRSIG || records.get(TTL..TTL + 4) == Some(&ttl) {
        return;
    }
    while let Some(length) = Records::new(records).next().map(|it| it.bytes.len()) {
        let (record, rest) = records.split_at_mut(length);
        if let Some(place) = record.get_mut(TTL..TTL + 4) {
            place.copy_from_slice(&ttl);
        }
        records = rest;
    }
}

fn check_data<'d>(
    name: &Name,
    rtype: RecordType,
    mut data: impl Iterator<Item = &'d RecordData>,
) -> Result<(), EditError> {
    match data.find(|data| !data.suits(rtype)) {
        None => Ok(()),
        Some(bad) => Err(EditError::BadData {
            name: name.clone(),
            rtype,
            length: bad.as_bytes().len(),
        }),
    }
}

fn check_length(name: &Name, rtype: RecordType, length: usize) -> Result<(), EditError> {
    if length <= MAX_RRSET {
        return Ok(());
    }
    Err(EditError::TooLarge {
        name: name.clone(),
        rtype,
        length,
    })
}

fn write_record(rrset: &Rrset, data: &RecordData, arena: &mut Vec<u8>) {
    arena.extend_from_slice(&QUESTION_NAME);
    arena.extend_from_slice(&rrset.rtype.0.to_be_bytes());
    arena.extend_from_slice(&Class::IN.0.to_be_bytes());
    arena.extend_from_slice(&ttl(rrset, data).min(MAX_TTL).to_be_bytes());
    arena.extend_from_slice(&(data.as_bytes().len() as u16).to_be_bytes());
    arena.extend_from_slice(data.as_bytes());
}

/// The TTL of a record. Signatures are no set: each has that of what it signs (RFC 4034 §3), which
/// stands in it (§3.1.4).
fn ttl(rrset: &Rrset, data: &RecordData) -> u32 {
    let signed = || data.as_bytes().get(4..8)?.first_chunk().copied();
    match rrset.rtype {
        RecordType::RRSIG => signed().map_or(rrset.ttl, u32::from_be_bytes),
        _ => rrset.ttl,
    }
}

fn header(rtype: RecordType, count: u32, length: u32) -> [u8; RRSET_HEADER] {
    let [t0, t1] = rtype.0.to_le_bytes();
    let [c0, c1, c2, c3] = count.to_le_bytes();
    let [l0, l1, l2, l3] = length.to_le_bytes();
    [t0, t1, c0, c1, c2, c3, l0, l1, l2, l3]
}

/// The SOA record of a negative answer: its TTL is the lesser of its own and its MINIMUM field
/// (RFC 2308 §3). `None` when the RRset holds no SOA.
pub(super) fn negative_soa(rrset: RrsetRef<'_>) -> Option<Box<[u8]>> {
    let record = rrset.records().next()?;
    let ttl = record.ttl.min(crate::record::soa_minimum(record.data)?);
    let mut bytes: Box<[u8]> = record.bytes.into();
    bytes
        .get_mut(TTL..TTL + 4)?
        .copy_from_slice(&ttl.to_be_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(rrset: &Rrset) -> Vec<u8> {
        let mut arena = Vec::new();
        write(&Name::root(), rrset, &mut arena).unwrap();
        arena
    }

    #[test]
    fn a_body_is_what_follows_the_question() {
        let data = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|octets| RecordData::a(octets.into()));
        let arena = stored(&Rrset::new(RecordType::A, 300, data));
        let (rrset, rest) = read(&arena).unwrap();
        assert!(rest.is_empty());
        assert_eq!((rrset.count(), rrset.ttl()), (2, 300));
        assert_eq!(
            rrset.body()[..16],
            *b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01"
        );
        assert_eq!(rrset.split_before(1).1, &rrset.body()[16..]);
        assert_eq!(rrset.split_before(2).1, b"");
    }

    #[test]
    fn records_of_unequal_length_are_parted_between_records() {
        let data = [&b"a"[..], b"long text", b""].map(|text| RecordData::txt(text).unwrap());
        let arena = stored(&Rrset::new(RecordType::TXT, 0, data));
        let (rrset, _) = read(&arena).unwrap();
        assert_eq!(rrset.split_before(2).1.len(), RECORD_HEADER + 1);
        assert_eq!(
            rrset
                .records()
                .map(|record| record.data.len())
                .sum::<usize>(),
            2 + 10 + 1
        );
    }

    #[test]
    fn equal_records_count_once() {
        let data = [b"a", b"b", b"a"].map(|text| RecordData::txt(text).unwrap());
        let arena = stored(&Rrset::new(RecordType::TXT, u32::MAX, data));
        let (rrset, _) = read(&arena).unwrap();
        assert_eq!((rrset.count(), rrset.ttl()), (2, MAX_TTL));
    }

    /// If this fails, a list whose records change one by one comes to have two TTLs, which no
    /// RRset may (RFC 2181 §5.2), or a count that is not that of its records.
    #[test]
    fn what_is_exchanged_has_one_ttl_and_the_right_count() {
        let some = |ttl, data: &[u8]| {
            let data = data
                .iter()
                .map(|last| RecordData::a([192, 0, 2, *last].into()));
            Rrset::new(RecordType::A, ttl, data)
        };
        let old = stored(&some(300, &[1, 3, 5]));
        let exchanged = |gone: &[u8], come: &Rrset| {
            let mut arena = Vec::new();
            let (old, _) = read(&old).unwrap();
            let gone = some(0, gone).data;
            write_exchanged(&Name::root(), Some(old), &gone, come, &mut arena).unwrap();
            arena
        };
        let expected = stored(&some(60, &[1, 2, 5, 6]));
        assert_eq!(exchanged(&[3, 4], &some(60, &[2, 5, 6])), expected);
        assert_eq!(exchanged(&[1, 3, 5], &some(60, &[])), []);
    }

    #[test]
    fn data_that_would_break_a_reply_is_refused() {
        let bad = Rrset::new(RecordType::A, 0, [RecordData::raw(*b"abc").unwrap()]);
        let error = write(&Name::root(), &bad, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, EditError::BadData { length: 3, .. }));
    }
}
