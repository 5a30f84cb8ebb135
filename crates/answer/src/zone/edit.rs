//! Changing a zone: what is touched is copied, the rest stays shared.

mod error;

use std::sync::Arc;

pub use error::EditError;

use super::entry::{self, Entry};
use super::order::Order;
use super::rrset::{self, RrsetRef};
use super::shard::{NAMES_PER_SHARD, Shard};
use super::{Inner, Page, SHARDS_PER_PAGE, Zone, hash, place};
use crate::name::{Name, is_at_or_below};
use crate::record::{RecordData, RecordType, Rrset};
use crate::wire::{is_wildcard, parent};

/// A zone shrinks its list of shards when fewer than this many names would be in each.
const TOO_FEW_PER_SHARD: usize = 4;

/// How many shards can be asked for in advance: for 16 million names.
const MOST_RESERVED: usize = 1 << 18;

/// Changes to a zone that nobody sees until [`finish`](Edit::finish). A change that fails leaves
/// the edit as it was.
pub struct Edit {
    zone: Inner,
    /// Where an entry is written before it is put into its shard; kept to be used again.
    scratch: Vec<u8>,
    /// Many names are put in: shards get more room than they need at once, and what is left of it
    /// is given back at the end.
    filling: bool,
}

impl Edit {
    pub(super) fn new(zone: Inner) -> Self {
        Self {
            zone,
            scratch: Vec::new(),
            filling: false,
        }
    }

    /// Puts the SOA into an empty zone.
    pub(super) fn start(&mut self, soa: &Rrset) {
        let apex = self.zone.apex.clone();
        // Cannot fail: the RRset is one SOA that was built from its fields.
        let _ = self.rewrite(&apex, RecordType::SOA, Some(soa), |_, out| {
            rrset::write(&apex, soa, out)
        });
    }

    /// The name at the top of the zone.
    pub fn apex(&self) -> &Name {
        &self.zone.apex
    }

    /// Puts an RRset at a name in place of the one of its type. One without records removes the
    /// type. The names between it and the apex come into being if they have to.
    ///
    /// # Errors
    ///
    /// When the name is not at or below the apex; the type is none that a zone can hold; the data
    /// does not suit the type; the set is larger than [`MAX_RRSET`](crate::MAX_RRSET); a CNAME
    /// would stand beside other records or another CNAME (RFC 1034 §3.6.2, RFC 2181 §10.1), or a
    /// DNAME beside another (RFC 6672 §2.4); a
    /// SOA would stand elsewhere than at the apex, or not alone.
    pub fn set(&mut self, name: &Name, rrset: &Rrset) -> Result<(), EditError> {
        if rrset.data.is_empty() {
            return self.remove(name, rrset.rtype).map(drop);
        }
        self.rewrite(name, rrset.rtype, Some(rrset), |_, out| {
            rrset::write(name, rrset, out)
        })
    }

    /// Takes records out of the RRset of a type and puts others in, without anybody having to
    /// hold all of it: a set of a hundred thousand records changes by one of them at the cost of
    /// a copy. All records have the TTL of `come` afterwards. Where those of the set ascend, they
    /// still do. A record that is in both `gone` and `come` stays.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set), for the set that would be there afterwards.
    pub fn exchange(
        &mut self,
        name: &Name,
        gone: &[RecordData],
        come: &Rrset,
    ) -> Result<(), EditError> {
        self.check_place(name)?;
        let rtype = come.rtype;
        if is_alone(rtype) || rtype == RecordType::SOA {
            let old = self.rrset(name, rtype).map(|old| old.data);
            let stays = old
                .into_iter()
                .flatten()
                .filter(|data| !gone.contains(data));
            let data = stays.chain(come.data.iter().cloned());
            return self.set(name, &Rrset::new(rtype, come.ttl, data));
        }
        let new = (!come.data.is_empty()).then_some(come);
        if new.is_none() && self.zone.find(name.as_wire()).is_none() {
            return Ok(());
        }
        self.rewrite(name, rtype, new, |old, out| {
            rrset::write_exchanged(name, old, gone, come, out)
        })?;
        self.prune(name.as_wire());
        Ok(())
    }

    /// Removes the records of a type at a name, and the name with its last ones. Returns whether
    /// there were any.
    ///
    /// # Errors
    ///
    /// When the name is not at or below the apex, or for the SOA at the apex, without which there
    /// is no zone.
    pub fn remove(&mut self, name: &Name, rtype: RecordType) -> Result<bool, EditError> {
        self.check_place(name)?;
        if rtype == RecordType::SOA && *name == self.zone.apex {
            return Err(EditError::SoaNeeded { apex: name.clone() });
        }
        let Some(entry) = self.zone.find(name.as_wire()) else {
            return Ok(false);
        };
        if entry.rrset(rtype).is_none() {
            return Ok(false);
        }
        self.rewrite(name, rtype, None, |_, _| Ok(()))?;
        self.prune(name.as_wire());
        Ok(true)
    }

    /// The records of a type at exactly this name, as they were put in.
    pub fn rrset(&self, name: &Name, rtype: RecordType) -> Option<Rrset> {
        let rrset = self.zone.find(name.as_wire())?.rrset(rtype)?;
        let data = rrset.records().map(|record| RecordData::raw(record.data));
        Some(Rrset {
            rtype,
            ttl: rrset.ttl(),
            data: data.collect::<Result<_, _>>().ok()?,
        })
    }

    /// Makes room for about this many names at once, for a zone that is known to grow to it. What
    /// is not needed is given back at the end, so too many do no harm.
    pub fn reserve(&mut self, names: usize) {
        let shards = names.div_ceil(NAMES_PER_SHARD).next_power_of_two();
        if shards > self.zone.shard_count && shards <= MOST_RESERVED {
            self.filling = true;
            self.resize(shards, names);
        }
    }

    /// The changed zone. In a signed zone this costs a pass over all names, to bring them into
    /// order.
    pub fn finish(mut self) -> Zone {
        if self.zone.shard_count > 1 && self.zone.names < self.zone.shard_count * TOO_FEW_PER_SHARD
        {
            let shards = (self.zone.names * 2 / NAMES_PER_SHARD).next_power_of_two();
            self.resize(shards, self.zone.names);
        }
        if self.filling {
            self.trim();
        }
        self.zone.order = Order::of(&self.zone).map(Arc::new);
        Zone(Arc::new(self.zone))
    }

    fn check_place(&self, name: &Name) -> Result<(), EditError> {
        if name.is_at_or_below(&self.zone.apex) {
            return Ok(());
        }
        Err(EditError::OutsideZone {
            name: name.clone(),
            apex: self.zone.apex.clone(),
        })
    }

    /// Whether records may stand at a name that has this entry so far.
    fn check(&self, name: &Name, rrset: &Rrset, entry: Option<Entry<'_>>) -> Result<(), EditError> {
        self.check_place(name)?;
        let rtype = rrset.rtype;
        if !rtype.is_data() {
            return Err(EditError::NotData {
                name: name.clone(),
                rtype,
            });
        }
        if rtype == RecordType::SOA && (*name != self.zone.apex || !is_single(rrset)) {
            return Err(EditError::SoaMisplaced { name: name.clone() });
        }
        if is_alone(rtype) && !is_single(rrset) {
            return Err(EditError::Conflict {
                name: name.clone(),
                rtype,
                present: rtype,
            });
        }
        let mut present = entry
            .iter()
            .flat_map(Entry::rrsets)
            .map(|rrset| rrset.rtype());
        match present.find(|present| exclude_each_other(*present, rtype)) {
            Some(present) => Err(EditError::Conflict {
                name: name.clone(),
                rtype,
                present,
            }),
            None => Ok(()),
        }
    }

    /// Writes the entry of a name anew: in place of its RRset of the type, if it has one, with
    /// what `write` appends. What is to be put in, `new`, is checked first.
    fn rewrite(
        &mut self,
        name: &Name,
        rtype: RecordType,
        new: Option<&Rrset>,
        write: impl FnOnce(Option<RrsetRef<'_>>, &mut Vec<u8>) -> Result<(), EditError>,
    ) -> Result<(), EditError> {
        let wire = name.as_wire();
        let hash = self.zone.hash(wire);
        let old = self.zone.find_hashed(hash, wire);
        if let Some(new) = new {
            self.check(name, new, old)?;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let existed = old.is_some();
        let was_border = old.is_some_and(|old| old.is_border());
        let children = old.map_or(0, |old| old.children);
        let can_be_cut = *name != self.zone.apex && !is_wildcard(wire);
        let written = entry::write(wire, can_be_cut, children, &mut scratch, |out| {
            let kept = old
                .iter()
                .flat_map(Entry::rrsets)
                .filter(|kept| kept.rtype() != rtype);
            kept.for_each(|kept| rrset::copy(kept, out));
            write(old.and_then(|old| old.rrset(rtype)), out)
        });
        let has_room = |shard: &Shard| shard.has_room(scratch.len());
        let written = written.and_then(|()| match self.zone.shard(hash).is_some_and(has_room) {
            true => Ok(()),
            false => Err(EditError::Full { name: name.clone() }),
        });
        if written.is_ok() {
            let entry = Entry::read(&scratch);
            let is_border = entry.is_some_and(|entry| entry.is_border());
            let soa = entry.and_then(|entry| entry.rrset(RecordType::SOA));
            if let Some(soa) = soa.and_then(rrset::negative_soa) {
                self.zone.negative_soa = soa.into();
            }
            self.zone.borders =
                self.zone.borders + usize::from(is_border) - usize::from(was_border);
            if existed {
                self.put(hash, &scratch);
            } else {
                self.create(hash, wire, &scratch);
            }
        }
        self.scratch = scratch;
        written
    }

    /// Puts the entry of a new name, and those of the names above it that do not exist yet.
    fn create(&mut self, hash: u64, name: &[u8], entry: &[u8]) {
        self.put_new(hash, name, entry);
        let mut empty = Vec::new();
        let mut above = parent(name);
        while let Some(name) = above.filter(|above| is_at_or_below(above, self.zone.apex.as_wire()))
        {
            let hash = self.zone.hash(name);
            if self.count_child(hash, name, 1) {
                return;
            }
            let _: Result<(), EditError> = entry::write(name, false, 1, &mut empty, |_| Ok(()));
            self.put_new(hash, name, &empty);
            above = parent(name);
        }
    }

    /// Removes a name that has neither records nor children, and then those above it that are
    /// left the same way.
    fn prune(&mut self, name: &[u8]) {
        let mut name = name;
        while name != self.zone.apex.as_wire()
            && let Some(entry) = self.zone.find(name)
            && entry.has_no_records()
            && entry.children == 0
            && let Some(above) = parent(name)
        {
            let hash = self.zone.hash(name);
            if let Some(shard) = self.shard(hash) {
                shard.remove(hash, name);
            }
            self.zone.names -= 1;
            self.zone.wildcards -= usize::from(is_wildcard(name));
            self.count_child(self.zone.hash(above), above, -1);
            name = above;
        }
    }

    fn put_new(&mut self, hash: u64, name: &[u8], entry: &[u8]) {
        if self.zone.names >= self.zone.shard_count * NAMES_PER_SHARD {
            self.filling = true;
            self.resize(self.zone.shard_count * 2, self.zone.names);
        }
        self.zone.names += 1;
        self.zone.wildcards += usize::from(is_wildcard(name));
        let hasher = self.zone.hasher.clone();
        let spare = self.filling;
        if let Some(shard) = self.shard(hash) {
            shard.insert(hash, entry, spare, |name| super::hash(&hasher, name));
        }
    }

    /// Puts an entry in place of that of the same name.
    fn put(&mut self, hash: u64, entry: &[u8]) {
        let hasher = self.zone.hasher.clone();
        let spare = self.filling;
        if let Some(shard) = self.shard(hash) {
            shard.replace(hash, entry, spare, |name| super::hash(&hasher, name));
        }
    }

    /// Adds to the number of children of a name. Returns whether it exists.
    fn count_child(&mut self, hash: u64, name: &[u8], more: i32) -> bool {
        self.shard(hash)
            .is_some_and(|shard| shard.count_child(hash, name, more))
    }

    /// The shard for a hash, copied first if another zone shares it.
    fn shard(&mut self, hash: u64) -> Option<&mut Shard> {
        let (page, shard) = self.zone.place(hash);
        let page = Arc::make_mut(self.zone.pages.get_mut(page)?);
        page.0.get_mut(shard).map(Arc::make_mut)
    }

    /// Spreads the names anew over this many shards, a power of two, with room in them for so many
    /// names in all.
    fn resize(&mut self, shards: usize, names: usize) {
        let hasher = &self.zone.hasher;
        let mut pages: Vec<Page> = Vec::new();
        pages.resize_with(shards.div_ceil(SHARDS_PER_PAGE), Page::default);
        let mut spread: Vec<Shard> = Vec::new();
        spread.resize_with(shards, || Shard::with_room(names / shards));
        for (name, entry) in self.zone.shards().flat_map(Shard::written) {
            let hash = hash(hasher, name);
            let (page, shard) = place(hash, shards);
            if let Some(shard) = spread.get_mut(page * SHARDS_PER_PAGE + shard) {
                shard.insert(hash, entry, self.filling, |name| super::hash(hasher, name));
            }
        }
        for (number, shard) in spread.into_iter().enumerate() {
            if let Some(page) = pages.get_mut(number / SHARDS_PER_PAGE) {
                page.0.push(Arc::new(shard));
            }
        }
        self.zone.pages = pages.into_iter().map(Arc::new).collect();
        self.zone.shard_count = shards;
    }

    /// Gives back what the shards of this zone alone do not need.
    fn trim(&mut self) {
        let hasher = &self.zone.hasher;
        let pages = self.zone.pages.iter_mut().filter_map(Arc::get_mut);
        let shards = pages.flat_map(|page| page.0.iter_mut().filter_map(Arc::get_mut));
        shards.for_each(|shard| shard.trim(|name| hash(hasher, name)));
    }
}

/// Whether a name has at most one record of this type (RFC 2181 §10.1, RFC 6672 §2.4).
fn is_alone(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::CNAME | RecordType::DNAME)
}

/// Whether all records of the set are equal, and so count as one.
fn is_single(rrset: &Rrset) -> bool {
    rrset
        .data
        .windows(2)
        .all(|pair| pair.first() == pair.last())
}

/// Whether one of two types is CNAME and the other may not stand beside it. Signatures and denials
/// may (RFC 4035 §2.5).
fn exclude_each_other(one: RecordType, other: RecordType) -> bool {
    let stands_beside = |rtype| matches!(rtype, RecordType::RRSIG | RecordType::NSEC);
    match (one, other) {
        (RecordType::CNAME, RecordType::CNAME) => false,
        (RecordType::CNAME, rtype) | (rtype, RecordType::CNAME) => !stands_beside(rtype),
        _ => false,
    }
}
