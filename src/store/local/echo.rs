//! What to look at once more: slots, authors.
//!
//! At the end of a process the kernel tells of the closing of a file just *before* it drops the
//! lock (`__fput` in fs/file_table.c), so that whoever is quick still sees the dead holder, and
//! nothing is told after that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// How long after a closing, or after the look before, to look again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(250),
    Duration::from_secs(2),
];

/// Those whose lock files were closed and are locked all the same, and when to look again.
#[derive(Debug)]
pub(super) struct Echoes<K> {
    closed: BTreeMap<K, (usize, Instant)>,
}

impl<K> Default for Echoes<K> {
    fn default() -> Self {
        Self {
            closed: BTreeMap::new(),
        }
    }
}

impl<K: Clone + Ord> Echoes<K> {
    /// When to look next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.closed.values().map(|(_, when)| *when).min()
    }

    /// Those to look at now; each is due again after a longer pause, and at last not at all.
    pub(super) fn due(&mut self, now: Instant) -> BTreeSet<K> {
        let mut due = BTreeSet::new();
        self.closed.retain(|key, (looks, when)| {
            if *when > now {
                return true;
            }
            due.insert(key.clone());
            *looks += 1;
            let pause = PAUSES.get(*looks);
            *when = now + pause.copied().unwrap_or_default();
            pause.is_some()
        });
        due
    }

    /// Begins anew with those whose lock files were closed at this moment.
    pub(super) fn closed(&mut self, closed: &BTreeSet<K>, now: Instant) {
        let first = (0, now + PAUSES[0]);
        self.closed
            .extend(closed.iter().map(|key| (key.clone(), first)));
    }

    /// Forgets those that are not held any more.
    pub(super) fn keep(&mut self, held: impl Fn(&K) -> bool) {
        self.closed.retain(|key, _| held(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_looked_at_some_times_and_then_left_in_peace() {
        let start = Instant::now();
        let mut echoes = Echoes::default();
        echoes.closed(&BTreeSet::from([3, 7]), start);
        assert_eq!(echoes.due(start), BTreeSet::new());
        let mut looks = 0;
        let mut now = start;
        while let Some(next) = echoes.next() {
            assert!(next > now, "a loop without a pause");
            now = next;
            assert_eq!(echoes.due(now), BTreeSet::from([3, 7]));
            looks += 1;
        }
        assert_eq!((looks, now - start), (5, PAUSES.iter().sum()));
        echoes.closed(&BTreeSet::from([3, 7]), now);
        echoes.keep(|slot| *slot == 3);
        assert_eq!(echoes.due(now + PAUSES[0]), BTreeSet::from([3]));
    }
}
