//! What is asked.

use std::fmt;

use super::zones::{Chance, ZoneFile};
use crate::support::dns::Query;

const TYPES: &[&str] = &[
    "A",
    "A",
    "A",
    "AAAA",
    "TXT",
    "MX",
    "NS",
    "NS",
    "SOA",
    "CNAME",
    "DNAME",
    "SRV",
    "DS",
    "DS",
    "PTR",
    "HTTPS",
    "NSEC",
    "DNSKEY",
    "TYPE65280",
    "ANY",
];

const LABELS: &[&str] = &[
    "a", "b", "c", "d", "x", "www", "ns", "*", "zz", "A", "0", "sub", "q",
];

/// A question, as it is shown.
pub(super) struct Question {
    pub(super) query: Query,
    pub(super) name: String,
    pub(super) rtype: &'static str,
    /// Whether signatures are asked for.
    pub(super) signatures: bool,
    /// The zone that the name lies in, if it does.
    pub(super) apex: String,
    /// The largest datagram that the OPT record asks for, if there is one.
    pub(super) edns: Option<u16>,
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.rtype)?;
        if let Some(size) = self.edns {
            write!(formatter, " +bufsize={size}")?;
        }
        match self.signatures {
            true => formatter.write_str(" +dnssec"),
            false => Ok(()),
        }
    }
}

/// Questions about zones, without end.
pub(super) struct Questions<'z> {
    zones: &'z [ZoneFile],
    chance: Chance,
}

impl<'z> Questions<'z> {
    pub(super) fn new(zones: &'z [ZoneFile], chance: Chance) -> Self {
        Self { zones, chance }
    }

    /// A name in, around or outside of a zone.
    fn name(&mut self, zone: &ZoneFile) -> String {
        let chance = &mut self.chance;
        let owner = chance.one_of(&zone.owners).clone();
        let relative = match chance.below(12) {
            // As it is.
            0..=3 => owner,
            // Below it.
            4 => format!("{}.{owner}", chance.one_of(LABELS)),
            5 => format!(
                "{}.{}.{owner}",
                chance.one_of(LABELS),
                chance.one_of(LABELS)
            ),
            // Above it.
            6 => owner
                .split_once('.')
                .map_or("", |(_, above)| above)
                .to_owned(),
            // Beside it.
            7 => match owner.split_once('.') {
                Some((_, above)) => format!("{}.{above}", chance.one_of(LABELS)),
                None => (*chance.one_of(LABELS)).to_owned(),
            },
            // What a wildcard stands for.
            8 => owner.replace('*', chance.one_of::<&str>(LABELS)),
            9 => owner.to_ascii_uppercase(),
            10 => (*chance.one_of(LABELS)).to_owned(),
            _ => String::new(),
        };
        match (relative.as_str(), chance.once_in(40)) {
            (_, true) => "host.elsewhere.test.".to_owned(),
            ("", _) => zone.apex.clone(),
            _ => format!("{relative}.{}", zone.apex),
        }
    }
}

impl Iterator for Questions<'_> {
    type Item = Question;

    fn next(&mut self) -> Option<Question> {
        let zones = self.zones;
        let zone = self.chance.one_of(zones);
        let name = self.name(zone);
        let rtype = self.chance.one_of(TYPES);
        let edns = *self
            .chance
            .one_of(&[None, Some(512), Some(1232), Some(1232), Some(4096)]);
        let signatures = edns.is_some() && self.chance.once_in(2);
        let mut query = Query::new(&name, rtype);
        if let Some(size) = edns {
            query = query.edns(size, 0);
        }
        if signatures {
            query = query.signatures();
        }
        Some(Question {
            query,
            name,
            rtype,
            signatures,
            apex: zone.apex.clone(),
            edns,
        })
    }
}
