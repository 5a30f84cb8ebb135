//! Which slots are occupied, as far as this node knows, and which one to try.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Change, Guard, Listing, Occupancy, Reservation, Slot};

/// The occupied slots of a space: from a listing, a store's answer and the changes since.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    revision: u64,
    held: BTreeSet<Slot>,
    reserved: BTreeMap<Slot, Reservation>,
}

impl View {
    /// Starts over from everything that stands in the store.
    pub(super) fn list(&mut self, listing: &Listing) {
        self.revision = listing.revision;
        self.held = listing.entries.iter().map(|entry| entry.slot).collect();
        self.reserve(&listing.reservations);
    }

    /// Takes over what the store said in answer to a request.
    pub(super) fn learn(&mut self, occupancy: &Occupancy) {
        if occupancy.revision >= self.revision {
            self.revision = occupancy.revision;
            self.held = occupancy.held.iter().copied().collect();
        }
        self.reserve(&occupancy.reserved);
    }

    /// Follows one change; returns whether it was new.
    pub(super) fn change(&mut self, change: &Change) -> bool {
        let revision = match change {
            Change::Held(entry) => entry.epoch,
            Change::Freed { revision, .. } => *revision,
        };
        // A listing of the store may be ahead of what its watch has told so far.
        if revision <= self.revision {
            return false;
        }
        match change {
            Change::Held(entry) => self.held.insert(entry.slot),
            Change::Freed { slot, .. } => self.held.remove(slot),
        }
    }

    /// The slot to try when `ahead` others are served first, or [`None`] when that leaves nothing.
    ///
    /// First the slot that waits for this node; then the free ones, ascending; then those that
    /// wait for nodes that are away, the oldest reservation first: they give way when no other
    /// slot is left. All who queue count in the same way, so each finds another slot.
    pub(super) fn choose(
        &self,
        limit: Slot,
        node: Option<&str>,
        ahead: u32,
    ) -> Option<(Slot, Guard)> {
        let room = self.room(limit);
        // Who waits in a full pool asks at every change of it.
        if room == 0 {
            return None;
        }
        if let Some(own) = node.and_then(|node| self.reservation_of(node, limit)) {
            return Some((
                own.slot,
                Guard::Reserved {
                    revision: own.revision,
                },
            ));
        }
        let ahead = ahead as usize;
        if ahead >= room {
            return None;
        }
        let free = || {
            (1..=limit)
                .filter(|slot| !self.held.contains(slot) && !self.reserved.contains_key(slot))
        };
        if let Some(slot) = free().nth(ahead) {
            return Some((slot, Guard::Free));
        }
        let mut absent: Vec<&Reservation> = self
            .reserved
            .values()
            .filter(|reservation| {
                reservation.slot <= limit && !self.held.contains(&reservation.slot)
            })
            .collect();
        absent.sort_by_key(|reservation| (reservation.revision, reservation.slot));
        let reservation = absent.get(ahead - free().count())?;
        Some((
            reservation.slot,
            Guard::Reserved {
                revision: reservation.revision,
            },
        ))
    }

    /// The slot that waits for `node`, if nobody holds it.
    pub(super) fn reservation_of(&self, node: &str, limit: Slot) -> Option<&Reservation> {
        self.reserved.values().find(|reservation| {
            reservation.node == node
                && reservation.slot <= limit
                && !self.held.contains(&reservation.slot)
        })
    }

    /// Whether a slot up to `limit` is not held.
    pub(super) fn has_room(&self, limit: Slot) -> bool {
        self.room(limit) > 0
    }

    /// How many slots up to `limit` are not held.
    fn room(&self, limit: Slot) -> usize {
        let held = match self.held.last() {
            Some(last) if *last > limit => self.held.range(..=limit).count(),
            _ => self.held.len(),
        };
        (limit as usize).saturating_sub(held)
    }

    fn reserve(&mut self, reservations: &[Reservation]) {
        self.reserved = reservations
            .iter()
            .map(|reservation| (reservation.slot, reservation.clone()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::record::Record;
    use crate::store::Entry;

    fn view(held: &[Slot], reserved: &[(Slot, &str, u64)]) -> View {
        let reserved = reserved.iter().map(|&(slot, node, revision)| Reservation {
            slot,
            node: node.to_owned(),
            revision,
        });
        let mut view = View::default();
        view.learn(&Occupancy {
            revision: 10,
            held: held.to_vec(),
            reserved: reserved.collect(),
        });
        view
    }

    #[test]
    fn a_node_alone_gets_the_lowest_free_slot() {
        assert_eq!(
            view(&[1, 2, 4], &[]).choose(10, Some("me"), 0),
            Some((3, Guard::Free))
        );
    }

    #[test]
    fn those_who_queue_spread_over_the_free_slots() {
        let view = view(&[2], &[]);
        let slots: Vec<_> = (0..4)
            .filter_map(|ahead| view.choose(4, None, ahead))
            .collect();
        assert_eq!(
            slots,
            [(1, Guard::Free), (3, Guard::Free), (4, Guard::Free)]
        );
    }

    #[test]
    fn a_slot_that_waits_for_this_node_comes_first() {
        let view = view(&[], &[(7, "me", 5)]);
        assert_eq!(
            view.choose(10, Some("me"), 3),
            Some((7, Guard::Reserved { revision: 5 }))
        );
        assert_eq!(
            view.choose(6, Some("me"), 0),
            Some((1, Guard::Free)),
            "7 is beyond the limit"
        );
    }

    #[test]
    fn reservations_of_the_absent_give_way_oldest_first_and_only_at_last() {
        let view = view(&[1], &[(2, "a", 9), (3, "b", 5)]);
        assert_eq!(view.choose(4, Some("me"), 0), Some((4, Guard::Free)));
        assert_eq!(
            view.choose(4, Some("me"), 1),
            Some((3, Guard::Reserved { revision: 5 }))
        );
        assert_eq!(
            view.choose(4, Some("me"), 2),
            Some((2, Guard::Reserved { revision: 9 }))
        );
        assert_eq!(view.choose(4, Some("me"), 3), None);
    }

    #[test]
    fn a_change_that_the_listing_had_already_is_not_counted_twice() {
        let mut view = view(&[1], &[]);
        assert!(!view.change(&Change::Freed {
            slot: 1,
            revision: 10
        }));
        assert_eq!(view.choose(2, None, 0), Some((2, Guard::Free)));
        let entry = Entry {
            slot: 2,
            epoch: 11,
            session: None,
            record: Record::default(),
        };
        assert!(view.change(&Change::Held(entry)));
        assert!(!view.has_room(2));
    }
}
