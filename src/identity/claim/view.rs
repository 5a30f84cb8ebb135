//! Which slots are occupied, as far as this node knows, and which one to try.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Change, Guard, Listing, Occupancy, Reservation, Slot};

/// The occupied slots of a space: from a listing, a store's answer and the changes since.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// The revision of the last whole picture: a listing or an answer.
    revision: u64,
    /// The revision of the last change, which may be ahead of the answers to our own requests.
    changed: u64,
    held: BTreeSet<Slot>,
    /// The slots that became free while we queue, and at which revision.
    freed: BTreeMap<Slot, u64>,
    reserved: BTreeMap<Slot, Reservation>,
    /// The reservations by node key, each with its slot; ascending.
    by_node: Vec<(String, Slot)>,
}

impl View {
    /// Starts over from everything that stands in the store.
    pub(super) fn list(&mut self, listing: &Listing) {
        if listing.revision < self.changed {
            // A restored store: what was freed in its other life says nothing.
            self.freed.clear();
        }
        self.changed = listing.revision;
        let held = listing.entries.iter().map(|entry| entry.slot).collect();
        self.hold(listing.revision, held);
        self.reserve(&listing.reservations);
    }

    /// Takes over what the store said in answer to a request.
    ///
    /// The place in the queue that comes with it is as old as the answer, so the slots must be,
    /// too, though the watch may have told more already: a newer picture would count those twice
    /// who were served in between.
    pub(super) fn learn(&mut self, occupancy: &Occupancy) {
        if occupancy.revision >= self.revision {
            self.hold(occupancy.revision, occupancy.held.iter().copied().collect());
        }
        self.reserve(&occupancy.reserved);
    }

    /// As [`Self::learn`], with a new place in the queue: what was free by then is free in the
    /// order of the slots, whenever it became so.
    pub(super) fn join(&mut self, occupancy: &Occupancy) {
        self.learn(occupancy);
        self.freed.retain(|_, at| *at > occupancy.revision);
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
        self.changed = revision;
        match change {
            Change::Held(entry) => {
                self.freed.remove(&entry.slot);
                self.held.insert(entry.slot)
            }
            Change::Freed { slot, .. } => {
                let was_held = self.held.remove(slot);
                if was_held {
                    self.freed.insert(*slot, revision);
                }
                was_held
            }
        }
    }

    /// The slot to try when `ahead` others are served first, or [`None`] when that leaves nothing.
    ///
    /// First the slot that waits for this node; then the free ones, ascending; then those that
    /// wait for nodes that are away, the oldest reservation first: they give way when no other
    /// slot is left. All who queue count in the same way, so each finds another slot. What becomes
    /// free while they wait goes behind what was free before: in front of it, it would move
    /// everybody on to a slot that the one before is about to claim.
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
        let is_free = |slot: &Slot| !self.held.contains(slot) && !self.reserved.contains_key(slot);
        let long = (1..=limit).filter(|slot| is_free(slot) && !self.freed.contains_key(slot));
        let mut late: Vec<(u64, Slot)> = self
            .freed
            .iter()
            .filter(|(slot, _)| **slot <= limit && is_free(slot))
            .map(|(slot, revision)| (*revision, *slot))
            .collect();
        late.sort_unstable();
        let free: Vec<Slot> = long.chain(late.iter().map(|(_, slot)| *slot)).collect();
        if let Some(slot) = free.get(ahead) {
            return Some((*slot, Guard::Free));
        }
        let mut absent: Vec<&Reservation> = self
            .reserved
            .values()
            .filter(|reservation| {
                reservation.slot <= limit && !self.held.contains(&reservation.slot)
            })
            // Who was evicted may still believe in its claim.
            .filter(|reservation| !reservation.is_quarantine())
            .collect();
        absent.sort_unstable_by_key(|reservation| {
            let freed = self.freed.get(&reservation.slot).copied();
            (
                freed.unwrap_or_default(),
                reservation.revision,
                reservation.slot,
            )
        });
        let reservation = absent.get(ahead - free.len())?;
        Some((
            reservation.slot,
            Guard::Reserved {
                revision: reservation.revision,
            },
        ))
    }

    /// The slot that waits for `node`, if nobody holds it.
    pub(super) fn reservation_of(&self, node: &str, limit: Slot) -> Option<&Reservation> {
        let first = self
            .by_node
            .partition_point(|(other, _)| other.as_str() < node);
        let own = self.by_node.get(first..).unwrap_or_default().iter();
        own.take_while(|(other, _)| other == node)
            .find(|(_, slot)| *slot <= limit && !self.held.contains(slot))
            .and_then(|(_, slot)| self.reserved.get(slot))
    }

    /// How many slots up to `limit` nobody holds, and nobody can have since their holders were evicted.
    pub(super) fn kept(&self, limit: Slot) -> usize {
        let kept = self
            .reserved
            .range(..=limit)
            .filter(|(slot, reservation)| reservation.is_quarantine() && !self.held.contains(slot));
        kept.count()
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

    /// Goes to the slots that were held at `revision`. Where that is before the last change, what
    /// has become free since stays free; what has been taken since is found out by trying.
    fn hold(&mut self, revision: u64, mut held: BTreeSet<Slot>) {
        if revision < self.changed {
            let freed = |slot: &Slot| self.freed.get(slot).is_some_and(|at| *at > revision);
            held.retain(|slot| !freed(slot));
        } else {
            let freed = self.held.difference(&held).map(|slot| (*slot, revision));
            self.freed.extend(freed);
        }
        self.freed.retain(|slot, _| !held.contains(slot));
        self.revision = revision;
        self.held = held;
    }

    fn reserve(&mut self, reservations: &[Reservation]) {
        self.reserved = reservations
            .iter()
            .map(|reservation| (reservation.slot, reservation.clone()))
            .collect();
        let by_node = reservations.iter().map(|it| (it.node.clone(), it.slot));
        self.by_node = by_node.collect();
        self.by_node.sort_unstable();
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

    /// A node that was given another slot while it was away may have two reservations.
    #[test]
    fn of_two_reservations_of_a_node_the_lowest_that_is_free_counts() {
        let reserved = [(5, "me", 9), (3, "me", 4), (2, "you", 1), (4, "a", 2)];
        assert_eq!(
            view(&[], &reserved).choose(10, Some("me"), 7),
            Some((3, Guard::Reserved { revision: 4 }))
        );
        assert_eq!(
            view(&[3], &reserved).choose(10, Some("me"), 7),
            Some((5, Guard::Reserved { revision: 9 }))
        );
        assert_eq!(
            view(&[3, 5], &reserved).choose(10, Some("me"), 0),
            Some((1, Guard::Free))
        );
    }

    /// Whose slot was lost in the store gets the lowest again, which may be the same one.
    #[test]
    fn what_was_free_before_we_queued_is_taken_in_order() {
        let mut view = view(&[1], &[]);
        view.change(&Change::Freed {
            slot: 1,
            revision: 12,
        });
        view.join(&Occupancy {
            revision: 13,
            ..Occupancy::default()
        });
        assert_eq!(view.choose(10, None, 0), Some((1, Guard::Free)));
    }

    /// Two wait in a full pool. Slot 5 becomes free, which the first goes for, and before the
    /// second hears of that, slot 2: without an order in time it would go for 5 as well.
    #[test]
    fn a_slot_that_becomes_free_moves_nobody_who_waits() {
        let freed = |slot, revision| Change::Freed { slot, revision };
        let all: Vec<Slot> = (1..=6).collect();
        for reserved in [&[][..], &[(2, "a", 3), (5, "b", 4)]] {
            let mut view = view(&all, reserved);
            view.change(&freed(5, 11));
            let first = view.choose(6, None, 0).map(|(slot, _)| slot);
            view.change(&freed(2, 12));
            let second = view.choose(6, None, 1).map(|(slot, _)| slot);
            assert_eq!((first, second), (Some(5), Some(2)));
        }
    }

    /// If this fails, in a full pool a slot has two owners after an eviction.
    #[test]
    fn a_quarantine_gives_way_to_nobody() {
        use crate::identity::record::QUARANTINE;
        let view = view(&[1], &[(2, QUARANTINE, 4), (3, "away", 5)]);
        let away = Guard::Reserved { revision: 5 };
        assert_eq!(view.choose(3, Some("me"), 0), Some((3, away)));
        assert_eq!(view.choose(3, Some("me"), 1), None);
        assert_eq!(view.choose(2, Some("me"), 0), None);
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

    /// The watch overtakes the answer to a request. A slot that was freed in between must not be
    /// forgotten, or nobody takes it. One that was taken in between counts as free: whoever took it
    /// is still among those `ahead`, and without it we would leave a slot out.
    #[test]
    fn an_answer_that_is_older_than_the_last_change_goes_with_its_place_in_the_queue() {
        let mut view = view(&[1, 2, 3], &[]);
        let (slot, revision) = (2, 12);
        view.change(&Change::Freed { slot, revision });
        let entry = Entry {
            slot: 4,
            epoch: 13,
            session: None,
            record: Record::default(),
        };
        view.change(&Change::Held(entry));
        view.learn(&Occupancy {
            revision: 11,
            held: vec![1, 2, 3],
            reserved: vec![],
        });
        let slots = (0..3).filter_map(|ahead| view.choose(5, None, ahead));
        assert_eq!(
            slots.map(|(slot, _)| slot).collect::<Vec<_>>(),
            [4, 5, 2],
            "4 is the one ahead's, 5 is ours"
        );
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
