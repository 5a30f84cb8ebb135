//! Races by the thousand, judged by the checker; and the checker judged by what is wrong on purpose.

use std::time::Duration;

use history::Violation;
use proptest::prelude::*;

use super::simulation::{Mutation, Weather, World};

const FINE: Weather = Weather {
    claimants: 30,
    limit: 40,
    loss: 0,
    delay: 20,
    nemesis: false,
    evictions: false,
    duration: Duration::from_secs(10),
};

const STORM: Weather = Weather {
    claimants: 12,
    limit: 10,
    loss: 80,
    delay: 3_000,
    nemesis: true,
    evictions: true,
    duration: Duration::from_secs(300),
};

fn violations(seed: u64, weather: Weather, mutation: Mutation) -> Vec<Violation> {
    history::check(&World::new(seed, weather, mutation).run().history)
}

#[test]
fn a_herd_gets_the_lowest_slots_each_its_own() {
    for seed in 0..20 {
        let world = World::new(seed, FINE, Mutation::None).run();
        let mut slots: Vec<_> = world.owned().into_iter().flatten().collect();
        slots.sort_unstable();
        assert_eq!(slots, (1..=30).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_pool_that_is_too_small_is_used_to_the_last_slot() {
    for seed in 0..20 {
        let weather = Weather { limit: 20, ..FINE };
        let world = World::new(seed, weather, Mutation::None).run();
        let mut slots: Vec<_> = world.owned().into_iter().flatten().collect();
        slots.sort_unstable();
        assert_eq!(slots, (1..=20).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn after_a_storm_every_slot_is_owned_again() {
    for seed in 0..20 {
        let world = World::new(seed, STORM, Mutation::None).run();
        let owned = world.owned().into_iter().flatten().count();
        assert_eq!(
            owned, 10,
            "seed {seed}: two of twelve claimants must wait, no more"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_storm_makes_two_owners(seed: u64, loss in 0..300_u64, delay in 20..6_000_u64) {
        let weather = Weather { loss, delay, duration: Duration::from_secs(120), ..STORM };
        prop_assert_eq!(violations(seed, weather, Mutation::None), []);
    }
}

/// The seeds of a mutation for which the checker finds what `expected` accepts.
fn found(mutation: Mutation, weather: Weather, expected: fn(&Violation) -> bool) -> usize {
    (0..20)
        .filter(|seed| violations(*seed, weather, mutation).iter().any(expected))
        .count()
}

#[test]
fn the_checker_finds_get_then_put() {
    let overlap = |violation: &Violation| matches!(violation, Violation::Overlap { .. });
    assert!(
        found(
            Mutation::GetThenPut,
            Weather { delay: 500, ..FINE },
            overlap
        ) > 0
    );
}

/// If this fails, an eviction that gives the slot away at once would pass for one that waits until the
/// holder must have let go.
#[test]
fn the_checker_finds_an_eviction_that_keeps_the_slot_from_nobody() {
    let overlap = |violation: &Violation| matches!(violation, Violation::Overlap { .. });
    assert!(found(Mutation::BareEviction, STORM, overlap) > 0);
}

#[test]
fn the_checker_finds_a_deadline_counted_from_the_receipt() {
    let overlap = |violation: &Violation| matches!(violation, Violation::Overlap { .. });
    // Answers that take long, and many who wait for a slot to become free.
    let weather = Weather {
        delay: 1_600,
        loss: 20,
        limit: 4,
        ..STORM
    };
    assert!(found(Mutation::DeadlineFromReceipt, weather, overlap) > 0);
}

#[test]
fn the_checker_finds_a_claim_retried_without_revoking_its_lease() {
    let twice = |violation: &Violation| matches!(violation, Violation::TwoSlots { .. });
    let weather = Weather {
        delay: 9_000,
        limit: 30,
        ..STORM
    };
    assert!(found(Mutation::NoRevoke, weather, twice) > 0);
}
