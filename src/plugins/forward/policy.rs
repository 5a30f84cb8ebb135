//! Which upstream is asked first, and which after it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The order of upstreams that are as good as each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Policy {
    /// Any.
    #[default]
    Random,
    /// Each begins in turn.
    RoundRobin,
    /// That of the Corefile.
    Sequential,
}

/// How an upstream is thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It answers.
    Well,
    /// It has failed lately.
    Suspected,
    /// It is not to be asked.
    Down,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn(AtomicUsize);

impl Policy {
    /// The upstreams to ask, by their numbers: those that answer, then those that have failed
    /// lately. If all are down, all of them in any order, since the checks may be what is broken;
    /// none if `fail_fast`. `seed` differs from query to query.
    pub(super) fn order(
        self,
        standings: &[Standing],
        turn: &Turn,
        seed: u32,
        fail_fast: bool,
    ) -> Vec<usize> {
        let mut order: Vec<usize> = (0..standings.len()).collect();
        let all_down = standings.iter().all(|standing| *standing == Standing::Down);
        match self {
            _ if all_down && fail_fast => return Vec::new(),
            _ if all_down => shuffle(&mut order, seed),
            Self::Random => shuffle(&mut order, seed),
            Self::RoundRobin => {
                let first = turn.0.fetch_add(1, Ordering::Relaxed) % order.len().max(1);
                order.rotate_left(first);
            }
            Self::Sequential => {}
        }
        let standing = |index: &usize| standings.get(*index).copied();
        if !all_down {
            order.retain(|index| standing(index) != Some(Standing::Down));
            order.sort_by_key(standing);
        }
        order
    }
}

/// Mixes the order, the same way for the same seed.
fn shuffle(order: &mut [usize], seed: u32) {
    // A step of Weyl's sequence and a mixer: seeds that follow each other must not be alike.
    let mut state = u64::from(seed);
    let mut draw = |below: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % below.max(1) as u64) as usize
    };
    for last in (1..order.len()).rev() {
        order.swap(last, draw(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: [Standing; 3] = [Standing::Well; 3];

    fn order(policy: Policy, standings: &[Standing], seed: u32) -> Vec<usize> {
        policy.order(standings, &Turn::default(), seed, false)
    }

    /// If this fails, load is not spread as the Corefile says.
    #[test]
    fn policies_order_upstreams() {
        assert_eq!(order(Policy::Sequential, &WELL, 7), [0, 1, 2]);
        let turn = Turn::default();
        let firsts = (0..4).map(|seed| Policy::RoundRobin.order(&WELL, &turn, seed, false)[0]);
        assert_eq!(firsts.collect::<Vec<_>>(), [0, 1, 2, 0]);
        let mut counts = [0; 3];
        for seed in 0..3000 {
            let order = order(Policy::Random, &WELL, seed);
            counts[order[0]] += 1;
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }

    /// If this fails, clients wait for upstreams that are known not to answer, or are refused
    /// though the checks may be wrong.
    #[test]
    fn who_fails_comes_last_and_who_is_down_not_at_all() {
        use Standing::{Down, Suspected, Well};
        assert_eq!(
            order(Policy::Sequential, &[Down, Suspected, Well], 1),
            [2, 1]
        );
        for seed in 0..20 {
            assert_eq!(
                order(Policy::Random, &[Suspected, Well, Down], seed),
                [1, 0]
            );
        }
        assert_eq!(order(Policy::Sequential, &[Down, Down], 1).len(), 2);
        let none = Policy::Random.order(&[Down, Down], &Turn::default(), 1, true);
        assert_eq!(none, [0; 0]);
        assert_eq!(order(Policy::RoundRobin, &[], 1), [0; 0]);
    }
}
