//! What is counted on the way of a query, without a shared number per query.
//!
//! A worker counts in a [`Tally`] of plain numbers and publishes it once per batch in
//! [`Counters`] that are its own. Whoever wants to know sums over all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::metrics::{Family, Scrape};
use crate::mutex::locked;

/// Defines each count once: its meaning, its place, its name in logs.
macro_rules! counts {
    ($($(#[doc = $doc:literal])* $name:ident $word:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $($(#[doc = $doc])* $name,)* }

        impl Count {
            /// Every count.
            pub const ALL: &'static [Count] = &[$(Count::$name),*];

            /// The count's name in logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Count::$name => $word,)* }
            }

            /// What is told of it as a metric.
            pub(crate) fn family(self) -> &'static Family {
                match self {
                    $(Count::$name => {
                        const FAMILY: Family = Family::counter(
                            concat!("callsign_", $word, "_total"),
                            concat!($($doc),*).trim_ascii(),
                        );
                        &FAMILY
                    })*
                }
            }
        }
    };
}

counts! {
    /// Messages that arrived.
    Requests "requests",
    /// Replies that were written, those of malformed requests included.
    Replies "replies",
    /// Messages that got no reply: too short to have a header, or replies themselves.
    Ignored "ignored",
    /// Requests that were no well-formed query.
    Malformed "malformed",
    /// Queries that had to wait for something.
    Deferred "deferred",
    /// Queries that had to wait and were dropped because too many did.
    Overloaded "overloaded",
    /// Queries that waited too long and were told SERVFAIL.
    Late "late",
    /// Queries that met a programming error and were told SERVFAIL.
    Panics "panics",
    /// Replies that the system did not take.
    Unsent "unsent",
    /// Receives that the system refused.
    ReceiveErrors "receive_errors",
    /// TCP connections that were accepted.
    Connections "connections",
    /// TCP connections that were closed at once because their peer has too many.
    Rejected "rejected_connections",
    /// Accepts that the system refused.
    AcceptErrors "accept_errors",
}

/// CoreDNS's name for the panics.
const PANICS: Family = Family::counter(
    "coredns_panics_total",
    "Queries that met a programming error and were told SERVFAIL.",
);

const COUNTS: usize = Count::ALL.len();

/// Numbers of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; COUNTS]);

impl Tally {
    /// Adds one.
    pub fn count(&mut self, count: Count) {
        self.add(count, 1);
    }

    /// Adds a number.
    pub fn add(&mut self, count: Count, number: usize) {
        // The place is that of the variant, so it is always there.
        if let Some(slot) = self.0.get_mut(count as usize) {
            *slot = slot.wrapping_add(number as u64);
        }
    }

    /// The number.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.0.get(count as usize).copied().unwrap_or_default()
    }
}

/// Numbers that others may read. Aligned so that no two threads write to one cache line, nor to
/// two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// Shows what the only writer of these counters has counted in all.
    pub fn publish(&self, tally: &Tally) {
        for (shown, number) in self.0.iter().zip(&tally.0) {
            shown.store(*number, Ordering::Relaxed);
        }
    }

    /// Adds what one of several writers has counted since it last did.
    pub fn merge(&self, tally: &Tally) {
        for (shown, number) in self
            .0
            .iter()
            .zip(&tally.0)
            .filter(|(_, number)| **number > 0)
        {
            shown.fetch_add(*number, Ordering::Relaxed);
        }
    }

    fn read_into(&self, total: &mut Tally) {
        for (sum, shown) in total.0.iter_mut().zip(&self.0) {
            *sum = sum.wrapping_add(shown.load(Ordering::Relaxed));
        }
    }
}

/// The counters of all workers, those that have ended included.
#[derive(Debug, Default)]
pub struct Statistics {
    workers: Mutex<Vec<Arc<Counters>>>,
}

impl Statistics {
    /// Counters for one more worker.
    #[must_use]
    pub fn worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        let mut workers = locked(&self.workers);
        fold_ended(&mut workers);
        workers.push(counters.clone());
        counters
    }

    /// Adds the sums, and those that have another name in CoreDNS.
    pub fn collect(&self, scrape: &mut Scrape) {
        let total = self.total();
        for count in Count::ALL {
            scrape.counter(count.family(), &[], total.get(*count));
        }
        scrape.counter(&PANICS, &[], total.get(Count::Panics));
    }

    /// The sums over all workers.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for counters in locked(&self.workers).iter() {
            counters.read_into(&mut total);
        }
        total
    }
}

/// Keeps one set of counters for all workers that have ended, so that reloads do not pile them up.
fn fold_ended(workers: &mut Vec<Arc<Counters>>) {
    let mut ended = Tally::default();
    workers.retain(|counters| {
        let lives = Arc::strong_count(counters) > 1;
        if !lives {
            counters.read_into(&mut ended);
        }
        lives
    });
    let sum = Counters::default();
    sum.publish(&ended);
    workers.push(Arc::new(sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a reload makes the totals fall, and whoever watches them sees a restart.
    #[test]
    fn the_counts_of_ended_workers_remain() {
        let statistics = Statistics::default();
        for _ in 0..10 {
            let counters = statistics.worker();
            let mut tally = Tally::default();
            tally.add(Count::Requests, 3);
            counters.publish(&tally);
            counters.publish(&tally);
            counters.merge(&tally);
        }
        assert_eq!(statistics.total().get(Count::Requests), 60);
        assert_eq!(statistics.total().get(Count::Panics), 0);
        assert!(statistics.workers.lock().unwrap().len() <= 3);
    }
}
