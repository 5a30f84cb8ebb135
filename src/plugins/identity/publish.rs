//! From the members of pools to the snapshot that queries are answered from.

use std::sync::Arc;
use std::time::Duration;

use answer::Zone;
use arc_swap::ArcSwap;
use tokio::time::sleep;

use super::{AnswerOptions, PoolNames, Snapshot, Trust};
use crate::clock::BootTime;
use crate::identity::members::{Freshness, Members};
use crate::identity::names::{Names, ReverseNames};
use crate::identity::pattern::Pattern;
use crate::identity::pool::PoolHandle;

/// How long to wait after a change for others that come with it: a herd changes the pool a
/// thousand times within a second. The first change after a quiet time is published at once.
const GATHER: Duration = Duration::from_millis(5);

/// How long a snapshot is kept after it was replaced: until no worker can be reading it, so that
/// none has to free it.
const RETIRED: Duration = Duration::from_secs(1);

/// A pool whose members are followed.
pub(super) struct Followed {
    pub(super) pattern: Arc<Pattern>,
    pub(super) handle: PoolHandle,
    pub(super) answer: AnswerOptions,
}

/// Keeps a snapshot of the names of `pools`, until nobody but this function has it.
pub(super) fn publish(pools: Vec<Followed>) -> Arc<ArcSwap<Snapshot>> {
    let mut publisher = Publisher::new(pools);
    let snapshot = Arc::new(ArcSwap::from_pointee(publisher.snapshot()));
    let target = Arc::downgrade(&snapshot);
    tokio::spawn(async move {
        while publisher.changed().await {
            let Some(target) = target.upgrade() else { return };
            let retired = target.swap(Arc::new(publisher.snapshot()));
            tokio::spawn(async move {
                sleep(RETIRED).await;
                drop(retired);
            });
            sleep(GATHER).await;
        }
    });
    snapshot
}

struct Publisher {
    pools: Vec<Source>,
    reverse: ReverseNames,
    reverse_zone: Option<Zone>,
    ttl: u32,
}

struct Source {
    followed: Followed,
    names: Names,
    members: Members,
}

impl Publisher {
    fn new(pools: Vec<Followed>) -> Self {
        let ttl = pools.iter().map(|pool| pool.answer.ttl).min().unwrap_or_default();
        let source = |followed: Followed| Source {
            names: Names::new(Arc::clone(&followed.pattern), followed.answer.ttl),
            members: Members::default(),
            followed,
        };
        let pools = pools.into_iter().map(source).collect();
        Self { pools, reverse: ReverseNames::default(), reverse_zone: None, ttl }
    }

    /// Takes in what the pools have now.
    fn snapshot(&mut self) -> Snapshot {
        let mut changed = self.reverse_zone.is_none();
        for source in &mut self.pools {
            let members = source.followed.handle.members.borrow_and_update().clone();
            source.names.update(&members);
            changed |= self.reverse.update(&source.followed.pattern, &members, &source.members);
            source.members = members;
        }
        if changed {
            self.reverse_zone = Some(self.reverse.zone(self.ttl));
        }
        let now = BootTime::now();
        Snapshot {
            pools: self.pools.iter().map(|source| source.names_at(now)).collect(),
            reverse: self.reverse_zone.clone(),
        }
    }

    /// Waits for a change of any pool, or until the time of one that is stale is over. Returns
    /// whether there can be further changes.
    async fn changed(&mut self) -> bool {
        let now = BootTime::now();
        let until_expired = self.pools.iter().filter_map(|source| source.expires_in(now)).min();
        let mut waiting = tokio::task::JoinSet::new();
        for source in &self.pools {
            let mut members = source.followed.handle.members.clone();
            waiting.spawn(async move { members.changed().await.is_ok() });
        }
        tokio::select! {
            // A pool that has ended changes no more; its names stay until the next configuration.
            Some(Ok(true)) = waiting.join_next() => true,
            () = sleep(until_expired.unwrap_or_default()), if until_expired.is_some() => true,
            else => false,
        }
    }
}

impl Source {
    fn names_at(&self, now: BootTime) -> PoolNames {
        PoolNames {
            pattern: Arc::clone(&self.followed.pattern),
            apex: self.followed.pattern.apex(),
            zone: self.names.zone().clone(),
            trust: match self.members.freshness {
                Freshness::Unknown => Trust::Unknown,
                Freshness::Current => Trust::Current,
                Freshness::Away { since } if now.since(since) < self.followed.answer.stale => {
                    Trust::Stale
                }
                Freshness::Away { .. } => Trust::Expired,
            },
            fallthrough: self.followed.answer.fallthrough.clone(),
        }
    }

    /// How long until the names are stale for too long.
    fn expires_in(&self, now: BootTime) -> Option<Duration> {
        let Freshness::Away { since } = self.members.freshness else { return None };
        let left = self.followed.answer.stale.checked_sub(now.since(since))?;
        (!left.is_zero()).then_some(left)
    }
}
