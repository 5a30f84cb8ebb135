//! Queries that wait for a name: who asks for a node that is just starting gets its address instead
//! of an NXDOMAIN that resolvers remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use answer::LookupName;
use tokio::time::timeout;

use super::{Published, Snapshot};
use crate::metrics::{Counters, Family, Scrape};
use crate::plugins::{Job, Resume};

/// The longest that a query may be held. Clients ask again after a few seconds.
pub(super) const LONGEST: Duration = Duration::from_secs(2);

/// How many queries of a block are held at a time. Names that nobody holds are easily asked for.
const MOST: usize = 1000;

const HELD: Family = Family::counter(
    "callsign_identity_held_queries_total",
    "Queries that were held for a name that nobody held yet, by what came of it.",
);

/// What comes of a query that might be held, in the order of the counters.
const RESULTS: [&str; 3] = ["claimed", "expired", "too_many"];
const CLAIMED: usize = 0;
const EXPIRED: usize = 1;
const TOO_MANY: usize = 2;

/// The queries of a block that are held.
#[derive(Debug)]
pub(super) struct Holds {
    now: AtomicUsize,
    counters: Counters,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            now: AtomicUsize::new(0),
            counters: Counters::new(RESULTS.len()),
        }
    }
}

impl Holds {
    /// Holds a query until somebody has the name, or `limit` is over; [`None`] where too many are
    /// held already. Then it is answered with what is published at that moment.
    pub(super) fn hold(
        self: &Arc<Self>,
        published: &Published,
        name: LookupName,
        limit: Duration,
    ) -> Option<Job> {
        let turn = Turn::take(self)?;
        let mut changed = published.changed.clone();
        let names = Arc::clone(&published.names);
        Some(Box::pin(async move {
            let claimed = async {
                // Marked as seen before each look, so that no change falls in between.
                loop {
                    changed.mark_unchanged();
                    if names.load().has_news_of(&name) {
                        return true;
                    }
                    if changed.changed().await.is_err() {
                        return false;
                    }
                }
            };
            let claimed = timeout(limit, claimed).await.unwrap_or(false);
            turn.ends(claimed);
            let resume: Resume = Box::new(move |exchange| names.load().answer(exchange));
            resume
        }))
    }

    /// How many queries were answered with a name that came while they waited.
    #[cfg(test)]
    pub(super) fn claimed(&self) -> u64 {
        self.counters.total(CLAIMED)
    }

    /// Adds what was counted.
    pub(super) fn collect(&self, scrape: &mut Scrape) {
        for (number, result) in RESULTS.into_iter().enumerate() {
            let total = self.counters.total(number);
            scrape.counter(&HELD, &[("result", result)], total);
        }
    }
}

impl Snapshot {
    /// Whether there is no reason to wait for a name any more: somebody has it, or it cannot be
    /// known.
    fn has_news_of(&self, name: &LookupName) -> bool {
        self.owner(name).is_none_or(|pool| !pool.is_held_for(name))
    }
}

/// A query that is held, for as long as this lives.
struct Turn(Arc<Holds>);

impl Turn {
    fn take(holds: &Arc<Holds>) -> Option<Self> {
        if holds.now.fetch_add(1, Ordering::Relaxed) < MOST {
            return Some(Self(Arc::clone(holds)));
        }
        holds.now.fetch_sub(1, Ordering::Relaxed);
        holds.counters.count(TOO_MANY);
        None
    }

    fn ends(self, claimed: bool) {
        let result = if claimed { CLAIMED } else { EXPIRED };
        self.0.counters.count(result);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::identity::publish::publish;

    /// If this fails, whoever asks for many names that nobody holds fills the memory.
    #[tokio::test]
    async fn only_so_many_are_held() {
        let holds = Arc::new(Holds::default());
        let published = publish(Vec::new());
        let name = LookupName::from(&"worker1.tf.local.".parse().unwrap());
        let hold = || holds.hold(&published, name.clone(), LONGEST);
        let jobs: Vec<Job> = (0..MOST).map_while(|_| hold()).collect();
        assert_eq!(jobs.len(), MOST);
        assert!(hold().is_none());
        // Dropped without having been run, as at the end of a query's time.
        drop(jobs);
        assert!(hold().is_some());
        assert_eq!(holds.counters.total(TOO_MANY), 1);
    }
}
