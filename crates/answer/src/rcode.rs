//! Response codes.

use std::fmt;
use std::str::FromStr;

use crate::record::{BadMnemonic, numbered};

/// The outcome of a query as the client is told it: 12 bits, of which the upper 8 travel in the
/// OPT record (RFC 1035 §4.1.1, RFC 6891 §6.1.3; numbers: RFC 6895 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Rcode = Rcode(0);
    /// The request could not be understood.
    pub const FORMERR: Rcode = Rcode(1);
    /// The server failed.
    pub const SERVFAIL: Rcode = Rcode(2);
    /// The name does not exist.
    pub const NXDOMAIN: Rcode = Rcode(3);
    /// The kind of request is not supported.
    pub const NOTIMP: Rcode = Rcode(4);
    /// The server will not answer this.
    pub const REFUSED: Rcode = Rcode(5);
    /// A name exists that should not: of a DNAME record that makes a name too long
    /// (RFC 6672 §2.2).
    pub const YXDOMAIN: Rcode = Rcode(6);
    /// The EDNS version is not supported (RFC 6891 §9); needs an OPT record to be said.
    pub const BADVERS: Rcode = Rcode(16);

    /// Makes a response code of the lower 12 bits of `value`.
    pub const fn new(value: u16) -> Self {
        Self(value & 0xfff)
    }

    /// The number, 0 to 4095.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The four bits that stand in the header.
    pub(crate) fn header_bits(self) -> u8 {
        (self.0 & 0xf) as u8
    }

    /// The eight bits that stand in the OPT record.
    pub(crate) fn extended_bits(self) -> u8 {
        (self.0 >> 4) as u8
    }
}

/// The codes that have a name (registry: RFC 6895 §2.3, RFC 7873 §8).
const MNEMONICS: [(u16, &str); 20] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (16, "BADVERS"),
    // The same number in a TSIG record, where it never becomes the code of a reply.
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

/// Shows the mnemonic (`NXDOMAIN`), or `RCODE` and the number where there is none.
impl fmt::Display for Rcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MNEMONICS.iter().find(|(value, _)| *value == self.0) {
            Some((_, mnemonic)) => formatter.write_str(mnemonic),
            None => write!(formatter, "RCODE{}", self.0),
        }
    }
}

/// Reads a mnemonic in any case, or `RCODE` and a number from 0 to 4095, or the number alone.
impl FromStr for Rcode {
    type Err = BadMnemonic;

    fn from_str(text: &str) -> Result<Self, BadMnemonic> {
        let mut known = MNEMONICS.iter();
        known
            .find(|(_, mnemonic)| mnemonic.eq_ignore_ascii_case(text))
            .map(|(value, _)| *value)
            .or_else(|| numbered("RCODE", text).or_else(|| numbered("", text)))
            .filter(|value| *value <= 0xfff)
            .map(Self)
            .ok_or_else(|| BadMnemonic::new("response code", "RCODE", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badvers_is_split_between_header_and_opt() {
        assert_eq!(Rcode::BADVERS.header_bits(), 0);
        assert_eq!(Rcode::BADVERS.extended_bits(), 1);
        assert_eq!(Rcode::new(0xffff).value(), 0xfff);
    }

    #[test]
    fn logs_show_mnemonics() {
        assert_eq!(Rcode::NXDOMAIN.to_string(), "NXDOMAIN");
        assert_eq!(Rcode::new(11).to_string(), "RCODE11");
    }

    /// If this fails, a configuration cannot name a code, or names another one.
    #[test]
    fn codes_read_as_people_write_them() {
        assert_eq!("nxdomain".parse(), Ok(Rcode::NXDOMAIN));
        assert_eq!("RCODE5".parse(), Ok(Rcode::REFUSED));
        assert_eq!("23".parse(), Ok(Rcode::new(23)));
        for bad in ["", "NXDOMAINS", "RCODE", "4096", "-1"] {
            assert!(bad.parse::<Rcode>().is_err(), "{bad}");
        }
    }
}
