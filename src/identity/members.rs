//! Who holds a slot: the copy of a space's records in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::BootTime;
use crate::store::{Change, Entry, Feed, Slot};

/// The members of a pool as the store has told them. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    entries: Arc<BTreeMap<Slot, Entry>>,
    /// How far the copy can be trusted.
    pub freshness: Freshness,
    /// The revision of the store that this is a copy of.
    pub revision: u64,
}

/// How far a copy of the store can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing has been heard of the store yet.
    #[default]
    Unknown,
    /// The store tells every change.
    Current,
    /// The store has been away since then.
    Away {
        /// When it was noticed.
        since: BootTime,
    },
}

impl Members {
    /// The entries, by slot ascending.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry of a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(&slot)
    }

    /// How many slots are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no slot is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes in what the store told at `now`; returns whether anything is different.
    pub fn follow(&mut self, now: BootTime, feed: &Feed) -> bool {
        let before = self.freshness;
        let changed = match feed {
            Feed::Listing(listing) => {
                self.freshness = Freshness::Current;
                self.revision = listing.revision;
                let entries = listing
                    .entries
                    .iter()
                    .map(|entry| (entry.slot, entry.clone()));
                let entries = entries.collect::<BTreeMap<_, _>>();
                let changed = *self.entries != entries;
                if changed {
                    self.entries = Arc::new(entries);
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
                if self.entries.get(&entry.slot) == Some(entry) {
                    return false;
                }
                Arc::make_mut(&mut self.entries).insert(entry.slot, entry.clone());
                true
            }
            Change::Freed { slot, .. } => {
                self.entries.contains_key(slot)
                    && Arc::make_mut(&mut self.entries).remove(slot).is_some()
            }
        }
    }

    /// The entries of `self` that are other ones in `before` or not there, and the slots of
    /// `before` that are free now.
    pub fn differences<'a>(&'a self, before: &'a Self) -> (Vec<&'a Entry>, Vec<&'a Entry>) {
        if Arc::ptr_eq(&self.entries, &before.entries) {
            return (Vec::new(), Vec::new());
        }
        let new = |entry: &&Entry| before.get(entry.slot) != Some(*entry);
        let gone = |entry: &&Entry| self.get(entry.slot).is_none();
        (
            self.entries().filter(new).collect(),
            before.entries().filter(gone).collect(),
        )
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
