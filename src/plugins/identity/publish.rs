//! From the members of pools to the snapshot that queries are answered from.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{AnswerOptions, PoolNames, Snapshot, Trust};
use crate::clock::BootTime;
use crate::current::Current;
use crate::identity::members::Members;
use crate::identity::names::{Names, ReverseNames};
use crate::identity::pattern::Pattern;

/// How long to wait after a change for others that come with it: a herd changes the pool a
/// thousand times within a second. The first change after a quiet time is published at once.
const GATHER: Duration = Duration::from_millis(5);

/// A pool whose members are followed.
pub(super) struct Followed {
    pub(super) pattern: Arc<Pattern>,
    pub(super) members: watch::Receiver<Members>,
    pub(super) answer: AnswerOptions,
}

/// The names of some pools, always up to date. Dropping it ends the work behind it.
pub(super) struct Published {
    pub(super) names: Arc<Current<Snapshot>>,
    /// Told after every change of them.
    pub(super) changed: watch::Receiver<()>,
    _alive: oneshot::Sender<()>,
}

/// Keeps a snapshot of the names of `pools` up to date for as long as the result lives.
pub(super) fn publish(pools: Vec<Followed>) -> Published {
    let mut publisher = Publisher::new(pools);
    let names = Arc::new(Current::new(publisher.snapshot()));
    let (alive, ended) = oneshot::channel();
    let (tell, changed) = watch::channel(());
    let target = Arc::clone(&names);
    tokio::spawn(async move {
        tokio::select! {
            _ = ended => {}
            () = publisher.run(&target, &tell) => {}
        }
    });
    Published {
        names,
        changed,
        _alive: alive,
    }
}

struct Publisher {
    pools: Vec<Source>,
}

struct Source {
    followed: Followed,
    names: Names,
    reverse: ReverseNames,
    /// The members that both have.
    members: Members,
}

impl Publisher {
    fn new(pools: Vec<Followed>) -> Self {
        // Names of several pools may stand in one answer, where all have the same TTL
        // (RFC 2181 §5.2).
        let reverse_ttl = pools
            .iter()
            .map(|pool| pool.answer.ttl)
            .min()
            .unwrap_or_default();
        let source = |followed: Followed| Source {
            names: Names::new(Arc::clone(&followed.pattern), followed.answer.ttl),
            reverse: ReverseNames::new(Arc::clone(&followed.pattern), reverse_ttl),
            members: Members::default(),
            followed,
        };
        let pools = pools.into_iter().map(source).collect();
        Self { pools }
    }

    /// Publishes every change, for ever.
    async fn run(&mut self, target: &Current<Snapshot>, tell: &watch::Sender<()>) {
        let changed = Arc::new(Notify::new());
        // Ends with this future.
        let mut watching = JoinSet::new();
        for source in &self.pools {
            let (mut members, changed) = (source.followed.members.clone(), Arc::clone(&changed));
            watching.spawn(async move {
                while members.changed().await.is_ok() {
                    changed.notify_one();
                }
            });
        }
        loop {
            let now = BootTime::now();
            let expiry = self
                .pools
                .iter()
                .filter_map(|source| source.expires_in(now))
                .min();
            tokio::select! {
                () = changed.notified() => {}
                () = sleep(expiry.unwrap_or_default()), if expiry.is_some() => {}
            }
            target.replace(self.snapshot());
            tell.send_replace(());
            sleep(GATHER).await;
        }
    }

    /// Takes in what the pools have now.
    fn snapshot(&mut self) -> Snapshot {
        let now = BootTime::now();
        let pools = self.pools.iter_mut().map(|source| {
            let members = source.followed.members.borrow().clone();
            source.names.update(&members);
            source.reverse.update(&members);
            source.members = members;
            source.names_at(now)
        });
        Snapshot {
            pools: pools.collect(),
        }
    }
}

impl Source {
    fn names_at(&self, now: BootTime) -> PoolNames {
        PoolNames {
            pattern: Arc::clone(&self.followed.pattern),
            apex: self.followed.pattern.apex(),
            zone: self.names.zone().clone(),
            reverse: self.reverse.zone().clone(),
            trust: Trust::of(self.members.freshness, now, self.followed.answer.stale),
            answer: self.followed.answer.clone(),
        }
    }

    /// How long until the names are stale for too long; [`None`] where they are not stale or have
    /// been for too long already.
    fn expires_in(&self, now: BootTime) -> Option<Duration> {
        let freshness = self.members.freshness;
        freshness.expires_in(now, self.followed.answer.stale)
    }
}
