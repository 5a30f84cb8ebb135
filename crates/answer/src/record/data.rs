//! The data of records in wire form, and RRsets as they are put into a zone.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::RecordType;
use crate::name::Name;
use crate::wire::{Reader, name_length};

/// The longest record data that is accepted, in octets. It leaves room for a header, the longest
/// question and an OPT record in a message of 65,535.
pub const MAX_RECORD_DATA: usize = 65_000;

/// The longest time to live, in seconds: 2³¹ − 1 (RFC 2181 §8). Longer ones are cut to it.
pub const MAX_TTL: u32 = 0x7fff_ffff;

/// The data of one record in wire form, names in it uncompressed; at most [`MAX_RECORD_DATA`]
/// octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordData(Box<[u8]>);

impl RecordData {
    /// An IPv4 address, for A (RFC 1035 §3.4.1).
    pub fn a(address: Ipv4Addr) -> Self {
        Self(address.octets().into())
    }

    /// An IPv6 address, for AAAA (RFC 3596 §2.2).
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self(address.octets().into())
    }

    /// An address with the type that holds it, A or AAAA.
    pub fn address(address: IpAddr) -> (RecordType, Self) {
        match address {
            IpAddr::V4(address) => (RecordType::A, Self::a(address)),
            IpAddr::V6(address) => (RecordType::AAAA, Self::aaaa(address)),
        }
    }

    /// Text, for TXT (RFC 1035 §3.3.14): split into as many strings of 255 octets as it needs,
    /// one empty string for none.
    ///
    /// # Errors
    ///
    /// When it does not fit into one record.
    pub fn txt(text: &[u8]) -> Result<Self, RecordDataTooLong> {
        let mut data = Vec::with_capacity(text.len() + text.len() / 255 + 1);
        if text.is_empty() {
            data.push(0);
        }
        for string in text.chunks(255) {
            data.push(string.len() as u8);
            data.extend_from_slice(string);
        }
        Self::raw(data)
    }

    /// Where a service is, for SRV (RFC 2782): lower `priority` first, `weight` among equals.
    pub fn srv(priority: u16, weight: u16, port: u16, target: &Name) -> Self {
        let mut data = Vec::with_capacity(6 + target.as_wire().len());
        for field in [priority, weight, port] {
            data.extend_from_slice(&field.to_be_bytes());
        }
        data.extend_from_slice(target.as_wire());
        Self(data.into())
    }

    /// A mail exchange, for MX (RFC 1035 §3.3.9): lower `preference` first.
    pub fn mx(preference: u16, exchange: &Name) -> Self {
        Self(
            [&preference.to_be_bytes(), exchange.as_wire()]
                .concat()
                .into(),
        )
    }

    /// What an address or another name points to, for PTR (RFC 1035 §3.3.12).
    pub fn ptr(target: &Name) -> Self {
        Self(target.as_wire().into())
    }

    /// The name that this is an alias of, for CNAME (RFC 1035 §3.3.1).
    pub fn cname(target: &Name) -> Self {
        Self(target.as_wire().into())
    }

    /// A name server, for NS (RFC 1035 §3.3.11).
    pub fn ns(server: &Name) -> Self {
        Self(server.as_wire().into())
    }

    /// The start of a zone of authority, for SOA (RFC 1035 §3.3.13).
    pub fn soa(soa: &Soa) -> Self {
        let mut data = [soa.primary.as_wire(), soa.mailbox.as_wire()].concat();
        for field in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
            data.extend_from_slice(&field.to_be_bytes());
        }
        Self(data.into())
    }

    /// Data in wire form, for any type. Names in it must be uncompressed.
    ///
    /// # Errors
    ///
    /// When it is longer than [`MAX_RECORD_DATA`].
    pub fn raw(data: impl Into<Box<[u8]>>) -> Result<Self, RecordDataTooLong> {
        let data = data.into();
        match data.len() {
            0..=MAX_RECORD_DATA => Ok(Self(data)),
            length => Err(RecordDataTooLong { length }),
        }
    }

    /// The data in wire form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the data has the form that its type asks for. Types whose form is not known here
    /// pass: an unknown type is opaque (RFC 3597 §3).
    pub(crate) fn suits(&self, rtype: RecordType) -> bool {
        let data = self.as_bytes();
        match rtype {
            RecordType::A => data.len() == 4,
            RecordType::AAAA => data.len() == 16,
            RecordType::TXT => !data.is_empty() && are_strings(data),
            RecordType::SOA => soa_minimum(data).is_some(),
            // The signer's name stands behind 18 octets (RFC 4034 §3.1).
            RecordType::RRSIG => data
                .get(18..)
                .is_some_and(|rest| name_length(rest).is_some()),
            RecordType::NSEC => name_length(data).is_some(),
            RecordType::SVCB | RecordType::HTTPS => data
                .get(2..)
                .is_some_and(|rest| name_length(rest).is_some()),
            RecordType::NS
            | RecordType::CNAME
            | RecordType::PTR
            | RecordType::DNAME
            | RecordType::MX
            | RecordType::SRV => {
                let name = data
                    .get(target_offset(rtype).unwrap_or_default()..)
                    .unwrap_or(&[]);
                name_length(name) == Some(name.len())
            }
            _ => true,
        }
    }
}

/// Where in the data of a record the host name stands whose addresses a client will want next;
/// `None` for types without one (RFC 1035 §3.3, RFC 2782, RFC 9460 §4.1).
pub(crate) fn target_offset(rtype: RecordType) -> Option<usize> {
    match rtype {
        RecordType::NS => Some(0),
        RecordType::MX | RecordType::SVCB | RecordType::HTTPS => Some(2),
        RecordType::SRV => Some(6),
        _ => None,
    }
}

/// The last field of a SOA's data: how long a negative answer holds (RFC 2308 §4). `None` when
/// the data is no SOA.
pub(crate) fn soa_minimum(data: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(data, 0);
    reader.name()?;
    reader.name()?;
    reader.take(16)?;
    let minimum = reader.u32()?;
    reader.is_at_end().then_some(minimum)
}

/// Whether the data is nothing but strings after their length octets.
fn are_strings(data: &[u8]) -> bool {
    let mut reader = Reader::new(data, 0);
    while !reader.is_at_end() {
        let string = reader
            .u8()
            .and_then(|length| reader.take(usize::from(length)));
        if string.is_none() {
            return false;
        }
    }
    true
}

/// Record data that is longer than [`MAX_RECORD_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordDataTooLong {
    /// The length that was given, in octets.
    pub length: usize,
}

impl fmt::Display for RecordDataTooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        write!(
            formatter,
            "the record's data has {length} octets; at most {MAX_RECORD_DATA} fit"
        )
    }
}

impl Error for RecordDataTooLong {}

/// The fields of a SOA record (RFC 1035 §3.3.13). Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary name server of the zone (MNAME).
    pub primary: Name,
    /// The mailbox of who is responsible, its `@` written as a dot (RNAME).
    pub mailbox: Name,
    /// The version of the zone, compared in serial number arithmetic (RFC 1982).
    pub serial: u32,
    /// How often secondaries ask whether the zone has changed.
    pub refresh: u32,
    /// How long they wait after a failed attempt.
    pub retry: u32,
    /// After how long without success they stop answering.
    pub expire: u32,
    /// How long a client may remember that something does not exist (RFC 2308 §4).
    pub minimum: u32,
}

impl Soa {
    /// A SOA for a zone whose names come and go: it asks clients to forget after one second that
    /// a name did not exist, and has ordinary times for secondaries.
    pub fn new(primary: Name, mailbox: Name, serial: u32) -> Self {
        Self {
            primary,
            mailbox,
            serial,
            refresh: 7200,
            retry: 1800,
            expire: 86400,
            minimum: 1,
        }
    }
}

/// All records of one type at one name, as they are put into a zone (RFC 2181 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset {
    /// The type of all records.
    pub rtype: RecordType,
    /// The time to live of all records, in seconds (RFC 2181 §5.2); cut to [`MAX_TTL`].
    pub ttl: u32,
    /// The data of each record. Equal ones count once.
    pub data: Vec<RecordData>,
}

impl Rrset {
    /// Puts records together.
    pub fn new(rtype: RecordType, ttl: u32, data: impl IntoIterator<Item = RecordData>) -> Self {
        Self {
            rtype,
            ttl,
            data: data.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn text_is_split_into_strings_of_255() {
        let data = RecordData::txt(&[b'x'; 300]).unwrap();
        assert_eq!(data.as_bytes().len(), 302);
        assert_eq!(data.as_bytes()[0], 255);
        assert_eq!(data.as_bytes()[256], 45);
        assert_eq!(
            RecordData::txt(b"").unwrap().as_bytes(),
            [0],
            "one empty string"
        );
        assert_eq!(
            RecordData::txt(&[0; 65_000]),
            Err(RecordDataTooLong { length: 65_255 })
        );
    }

    #[test]
    fn an_srv_target_is_uncompressed() {
        let data = RecordData::srv(1, 2, 0x1234, &name("a.b"));
        assert_eq!(data.as_bytes(), b"\0\x01\0\x02\x12\x34\x01a\x01b\0");
        assert!(data.suits(RecordType::SRV));
    }

    #[test]
    fn data_must_suit_its_type() {
        let raw = |bytes: &[u8]| RecordData::raw(bytes).unwrap();
        assert!(!raw(b"\x01\x02\x03").suits(RecordType::A));
        assert!(!raw(b"\x01\x02\x03\x04").suits(RecordType::AAAA));
        assert!(!raw(b"\x01a\0\0").suits(RecordType::CNAME));
        assert!(!raw(b"\0\0\0\0\0").suits(RecordType::SRV));
        assert!(!raw(b"\x05ab").suits(RecordType::TXT));
        assert!(!raw(b"").suits(RecordType::TXT));
        assert!(
            raw(b"").suits(RecordType(65280)),
            "an unknown type is opaque"
        );
    }

    #[test]
    fn a_soa_tells_its_minimum() {
        let soa = Soa {
            minimum: 77,
            ..Soa::new(name("ns.a"), name("host.a"), 5)
        };
        let data = RecordData::soa(&soa);
        assert_eq!(soa_minimum(data.as_bytes()), Some(77));
        assert_eq!(soa_minimum(&data.as_bytes()[1..]), None);
        assert!(data.suits(RecordType::SOA));
    }
}
