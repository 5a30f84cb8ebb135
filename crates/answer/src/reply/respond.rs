//! From what a zone has for a name to the records of a reply.

use super::{Owner, Reply, Section, suffix_pointer};
use crate::name::{LookupName, is_at_or_below};
use crate::query::{HEADER, Query};
use crate::rcode::Rcode;
use crate::record::{RecordType, target_offset};
use crate::wire::{LAST_POINTER, Reader};
use crate::zone::{Cut, Lookup, RrsetRef, Zone};

/// How many aliases are followed in one reply.
const MOST_ALIASES: usize = 8;

/// For how many host names of an answer addresses are looked up.
const MOST_TARGETS: usize = 32;

/// What is asked of a zone: a name, where it stands in the reply, and a type.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'n> {
    /// The name.
    pub name: &'n LookupName,
    /// The offset in the reply at which the name stands without compression: 12 for the
    /// question's, [`Outcome::AliasElsewhere::at`] for the target of an alias.
    pub at: u16,
    /// The type.
    pub rtype: RecordType,
    /// Which record of a set comes first, modulo their number. A new random value for each query
    /// spreads the load over the records.
    pub rotation: u32,
}

impl<'n> Asked<'n> {
    /// What a query asks. `name` must be the query's own name.
    pub fn by_query(query: &Query<'_>, name: &'n LookupName, rotation: u32) -> Self {
        Self {
            name,
            at: HEADER as u16,
            rtype: query.qtype,
            rotation,
        }
    }
}

/// What was written into the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'z> {
    /// The records that were asked for, or as many as fit.
    Answered,
    /// The name, or that of the last alias, has none of the type: SOA in authority.
    NoData,
    /// The name, or that of the last alias, does not exist: NXDOMAIN (RFC 6604 §3), SOA in
    /// authority.
    NoSuchName,
    /// Others answer for the name: their name servers in authority, and glue.
    Referral,
    /// An alias out of this zone. The aliases are written; who has another zone or can ask others
    /// goes on with the target.
    AliasElsewhere {
        /// The name that the last alias points to, in wire form.
        target: &'z [u8],
        /// The offset in the reply at which the target stands, for [`Asked::at`].
        at: u16,
    },
    /// Aliases that lead in a circle, or more than 8: those up to there are written.
    AliasLoop,
    /// The name is not in the zone. Nothing was written.
    NotHere,
}

/// Looks a query's name up in a zone and writes what it has into the reply.
///
/// `name` must be the query's own name: a reply is made of records that point to it. A server
/// that wants to do something else about names that do not exist calls [`Zone::lookup`] and then
/// [`respond`].
pub fn answer_from_zone<'z>(
    zone: &'z Zone,
    name: &LookupName,
    query: &Query<'_>,
    rotation: u32,
    reply: &mut Reply<'_>,
) -> Outcome<'z> {
    let asked = Asked::by_query(query, name, rotation);
    respond(zone, zone.lookup(name, query.qtype), &asked, reply)
}

/// Writes the outcome of a look-up into the reply: aliases inside the zone are followed, negative
/// answers get the SOA, referrals their glue, and host names in SRV, MX, NS, SVCB and HTTPS
/// records the addresses that the zone has (RFC 1034 §4.3.2, RFC 2308, RFC 2782, RFC 9460).
pub fn respond<'z>(
    zone: &'z Zone,
    lookup: Lookup<'z>,
    asked: &Asked<'_>,
    reply: &mut Reply<'_>,
) -> Outcome<'z> {
    match lookup {
        Lookup::Found(rrset) => {
            reply.set_authoritative(true);
            let first = reply.position;
            let owner = Owner::At(asked.at);
            if reply.records(Section::Answer, owner, rrset, asked.rotation) {
                add_targets(zone, rrset.rtype(), first, reply);
            }
            Outcome::Answered
        }
        Lookup::NoData => {
            reply.set_authoritative(true);
            reply.authority_soa(zone, asked.name, asked.at);
            Outcome::NoData
        }
        Lookup::NoSuchName => {
            reply.set_authoritative(true);
            reply.set_rcode(Rcode::NXDOMAIN);
            reply.authority_soa(zone, asked.name, asked.at);
            Outcome::NoSuchName
        }
        Lookup::Alias(rrset) => follow(zone, rrset, asked, reply),
        Lookup::Cut(cut) => refer(zone, cut, asked, reply),
        Lookup::NotHere => Outcome::NotHere,
    }
}

/// Writes an alias and those that it leads to, and then what the last one has.
fn follow<'z>(
    zone: &'z Zone,
    alias: RrsetRef<'z>,
    asked: &Asked<'_>,
    reply: &mut Reply<'_>,
) -> Outcome<'z> {
    reply.set_authoritative(true);
    let mut seen: [&[u8]; MOST_ALIASES] = [&[]; MOST_ALIASES];
    let mut alias = alias;
    let mut at = asked.at;
    for place in 0..MOST_ALIASES {
        let Some(record) = alias.records().next() else {
            return Outcome::AliasLoop;
        };
        // The target stands behind the record's header, whose owner is a pointer.
        let target_at = reply.position + (record.bytes.len() - record.data.len());
        if !reply.records(Section::Answer, Owner::At(at), alias, 0) {
            return Outcome::Answered;
        }
        if let Some(seen) = seen.get_mut(place) {
            *seen = alias.body();
        }
        let (Some(target), true) = (
            LookupName::from_wire(record.data),
            target_at <= LAST_POINTER,
        ) else {
            return Outcome::AliasLoop;
        };
        at = target_at as u16;
        let asked = Asked {
            name: &target,
            at,
            ..*asked
        };
        match zone.lookup(&target, asked.rtype) {
            Lookup::NotHere => {
                return Outcome::AliasElsewhere {
                    target: record.data,
                    at,
                };
            }
            Lookup::Alias(next) if seen.iter().any(|seen| std::ptr::eq(*seen, next.body())) => {
                return Outcome::AliasLoop;
            }
            Lookup::Alias(next) => alias = next,
            end => return respond(zone, end, &asked, reply),
        }
    }
    Outcome::AliasLoop
}

/// Writes a referral (RFC 1034 §4.3.2 step 3b).
fn refer<'z>(
    zone: &'z Zone,
    cut: Cut<'z>,
    asked: &Asked<'_>,
    reply: &mut Reply<'_>,
) -> Outcome<'z> {
    // With aliases before it the reply still is an answer about names of ours (RFC 1035 §4.1.1).
    reply.set_authoritative(reply.answer_count() > 0);
    let child = asked.name.suffix(cut.label);
    let owner =
        suffix_pointer(asked.name, cut.label, asked.at).map_or(Owner::Name(child), Owner::At);
    let first = reply.position;
    if !reply.records(Section::Authority, owner, cut.servers, asked.rotation) {
        return Outcome::Referral;
    }
    let end = reply.position;
    // Hosts inside the other zone cannot be found without their addresses: they go first, and must
    // fit. Others are a courtesy (RFC 9471 §3).
    for section in [Section::Glue, Section::Additional] {
        let mut hosts = Targets::new(RecordType::NS, first, end);
        while let Some((host, at)) = hosts.next(reply) {
            if is_at_or_below(host.as_wire(), child) != (section == Section::Glue) {
                continue;
            }
            for rtype in [RecordType::A, RecordType::AAAA] {
                if let Some(rrset) = zone.glue(&host, rtype) {
                    reply.records(section, Owner::At(at), rrset, 0);
                }
            }
        }
    }
    Outcome::Referral
}

/// Adds the addresses of the hosts that the records from `first` on name, as far as the zone has
/// them and they fit.
fn add_targets(zone: &Zone, rtype: RecordType, first: usize, reply: &mut Reply<'_>) {
    if target_offset(rtype).is_none() {
        return;
    }
    let mut hosts = Targets::new(rtype, first, reply.position);
    while let Some((host, at)) = hosts.next(reply) {
        for rtype in [RecordType::A, RecordType::AAAA] {
            if let Lookup::Found(rrset) = zone.lookup(&host, rtype) {
                reply.additional(Owner::At(at), rrset);
            }
        }
    }
}

/// Walks over records in a reply and gives each host name in them once, with its offset, so that
/// its addresses can point to it.
struct Targets {
    /// Where in a record's data the host name stands.
    in_data: usize,
    position: usize,
    end: usize,
    /// The offsets of the names that were given.
    given: [u16; MOST_TARGETS],
    count: usize,
}

impl Targets {
    /// Over the records of a type that stand from `position` to `end`.
    fn new(rtype: RecordType, position: usize, end: usize) -> Self {
        let in_data = target_offset(rtype).unwrap_or_default();
        Self {
            in_data,
            position,
            end,
            given: [0; MOST_TARGETS],
            count: 0,
        }
    }

    fn next(&mut self, reply: &Reply<'_>) -> Option<(LookupName, u16)> {
        while self.position < self.end {
            let mut reader = Reader::new(reply.out, self.position);
            reader.skip_name()?;
            reader.take(8)?;
            let length = reader.u16()?;
            let data = reader.position();
            reader.take(usize::from(length))?;
            self.position = reader.position();
            let at = data + self.in_data;
            let host = Reader::new(reply.out, at).name()?;
            if at > LAST_POINTER {
                return None;
            }
            // The root stands for "no host" (RFC 2782) or for the owner itself (RFC 9460 §2.5).
            if host == [0] || self.is_given(host, reply.out) {
                continue;
            }
            *self.given.get_mut(self.count)? = at as u16;
            self.count += 1;
            return Some((LookupName::from_checked(host)?, at as u16));
        }
        None
    }

    fn is_given(&self, host: &[u8], reply: &[u8]) -> bool {
        self.given.iter().take(self.count).any(|&at| {
            let given = Reader::new(reply, usize::from(at)).name();
            given.is_some_and(|given| given.eq_ignore_ascii_case(host))
        })
    }
}
