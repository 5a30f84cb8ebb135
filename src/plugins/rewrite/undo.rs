//! What becomes of the answer to a query that was rewritten.

use answer::{
    Class, Message, MessageRecord, Name, NameText, Rcode, RecordType, RelayedRecord, Request,
    Section,
};

use super::super::Exchange;
use super::matching::{Mapping, Matching};
use crate::resolver::Answer;

/// A change of the answer.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Of names.
    Names {
        mapping: Mapping,
        /// Those that records stand at.
        owners: bool,
        /// Those that records point to.
        targets: bool,
    },
    /// TTLs are brought into this range, in seconds.
    Ttl { least: u32, most: u32 },
    /// This code becomes that one.
    Rcode(Rcode, Rcode),
    /// The target of an alias becomes another, whose records are looked up.
    Target(Matching, String),
}

/// How an answer becomes one to the client's question.
#[derive(Clone, Debug)]
pub(super) struct Return {
    changes: Vec<Change>,
    /// Whether the client's name was asked for, letter by letter: then the answer's pointers to the
    /// question are right as they are.
    same_name: bool,
    /// What was asked.
    request: Request,
}

/// An alias whose target is to be another.
pub(super) struct Alias {
    /// Which record of the answer section it is.
    place: usize,
    target: Name,
}

impl Return {
    pub(super) fn new(changes: Vec<Change>, same_name: bool, request: Request) -> Self {
        Self {
            changes,
            same_name,
            request,
        }
    }

    /// The alias in an answer whose target a rule replaces, and the question for the new target.
    pub(super) fn other_target(&self, message: &Message) -> Option<(Alias, Request)> {
        let rules = self.changes.iter().filter_map(|change| match change {
            Change::Target(from, to) => Some((from, to)),
            _ => None,
        });
        let rules: Vec<_> = rules.collect();
        if rules.is_empty() {
            return None;
        }
        let records = message.section(Section::Answer).enumerate();
        let mut aliases = records.filter(|(_, record)| record.rtype == RecordType::CNAME);
        let (place, target) = aliases.find_map(|(place, record)| {
            let target = NameText::from(&record.target()?);
            let mut rules = rules.iter();
            let new = rules.find_map(|(from, to)| from.replace(target.as_str(), to))?;
            Some((place, Name::parse(&new).ok()?))
        })?;
        let request = Request {
            name: target.as_wire().into(),
            ..self.request.clone()
        };
        Some((Alias { place, target }, request))
    }

    /// Writes an answer as the client is to see it.
    pub(super) fn write(&self, exchange: &mut Exchange<'_, '_>, answer: Answer) {
        if self.same_name && !self.changes_names() {
            exchange.adopt(answer);
        } else {
            exchange.adopt_changed(answer, |record| self.renamed(record));
        }
        self.finish(exchange);
    }

    /// Writes an answer up to an alias, which gets its new target, and then the records of that.
    pub(super) fn write_aliased(
        &self,
        exchange: &mut Exchange<'_, '_>,
        answer: Answer,
        alias: &Alias,
        addresses: &Answer,
    ) {
        let records = answer.message.section(Section::Answer);
        let kept = records.take(alias.place + 1).enumerate();
        let mut written: Vec<((RecordType, Class), RelayedRecord)> = kept
            .map(|(place, record)| {
                let mut renamed = self.renamed(&record);
                if place == alias.place {
                    renamed.data = alias.target.as_wire().to_vec();
                }
                ((record.rtype, record.class), renamed)
            })
            .collect();
        // Who asks for the alias alone has it.
        if self.request.rtype != RecordType::CNAME {
            let records = addresses.message.section(Section::Answer);
            written.extend(
                records.map(|record| ((record.rtype, record.class), RelayedRecord::of(&record))),
            );
        }
        let rcode = addresses.message.rcode();
        exchange.adopt_changed(answer, RelayedRecord::of);
        exchange.reply.remove_from(Section::Answer);
        for (kind, record) in &written {
            exchange.reply.put_relayed(Section::Answer, *kind, record);
        }
        // The code is about the last name of a chain of aliases (RFC 6604 §3).
        if rcode != Rcode::NOERROR && self.request.rtype != RecordType::CNAME {
            exchange.reply.set_rcode(rcode);
            exchange.failure = addresses.failure.clone();
        }
        self.finish(exchange);
    }

    /// Changes what is written but for its names.
    fn finish(&self, exchange: &mut Exchange<'_, '_>) {
        for change in &self.changes {
            match change {
                Change::Ttl { least, most } => exchange
                    .reply
                    .map_ttls(|record| record.ttl.clamp(*least, *most)),
                Change::Rcode(from, to) if exchange.reply.rcode() == *from => {
                    exchange.reply.set_rcode(*to);
                }
                Change::Rcode(..) | Change::Names { .. } | Change::Target(..) => {}
            }
        }
    }

    fn changes_names(&self) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| matches!(change, Change::Names { .. }))
    }

    /// A record with its names changed. What a rule makes of a name and is none is not taken.
    fn renamed(&self, record: &MessageRecord<'_>) -> RelayedRecord {
        let mut renamed = RelayedRecord::of(record);
        let target = target(record.rtype, &renamed.data);
        let mut text = target.and_then(|(start, end)| {
            let name = Name::from_wire(renamed.data.get(start..end)?).ok()?;
            Some((start, end, name.to_string(), false))
        });
        for change in &self.changes {
            let Change::Names {
                mapping,
                owners,
                targets,
            } = change
            else {
                continue;
            };
            if *owners
                && let Some(new) = mapping.map(NameText::from(&renamed.owner).as_str())
                && let Ok(name) = Name::parse(&new)
            {
                renamed.owner = name;
            }
            if *targets
                && let Some((_, _, text, changed)) = &mut text
                && let Some(new) = mapping.map(text)
            {
                (*text, *changed) = (new, true);
            }
        }
        if let Some((start, end, text, true)) = text
            && let Ok(name) = Name::parse(&text)
        {
            renamed
                .data
                .splice(start..end, name.as_wire().iter().copied());
        }
        renamed
    }
}

/// Where in a record's uncompressed data the name stands that rules are about.
fn target(rtype: RecordType, data: &[u8]) -> Option<(usize, usize)> {
    let start = match rtype {
        RecordType::CNAME
        | RecordType::DNAME
        | RecordType::NS
        | RecordType::PTR
        | RecordType::SOA => 0,
        RecordType::MX => 2,
        RecordType::SRV => 6,
        // Order, preference and three texts stand before it (RFC 3403 §4.1).
        RecordType::NAPTR => (0..3).try_fold(4, |at, _| Some(at + 1 + octet(data, at)?))?,
        _ => return None,
    };
    let mut end = start;
    loop {
        match octet(data, end)? {
            0 => return Some((start, end + 1)),
            length => end += 1 + length,
        }
    }
}

fn octet(data: &[u8], at: usize) -> Option<usize> {
    data.get(at).map(|octet| usize::from(*octet))
}
