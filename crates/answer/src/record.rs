//! Record types and classes, and the records that zones are built of.

mod data;

use std::error::Error;
use std::fmt;
use std::str::FromStr;

pub use data::{MAX_RECORD_DATA, MAX_TTL, RecordData, RecordDataTooLong, Rrset, Soa};
pub(crate) use data::{soa_minimum, target_offset};

/// A record or query type: 16 bits (RFC 1035 §3.2.2; registry: RFC 6895 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

/// Defines each type once: the constant and the mnemonic that people write.
macro_rules! record_types {
    ($($(#[$doc:meta])* $mnemonic:ident = $value:literal;)*) => {
        impl RecordType {
            $($(#[$doc])* pub const $mnemonic: RecordType = RecordType($value);)*
        }

        /// The types that have a name here.
        const MNEMONICS: &[(RecordType, &str)] =
            &[$((RecordType::$mnemonic, stringify!($mnemonic))),*];
    };
}

record_types! {
    /// An IPv4 address (RFC 1035).
    A = 1;
    /// A name server of a zone (RFC 1035).
    NS = 2;
    /// The name that this name is an alias of (RFC 1035).
    CNAME = 5;
    /// The start of a zone of authority (RFC 1035).
    SOA = 6;
    /// The name of an address, or another pointer (RFC 1035).
    PTR = 12;
    /// Hardware and system; now the minimal answer to ANY (RFC 8482).
    HINFO = 13;
    /// A mail exchange (RFC 1035).
    MX = 15;
    /// Text (RFC 1035).
    TXT = 16;
    /// An IPv6 address (RFC 3596).
    AAAA = 28;
    /// Where a service is (RFC 2782).
    SRV = 33;
    /// Rules for rewriting names (RFC 3403).
    NAPTR = 35;
    /// An alias of a subtree (RFC 6672).
    DNAME = 39;
    /// EDNS(0), not a record of data (RFC 6891).
    OPT = 41;
    /// Delegation signer (RFC 4034).
    DS = 43;
    /// SSH key fingerprint (RFC 4255).
    SSHFP = 44;
    /// A signature (RFC 4034).
    RRSIG = 46;
    /// Denial of existence (RFC 4034).
    NSEC = 47;
    /// A zone's public key (RFC 4034).
    DNSKEY = 48;
    /// Hashed denial of existence (RFC 5155).
    NSEC3 = 50;
    /// Parameters of hashed denial (RFC 5155).
    NSEC3PARAM = 51;
    /// A TLS certificate association (RFC 6698).
    TLSA = 52;
    /// How to reach a service (RFC 9460).
    SVCB = 64;
    /// How to reach an HTTPS service (RFC 9460).
    HTTPS = 65;
    /// A transaction signature, not a record of data (RFC 8945).
    TSIG = 250;
    /// A request for a zone's changes (RFC 1995).
    IXFR = 251;
    /// A request for a whole zone (RFC 5936).
    AXFR = 252;
    /// A request for any type (RFC 1035, RFC 8482).
    ANY = 255;
    /// Who may issue certificates (RFC 8659).
    CAA = 257;
}

impl RecordType {
    /// The mnemonic, for a type that has a name here.
    pub fn mnemonic(self) -> Option<&'static str> {
        let known = MNEMONICS.iter().find(|(rtype, _)| *rtype == self);
        known.map(|(_, mnemonic)| *mnemonic)
    }

    /// Whether a zone can hold records of this type: not for the reserved type 0, OPT, and the
    /// meta and query types from 128 to 255 (RFC 6895 §3.1).
    pub const fn is_data(self) -> bool {
        !matches!(self.0, 0 | 41 | 128..=255)
    }
}

/// Shows the mnemonic, or `TYPE` and the number (RFC 3597 §5).
impl fmt::Display for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => formatter.write_str(mnemonic),
            None => write!(formatter, "TYPE{}", self.0),
        }
    }
}

/// Reads a mnemonic in any case, or `TYPE` and a number (RFC 3597 §5).
impl FromStr for RecordType {
    type Err = BadMnemonic;

    fn from_str(text: &str) -> Result<Self, BadMnemonic> {
        MNEMONICS
            .iter()
            .find(|(_, mnemonic)| mnemonic.eq_ignore_ascii_case(text))
            .map(|(rtype, _)| *rtype)
            .or_else(|| numbered("TYPE", text).map(RecordType))
            .ok_or_else(|| BadMnemonic::new("record type", "TYPE", text))
    }
}

/// A class: 16 bits (RFC 1035 §3.2.4; registry: RFC 6895 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class(pub u16);

impl Class {
    /// The Internet; the class of everything in a zone here.
    pub const IN: Class = Class(1);
    /// Chaos, where servers tell about themselves (RFC 4892).
    pub const CH: Class = Class(3);
    /// Hesiod, a directory of users (RFC 1035 §3.2.4).
    pub const HS: Class = Class(4);
    /// Any class.
    pub const ANY: Class = Class(255);

    const MNEMONICS: [(Class, &str); 4] = [
        (Class::IN, "IN"),
        (Class::CH, "CH"),
        (Class::HS, "HS"),
        (Class::ANY, "ANY"),
    ];

    /// The mnemonic, for a class that has a name here.
    pub fn mnemonic(self) -> Option<&'static str> {
        let known = Self::MNEMONICS.iter().find(|(class, _)| *class == self);
        known.map(|(_, mnemonic)| *mnemonic)
    }
}

/// Shows the mnemonic, or `CLASS` and the number (RFC 3597 §5).
impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => formatter.write_str(mnemonic),
            None => write!(formatter, "CLASS{}", self.0),
        }
    }
}

/// Reads a mnemonic in any case, or `CLASS` and a number (RFC 3597 §5).
impl FromStr for Class {
    type Err = BadMnemonic;

    fn from_str(text: &str) -> Result<Self, BadMnemonic> {
        Self::MNEMONICS
            .iter()
            .find(|(_, mnemonic)| mnemonic.eq_ignore_ascii_case(text))
            .map(|(class, _)| *class)
            .or_else(|| numbered("CLASS", text).map(Class))
            .ok_or_else(|| BadMnemonic::new("class", "CLASS", text))
    }
}

/// Reads `prefix` in any case and the decimal number after it.
pub(crate) fn numbered(prefix: &str, text: &str) -> Option<u16> {
    let (start, digits) = text.split_at_checked(prefix.len())?;
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    (start.eq_ignore_ascii_case(prefix) && all_digits)
        .then(|| digits.parse().ok())
        .flatten()
}

/// A word that is not a record type, a class or a response code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadMnemonic {
    what: &'static str,
    prefix: &'static str,
    text: String,
}

impl BadMnemonic {
    pub(crate) fn new(what: &'static str, prefix: &'static str, text: &str) -> Self {
        Self {
            what,
            prefix,
            text: text.into(),
        }
    }
}

impl fmt::Display for BadMnemonic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, prefix, text } = self;
        write!(
            formatter,
            "unknown {what} \"{text}\"; write {prefix} and its number if it is meant"
        )
    }
}

impl Error for BadMnemonic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_people_write_them() {
        assert_eq!("aaaa".parse(), Ok(RecordType::AAAA));
        assert_eq!("TYPE28".parse(), Ok(RecordType::AAAA));
        assert_eq!("type65280".parse(), Ok(RecordType(65280)));
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert_eq!(RecordType::SRV.to_string(), "SRV");
        for bad in ["", "TYPE", "TYPE+1", "TYPE65536", "AAAAA", "TÝPE1"] {
            assert!(bad.parse::<RecordType>().is_err(), "{bad}");
        }
    }

    #[test]
    fn classes_read_as_people_write_them() {
        assert_eq!("ch".parse(), Ok(Class::CH));
        assert_eq!("CLASS7".parse(), Ok(Class(7)));
        assert_eq!(Class(7).to_string(), "CLASS7");
        assert_eq!(
            "XX".parse::<Class>().unwrap_err().to_string(),
            "unknown class \"XX\"; write CLASS and its number if it is meant"
        );
    }

    #[test]
    fn query_types_are_not_data() {
        assert!(RecordType::A.is_data() && RecordType::CAA.is_data());
        for rtype in [
            RecordType(0),
            RecordType::OPT,
            RecordType::AXFR,
            RecordType::ANY,
        ] {
            assert!(!rtype.is_data(), "{rtype}");
        }
    }
}
