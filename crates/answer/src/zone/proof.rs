//! What a signed zone has to show for an answer: signatures, and denials of existence.

use super::{Walk, Zone};
use crate::name::LookupName;
use crate::record::RecordType;
use crate::wire::MAX_NAME;
use crate::zone::RrsetRef;

/// Where an answer about a name comes from.
pub(crate) enum Source<'z> {
    /// The name exists, with these signatures.
    Itself(Option<RrsetRef<'z>>),
    /// A wildcard stands in for it.
    Wildcard {
        /// The wildcard.
        name: LookupName,
        /// Its signatures.
        signatures: Option<RrsetRef<'z>>,
    },
    /// Neither it nor a wildcard for it exists.
    Nowhere {
        /// The wildcard that would have stood in for it.
        wildcard: Option<LookupName>,
    },
    /// Others answer for it.
    Elsewhere,
}

/// An NSEC record, which tells of its owner and that nothing stands between it and the next name.
pub(crate) struct Denial<'z> {
    /// Its owner.
    pub(crate) owner: LookupName,
    /// The record.
    pub(crate) nsec: RrsetRef<'z>,
    /// The signatures at its owner.
    pub(crate) signatures: Option<RrsetRef<'z>>,
}

impl Zone {
    /// Whether the zone has signatures and denials.
    pub(crate) fn is_signed(&self) -> bool {
        self.0.order.is_some()
    }

    /// The signatures at exactly this name, in wire form and lower case.
    pub(crate) fn signatures(&self, name: &[u8]) -> Option<RrsetRef<'_>> {
        self.0.find(name)?.rrset(RecordType::RRSIG)
    }

    /// The records of a type at exactly this name, in wire form and lower case.
    pub(crate) fn at(&self, name: &[u8], rtype: RecordType) -> Option<RrsetRef<'_>> {
        self.0.find(name)?.rrset(rtype)
    }

    /// Where an answer about a name and a type comes from.
    pub(crate) fn source(&self, name: &LookupName, rtype: RecordType) -> Source<'_> {
        let zone = &*self.0;
        match zone.walk(name, rtype) {
            Walk::Exact(entry) => Source::Itself(entry.rrset(RecordType::RRSIG)),
            Walk::Cut(_) | Walk::Redirect(_) => Source::Elsewhere,
            Walk::Missing(encloser) => {
                let encloser = name.suffix(encloser);
                let asterisk = wildcard(encloser);
                match (zone.wildcard(encloser), asterisk) {
                    (Some(entry), Some(name)) => Source::Wildcard {
                        name,
                        signatures: entry.rrset(RecordType::RRSIG),
                    },
                    (_, wildcard) => Source::Nowhere { wildcard },
                }
            }
        }
    }

    /// The record that tells which types a name has, or that it does not exist (RFC 4034 §4.1).
    pub(crate) fn denial(&self, name: &LookupName) -> Option<Denial<'_>> {
        let owner = self.0.order.as_ref()?.at_or_before(name)?;
        let entry = self.0.find(owner.as_wire())?;
        Some(Denial {
            nsec: entry.rrset(RecordType::NSEC)?,
            signatures: entry.rrset(RecordType::RRSIG),
            owner,
        })
    }
}

/// The wildcard right below a name; [`None`] where it would be too long.
fn wildcard(encloser: &[u8]) -> Option<LookupName> {
    let mut name = [0; MAX_NAME];
    let name = name.get_mut(..encloser.len() + 2)?;
    let (asterisk, rest) = name.split_at_mut_checked(2)?;
    asterisk.copy_from_slice(b"\x01*");
    rest.copy_from_slice(encloser);
    LookupName::from_checked(name)
}
