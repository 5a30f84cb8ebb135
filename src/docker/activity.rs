//! What is counted of an engine that is followed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::metrics::Counters;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Something that the engine told of a container or a network.
    Events,
    /// A container that was looked at.
    Inspections,
    /// A container that the engine could not show.
    Failures,
    /// All containers that run were listed and compared with what was known.
    Resyncs,
    /// The engine was reached.
    Connections,
}

/// The numbers of one engine, from the start of what follows it on.
#[derive(Debug)]
pub struct Activity {
    counters: Counters,
    last_event: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            counters: Counters::new(Count::Connections as usize + 1),
            last_event: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// How often it happened.
    #[must_use]
    pub fn total(&self, count: Count) -> u64 {
        self.counters.total(count as usize)
    }

    /// When the engine told something last, in seconds of Unix time; 0 for never.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.last_event.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, count: Count) {
        self.counters.count(count as usize);
        if count == Count::Events {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            self.last_event
                .store(now.map_or(0, |now| now.as_secs()), Ordering::Relaxed);
        }
    }
}
