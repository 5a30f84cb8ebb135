//! What a signed zone adds for clients that check signatures (RFC 4035 §3.1).

use crate::name::LookupName;
use crate::record::RecordType;
use crate::reply::{Owner, Reply, Section};
use crate::wire::LAST_POINTER;
use crate::zone::{Denial, RrsetRef, Source, Zone};

/// How many names of one reply can come from wildcards.
const MOST_WILDCARDS: usize = 9;

/// How many different denials one reply can need: one for each wildcard, two for its end.
const MOST_DENIALS: usize = MOST_WILDCARDS + 2;

/// Names in a reply that wildcards stood in for. That they do not exist themselves has to be shown
/// in the authority section, once the answer is complete (RFC 4035 §3.1.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// Where they stand.
    at: [u16; MOST_WILDCARDS],
    count: usize,
}

impl Proofs {
    /// Writes what shows it, from the zone that has given the names.
    pub fn write(self, zone: &Zone, reply: &mut Reply<'_>) {
        let mut signing = Signing::new(zone, reply);
        signing.proofs = self;
        signing.prove(reply);
    }
}

/// What is written about signatures in one reply; does nothing where nothing is signed or the
/// client has not asked.
pub(super) struct Signing<'z> {
    /// The zone, if there is anything to do.
    zone: Option<&'z Zone>,
    proofs: Proofs,
    /// The denials that are written.
    written: [Option<RrsetRef<'z>>; MOST_DENIALS],
    count: usize,
}

impl<'z> Signing<'z> {
    pub(super) fn new(zone: &'z Zone, reply: &Reply<'_>) -> Self {
        Self {
            zone: (zone.is_signed() && reply.wants_signatures()).then_some(zone),
            proofs: Proofs::default(),
            written: [None; MOST_DENIALS],
            count: 0,
        }
    }

    /// What is left to be proven.
    pub(super) fn proofs(&self) -> Proofs {
        self.proofs
    }

    /// Signs records of the answer section, which may come from a wildcard: those of a type at a
    /// name that stands at offset `at`, looked for as another.
    pub(super) fn answer(
        &mut self,
        name: &LookupName,
        owner: Owner<'_>,
        at: u16,
        (rtype, asked): (RecordType, RecordType),
        reply: &mut Reply<'_>,
    ) {
        let Some(zone) = self.zone else { return };
        match zone.source(name, asked) {
            Source::Itself(signatures) => {
                put(Section::Answer, owner, rtype, signatures, reply);
            }
            Source::Wildcard { signatures, .. } => {
                put(Section::Answer, owner, rtype, signatures, reply);
                if let Some(place) = self.proofs.at.get_mut(self.proofs.count) {
                    *place = at;
                    self.proofs.count += 1;
                }
            }
            Source::Nowhere { .. } | Source::Elsewhere => {}
        }
    }

    /// Signs records of a type at exactly this name.
    pub(super) fn at(
        &mut self,
        name: &[u8],
        section: Section,
        owner: Owner<'_>,
        rtype: RecordType,
        reply: &mut Reply<'_>,
    ) {
        if let Some(zone) = self.zone {
            put(section, owner, rtype, zone.signatures(name), reply);
        }
    }

    /// Signs records of the additional section, as far as the signatures fit: the reply is complete
    /// without them (RFC 4035 §3.1.1).
    pub(super) fn additional(
        &mut self,
        host: &LookupName,
        owner: Owner<'_>,
        rtype: RecordType,
        reply: &mut Reply<'_>,
    ) {
        let Some(zone) = self.zone else { return };
        let (Source::Itself(signatures) | Source::Wildcard { signatures, .. }) =
            zone.source(host, rtype)
        else {
            return;
        };
        put(Section::Additional, owner, rtype, signatures, reply);
    }

    /// How many octets the signatures of records of a type at exactly this name take.
    pub(super) fn length(&self, name: &[u8], owner: Owner<'_>, rtype: RecordType) -> usize {
        let Some(zone) = self.zone else { return 0 };
        let owner = match owner {
            Owner::At(_) => 0,
            Owner::Name(name) => name.len(),
        };
        let signatures = signatures_of(rtype, zone.signatures(name));
        signatures.map(|record| record.len() + owner).sum()
    }

    /// Signs the SOA of a negative answer, which begins at this offset.
    pub(super) fn soa(&mut self, first: usize, reply: &mut Reply<'_>) {
        let Some(zone) = self.zone else { return };
        let apex = zone.apex().as_wire();
        let owner = owner_at(first, apex, reply);
        let position = reply.position;
        let section = Section::Authority;
        put(
            section,
            owner,
            RecordType::SOA,
            zone.signatures(apex),
            reply,
        );
        // The SOA holds no longer than negative answers do, and its signature no longer than it.
        reply.limit_ttls_from(position, zone.negative_ttl());
    }

    /// Shows what a name lacks: the type, or that it exists at all (RFC 4035 §3.1.3).
    pub(super) fn deny(&mut self, name: &LookupName, rtype: RecordType, reply: &mut Reply<'_>) {
        let Some(zone) = self.zone else { return };
        match zone.source(name, rtype) {
            Source::Itself(_) => self.denial(zone.denial(name), reply),
            Source::Wildcard { name: wildcard, .. } => {
                self.denial(zone.denial(name), reply);
                self.denial(zone.denial(&wildcard), reply);
            }
            Source::Nowhere { wildcard } => {
                self.denial(zone.denial(name), reply);
                let wildcard = wildcard.and_then(|wildcard| zone.denial(&wildcard));
                self.denial(wildcard, reply);
            }
            Source::Elsewhere => {}
        }
    }

    /// Adds whether the zone below a cut is signed: its DS records, or that there are none
    /// (RFC 4035 §3.1.4).
    pub(super) fn delegation(&mut self, child: &[u8], owner: Owner<'_>, reply: &mut Reply<'_>) {
        let Some(zone) = self.zone else { return };
        if let Some(ds) = zone.at(child, RecordType::DS) {
            reply.records(Section::Authority, owner, ds, 0);
            let signatures = zone.signatures(child);
            put(Section::Authority, owner, RecordType::DS, signatures, reply);
        } else if let Some(child) = LookupName::from_checked(child) {
            self.denial(zone.denial(&child), reply);
        }
    }

    /// Shows that the names for which wildcards stood in do not exist.
    pub(super) fn prove(&mut self, reply: &mut Reply<'_>) {
        let Some(zone) = self.zone else { return };
        let Proofs { at, count } = std::mem::take(&mut self.proofs);
        for at in at.into_iter().take(count) {
            if let Some(name) = reply.name_at(at) {
                self.denial(zone.denial(&name), reply);
            }
        }
    }

    /// Adds a denial and its signatures, once.
    fn denial(&mut self, denial: Option<Denial<'z>>, reply: &mut Reply<'_>) {
        let Some(Denial {
            owner,
            nsec,
            signatures,
        }) = denial
        else {
            return;
        };
        if self.written.contains(&Some(nsec)) {
            return;
        }
        if let Some(place) = self.written.get_mut(self.count) {
            *place = Some(nsec);
            self.count += 1;
        }
        let first = reply.position;
        let whole = Owner::Name(owner.as_wire());
        if reply.records(Section::Authority, whole, nsec, 0) {
            let owner = owner_at(first, owner.as_wire(), reply);
            put(
                Section::Authority,
                owner,
                RecordType::NSEC,
                signatures,
                reply,
            );
        }
    }
}

/// A pointer to the owner of the record that begins at an offset of the reply.
fn owner_at<'n>(first: usize, name: &'n [u8], reply: &Reply<'_>) -> Owner<'n> {
    match reply.out.get(first) {
        // A pointer to a pointer is one too many (RFC 1035 §4.1.4 asks for a prior occurrence of
        // the name): where the record itself points, its signature does the same.
        Some(byte) if *byte >= 0xc0 => {
            let pointer = reply.out.get(first..).and_then(<[u8]>::first_chunk);
            Owner::At(pointer.map_or(0, |pointer| u16::from_be_bytes(*pointer) & 0x3fff))
        }
        Some(_) if first <= LAST_POINTER => Owner::At(first as u16),
        _ => Owner::Name(name),
    }
}

/// Writes the signatures of records of a type.
fn put(
    section: Section,
    owner: Owner<'_>,
    rtype: RecordType,
    signatures: Option<RrsetRef<'_>>,
    reply: &mut Reply<'_>,
) {
    for record in signatures_of(rtype, signatures) {
        reply.stored(section, owner, record);
    }
}

/// Of all signatures at a name, those of records of a type (RFC 4034 §3.1.1).
fn signatures_of(
    rtype: RecordType,
    signatures: Option<RrsetRef<'_>>,
) -> impl Iterator<Item = &[u8]> {
    signatures
        .into_iter()
        .flat_map(|signatures| signatures.records())
        .filter(move |record| record.data.starts_with(&rtype.0.to_be_bytes()))
        .map(|record| record.bytes)
}
