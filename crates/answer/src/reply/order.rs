//! Changing the order of records that are already written.

use std::net::IpAddr;
use std::ops::Range;

use super::edit::next;
use super::{Counts, Reply, Section};
use crate::message::{expand, names_in};
use crate::name::LookupName;
use crate::record::RecordType;
use crate::wire::Reader;

/// Records of one RRset that stand one behind the other in a reply: their owners are written the
/// same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenSet {
    /// The section that they stand in.
    pub section: Section,
    /// Their type.
    pub rtype: RecordType,
    /// How many there are, at least one.
    pub count: usize,
    start: usize,
    end: usize,
    /// How long each of them is and how long its data, if that is the same for all.
    lengths: Option<(usize, usize)>,
}

/// Goes through the sets of a reply while their order changes; made by [`Reply::written_sets`].
#[derive(Clone, Debug)]
pub struct WrittenSets {
    position: usize,
    left: Counts,
}

impl WrittenSets {
    /// The next set of the reply, which must be the one that this was made from, with the same
    /// records in each set.
    pub fn next(&mut self, reply: &Reply<'_>) -> Option<WrittenSet> {
        let message = reply.message();
        let first = next(message, self.position, &mut self.left)?;
        // Behind the owner are type, class, TTL and length.
        let head = |start: usize, data: usize| message.get(start..data.checked_sub(6)?);
        let own = head(first.start, first.data)?;
        let lengths = (first.end - first.start, first.end - first.data);
        let mut set = WrittenSet {
            section: first.section,
            rtype: first.rtype,
            count: 1,
            start: first.start,
            end: first.end,
            lengths: Some(lengths),
        };
        loop {
            let mut left = self.left;
            match next(message, set.end, &mut left) {
                Some(record)
                    if record.section == set.section
                        && head(record.start, record.data) == Some(own) =>
                {
                    let own = (record.end - record.start, record.end - record.data);
                    set.lengths = set.lengths.filter(|lengths| *lengths == own);
                    set.end = record.end;
                    set.count += 1;
                    self.left = left;
                }
                _ => {
                    self.position = set.end;
                    return Some(set);
                }
            }
        }
    }
}

impl WrittenSet {
    /// Where the data of record `index` stand, where all have this length.
    fn data(&self, index: usize, octets: usize) -> Option<Range<usize>> {
        let (record, data) = self.lengths.filter(|(_, data)| *data == octets)?;
        let end = self.start + record * (index + 1);
        (end <= self.end).then(|| end - data..end)
    }

    /// How long the data of an address are, for types that have one.
    fn address_octets(&self) -> Option<usize> {
        match self.rtype {
            RecordType::A => Some(4),
            RecordType::AAAA => Some(16),
            _ => None,
        }
    }

    /// Where the address of record `index` stands.
    fn address(&self, index: usize) -> Option<Range<usize>> {
        self.data(index, self.address_octets()?)
    }
}

impl Reply<'_> {
    /// Goes through the sets that are written.
    pub fn written_sets(&self) -> WrittenSets {
        WrittenSets {
            position: self.question_end,
            left: self.counts,
        }
    }

    /// Whether some section has two records: without, there is nothing to be brought into an order.
    pub fn has_neighbours(&self) -> bool {
        let counts = self.counts;
        counts.answer.max(counts.authority).max(counts.additional) > 1
    }

    /// The owner of a set's records.
    pub fn owner_of(&self, set: &WrittenSet) -> Option<LookupName> {
        let message = self.message();
        let name = expand(message, &mut Reader::new(message, set.start))?;
        LookupName::from_checked(name.as_slice())
    }

    /// The address of a set's record `index`, counted from 0; [`None`] where it is of another type
    /// than A and AAAA, or there are not so many.
    pub fn address_of(&self, set: &WrittenSet, index: usize) -> Option<IpAddr> {
        let data = self.message().get(set.address(index)?)?;
        match data.len() {
            4 => Some(<[u8; 4]>::try_from(data).ok()?.into()),
            _ => Some(<[u8; 16]>::try_from(data).ok()?.into()),
        }
    }

    /// Exchanges the addresses of two records of a set. Nothing happens where
    /// [`address_of`](Reply::address_of) gives none.
    pub fn swap_addresses(&mut self, set: &WrittenSet, one: usize, two: usize) {
        let (Some(first), Some(second)) = (set.address(one.min(two)), set.address(one.max(two)))
        else {
            return;
        };
        if one == two {
            return;
        }
        // The first ends before the second begins.
        if let Some((before, after)) = self.out.split_at_mut_checked(second.start)
            && let Some(first) = before.get_mut(first)
            && let Some(second) = after.get_mut(..first.len())
        {
            first.swap_with_slice(second);
        }
    }

    /// Lets a set of any type begin with its record `first`, modulo their number; those before it
    /// go to the end. Returns whether it does: not where a name elsewhere points into the set, for
    /// it would become another name.
    pub fn rotate(&mut self, set: &WrittenSet, first: usize) -> bool {
        let first = first.checked_rem(set.count).unwrap_or_default();
        if first > 0 && self.is_pointed_into(set.start..set.end) {
            return false;
        }
        let mut reader = Reader::new(self.message(), set.start);
        for _ in 0..first {
            let record = reader.skip_name().and_then(|()| reader.take(8));
            let length = record.and_then(|_| reader.u16());
            if length.and_then(|it| reader.take(it.into())).is_none() {
                return false;
            }
        }
        let by = reader.position() - set.start;
        match self.out.get_mut(set.start..set.end) {
            Some(records) if by <= records.len() => {
                records.rotate_left(by);
                true
            }
            _ => false,
        }
    }

    /// Whether some name of the reply goes on in this part of it.
    fn is_pointed_into(&self, part: Range<usize>) -> bool {
        let message = self.message();
        let mut records = self.written();
        records.any(|record| {
            let mut owner = Reader::new(message, record.start);
            let (prefix, names) = names_in(record.rtype).unwrap_or_default();
            let mut data = Reader::new(message, record.data + prefix);
            let leads = |reader: &mut Reader<'_>| match reader.pointer() {
                Some(Some(target)) => part.contains(&target),
                Some(None) => false,
                // Who knows.
                None => true,
            };
            leads(&mut owner) || (0..names).any(|_| leads(&mut data))
        })
    }
}

#[cfg(test)]
mod tests;
