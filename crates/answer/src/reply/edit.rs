//! Looking at what is written of a reply, and changing it.

use super::{Counts, Reply, Section};
use crate::message::Message;
use crate::query::HEADER;
use crate::record::{Class, MAX_TTL, RecordType};
use crate::wire::Reader;

/// A record as it stands in a reply that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenRecord {
    /// The section that it stands in; [`Section::Glue`] is [`Section::Additional`] here.
    pub section: Section,
    /// Where it begins, counted from the start of the message.
    pub start: usize,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: Class,
    /// Time to live in seconds.
    pub ttl: u32,
    /// Where its data begin; they fill the rest of the record.
    pub data: usize,
    /// Where it ends.
    pub end: usize,
}

impl WrittenRecord {
    /// Where its TTL stands.
    fn ttl_at(&self) -> usize {
        self.data - 6
    }
}

/// A place in a reply to go back to; made by [`Reply::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    position: usize,
    section: Section,
    counts: Counts,
    truncated: bool,
}

impl Reply<'_> {
    /// The place up to which the reply is written.
    pub fn mark(&self) -> Mark {
        Mark {
            position: self.position,
            section: self.section,
            counts: self.counts,
            truncated: self.truncated,
        }
    }

    /// Takes out the records that were written since `mark` was made. Nothing but records may have
    /// been added since; a mark of another reply, or of behind this place, changes nothing.
    pub fn rewind(&mut self, mark: Mark) {
        if (self.question_end..=self.position).contains(&mark.position) {
            self.position = mark.position;
            self.section = mark.section;
            self.counts = mark.counts;
            self.truncated = mark.truncated;
        }
    }

    /// The records that are written, in order.
    pub fn written(&self) -> impl Iterator<Item = WrittenRecord> + '_ {
        written(self.message(), self.question_end, self.counts)
    }

    /// What is written: header, question and records. The header is complete only at
    /// [`finish`](Reply::finish).
    pub fn message(&self) -> &[u8] {
        self.out.get(..self.position).unwrap_or(&[])
    }

    /// What is written as a message of its own, without the options; [`None`] where a record's data
    /// are malformed. Allocates.
    pub fn to_message(&self) -> Option<Message> {
        let mut bytes = self.message().to_vec();
        *bytes.first_chunk_mut::<HEADER>()? = self.header(self.rcode);
        let message = Message::parse(&bytes).ok()?;
        Some(message.with_rcode(self.rcode))
    }

    /// How many records there are in all sections.
    pub fn record_count(&self) -> usize {
        let counts = self.counts;
        usize::from(counts.answer) + usize::from(counts.authority) + usize::from(counts.additional)
    }

    /// Gives each record the TTL that `new` makes of it, in seconds.
    pub fn map_ttls(&mut self, mut new: impl FnMut(&WrittenRecord) -> u32) {
        let Some(message) = self.out.get_mut(..self.position) else {
            return;
        };
        let mut position = self.question_end;
        let mut left = self.counts;
        while let Some(record) = next(message, position, &mut left) {
            let ttl = new(&record).min(MAX_TTL);
            if let Some(place) = message.get_mut(record.ttl_at()..record.ttl_at() + 4) {
                place.copy_from_slice(&ttl.to_be_bytes());
            }
            position = record.end;
        }
    }

    /// Takes out the records of this section and of those behind it.
    pub fn remove_from(&mut self, section: Section) {
        let first = self.written().find(|record| record.section >= section);
        if let Some(first) = first {
            self.position = first.start;
        }
        if section <= Section::Answer {
            self.counts.answer = 0;
        }
        if section <= Section::Authority {
            self.counts.authority = 0;
        }
        self.counts.additional = 0;
        self.section = self.section.min(section);
    }
}

/// The records of a message, which begin at `position`.
fn written(
    message: &[u8],
    mut position: usize,
    mut left: Counts,
) -> impl Iterator<Item = WrittenRecord> + '_ {
    std::iter::from_fn(move || {
        let record = next(message, position, &mut left)?;
        position = record.end;
        Some(record)
    })
}

/// The record at a position, in the first section that has records left.
pub(super) fn next(message: &[u8], position: usize, left: &mut Counts) -> Option<WrittenRecord> {
    let (section, count) = if left.answer > 0 {
        (Section::Answer, &mut left.answer)
    } else if left.authority > 0 {
        (Section::Authority, &mut left.authority)
    } else if left.additional > 0 {
        (Section::Additional, &mut left.additional)
    } else {
        return None;
    };
    *count -= 1;
    let mut reader = Reader::new(message, position);
    reader.skip_name()?;
    let rtype = RecordType(reader.u16()?);
    let class = Class(reader.u16()?);
    let ttl = reader.u32()?;
    let length = reader.u16()?;
    let data = reader.position();
    reader.take(usize::from(length))?;
    Some(WrittenRecord {
        section,
        start: position,
        rtype,
        class,
        ttl,
        data,
        end: reader.position(),
    })
}
