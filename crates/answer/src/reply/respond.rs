//! From what a zone has for a name to the records of a reply.

mod alias;
mod referral;
mod signed;
mod targets;

pub use signed::Proofs;

use super::{Owner, Reply, Section, suffix_pointer};
use crate::name::LookupName;
use crate::query::{HEADER, Query};
use crate::rcode::Rcode;
use crate::record::RecordType;
use crate::zone::{Lookup, RrsetRef, Zone};
use signed::Signing;

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
    /// Whether the zone's own name servers go along with an answer, in the authority section, as
    /// far as they fit.
    pub servers: bool,
}

impl<'n> Asked<'n> {
    /// What a query asks, without the zone's name servers. `name` must be the query's own name.
    pub fn by_query(query: &Query<'_>, name: &'n LookupName, rotation: u32) -> Self {
        Self {
            name,
            at: HEADER as u16,
            rtype: query.qtype,
            rotation,
            servers: false,
        }
    }
}

/// What was written into the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
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
        /// The offset in the reply at which the target stands, for [`Asked::at`] and
        /// [`Reply::name_at`].
        at: u16,
        /// What is to be written into the authority section when the answer is complete.
        proofs: Proofs,
    },
    /// Aliases that lead in a circle, or more than 8: those up to there are written.
    AliasLoop,
    /// A DNAME record whose target is too long with the rest of the name before it: YXDOMAIN
    /// (RFC 6672 §2.2).
    TooLong,
    /// The name is not in the zone. Nothing was written.
    NotHere,
}

/// Looks a query's name up in a zone and writes what it has into the reply.
///
/// `name` must be the query's own name: a reply is made of records that point to it. A server
/// that wants to do something else about names that do not exist calls [`Zone::lookup`] and then
/// [`respond`].
pub fn answer_from_zone(
    zone: &Zone,
    name: &LookupName,
    query: &Query<'_>,
    rotation: u32,
    reply: &mut Reply<'_>,
) -> Outcome {
    let asked = Asked::by_query(query, name, rotation);
    respond(zone, zone.lookup(name, query.qtype), &asked, reply)
}

/// Writes the outcome of a look-up into the reply: aliases inside the zone are followed, negative
/// answers get the SOA, referrals their glue, and host names in SRV, MX, NS, SVCB and HTTPS
/// records the addresses that the zone has (RFC 1034 §4.3.2, RFC 2308, RFC 2782, RFC 6672,
/// RFC 9460). From a signed zone, a client that wants them gets signatures and denials
/// (RFC 4035 §3.1).
pub fn respond(
    zone: &Zone,
    lookup: Lookup<'_>,
    asked: &Asked<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut writer = Writer {
        zone,
        signing: Signing::new(zone, reply),
        rtype: asked.rtype,
        rotation: asked.rotation,
        servers: asked.servers,
    };
    match lookup {
        Lookup::NotHere => Outcome::NotHere,
        Lookup::Alias(_) | Lookup::Redirect(_) => writer.follow(lookup, asked, reply),
        end => writer.end(end, asked.name, asked.at, reply),
    }
}

/// Writes one reply.
struct Writer<'z> {
    zone: &'z Zone,
    signing: Signing<'z>,
    rtype: RecordType,
    rotation: u32,
    servers: bool,
}

impl<'z> Writer<'z> {
    /// Writes what the name has that no alias leads away from, and which stands at offset `at`.
    fn end(
        &mut self,
        lookup: Lookup<'z>,
        name: &LookupName,
        at: u16,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        match lookup {
            Lookup::Found(rrset) => self.found(rrset, name, at, reply),
            Lookup::NoData => {
                self.negative(name, at, reply);
                Outcome::NoData
            }
            Lookup::NoSuchName => {
                reply.set_rcode(Rcode::NXDOMAIN);
                self.negative(name, at, reply);
                Outcome::NoSuchName
            }
            Lookup::Cut(cut) => self.refer(cut, name, at, reply),
            Lookup::Alias(_) | Lookup::Redirect(_) => Outcome::AliasLoop,
            Lookup::NotHere => Outcome::NotHere,
        }
    }

    fn found(
        &mut self,
        rrset: RrsetRef<'z>,
        name: &LookupName,
        at: u16,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        reply.set_authoritative(true);
        let owner = Owner::At(at);
        let first = reply.position;
        let whole = reply.records(Section::Answer, owner, rrset, self.rotation);
        let end = reply.position;
        self.signing
            .answer(name, owner, at, (rrset.rtype(), self.rtype), reply);
        if !whole {
            return Outcome::Answered;
        }
        let servers = self.add_servers(rrset.rtype(), name, at, reply);
        self.signing.prove(reply);
        let answered = (name, rrset.rtype());
        self.add_targets(rrset.rtype(), first..end, answered, reply);
        if let Some(servers) = servers {
            self.add_targets(RecordType::NS, servers, answered, reply);
        }
        Outcome::Answered
    }

    /// Writes that there is nothing: the SOA, and why that is so.
    fn negative(&mut self, name: &LookupName, at: u16, reply: &mut Reply<'_>) {
        reply.set_authoritative(true);
        let first = reply.position;
        if reply.authority_soa(self.zone, name, at) {
            self.signing.soa(first, reply);
        }
        self.signing.deny(name, self.rtype, reply);
        self.signing.prove(reply);
    }

    /// Adds the zone's own name servers, if they fit whole. Returns where they stand.
    fn add_servers(
        &mut self,
        answered: RecordType,
        name: &LookupName,
        at: u16,
        reply: &mut Reply<'_>,
    ) -> Option<std::ops::Range<usize>> {
        let apex = self.zone.apex().as_wire();
        // Keys and delegation signers are long, and whoever asks for them knows the servers.
        let long = matches!(answered, RecordType::DNSKEY | RecordType::DS);
        let present = answered == RecordType::NS && name.as_wire() == apex;
        if !self.servers || long || present {
            return None;
        }
        let servers = self.zone.at(apex, RecordType::NS)?;
        let label = name.label_count().saturating_sub(self.zone.apex_labels());
        let owner = suffix_pointer(name, label, at).map_or(Owner::Name(apex), Owner::At);
        let first = reply.position;
        let signatures = self.signing.length(apex, owner, RecordType::NS);
        if !reply.courtesy(Section::Authority, owner, servers, signatures) {
            return None;
        }
        let end = reply.position;
        let section = Section::Authority;
        self.signing.at(apex, section, owner, RecordType::NS, reply);
        Some(first..end)
    }
}
