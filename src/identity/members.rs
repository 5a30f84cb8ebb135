//! Who holds a slot: the copy of a space's records in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::BootTime;
use crate::freshness::Freshness;
use crate::store::{Change, Entry, Feed, Slot};

/// How many neighbouring slots share one part of the copy: a change copies one part and the list
/// of the parts, whatever the size of the pool.
const PART: Slot = 64;

/// The entries of [`PART`] neighbouring slots.
type Part = Arc<BTreeMap<Slot, Arc<Entry>>>;

/// The members of a pool as the store has told them. Cheap to clone, and cheap to change while
/// clones of it are in use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// By slot / [`PART`]; none is empty.
    parts: Arc<BTreeMap<Slot, Part>>,
    count: usize,
    /// How far the copy can be trusted.
    pub freshness: Freshness,
    /// The revision of the store that this is a copy of.
    pub revision: u64,
}

impl Members {
    /// The entries, by slot ascending.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.parts
            .values()
            .flat_map(|part| part.values())
            .map(|entry| &**entry)
    }

    /// The entry of a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.find(slot).map(|entry| &**entry)
    }

    /// How many slots are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no slot is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes in what the store told at `now`; returns whether anything is different.
    pub fn follow(&mut self, now: BootTime, feed: &Feed) -> bool {
        let before = self.freshness;
        let changed = match feed {
            Feed::Listing(listing) => {
                self.freshness = Freshness::Current;
                self.revision = listing.revision;
                let changed = !self.entries().eq(&listing.entries);
                if changed {
                    self.parts = Arc::default();
                    self.count = 0;
                    for entry in &listing.entries {
                        self.insert(entry);
                    }
                }
                changed
            }
            Feed::Changes { revision, changes } => {
                self.freshness = Freshness::Current;
                self.revision = *revision;
                changes
                    .iter()
                    .map(|change| self.apply(change))
                    .fold(false, std::ops::BitOr::bitor)
            }
            Feed::Current => {
                if self.freshness != Freshness::Unknown {
                    self.freshness = Freshness::Current;
                }
                false
            }
            Feed::Away { .. } => {
                if self.freshness == Freshness::Current {
                    self.freshness = Freshness::Away { since: now };
                }
                false
            }
        };
        changed || self.freshness != before
    }

    fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Held(entry) => {
                let changed = self.get(entry.slot) != Some(entry);
                if changed {
                    self.insert(entry);
                }
                changed
            }
            Change::Freed { slot, .. } => {
                let held = self.get(*slot).is_some();
                if held {
                    self.remove(*slot);
                }
                held
            }
        }
    }

    fn insert(&mut self, entry: &Entry) {
        let parts = Arc::make_mut(&mut self.parts);
        let part = Arc::make_mut(parts.entry(entry.slot / PART).or_default());
        let old = part.insert(entry.slot, Arc::new(entry.clone()));
        self.count += usize::from(old.is_none());
    }

    fn remove(&mut self, slot: Slot) {
        let parts = Arc::make_mut(&mut self.parts);
        if let Some(part) = parts.get_mut(&(slot / PART)) {
            let part = Arc::make_mut(part);
            self.count -= usize::from(part.remove(&slot).is_some());
            if part.is_empty() {
                parts.remove(&(slot / PART));
            }
        }
    }

    /// The entries of `self` that are other ones in `before` or not there, and the entries of
    /// `before` whose slots are free now. Parts that both share are not looked at.
    pub fn differences<'a>(&'a self, before: &'a Self) -> (Vec<&'a Entry>, Vec<&'a Entry>) {
        let unlike = |entry: &&'a Arc<Entry>| match before.find(entry.slot) {
            Some(other) => !Arc::ptr_eq(other, entry) && other != *entry,
            None => true,
        };
        let gone = |entry: &&'a Arc<Entry>| self.find(entry.slot).is_none();
        let new = self.parts_unlike(before).filter(unlike);
        let gone = before.parts_unlike(self).filter(gone);
        (
            new.map(|it| &**it).collect(),
            gone.map(|it| &**it).collect(),
        )
    }

    /// The members that are there since `before`, and those of `before` whose slots are free now or kept
    /// from everybody.
    pub fn came_and_went<'a>(&'a self, before: &'a Self) -> (Vec<&'a Entry>, Vec<&'a Entry>) {
        let (mut new, mut gone) = self.differences(before);
        new.retain(|entry| {
            let old = before.get(entry.slot);
            old.is_none_or(|old| old.record.instance() != entry.record.instance())
        });
        let evicted = new.extract_if(.., |entry| entry.record.is_quarantine());
        gone.extend(evicted.filter_map(|entry| before.get(entry.slot)));
        gone.retain(|entry| !entry.record.is_quarantine());
        (new, gone)
    }

    /// The entries in parts that `other` does not share.
    fn parts_unlike<'a>(&'a self, other: &Self) -> impl Iterator<Item = &'a Arc<Entry>> {
        let unlike = |number: &Slot, part: &Part| {
            let other = other.parts.get(number);
            !other.is_some_and(|other| Arc::ptr_eq(other, part))
        };
        self.parts
            .iter()
            .filter(move |(number, part)| unlike(number, part))
            .flat_map(|(_, part)| part.values())
    }

    fn find(&self, slot: Slot) -> Option<&Arc<Entry>> {
        self.parts.get(&(slot / PART))?.get(&slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::record::Record;
    use crate::store::Listing;

    fn entry(slot: Slot, epoch: u64) -> Entry {
        Entry {
            slot,
            epoch,
            session: None,
            record: Record::default(),
        }
    }

    fn listing(entries: &[Entry]) -> Feed {
        Feed::Listing(Listing {
            revision: 9,
            entries: entries.to_vec(),
            reservations: vec![],
        })
    }

    fn at(second: u64) -> BootTime {
        BootTime::from_nanoseconds(second * 1_000_000_000)
    }

    #[test]
    fn an_outage_keeps_every_member_and_remembers_its_beginning() {
        let mut members = Members::default();
        let away = Feed::Away {
            reason: "refused".to_owned(),
        };
        assert!(
            !members.follow(at(1), &away),
            "nothing was known before either"
        );
        assert!(members.follow(at(2), &listing(&[entry(1, 5)])));
        assert!(members.follow(at(3), &away));
        assert!(!members.follow(at(4), &away), "the outage began at 3");
        assert_eq!(members.freshness, Freshness::Away { since: at(3) });
        assert_eq!(members.len(), 1);
        assert!(members.follow(at(5), &Feed::Current));
        assert_eq!(members.freshness, Freshness::Current);
    }

    #[test]
    fn differences_are_what_a_zone_must_change() {
        let mut members = Members::default();
        members.follow(at(1), &listing(&[entry(1, 5), entry(2, 6)]));
        let before = members.clone();
        let changes = vec![
            Change::Freed {
                slot: 1,
                revision: 10,
            },
            Change::Held(entry(3, 11)),
        ];
        assert!(members.follow(
            at(1),
            &Feed::Changes {
                revision: 11,
                changes
            }
        ));
        let (new, gone) = members.differences(&before);
        assert_eq!(new, [&entry(3, 11)]);
        assert_eq!(gone, [&entry(1, 5)]);
    }

    /// If this fails, a hook for members that come runs for a holder that was evicted, or none for its
    /// end.
    #[test]
    fn who_is_evicted_has_gone_and_nobody_has_come() {
        let kept = Entry {
            record: Record::quarantine(1, "q"),
            ..entry(1, 8)
        };
        let copy = |entries: &[Entry]| {
            let mut members = Members::default();
            members.follow(at(1), &listing(entries));
            members
        };
        let (held, evicted, free) = (
            copy(&[entry(1, 5)]),
            copy(std::slice::from_ref(&kept)),
            copy(&[]),
        );
        let nobody = Vec::<&Entry>::new();
        assert_eq!(
            evicted.came_and_went(&held),
            (nobody.clone(), vec![&entry(1, 5)])
        );
        assert_eq!(
            free.came_and_went(&evicted),
            (nobody.clone(), nobody.clone())
        );
        assert_eq!(held.came_and_went(&evicted), (vec![&entry(1, 5)], nobody));
    }

    /// A copy of every member for every change would make a herd of a thousand stand still.
    #[test]
    fn a_change_copies_only_the_neighbours_of_its_slot() {
        let all: Vec<Entry> = (1..=1000).map(|slot| entry(slot, 5)).collect();
        let mut members = Members::default();
        members.follow(at(1), &listing(&all));
        let before = members.clone();
        let changes = vec![
            Change::Held(entry(70, 10)),
            Change::Freed {
                slot: 700,
                revision: 10,
            },
        ];
        let revision = 10;
        members.follow(at(1), &Feed::Changes { revision, changes });
        assert_eq!(members.parts_unlike(&before).count(), 64 + 63);
        assert_eq!((members.len(), before.len()), (999, 1000));
        assert_eq!(members.entries().count(), 999);
        assert_eq!(before.get(700), Some(&entry(700, 5)));
        assert_eq!(members.get(700), None);
    }

    #[test]
    fn the_same_record_again_changes_nothing() {
        let mut members = Members::default();
        members.follow(at(1), &listing(&[entry(1, 5)]));
        let changes = vec![
            Change::Held(entry(1, 5)),
            Change::Freed {
                slot: 2,
                revision: 7,
            },
        ];
        assert!(!members.follow(
            at(1),
            &Feed::Changes {
                revision: 7,
                changes
            }
        ));
    }
}
