//! The data of a record, from words to wire form.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use answer::{Class, Name, RecordData, RecordType};
use domain::base::iana::Rtype;
use domain::base::rdata::ComposeRecordData;
use domain::dep::octseq::OctetsInto;
use domain::zonefile::inplace;

use super::entry::{Entry, Word};
use super::seconds;

/// The class that a word names, if it names one.
pub(super) fn class(text: &str) -> Option<Class> {
    match text {
        "HS" | "hs" => Some(Class(4)),
        "CS" | "cs" => Some(Class(2)),
        // A query's class, and none of records.
        _ => text.parse().ok().filter(|class| *class != Class::ANY),
    }
}

/// The type that a word names, if it names one.
pub(super) fn rtype(text: &str) -> Option<RecordType> {
    let known = || Rtype::from_str(text).ok().map(Rtype::to_int);
    text.parse().ok().or_else(|| known().map(RecordType))
}

/// The type whose data is written the same way and is known to the `domain` crate.
fn written_like(rtype: RecordType) -> RecordType {
    match rtype.0 {
        // AFSDB, RT and KX are a number and a name, SPF is text, SMIMEA is as TLSA.
        18 | 21 | 36 => RecordType::MX,
        99 => RecordType::TXT,
        53 => RecordType::TLSA,
        _ => rtype,
    }
}

/// Reads the data of a record of this type.
pub(super) fn read(
    entry: &Entry,
    words: &[Word],
    rtype: RecordType,
    origin: &Name,
) -> Result<RecordData, String> {
    // Most records of large zones are addresses.
    if let ([word], RecordType::A | RecordType::AAAA) = (words, rtype) {
        return address(entry.text(*word), rtype);
    }
    let data = scan(&line(entry, words, rtype), origin).map_err(|reason| {
        if reason.contains("unknown record type") {
            let unknown = "how its data is written is not known here";
            return format!("{rtype}: {unknown}; write \\# LENGTH HEXADECIMAL (RFC 3597 §5)");
        }
        format!("{rtype}: {reason}")
    })?;
    RecordData::raw(data).map_err(|error| error.to_string())
}

fn address(text: &str, rtype: RecordType) -> Result<RecordData, String> {
    if rtype == RecordType::A {
        let address = Ipv4Addr::from_str(text).ok().map(RecordData::a);
        return address.ok_or_else(|| format!("A: \"{text}\" is no IPv4 address"));
    }
    let address = Ipv6Addr::from_str(text).ok().map(RecordData::aaaa);
    address.ok_or_else(|| format!("AAAA: \"{text}\" is no IPv6 address"))
}

/// One line that the `domain` crate reads: root, TTL 0, class IN, type and the data.
fn line(entry: &Entry, words: &[Word], rtype: RecordType) -> String {
    let mut line = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(line, ". 0 IN TYPE{}", written_like(rtype).0);
    for (place, word) in words.iter().enumerate() {
        let text = entry.text(*word);
        if !word.joined {
            line.push(' ');
        }
        if word.quoted {
            line.extend(["\"", text, "\""]);
        } else if rtype == RecordType::SOA
            && (3..7).contains(&place)
            && let Some(seconds) = seconds(text)
        {
            let _ = write!(line, "{seconds}");
        } else {
            line.push_str(text);
        }
    }
    line.push('\n');
    line
}

fn scan(line: &str, origin: &Name) -> Result<Vec<u8>, String> {
    let mut file = inplace::Zonefile::from(line);
    let origin: Result<domain::base::Name<Vec<u8>>, _> =
        domain::base::Name::from_octets(origin.as_wire().to_vec());
    if let Ok(origin) = origin {
        file.set_origin(origin.octets_into());
    }
    match file.next_entry() {
        Ok(Some(inplace::Entry::Record(record))) => {
            let mut data = Vec::new();
            match record.data().compose_rdata(&mut data) {
                Ok(()) => Ok(data),
                Err(_) => Err("the data is too long".into()),
            }
        }
        Ok(_) => Err("there is no data".into()),
        Err(error) => {
            // "LINE:COLUMN: reason", where neither number is that of the file.
            let text = error.to_string();
            let reason = text.splitn(3, ':').nth(2).unwrap_or(&text);
            Err(reason.trim().into())
        }
    }
}

/// The last field of a SOA's data (RFC 2308 §4).
pub(super) fn soa_minimum(data: &RecordData) -> Option<u32> {
    data.as_bytes()
        .last_chunk()
        .map(|field| u32::from_be_bytes(*field))
}
