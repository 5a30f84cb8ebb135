//! Why a change to a zone was refused.

use std::error::Error;
use std::fmt;

use crate::name::Name;
use crate::record::RecordType;
use crate::zone::MAX_RRSET;

/// Why a change to a zone was refused. The zone is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The name is not at or below the zone's apex.
    OutsideZone {
        /// The name.
        name: Name,
        /// The apex of the zone.
        apex: Name,
    },
    /// A zone cannot hold records of this type, such as OPT or ANY.
    NotData {
        /// Where the records were to stand.
        name: Name,
        /// Their type.
        rtype: RecordType,
    },
    /// A record's data does not have the form that its type asks for.
    BadData {
        /// Where the record was to stand.
        name: Name,
        /// Its type.
        rtype: RecordType,
        /// The length of the data, in octets.
        length: usize,
    },
    /// A CNAME would stand beside other records, or two CNAMEs at one name.
    Conflict {
        /// The name.
        name: Name,
        /// The type that was to be set.
        rtype: RecordType,
        /// The type that is there and excludes it.
        present: RecordType,
    },
    /// A SOA record elsewhere than at the apex, or several there.
    SoaMisplaced {
        /// Where it was to stand.
        name: Name,
    },
    /// The SOA record at the apex was to be removed.
    SoaNeeded {
        /// The apex.
        apex: Name,
    },
    /// The records of one type at one name take more than [`MAX_RRSET`] octets.
    TooLarge {
        /// The name.
        name: Name,
        /// The type.
        rtype: RecordType,
        /// How many octets they would take.
        length: usize,
    },
    /// The part of the zone that the name falls into would take more than 4 GiB.
    Full {
        /// The name.
        name: Name,
    },
}

impl fmt::Display for EditError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideZone { name, apex } => {
                write!(
                    formatter,
                    "{name} is not in the zone {apex}: put it in a zone that it ends with"
                )
            }
            Self::NotData { name, rtype } => {
                write!(
                    formatter,
                    "{name}: {rtype} is not a type of records that a zone can hold"
                )
            }
            Self::BadData {
                name,
                rtype,
                length,
            } => {
                write!(
                    formatter,
                    "{name}: {length} octets of data do not have the form of type {rtype}"
                )
            }
            Self::Conflict {
                name,
                rtype,
                present,
            } if rtype == present => {
                write!(
                    formatter,
                    "{name}: a name has one {rtype} at most; keep one of them"
                )
            }
            Self::Conflict {
                name,
                rtype,
                present,
            } => write!(
                formatter,
                "{name}: {rtype} cannot stand beside {present}: a CNAME stands alone; \
                 remove one of them"
            ),
            Self::SoaMisplaced { name } => {
                write!(formatter, "{name}: a zone has one SOA record, at its apex")
            }
            Self::SoaNeeded { apex } => {
                write!(
                    formatter,
                    "{apex}: the SOA record cannot be removed, only replaced"
                )
            }
            Self::TooLarge {
                name,
                rtype,
                length,
            } => write!(
                formatter,
                "{name}: its {rtype} records take {length} octets; at most {MAX_RRSET} are taken: \
                 spread them over several names"
            ),
            Self::Full { name } => write!(
                formatter,
                "{name}: the zone is full; records of megabytes at a name do not belong in DNS"
            ),
        }
    }
}

impl Error for EditError {}
