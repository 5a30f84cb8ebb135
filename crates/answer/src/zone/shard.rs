//! A part of a zone: the names whose hash falls into it, in one arena.

use hashbrown::HashTable;

use super::entry::{self, Entry};

/// How many names a shard holds on average, at most. Small enough that copying it to change one
/// name costs little, large enough that its fixed cost is shared by many.
pub(super) const NAMES_PER_SHARD: usize = 64;

/// How many octets an arena that gets more names has room for at first.
const LEAST_SPARE: usize = 256;

/// Some names of a zone: their entries one after another, and a table of where each begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Shard {
    arena: Vec<u8>,
    /// Offsets into the arena, found by the hash of the name that stands there.
    index: HashTable<u32>,
}

impl Shard {
    /// An empty shard for so many names.
    pub(super) fn with_room(names: usize) -> Self {
        Self {
            arena: Vec::new(),
            index: HashTable::with_capacity(names),
        }
    }

    /// The entry of a name in wire form and lower case.
    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<Entry<'_>> {
        Entry::read(at(&self.arena, self.offset(hash, name)?))
    }

    fn offset(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.index
            .find(hash, |&offset| {
                Entry::is_named(at(&self.arena, offset), name)
            })
            .copied()
    }

    /// All entries, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.index
            .iter()
            .filter_map(|&offset| Entry::read(at(&self.arena, offset)))
    }

    /// All entries in their written form, with their names, in no order.
    pub(super) fn written(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.index.iter().filter_map(|&offset| {
            let bytes = at(&self.arena, offset);
            let entry = Entry::read(bytes)?;
            Some((entry.name, bytes.get(..entry.length())?))
        })
    }

    /// Whether an entry of this many octets can be added: offsets have 32 bits.
    pub(super) fn has_room(&self, length: usize) -> bool {
        u32::try_from(self.arena.len().saturating_add(length)).is_ok()
    }

    /// Puts an entry in its written form, in place of the one of the same name.
    ///
    /// As for [`insert`](Self::insert) otherwise.
    pub(super) fn replace(
        &mut self,
        hash: u64,
        entry: &[u8],
        spare: bool,
        hasher: impl Fn(&[u8]) -> u64,
    ) {
        let Some(new) = Entry::read(entry) else {
            return;
        };
        if let Some(offset) = self.offset(hash, new.name) {
            let start = offset as usize;
            let old = Entry::read(at(&self.arena, offset)).map_or(0, |old| old.length());
            if old == entry.len() {
                if let Some(place) = self.arena.get_mut(start..start + old) {
                    place.copy_from_slice(entry);
                }
                return;
            }
            self.remove(hash, new.name);
        }
        self.insert(hash, entry, spare, hasher);
    }

    /// Puts an entry in its written form whose name is not here yet; with `spare`, with room for
    /// more than this one.
    ///
    /// `hasher` gives the hash of any name. The caller asks [`has_room`](Self::has_room) first.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        entry: &[u8],
        spare: bool,
        hasher: impl Fn(&[u8]) -> u64,
    ) {
        let Ok(offset) = u32::try_from(self.arena.len()) else {
            return;
        };
        if self.arena.capacity() - self.arena.len() < entry.len() {
            // Exact where nothing follows: most shards are never changed again, and the memory
            // would stay unused.
            let more = match spare {
                true => LEAST_SPARE.max(self.arena.len() / 2),
                false => 0,
            };
            self.arena.reserve_exact(entry.len() + more);
        }
        self.arena.extend_from_slice(entry);
        let arena = &self.arena;
        self.index.insert_unique(hash, offset, |&offset| {
            hasher(Entry::read(at(arena, offset)).map_or(&[], |entry| entry.name))
        });
    }

    /// Gives back the room that is not used.
    pub(super) fn trim(&mut self, hasher: impl Fn(&[u8]) -> u64) {
        self.arena.shrink_to_fit();
        let arena = &self.arena;
        self.index.shrink_to_fit(|&offset| {
            hasher(Entry::read(at(arena, offset)).map_or(&[], |entry| entry.name))
        });
    }

    /// Takes out the entry of a name, if there is one.
    pub(super) fn remove(&mut self, hash: u64, name: &[u8]) {
        let arena = &self.arena;
        let is_named = |offset: &u32| Entry::is_named(at(arena, *offset), name);
        let Ok(found) = self.index.find_entry(hash, is_named) else {
            return;
        };
        let (offset, _) = found.remove();
        let Some(length) = Entry::read(at(&self.arena, offset)).map(|entry| entry.length()) else {
            return;
        };
        let start = offset as usize;
        self.arena.drain(start..start + length);
        for other in &mut self.index {
            if *other > offset {
                *other -= length as u32;
            }
        }
    }

    /// Adds to the number of children of a name. Returns whether it exists.
    pub(super) fn count_child(&mut self, hash: u64, name: &[u8], more: i32) -> bool {
        let Some(offset) = self.offset(hash, name) else {
            return false;
        };
        if let Some(children) = Entry::read(at(&self.arena, offset)).map(|entry| entry.children)
            && let Some(bytes) = self.arena.get_mut(offset as usize..)
        {
            entry::set_children(bytes, children.saturating_add_signed(more));
        }
        true
    }

    /// Octets held on the heap.
    pub(super) fn memory(&self) -> usize {
        self.arena.capacity() + self.index.allocation_size()
    }
}

fn at(arena: &[u8], offset: u32) -> &[u8] {
    arena.get(offset as usize..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash under which everything collides: names alone must tell entries apart.
    fn collide(_: &[u8]) -> u64 {
        0
    }

    fn entry(name: &[u8], children: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry::write::<()>(name, true, children, &mut bytes, |_| Ok(())).unwrap();
        bytes
    }

    #[test]
    fn removal_keeps_the_other_entries_in_place() {
        let mut shard = Shard::default();
        let names = [&b"\x01a\0"[..], b"\x02bb\0", b"\x03ccc\0"];
        for (children, name) in names.iter().enumerate() {
            shard.insert(0, &entry(name, children as u32), true, collide);
        }
        shard.remove(0, names[1]);
        shard.remove(0, b"\x01x\0");
        assert!(shard.find(0, names[1]).is_none());
        assert_eq!(shard.find(0, names[0]).unwrap().children, 0);
        assert_eq!(shard.find(0, names[2]).unwrap().children, 2);
        assert_eq!(shard.entries().count(), 2);
    }

    #[test]
    fn putting_again_replaces() {
        let mut shard = Shard::default();
        shard.insert(0, &entry(b"\x01a\0", 1), false, collide);
        shard.replace(0, &entry(b"\x01a\0", 2), false, collide);
        assert!(shard.count_child(0, b"\x01a\0", 1));
        assert!(!shard.count_child(0, b"\x01b\0", 1));
        assert_eq!(shard.entries().count(), 1);
        assert_eq!(shard.find(0, b"\x01a\0").unwrap().children, 3);
    }
}
