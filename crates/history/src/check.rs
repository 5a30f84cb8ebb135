//! The rules, one function each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Event, What};

/// A rule that a history breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two claimants used one slot in overlapping stretches of time.
    Overlap {
        /// The slot.
        slot: u32,
        /// The claimants and their epochs.
        owners: [(String, u64); 2],
        /// When the later stretch began.
        at: u64,
    },
    /// A later owner has no larger epoch than an earlier one.
    Epoch {
        /// The slot.
        slot: u32,
        /// The earlier owner's epoch.
        earlier: u64,
        /// The later owner's epoch.
        later: u64,
    },
    /// A claimant stood in two slots of the store at once.
    TwoSlots {
        /// Which claimant.
        claimant: String,
        /// Its slots.
        slots: [u32; 2],
        /// When the second one was seen.
        at: u64,
    },
    /// The slot of an evicted holder was another's before the holder had stopped using it.
    Evicted {
        /// The holder.
        claimant: String,
        /// The slot.
        slot: u32,
        /// When it was used.
        at: u64,
    },
    /// A slot was used after its holder had said that it is over.
    UseAfterEnd {
        /// Which claimant.
        claimant: String,
        /// The slot.
        slot: u32,
        /// When it was used.
        at: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap {
                slot,
                owners: [(one, first), (other, second)],
                at,
            } => write!(
                formatter,
                "slot {slot}: {other} (epoch {second}) used it at {at} while {one} (epoch {first}) still did"
            ),
            Self::Epoch {
                slot,
                earlier,
                later,
            } => {
                write!(
                    formatter,
                    "slot {slot}: epoch {later} came after epoch {earlier}"
                )
            }
            Self::TwoSlots {
                claimant,
                slots: [one, other],
                at,
            } => {
                write!(
                    formatter,
                    "{claimant} stood in slots {one} and {other} at once, at {at}"
                )
            }
            Self::Evicted { claimant, slot, at } => {
                write!(
                    formatter,
                    "{claimant}, which was evicted, used slot {slot} at {at} when it stood in another's name"
                )
            }
            Self::UseAfterEnd { claimant, slot, at } => {
                write!(
                    formatter,
                    "{claimant} used slot {slot} at {at} after it was over"
                )
            }
        }
    }
}

/// All violations in a history, whatever the order of its lines.
///
/// The stretch of an owner goes from its first to its last use of a slot under one claim. Two
/// epochs of one claimant with no other owner between them are one claim: an update of the
/// record moves the epoch.
#[must_use]
pub fn check(history: &[Event]) -> Vec<Violation> {
    let mut sorted: Vec<&Event> = history.iter().collect();
    sorted.sort_by_key(|event| event.at);
    let mut violations = overlaps(&sorted);
    violations.extend(two_slots(&sorted));
    violations.extend(uses_after_end(&sorted));
    violations.extend(uses_after_eviction(&sorted));
    violations
}

/// A stretch of uses of one slot by one claimant under one claim.
struct Stretch<'a> {
    claimant: &'a str,
    first: u64,
    last: u64,
    epochs: (u64, u64),
}

/// Uses of one slot by different claimants must not interleave, and epochs must grow.
fn overlaps(sorted: &[&Event]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (slot, mut stretches) in stretches(sorted) {
        stretches.sort_by_key(|stretch| stretch.first);
        for (index, earlier) in stretches.iter().enumerate() {
            for later in &stretches[index + 1..] {
                if later.first <= earlier.last && later.claimant != earlier.claimant {
                    let owner =
                        |stretch: &Stretch<'_>| (stretch.claimant.to_owned(), stretch.epochs.1);
                    let owners = [owner(earlier), owner(later)];
                    violations.push(Violation::Overlap {
                        slot,
                        owners,
                        at: later.first,
                    });
                }
            }
            if let Some(later) = stretches.get(index + 1)
                && later.epochs.0 <= earlier.epochs.1
            {
                violations.push(Violation::Epoch {
                    slot,
                    earlier: earlier.epochs.1,
                    later: later.epochs.0,
                });
            }
        }
    }
    violations
}

fn stretches<'a>(sorted: &[&'a Event]) -> BTreeMap<u32, Vec<Stretch<'a>>> {
    let mut slots: BTreeMap<u32, Vec<Stretch<'a>>> = BTreeMap::new();
    // The claims by claimant: a new `Claimed` begins a new stretch of the same claimant.
    let mut open: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for event in sorted {
        let claimant = event.claimant.as_str();
        match event.what {
            What::Claimed { slot, epoch } => {
                // With the epoch that it had, a claim goes on: its record has stood all the time.
                let same = |index: &usize| slots[&slot][*index].epochs.1 == epoch;
                if !open.get(&(claimant, slot)).is_some_and(same) {
                    open.remove(&(claimant, slot));
                }
            }
            What::Used { slot, epoch } => {
                let stretches = slots.entry(slot).or_default();
                if let Some(&index) = open.get(&(claimant, slot)) {
                    let stretch = &mut stretches[index];
                    stretch.last = event.at;
                    stretch.epochs = (stretch.epochs.0.min(epoch), stretch.epochs.1.max(epoch));
                } else {
                    open.insert((claimant, slot), stretches.len());
                    let (first, last) = (event.at, event.at);
                    stretches.push(Stretch {
                        claimant,
                        first,
                        last,
                        epochs: (epoch, epoch),
                    });
                }
            }
            What::Ended { .. }
            | What::Seen { .. }
            | What::Unseen { .. }
            | What::Stands { .. }
            | What::Evicted { .. }
            | What::Free { .. } => {}
        }
    }
    slots
}

/// The store never shows one claimant in two slots: a claim that nobody believes in any more must
/// not stay behind.
fn two_slots(sorted: &[&Event]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut holders: BTreeMap<u32, &str> = BTreeMap::new();
    for event in sorted {
        match &event.what {
            What::Stands { slot, .. } => {
                holders.insert(*slot, &event.claimant);
                let other = holders
                    .iter()
                    .find(|(other, holder)| *other != slot && **holder == event.claimant);
                if let Some((&other, _)) = other {
                    violations.push(Violation::TwoSlots {
                        claimant: event.claimant.clone(),
                        slots: [other, *slot],
                        at: event.at,
                    });
                }
            }
            What::Free { slot } | What::Evicted { slot, .. } => {
                holders.remove(slot);
            }
            What::Claimed { .. }
            | What::Used { .. }
            | What::Ended { .. }
            | What::Seen { .. }
            | What::Unseen { .. } => {}
        }
    }
    violations
}

fn uses_after_end(sorted: &[&Event]) -> Vec<Violation> {
    let mut ended = BTreeSet::new();
    let mut violations = Vec::new();
    for event in sorted {
        let claimant = event.claimant.as_str();
        match event.what {
            What::Claimed { slot, .. } => {
                ended.remove(&(claimant, slot));
            }
            What::Ended { slot, .. } => {
                ended.insert((claimant, slot));
            }
            What::Used { slot, .. } if ended.contains(&(claimant, slot)) => {
                let claimant = claimant.to_owned();
                violations.push(Violation::UseAfterEnd {
                    claimant,
                    slot,
                    at: event.at,
                });
            }
            What::Used { .. }
            | What::Seen { .. }
            | What::Unseen { .. }
            | What::Stands { .. }
            | What::Evicted { .. }
            | What::Free { .. } => {}
        }
    }
    violations
}

/// Once somebody else stands in the slot of an evicted holder, the holder does not use it any more,
/// whether or not its successor does already.
fn uses_after_eviction(sorted: &[&Event]) -> Vec<Violation> {
    let mut violations = Vec::new();
    // The epochs of evictions, and of those that have a successor.
    let mut evicted: BTreeMap<u32, u64> = BTreeMap::new();
    let mut succeeded: BTreeMap<u32, u64> = BTreeMap::new();
    for event in sorted {
        match event.what {
            What::Evicted { slot, epoch } => {
                evicted.insert(slot, epoch);
            }
            What::Stands { slot, .. } => {
                succeeded.extend(evicted.remove(&slot).map(|epoch| (slot, epoch)));
            }
            What::Used { slot, epoch } if succeeded.get(&slot).is_some_and(|at| epoch < *at) => {
                let claimant = event.claimant.clone();
                let at = event.at;
                violations.push(Violation::Evicted { claimant, slot, at });
            }
            What::Claimed { .. }
            | What::Used { .. }
            | What::Ended { .. }
            | What::Seen { .. }
            | What::Unseen { .. }
            | What::Free { .. } => {}
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, claimant: &str, what: What) -> Event {
        Event {
            at,
            claimant: claimant.to_owned(),
            what,
        }
    }

    fn used(at: u64, claimant: &str, epoch: u64) -> Event {
        event(at, claimant, What::Used { slot: 1, epoch })
    }

    #[test]
    fn owners_one_after_the_other_are_fine() {
        let history = [
            used(1, "a", 5),
            used(4, "a", 5),
            used(5, "b", 7),
            used(9, "b", 7),
        ];
        assert_eq!(check(&history), []);
    }

    #[test]
    fn a_use_inside_the_stretch_of_another_is_found() {
        let history = [used(1, "a", 5), used(9, "a", 5), used(8, "b", 7)];
        assert!(matches!(
            check(&history)[..],
            [Violation::Overlap { slot: 1, at: 8, .. }]
        ));
    }

    #[test]
    fn the_same_owner_may_come_back_with_a_larger_epoch_only() {
        let again = |epoch| {
            let claimed = event(8, "a", What::Claimed { slot: 1, epoch });
            [
                used(1, "a", 5),
                used(5, "b", 7),
                claimed,
                used(9, "a", epoch),
            ]
        };
        assert_eq!(check(&again(8)), []);
        assert!(matches!(
            check(&again(6))[..],
            [Violation::Epoch {
                earlier: 7,
                later: 6,
                ..
            }]
        ));
    }

    #[test]
    fn a_claim_that_goes_on_with_its_epoch_must_have_been_nobody_elses() {
        let claimed = event(8, "a", What::Claimed { slot: 1, epoch: 5 });
        let history = [used(1, "a", 5), claimed, used(9, "a", 5), used(10, "b", 7)];
        assert_eq!(check(&history), []);
        let between = [&history[..], &[used(4, "c", 6)]].concat();
        assert!(
            check(&between)
                .iter()
                .any(|it| matches!(it, Violation::Overlap { .. }))
        );
    }

    #[test]
    fn an_update_moves_the_epoch_inside_one_stretch() {
        let history = [used(1, "a", 5), used(2, "a", 6), used(3, "b", 7)];
        assert_eq!(check(&history), []);
    }

    #[test]
    fn a_claimant_in_two_slots_of_the_store_is_found_and_a_move_is_not() {
        let stands = |at, slot| event(at, "a", What::Stands { slot, epoch: at });
        let free = |at, slot| event(at, "", What::Free { slot });
        assert_eq!(check(&[stands(1, 1), free(2, 1), stands(3, 2)]), []);
        let both = check(&[stands(1, 1), stands(3, 2), free(4, 1)]);
        assert!(matches!(both[..], [Violation::TwoSlots { at: 3, .. }]));
    }

    #[test]
    fn a_use_after_the_end_is_found() {
        let ended = event(3, "a", What::Ended { slot: 1, epoch: 5 });
        let history = [used(1, "a", 5), ended, used(4, "a", 5)];
        assert!(matches!(
            check(&history)[..],
            [Violation::UseAfterEnd { at: 4, .. }]
        ));
    }

    #[test]
    fn an_evicted_holder_may_use_its_slot_until_another_stands_there() {
        let evicted = event(3, "", What::Evicted { slot: 1, epoch: 6 });
        let free = event(6, "", What::Free { slot: 1 });
        let stands = event(8, "b", What::Stands { slot: 1, epoch: 9 });
        let late = |at| {
            let used = [used(1, "a", 5), used(at, "a", 5), used(10, "b", 9)];
            let seen = [evicted.clone(), free.clone(), stands.clone()];
            check(&[&used[..], &seen].concat())
        };
        assert_eq!(late(7), []);
        assert!(matches!(
            late(9)[..],
            [Violation::Evicted { slot: 1, at: 9, .. }]
        ));
    }

    #[test]
    fn lines_are_read_back_and_a_killed_writers_last_line_is_left_out() {
        let event = used(1, "a", 5);
        let text = crate::line(&event).repeat(2) + r#"{"at":3,"cl"#;
        assert_eq!(crate::read(&text), Ok(vec![event.clone(), event]));
        assert!(crate::read("x\n").is_err_and(|error| error.starts_with("line 1")));
    }
}
