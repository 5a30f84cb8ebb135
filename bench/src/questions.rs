//! The names that are asked for, in every form that servers read, and what must be answered.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::Result;
use crate::expected::Expected;

/// The zone in which all names are.
pub const ZONE: &str = "example.org";

/// How many names have 50 addresses each.
const LISTS: u32 = 100;

/// How many addresses these have.
const LIST: u32 = 50;

/// How many services there are.
const SERVICES: u32 = 1000;

/// A query, and what its reply must say.
#[derive(Clone, Debug)]
pub struct Question {
    /// The whole message; its identifier is 0.
    pub message: Vec<u8>,
    /// Where the question ends.
    pub end: usize,
    /// What the reply must say.
    pub expected: Expected,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The address of a name.
    Address,
    /// The same, with EDNS and DO.
    Signatures,
    /// The address of a name that is not there.
    NoName,
    /// Another type of a name that is there.
    NoData,
    /// The address of a name that only a wildcard has.
    Wildcard,
    /// A service, whose target's address is an additional record.
    Service,
    /// A name with 50 addresses.
    List,
}

/// The address of name `number`.
#[must_use]
pub fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | number)
}

/// The address `place` of list `number`.
fn listed(number: u32, place: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xac10_0000 | (number << 8) | place)
}

/// A zone file with so many names, and what the other kinds ask for.
#[must_use]
pub fn zone_file(names: u32) -> String {
    let mut text = format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 1800 1209600 300\n\
         @ NS ns1\nns1 A 192.0.2.1\n*.wild A 192.0.2.77\n"
    );
    for number in 1..=names {
        let _ = writeln!(text, "worker{number} A {}", address(number));
    }
    for number in 1..=SERVICES.min(names) {
        let _ = writeln!(
            text,
            "_grpc._tcp.worker{number} SRV 0 0 2222 worker{number}"
        );
    }
    for number in 1..=LISTS {
        for place in 1..=LIST {
            let _ = writeln!(text, "list{number} A {}", listed(number, place));
        }
    }
    text
}

/// The names and addresses of a zone with so many names as a hosts file has them.
#[must_use]
pub fn hosts_file(names: u32) -> String {
    let mut text = String::new();
    for number in 1..=names {
        let _ = writeln!(text, "{} worker{number}.{ZONE}", address(number));
    }
    text
}

/// Questions of a kind for a zone of so many names.
///
/// # Errors
///
/// A name is none.
pub fn questions(kind: Kind, names: u32) -> Result<Vec<Question>> {
    let count = match kind {
        Kind::Service => SERVICES.min(names),
        Kind::List => LISTS,
        _ => names,
    };
    (1..=count).map(|number| question(kind, number)).collect()
}

fn question(kind: Kind, number: u32) -> Result<Question> {
    let worker = format!("worker{number}.{ZONE}");
    let found = |name: &str| Expected {
        answer: vec![format!("{name} a {}", address(number))],
        ..Expected::default()
    };
    let nothing = |rcode| Expected {
        rcode,
        negative: true,
        ..Expected::default()
    };
    match kind {
        Kind::Address => query(&worker, 1, false, found(&worker)),
        Kind::Signatures => query(&worker, 1, true, found(&worker)),
        Kind::NoName => query(&format!("nobody{number}.{ZONE}"), 1, false, nothing(3)),
        Kind::NoData => query(&worker, 28, false, nothing(0)),
        Kind::Wildcard => {
            let name = format!("x{number}.wild.{ZONE}");
            let expected = Expected {
                answer: vec![format!("{name} a 192.0.2.77")],
                ..Expected::default()
            };
            query(&name, 1, false, expected)
        }
        Kind::Service => {
            let name = format!("_grpc._tcp.{worker}");
            let expected = Expected {
                answer: vec![format!("{name} srv 0 0 2222 {worker}")],
                additional: found(&worker).answer,
                ..Expected::default()
            };
            query(&name, 33, false, expected)
        }
        Kind::List => {
            let name = format!("list{number}.{ZONE}");
            let record = |place| format!("{name} a {}", listed(number, place));
            let mut answer: Vec<String> = (1..=LIST).map(record).collect();
            answer.sort();
            let expected = Expected {
                answer,
                ..Expected::default()
            };
            // 50 addresses take more than the 512 octets of a client without EDNS.
            let mut question = query(&name, 1, true, expected)?;
            if let Some(flags) = question.message.len().checked_sub(4) {
                question.message[flags] = 0;
            }
            Ok(question)
        }
    }
}

/// A query (RFC 1035 §4.1), with EDNS and DO (RFC 3225) where `signatures` says so.
///
/// # Errors
///
/// The name is none.
pub fn query(name: &str, rtype: u16, signatures: bool, expected: Expected) -> Result<Question> {
    let additional = u8::from(signatures);
    let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len())?);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    let end = message.len();
    if signatures {
        message.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    }
    Ok(Question {
        message,
        end,
        expected,
    })
}
