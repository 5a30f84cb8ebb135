//! What a cache counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::Counters;

/// Defines each count once: its meaning and its name.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $field:ident,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Count { $($(#[$doc])* $name,)* }

        /// The numbers of a cache since it was made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(super) struct Figures {
            /// Entries with records now, expired ones included.
            pub(super) success_entries: usize,
            /// Entries with denials and failures now, expired ones included.
            pub(super) denial_entries: usize,
            $($(#[$doc])* pub(super) $field: u64,)*
        }

        const COUNTS: usize = [$(Count::$name),*].len();

        impl Figures {
            fn of(counters: &Counters) -> Self {
                Self {
                    $($field: counters.total(Count::$name as usize),)*
                    ..Self::default()
                }
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

/// Counts without a number that all threads write to.
#[derive(Debug)]
pub(super) struct Statistics {
    counters: Counters,
    success_entries: AtomicUsize,
    denial_entries: AtomicUsize,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            counters: Counters::new(COUNTS),
            success_entries: AtomicUsize::new(0),
            denial_entries: AtomicUsize::new(0),
        }
    }
}

impl Statistics {
    /// The numbers as they are now.
    pub(super) fn read(&self) -> Figures {
        Figures {
            success_entries: self.success_entries.load(Ordering::Relaxed),
            denial_entries: self.denial_entries.load(Ordering::Relaxed),
            ..Figures::of(&self.counters)
        }
    }

    pub(super) fn count(&self, count: Count) {
        self.add(count, 1);
    }

    pub(super) fn add(&self, count: Count, number: usize) {
        self.counters.add(count as usize, number as u64);
    }

    /// Says how many entries there are.
    pub(super) fn entries(&self, success: usize, denial: usize) {
        self.success_entries.store(success, Ordering::Relaxed);
        self.denial_entries.store(denial, Ordering::Relaxed);
    }
}
