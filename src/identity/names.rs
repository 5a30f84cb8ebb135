//! From members to the records that DNS answers with.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use answer::{Edit, EditError, Name, RecordData, RecordType, Rrset, Soa, Zone};

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
    list: Counted,
    /// What is not in the zone although it is in `list`, since it was too much.
    refused: BTreeSet<Key>,
}

/// What one RRset is found by.
type Key = (Name, RecordType);

/// Records that several members may share, each with how many times it is there.
type Counted = BTreeMap<Key, BTreeMap<RecordData, i64>>;

/// By how much such numbers change.
type Changes = BTreeMap<(Key, RecordData), i64>;

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
            list: Counted::new(),
            refused: BTreeSet::new(),
        }
    }

    /// The zone as it is now. Cheap to clone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Makes the zone that of `members`. Only what differs is touched.
    pub fn update(&mut self, members: &Members) {
        let (old, new) = exchanged(&self.members, members);
        if !old.is_empty() || !new.is_empty() {
            let mut edit = self.zone.edit();
            let shared = self.list_changes(&old, &new);
            for entry in old {
                for (name, rtype) in self.records(entry).0.keys() {
                    remove(&mut edit, name, *rtype);
                }
            }
            for entry in new {
                for ((name, rtype), data) in self.records(entry).0 {
                    set(&mut edit, &name, &Rrset::new(rtype, self.ttl, data));
                }
            }
            self.change_list(&mut edit, shared);
            self.zone = edit.finish();
        }
        self.members = members.clone();
    }

    /// How many times more, or fewer where it is negative, the pool's own name has a record. What
    /// stays is not there: most changes of a member are none of the list.
    fn list_changes(&self, old: &[&Entry], new: &[&Entry]) -> Changes {
        let mut changes = Changes::new();
        for (entries, change) in [(old, -1), (new, 1)] {
            let records = entries.iter().map(|entry| self.list_records(entry).each());
            for record in records.flatten() {
                *changes.entry(record).or_default() += change;
            }
        }
        changes.retain(|_, change| *change != 0);
        changes
    }

    fn change_list(&mut self, edit: &mut Edit, changes: Changes) {
        let mut exchanges: BTreeMap<Key, (Vec<RecordData>, Vec<RecordData>)> = BTreeMap::new();
        for ((key, data), change) in changes {
            let records = self.list.entry(key.clone()).or_default();
            let before = records.get(&data).copied().unwrap_or_default();
            let count = before + change;
            let (gone, come) = exchanges.entry(key).or_default();
            if count > 0 {
                records.insert(data.clone(), count);
            } else {
                records.remove(&data);
            }
            if before <= 0 && count > 0 {
                come.push(data);
            } else if before > 0 && count <= 0 {
                gone.push(data);
            }
        }
        for (key, (gone, come)) in exchanges {
            let (name, rtype) = &key;
            // The list has as many records as the pool has members: what changes is enough.
            let result = if self.refused.remove(&key) {
                let records = self.list.get(&key).into_iter().flat_map(BTreeMap::keys);
                edit.set(name, &Rrset::new(*rtype, self.ttl, records.cloned()))
            } else {
                edit.exchange(name, &gone, &Rrset::new(*rtype, self.ttl, come))
            };
            if let Err(error) = result {
                left_out(name, *rtype, &error);
                remove(edit, name, *rtype);
                self.refused.insert(key.clone());
            }
            if self.list.get(&key).is_some_and(BTreeMap::is_empty) {
                self.list.remove(&key);
            }
        }
    }

    /// The records of one member.
    fn records(&self, entry: &Entry) -> Records {
        let mut records = Records::default();
        let Some(name) = self.pattern.name(entry.slot).filter(|_| is_up(entry)) else {
            return records;
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
        records
    }

    /// What one member adds to the records of the pool's own name.
    fn list_records(&self, entry: &Entry) -> Records {
        let mut records = Records::default();
        if !is_up(entry) {
            return records;
        }
        let list = self.pattern.list_name();
        for address in entry.record.addresses() {
            records.address(&list, address);
        }
        let ports = entry.record.member.iter().flat_map(|member| &member.ports);
        if let Some(name) = self.pattern.name(entry.slot) {
            for (port_name, port) in ports {
                records.service(&list, port_name, *port, &name);
            }
        }
        records
    }
}

/// Records by name and type while they are collected.
#[derive(Default)]
struct Records(BTreeMap<Key, Vec<RecordData>>);

impl Records {
    /// The records one by one.
    fn each(self) -> impl Iterator<Item = (Key, RecordData)> {
        self.0
            .into_iter()
            .flat_map(|(key, data)| data.into_iter().map(move |data| (key.clone(), data)))
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
        self.0.entry((name.clone(), rtype)).or_default().push(data);
    }
}

/// The names behind the addresses of a pool's members, kept up to date with them.
#[derive(Debug)]
pub struct ReverseNames {
    pattern: Arc<Pattern>,
    ttl: u32,
    members: Members,
    names: BTreeMap<IpAddr, BTreeSet<Name>>,
    zone: Zone,
}

impl ReverseNames {
    /// The names behind no addresses. `ttl` is that of all records, in seconds.
    #[must_use]
    pub fn new(pattern: Arc<Pattern>, ttl: u32) -> Self {
        let arpa = Name::parse("arpa.").unwrap_or_else(|_| Name::root());
        let soa = Soa::new(arpa.clone(), arpa.clone(), 1);
        Self {
            pattern,
            ttl,
            members: Members::default(),
            names: BTreeMap::new(),
            zone: Zone::new(arpa, ttl, &soa),
        }
    }

    /// The zone of all PTR records as it is now (RFC 1035 §3.5). Cheap to clone. Its apex is
    /// `arpa.`, of which it is only the part that is known here: a name that it lacks may exist
    /// elsewhere.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Makes the zone that of `members`. Only what differs is touched.
    pub fn update(&mut self, members: &Members) {
        let (old, new) = exchanged(&self.members, members);
        let mut touched = BTreeSet::new();
        for (address, name) in old.iter().flat_map(|entry| pointers(&self.pattern, entry)) {
            if let Some(names) = self.names.get_mut(&address) {
                names.remove(&name);
            }
            touched.insert(address);
        }
        for (address, name) in new.iter().flat_map(|entry| pointers(&self.pattern, entry)) {
            self.names.entry(address).or_default().insert(name);
            touched.insert(address);
        }
        if !touched.is_empty() {
            let mut edit = self.zone.edit();
            for address in touched {
                let names = self.names.get(&address).into_iter().flatten();
                let rrset = Rrset::new(RecordType::PTR, self.ttl, names.map(RecordData::ptr));
                // An empty one takes the name out of the zone.
                set(&mut edit, &Name::reverse(address), &rrset);
                if rrset.data.is_empty() {
                    self.names.remove(&address);
                }
            }
            self.zone = edit.finish();
        }
        self.members = members.clone();
    }
}

/// The entries that go and those that come when `after` follows on `before`; one that changes is
/// in both.
fn exchanged<'a>(before: &'a Members, after: &'a Members) -> (Vec<&'a Entry>, Vec<&'a Entry>) {
    let (new, mut old) = after.differences(before);
    old.extend(new.iter().filter_map(|entry| before.get(entry.slot)));
    (old, new)
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
        left_out(name, rrset.rtype, &error);
    }
}

fn left_out(name: &Name, rtype: RecordType, error: &EditError) {
    tracing::warn!("{name} {rtype}: left out of the zone: {error}");
}

fn remove(edit: &mut Edit, name: &Name, rtype: RecordType) {
    // Every name that is removed was set before, so it lies in the zone.
    let _ = edit.remove(name, rtype);
}
