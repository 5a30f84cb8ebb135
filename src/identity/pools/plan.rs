//! A change of what is configured.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::exchange::{Exchangeable, Way};
use super::{Key, Pools, Running, State, StoreConfig, end};
use crate::freshness::Freshness;
use crate::identity::keeper::Keeper;
use crate::identity::members::Members;
use crate::identity::pool::{self, PoolConfig, PoolHandle};

/// A change of what is configured, without effect until it is committed.
pub struct Plan {
    pools: Arc<Pools>,
    wanted: Vec<Wanted>,
}

/// A pool of a plan.
struct Wanted {
    running: Running,
    origin: Origin,
    /// How its store is reached from now on.
    way: Way,
    /// Where an old pool reaches the store that goes on or is moved away from.
    before: Option<Arc<Exchangeable>>,
}

/// Where the running pool comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was running before.
    Kept,
    /// It was started for the plan.
    New,
    /// It was started to take the place of one that holds what it may not hold any more.
    Moved,
}

impl Plan {
    pub(super) fn new(pools: Arc<Pools>) -> Self {
        Self {
            pools,
            wanted: Vec::new(),
        }
    }

    /// Adds a pool. The store is opened and followed, so that names are answered as soon as they
    /// are known; nothing is claimed yet.
    ///
    /// A pool that runs goes on as this one if it is about the same names in the same place. Of
    /// several it is the one that has an endpoint of etcd in common with this one. Where none has,
    /// it is the only one of these names that has this pool's name, if there is just one.
    ///
    /// # Errors
    ///
    /// One line: the store cannot be opened, or another pool of this plan has the same names.
    pub fn pool(&mut self, store: StoreConfig, config: PoolConfig) -> Result<PoolHandle, String> {
        let (opened, note) = self.pools.open(&store)?;
        let key = Key {
            place: opened.place(),
            names: config.space.pattern.canonical().to_owned(),
        };
        let way = Way {
            config: store,
            store: opened,
        };
        let same = |it: &&Wanted| it.running.key == key && it.way.config.meets(&way.config);
        if let Some(other) = self.wanted.iter().find(same) {
            return other.share(&way.config, &config);
        }
        let before = self.find(&key, &way.config, &config);
        let origin = match &before {
            None => Origin::New,
            Some(running) if running.fits(&config) => Origin::Kept,
            Some(_) => Origin::Moved,
        };
        let exchanged = before.as_ref().map(|running| Arc::clone(&running.store));
        let notes = note.into_iter().collect();
        let running = match before.filter(|_| origin == Origin::Kept) {
            Some(running) => Running {
                config,
                notes,
                wanted: true,
                heirs: Vec::new(),
                ..running
            },
            None => {
                let moved = origin == Origin::Moved;
                let first = at_first(&config, moved);
                let store = Arc::new(Exchangeable::new(way.clone()));
                let node = Arc::clone(&self.pools.node);
                let journal = Arc::clone(&self.pools.journal);
                let entered = self.pools.keeper.get_or_init(Keeper::start).enter();
                let handle = pool::start(first, Arc::clone(&store) as _, node, journal);
                drop(entered);
                Running {
                    handle,
                    key,
                    config,
                    store,
                    notes,
                    wanted: true,
                    moved,
                    leaving: false,
                    heirs: Vec::new(),
                }
            }
        };
        let handle = running.handle.clone();
        self.wanted.push(Wanted {
            running,
            origin,
            way,
            before: exchanged,
        });
        Ok(handle)
    }

    /// The pools of the process, which this is a change of.
    #[must_use]
    pub fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Waits until every pool that was started for this plan knows who holds its names, or until
    /// `limit` is over. Whoever answers for the pools from then on need not refuse at first.
    pub async fn heard(&self, limit: Duration) {
        let heard = async {
            for wanted in self.wanted.iter().filter(|it| it.origin != Origin::Kept) {
                let mut members = wanted.running.handle.members.clone();
                // An error means that the pool is gone already.
                let known = |members: &Members| members.freshness != Freshness::Unknown;
                let _ = members.wait_for(known).await;
            }
        };
        // A store that is away keeps nobody from reloading.
        let _ = timeout(limit, heard).await;
    }

    /// The running pool that goes on as `config`, or that it moves away from.
    fn find(&self, key: &Key, store: &StoreConfig, config: &PoolConfig) -> Option<Running> {
        let state = self.pools.lock();
        let taken = |running: &Running| {
            let mut wanted = self.wanted.iter();
            wanted.any(|it| it.running.handle.is_same(&running.handle))
        };
        let running = state.running.iter();
        let same: Vec<&Running> = running.filter(|it| it.key == *key && !it.leaving).collect();
        let meets = |it: &&Running| it.store.config().meets(store);
        let mut found: Vec<&Running> = same.iter().copied().filter(meets).collect();
        if found.is_empty() {
            let called = |it: &&Running| it.config.pool == config.pool;
            found = same.into_iter().filter(called).collect();
            let first = found.first()?.store.config();
            if !found.iter().all(|it| it.store.config().meets(&first)) {
                return None;
            }
        }
        found.retain(|it| !taken(it));
        // Rather one that holds a name which may stay, and rather one of the present configuration.
        let merit = |running: &&Running| {
            let holds = running.handle.state.borrow().held.is_some();
            (holds && running.fits(config), running.wanted)
        };
        found.into_iter().max_by_key(merit).cloned()
    }

    /// Begins the claims of new pools, and gives up those that are no longer configured: what is
    /// replaced once all that replace it hold a name, everything else at once.
    ///
    /// An old pool is replaced by the new ones that have its pool's name or its names.
    pub fn commit(mut self) {
        let pools = Arc::clone(&self.pools);
        let mut state = pools.lock();
        let mut old = std::mem::take(&mut state.running);
        let (mut present, mut new) = (Vec::new(), Vec::new());
        for wanted in std::mem::take(&mut self.wanted) {
            let mut running = wanted.running;
            if let Some(before) = wanted.before {
                before.exchange(wanted.way);
            }
            let mut is_new = wanted.origin != Origin::Kept;
            if is_new {
                pools.watch(&running.handle);
            } else {
                let found = old.iter().position(|it| it.is_same(&running));
                let before = found.map(|found| old.remove(found));
                // One that is wanted again is as good as new; one that was moved may still wait.
                is_new = before.as_ref().is_none_or(|before| !before.wanted);
                running.moved = before.is_some_and(|before| before.moved);
                running
                    .handle
                    .configure(at_first(&running.config, running.moved));
            }
            if is_new && running.config.claim {
                new.push(running.clone());
            }
            present.push(running);
        }
        for running in &mut old {
            running.wanted = false;
            let stays = |heir: &PoolHandle| present.iter().any(|it| it.handle.is_same(heir));
            running.heirs.retain(stays);
            let heirs = new.iter().filter(|new| new.replaces(running));
            let heirs: Vec<PoolHandle> = heirs.map(|new| new.handle.clone()).collect();
            running.heirs.extend(heirs);
        }
        state.running = old;
        for running in &present {
            if running.config.claim {
                let leaving = state.leaving(&running.key);
                tokio::spawn(claim(running.handle.clone(), leaving));
            }
        }
        state.running.extend(present);
        drop(state);
        // The plan is over: what it does not want may go.
        drop(self);
        pools.report();
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        self.pools.lock().plans -= 1;
        self.pools.tidy();
    }
}

impl Wanted {
    /// The same pool for another server block, where its options are the same.
    fn share(&self, store: &StoreConfig, config: &PoolConfig) -> Result<PoolHandle, String> {
        let Running {
            config: first,
            key: Key { names, .. },
            handle,
            ..
        } = &self.running;
        let config = PoolConfig {
            dns_port: first.dns_port,
            ..config.clone()
        };
        if (&self.way.config, first) == (store, &config) {
            return Ok(handle.clone());
        }
        Err(format!(
            "the pool {:?} has the names {names} already, with other options",
            first.pool
        ))
    }
}

impl State {
    /// The pools of these names that are about to end.
    fn leaving(&self, key: &Key) -> Vec<PoolHandle> {
        let leaving = |running: &&Running| running.key == *key && running.leaving;
        let leaving = self.running.iter().filter(leaving);
        leaving.map(|running| running.handle.clone()).collect()
    }
}

/// What a pool is to do now. While one whose place it takes has not ended, the slot that waits for
/// this node is the one that it moves away from, and no other.
fn at_first(config: &PoolConfig, moved: bool) -> PoolConfig {
    PoolConfig {
        sticky: config.sticky.filter(|_| !moved),
        ..config.clone()
    }
}

/// Begins a claim, once this process has given back what it had under the same names.
async fn claim(handle: PoolHandle, leaving: Vec<PoolHandle>) {
    end(leaving).await;
    handle.claim();
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("pools", &self.wanted.len())
            .finish_non_exhaustive()
    }
}
