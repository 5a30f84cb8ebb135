//! Passing on a reply that another server, or this one, has given to the same question.

use super::fit::whole_records;
use super::{Owner, Reply, Section};
use crate::message::{Message, MessageRecord};
use crate::name::Name;
use crate::query::HEADER;
use crate::record::{Class, RecordType};

/// A record that is passed on: what of it may be changed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedRecord {
    /// The owner's name.
    pub owner: Name,
    /// Time to live in seconds.
    pub ttl: u32,
    /// The data, its names uncompressed.
    pub data: Vec<u8>,
}

impl RelayedRecord {
    /// The record as it is.
    pub fn of(record: &MessageRecord<'_>) -> Self {
        Self {
            owner: record.owner(),
            ttl: record.ttl,
            data: record.data(),
        }
    }
}

impl Reply<'_> {
    /// Writes a message as the reply: its records, code and flags, in place of what was written
    /// before. `age` seconds are taken off each TTL, down to `least`.
    ///
    /// The message must answer the client's question up to the case of its letters; then its
    /// records, whose pointers count from the start of the message, are copied as they are. TC is
    /// set when they do not fit.
    ///
    /// Its OPT record is between it and us: of its options nothing is passed on here.
    pub fn relay(&mut self, message: &Message, age: u32, least: u32) {
        self.begin_relay(message);
        if message.question_end() != self.question_end {
            self.relay_changed(message, |record| {
                let mut relayed = RelayedRecord::of(record);
                relayed.ttl = aged(record.ttl, age, least);
                relayed
            });
            return;
        }
        let body = message.body();
        let fits = body.len() <= self.room();
        let (length, counts) = match fits {
            true => (body.len(), message.counts()),
            false => whole_records(body, 0, message.counts(), self.room()),
        };
        let start = self.position;
        self.put(body.get(..length).unwrap_or(&[]));
        if age > 0 {
            for at in message.ttls() {
                let at = usize::from(*at);
                if at >= start + length {
                    break;
                }
                self.age(at, age, least);
            }
        }
        self.counts = counts;
        self.section = Section::Additional;
        let whole = message.counts();
        let cut = (counts.answer, counts.authority) != (whole.answer, whole.authority);
        self.truncated |= cut && !self.stream;
    }

    /// Writes a message whose question is not the client's: its records, code and flags, with the
    /// owner names that stand in it.
    ///
    /// Names are not compressed, but for owners that are the client's own question.
    pub fn relay_records(&mut self, message: &Message) {
        self.relay_changed(message, RelayedRecord::of);
    }

    /// The same with records that are not quite those of the message: `change` says what becomes
    /// of each.
    pub fn relay_changed(
        &mut self,
        message: &Message,
        mut change: impl FnMut(&MessageRecord<'_>) -> RelayedRecord,
    ) {
        self.begin_relay(message);
        let truncated = std::mem::take(&mut self.truncated);
        for record in message.records() {
            let relayed = change(&record);
            let kind = (record.rtype, record.class);
            self.put_relayed(record.section, kind, &relayed);
        }
        self.truncated |= truncated;
    }

    /// Adds a record of another message. An owner that is the client's own question becomes a
    /// pointer to it. Returns whether it fitted.
    pub fn put_relayed(
        &mut self,
        section: Section,
        kind: (RecordType, Class),
        relayed: &RelayedRecord,
    ) -> bool {
        let owner = relayed.owner.as_wire();
        let owner = match self.question_name() {
            Some(name) if name.eq_ignore_ascii_case(owner) => Owner::QUESTION,
            _ => Owner::Name(owner),
        };
        self.record(section, owner, kind, relayed.ttl, &relayed.data)
    }

    fn begin_relay(&mut self, message: &Message) {
        self.clear();
        self.set_rcode(message.rcode());
        self.authoritative = message.is_authoritative();
        self.recursion_available = message.is_recursion_available();
        self.authentic = message.is_authentic();
        self.truncated = message.is_truncated();
    }

    /// The question's name as it stands in the reply.
    fn question_name(&self) -> Option<&[u8]> {
        self.out
            .get(HEADER..self.question_end.checked_sub(4)?)
            .filter(|name| !name.is_empty())
    }

    fn age(&mut self, at: usize, age: u32, least: u32) {
        if let Some(place) = self.out.get_mut(at..at + 4)
            && let Some(octets) = place.first_chunk_mut::<4>()
        {
            *octets = aged(u32::from_be_bytes(*octets), age, least).to_be_bytes();
        }
    }
}

fn aged(ttl: u32, age: u32, least: u32) -> u32 {
    match age {
        0 => ttl,
        age => ttl.saturating_sub(age).max(least),
    }
}

#[cfg(test)]
mod tests;
