//! From the lines of a hosts file to a zone.
//!
//! The zone's apex is the root, since a file may have names of any domain, and the names of
//! addresses stand in it too. Only what stands at a name is looked up, never what the zone has in
//! between.

use std::net::IpAddr;
use std::time::SystemTime;

use answer::{LookupName, Name, RecordData, RecordType, Rrset, Soa, Zone};

use crate::plugins::zones::Zones;

/// How many octets of names are told for one address: files that block names give hundreds of
/// thousands the same address, and no message has room for more.
const MOST_POINTERS: usize = 60_000;

/// What stands in a record beside its data.
const RECORD_HEADER: usize = 12;

/// What becomes of the lines.
#[derive(Debug)]
pub(super) struct Terms {
    /// Names outside of these zones are left out.
    pub(super) zones: Zones,
    /// The TTL of all records, in seconds.
    pub(super) ttl: u32,
    /// Whether addresses lead back to names.
    pub(super) reverse: bool,
}

/// The names of a moment.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) zone: Zone,
    /// How many names the lines have, each as often as it stands there.
    pub(super) entries: usize,
    /// When the lines were read.
    pub(super) read: SystemTime,
}

/// One name of a line.
struct Host {
    name: Name,
    address: IpAddr,
}

/// What these texts make together, in their order. Lines that are none are passed over,
/// as other readers of such files do.
pub(super) fn table(texts: &[&[u8]], terms: &Terms) -> Table {
    let mut hosts = Vec::new();
    for text in texts {
        for line in text.split(|byte| *byte == b'\n') {
            read(line, &terms.zones, &mut hosts);
        }
    }
    // A look-up never comes to the SOA; a zone has one.
    let soa = Soa::new(Name::root(), Name::root(), 1);
    let mut edit = Zone::new(Name::root(), terms.ttl, &soa).edit();
    edit.reserve(hosts.len() * (1 + usize::from(terms.reverse)));
    let mut set = |name: &Name, rtype, data: Vec<RecordData>| {
        if !data.is_empty() {
            // The name lies below the root, and the data is what the type asks for.
            let _ = edit.set(name, &Rrset::new(rtype, terms.ttl, data));
        }
    };
    if terms.reverse {
        // Sorting keeps the order of equal ones, here and below.
        let mut pointers: Vec<&Host> = hosts.iter().collect();
        pointers.retain(|host| !host.name.is_wildcard());
        pointers.sort_by_key(|host| host.address);
        for group in pointers.chunk_by(|one, next| one.address == next.address) {
            if let [first, ..] = group {
                set(
                    &Name::reverse(first.address),
                    RecordType::PTR,
                    pointing(group),
                );
            }
        }
    }
    hosts.sort_by(|one, next| one.name.as_wire().cmp(next.name.as_wire()));
    for group in hosts.chunk_by(|one, next| one.name == next.name) {
        let of = |v4: bool| {
            let addresses = group.iter().map(|host| host.address);
            let addresses = addresses.filter(move |address| address.is_ipv4() == v4);
            addresses.map(|address| RecordData::address(address).1)
        };
        if let [first, ..] = group {
            set(&first.name, RecordType::A, of(true).collect());
            set(&first.name, RecordType::AAAA, of(false).collect());
        }
    }
    Table {
        zone: edit.finish(),
        entries: hosts.len(),
        read: SystemTime::now(),
    }
}

fn pointing(group: &[&Host]) -> Vec<RecordData> {
    let mut room = MOST_POINTERS;
    let names = group.iter().map_while(|host| {
        room = room.checked_sub(RECORD_HEADER + host.name.as_wire().len())?;
        Some(RecordData::ptr(&host.name))
    });
    names.collect()
}

/// Reads `ADDRESS NAME...  # comment`.
fn read(line: &[u8], zones: &Zones, hosts: &mut Vec<Host>) {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let words = line.split(u8::is_ascii_whitespace);
    let mut words = words.filter(|word| !word.is_empty());
    let Some(address) = words.next().and_then(address) else {
        return;
    };
    for word in words {
        let name = std::str::from_utf8(word).ok().map(Name::parse);
        if let Some(Ok(name)) = name
            && zones.find(&LookupName::from(&name)).is_some()
        {
            hosts.push(Host { name, address });
        }
    }
}

/// Reads an address. The scope of an IPv6 address means something on one machine only and is left
/// out; an IPv4 address in IPv6's clothes is itself.
pub(super) fn address(word: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(word).ok()?;
    let (address, _scope) = word.split_once('%').unwrap_or((word, ""));
    let address: IpAddr = address.parse().ok()?;
    Some(address.to_canonical())
}
