//! From members to the records that DNS answers with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use answer::{Edit, Name, RecordData, RecordType, Rrset, Soa, Zone};

use super::members::Members;
use super::pattern::Pattern;
use super::record::{Port, Protocol};
use crate::store::Entry;

/// The zone of a pool, kept up to date with its members.
///
/// It has, for every member, its addresses, a TXT record with what it says of itself, and SRV
/// records for its named ports (RFC 2782); and at the pool's own name the addresses and ports of
/// all of them. A member whose health check fails is left out.
#[derive(Debug)]
pub struct Names {
    pattern: Arc<Pattern>,
    ttl: u32,
    members: Members,
    zone: Zone,
    list: BTreeMap<(Name, RecordType), Rrset>,
}

impl Names {
    /// The zone of a pool without members. `ttl` is that of all records, in seconds.
    #[must_use]
    pub fn new(pattern: Arc<Pattern>, ttl: u32) -> Self {
        let zone = empty(&pattern, ttl);
        Self {
            pattern,
            ttl,
            members: Members::default(),
            zone,
            list: BTreeMap::new(),
        }
    }

    /// The zone as it is now. Cheap to clone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Makes the zone that of `members`. Only what differs is touched.
    pub fn update(&mut self, members: &Members) {
        let (new, gone) = members.differences(&self.members);
        if !new.is_empty() || !gone.is_empty() {
            let mut edit = self.zone.edit();
            let changed = new.iter().filter_map(|entry| self.members.get(entry.slot));
            for entry in gone.into_iter().chain(changed) {
                for ((name, rtype), _) in self.records(entry) {
                    remove(&mut edit, &name, rtype);
                }
            }
            for entry in new {
                for ((name, _), rrset) in self.records(entry) {
                    set(&mut edit, &name, &rrset);
                }
            }
            let list = self.list_records(members);
            for (name, rtype) in self.list.keys().filter(|key| !list.contains_key(key)) {
                remove(&mut edit, name, *rtype);
            }
            for (key, rrset) in list
                .iter()
                .filter(|(key, it)| self.list.get(key) != Some(it))
            {
                set(&mut edit, &key.0, rrset);
            }
            self.list = list;
            self.zone = edit.finish();
        }
        self.members = members.clone();
    }

    /// The records of one member.
    fn records(&self, entry: &Entry) -> BTreeMap<(Name, RecordType), Rrset> {
        let mut records = Records::new(self.ttl);
        let Some(name) = self.pattern.name(entry.slot).filter(|_| is_up(entry)) else {
            return records.0;
        };
        for address in entry.record.addresses() {
            records.address(&name, address);
        }
        records.text(&name, &format!("slot={}", entry.slot));
        records.text(&name, &format!("epoch={}", entry.epoch));
        if let Some(member) = &entry.record.member {
            for (key, value) in &member.meta {
                records.text(&name, &format!("{key}={value}"));
            }
            for (port_name, port) in &member.ports {
                records.service(&name, port_name, *port, &name);
            }
        }
        records.0
    }

    /// The records of the pool's own name.
    fn list_records(&self, members: &Members) -> BTreeMap<(Name, RecordType), Rrset> {
        let mut records = Records::new(self.ttl);
        let list = self.pattern.list_name();
        for entry in members.entries().filter(|entry| is_up(entry)) {
            for address in entry.record.addresses() {
                records.address(&list, address);
            }
            let Some(member) = &entry.record.member else {
                continue;
            };
            let Some(name) = self.pattern.name(entry.slot) else {
                continue;
            };
            for (port_name, port) in &member.ports {
                records.service(&list, port_name, *port, &name);
            }
        }
        records.0
    }
}

/// Records by name and type while they are collected.
struct Records(BTreeMap<(Name, RecordType), Rrset>, u32);

impl Records {
    fn new(ttl: u32) -> Self {
        Self(BTreeMap::new(), ttl)
    }

    fn address(&mut self, name: &Name, address: IpAddr) {
        let (rtype, data) = RecordData::address(address);
        self.add(name, rtype, data);
    }

    fn text(&mut self, name: &Name, text: &str) {
        // The configuration bounds its length; what others wrote and is too long is left out.
        if let Ok(data) = RecordData::txt(text.as_bytes()) {
            self.add(name, RecordType::TXT, data);
        }
    }

    /// SRV records at `_port._tcp.owner` and, for who asks without a port's name, at the owner.
    fn service(&mut self, owner: &Name, port_name: &str, port: Port, target: &Name) {
        let data = || RecordData::srv(0, 0, port.number, target);
        self.add(owner, RecordType::SRV, data());
        let protocol: &[u8] = match port.protocol {
            Protocol::Tcp => b"_tcp",
            Protocol::Udp => b"_udp",
        };
        let service = format!("_{}", port_name.to_ascii_lowercase());
        let name = owner
            .prepend(protocol)
            .and_then(|name| name.prepend(service.as_bytes()));
        if let Ok(name) = name {
            self.add(&name, RecordType::SRV, data());
        }
    }

    fn add(&mut self, name: &Name, rtype: RecordType, data: RecordData) {
        let ttl = self.1;
        let rrset = self
            .0
            .entry((name.clone(), rtype))
            .or_insert_with(|| Rrset::new(rtype, ttl, []));
        if !rrset.data.contains(&data) {
            rrset.data.push(data);
        }
    }
}

/// The names behind addresses, of all pools of a server block.
#[derive(Debug, Default)]
pub struct ReverseNames {
    names: BTreeMap<IpAddr, BTreeSet<Name>>,
}

impl ReverseNames {
    /// Replaces the members of the pool with `pattern` that were counted before; returns whether
    /// anything is different.
    pub fn update(&mut self, pattern: &Pattern, members: &Members, before: &Members) -> bool {
        let (new, gone) = members.differences(before);
        let changed = new.iter().filter_map(|entry| before.get(entry.slot));
        let old: Vec<&Entry> = gone.into_iter().chain(changed).collect();
        for (address, name) in old.iter().flat_map(|entry| pointers(pattern, entry)) {
            if let Some(names) = self.names.get_mut(&address) {
                names.remove(&name);
                if names.is_empty() {
                    self.names.remove(&address);
                }
            }
        }
        for (address, name) in new.iter().flat_map(|entry| pointers(pattern, entry)) {
            self.names.entry(address).or_default().insert(name);
        }
        !new.is_empty() || !old.is_empty()
    }

    /// The zone of all PTR records (RFC 1035 §3.5). Its apex is `arpa.`, of which it is only the
    /// part that is known here: a name that it lacks may exist elsewhere.
    #[must_use]
    pub fn zone(&self, ttl: u32) -> Zone {
        let arpa = Name::parse("arpa.").unwrap_or_else(|_| Name::root());
        let soa = Soa::new(arpa.clone(), arpa.clone(), 1);
        let mut edit = Zone::new(arpa, ttl, &soa).edit();
        for (address, names) in &self.names {
            let data = names.iter().map(RecordData::ptr);
            set(
                &mut edit,
                &Name::reverse(*address),
                &Rrset::new(RecordType::PTR, ttl, data),
            );
        }
        edit.finish()
    }
}

/// A zone with the SOA record of a pool: the server is the pool's own name, which all that answer
/// for it are found by. The serial stays the same on every node.
fn empty(pattern: &Pattern, ttl: u32) -> Zone {
    let apex = pattern.apex();
    let mailbox = apex.prepend(b"hostmaster").unwrap_or_else(|_| apex.clone());
    Zone::new(apex, ttl, &Soa::new(pattern.list_name(), mailbox, 1))
}

fn is_up(entry: &Entry) -> bool {
    entry
        .record
        .member
        .as_ref()
        .is_none_or(|member| !member.down)
}

fn pointers(pattern: &Pattern, entry: &Entry) -> Vec<(IpAddr, Name)> {
    let Some(name) = pattern.name(entry.slot).filter(|_| is_up(entry)) else {
        return Vec::new();
    };
    entry
        .record
        .addresses()
        .map(|address| (address, name.clone()))
        .collect()
}

fn set(edit: &mut Edit, name: &Name, rrset: &Rrset) {
    if let Err(error) = edit.set(name, rrset) {
        tracing::warn!("{name} {}: left out of the zone: {error}", rrset.rtype);
    }
}

fn remove(edit: &mut Edit, name: &Name, rtype: RecordType) {
    // Every name that is removed was set before, so it lies in the zone.
    let _ = edit.remove(name, rtype);
}
