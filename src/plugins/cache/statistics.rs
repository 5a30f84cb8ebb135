//! What a cache counts.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Defines each count once: its meaning and its name.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $field:ident,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Count { $($(#[$doc])* $name,)* }

        /// The numbers of a cache since it was made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Figures {
            /// Entries with records now, expired ones included.
            pub success_entries: usize,
            /// Entries with denials and failures now, expired ones included.
            pub denial_entries: usize,
            $($(#[$doc])* pub $field: u64,)*
        }

        const COUNTS: usize = [$(Count::$name),*].len();

        impl Figures {
            fn of(totals: [u64; COUNTS]) -> Self {
                let mut figures = Self::default();
                $(if let Some(total) = totals.get(Count::$name as usize) {
                    figures.$field = *total;
                })*
                figures
            }
        }
    };
}

counts! {
    /// Queries that an entry with records was the answer to.
    SuccessHits success_hits,
    /// Queries that a denial or a failure in the cache was the answer to.
    DenialHits denial_hits,
    /// Queries to which no entry was the answer.
    Misses misses,
    /// Queries that waited for an answer which another one had asked for.
    Shared shared,
    /// Entries that were to be refreshed before their end.
    Prefetches prefetches,
    /// Queries that were answered with what had expired.
    ServedStale served_stale,
    /// Entries with records that had to go for others.
    SuccessEvictions success_evictions,
    /// Entries with denials and failures that had to go for others.
    DenialEvictions denial_evictions,
    /// Replies that were not kept since they are malformed or for another question.
    Drops drops,
}

/// Numbers that one thread, or a few, count in. Aligned so that no two of these share a cache
/// line, nor two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane([AtomicU64; COUNTS]);

/// Counts without a number that all threads write to.
#[derive(Debug)]
pub struct Statistics {
    /// A power of two.
    lanes: Box<[Lane]>,
    success_entries: AtomicUsize,
    denial_entries: AtomicUsize,
}

/// The number of the next thread that counts.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread, once it has counted.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Default for Statistics {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(4, usize::from);
        // The workers, and those of the tasks.
        let lanes = (2 * processors).next_power_of_two().min(256);
        Self {
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            success_entries: AtomicUsize::new(0),
            denial_entries: AtomicUsize::new(0),
        }
    }
}

impl Statistics {
    /// The numbers as they are now.
    #[must_use]
    pub fn read(&self) -> Figures {
        let mut totals = [0_u64; COUNTS];
        for lane in &self.lanes {
            for (total, count) in totals.iter_mut().zip(&lane.0) {
                *total = total.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        Figures {
            success_entries: self.success_entries.load(Ordering::Relaxed),
            denial_entries: self.denial_entries.load(Ordering::Relaxed),
            ..Figures::of(totals)
        }
    }

    pub(super) fn count(&self, count: Count) {
        self.add(count, 1);
    }

    pub(super) fn add(&self, count: Count, number: usize) {
        let thread = THREAD.get().unwrap_or_else(|| {
            let number = THREADS.fetch_add(1, Ordering::Relaxed);
            THREAD.set(Some(number));
            number
        });
        let lane = self.lanes.get(thread & (self.lanes.len() - 1));
        if let Some(number_of) = lane.and_then(|lane| lane.0.get(count as usize)) {
            number_of.fetch_add(number as u64, Ordering::Relaxed);
        }
    }

    /// Says how many entries there are.
    pub(super) fn entries(&self, success: usize, denial: usize) {
        self.success_entries.store(success, Ordering::Relaxed);
        self.denial_entries.store(denial, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, whoever watches a cache sees fewer queries than there were.
    #[test]
    fn all_threads_count() {
        let statistics = Statistics::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        statistics.count(Count::SuccessHits);
                    }
                    statistics.add(Count::Drops, 2);
                });
            }
        });
        statistics.entries(3, 4);
        let expected = Figures {
            success_entries: 3,
            denial_entries: 4,
            success_hits: 8000,
            drops: 16,
            ..Figures::default()
        };
        assert_eq!(statistics.read(), expected);
    }
}
