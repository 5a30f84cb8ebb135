//! The pools of this process: they outlive every configuration.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::node::{self, NodeIdentity};
use super::pool::{self, PoolConfig, PoolHandle, PoolState};
use crate::store::etcd::{EtcdOptions, EtcdStore};
use crate::store::local::{self, LocalStore};
use crate::store::{Epoch, Store};

/// How long the pools of an ending process may take to give their names back.
const LONGEST_RELEASE: Duration = Duration::from_secs(8);

/// How long to let a plan be made that may want a pool again: it takes milliseconds.
const PLANNING: Duration = Duration::from_millis(10);

/// What all pools of a process share.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Where the node keeps who it is; [`None`] for the usual place.
    pub state_folder: Option<PathBuf>,
}

/// Where a pool's claims are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreConfig {
    /// In etcd.
    Etcd(EtcdOptions),
    /// In a folder of this machine; [`None`] for the one that all of its processes share.
    Local(Option<PathBuf>),
}

/// How a pool is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The pool's name.
    pub pool: String,
    /// Its pattern.
    pub pattern: String,
    /// The store that it lives in.
    pub store: String,
    /// The name that this process holds.
    pub name: Option<String>,
    /// The fencing token of the claim.
    pub epoch: Option<Epoch>,
    /// Whether all slots are taken by others.
    pub full: bool,
    /// What keeps the pool from being well, in one line.
    pub problem: Option<String>,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// The pools of this process, by the names that they are about.
///
/// A reload makes a [`Plan`] of what is configured now. A pool that stays goes on with its claim;
/// one that is new claims first, and only then those that are no longer configured are given up.
pub struct Pools {
    node: Arc<NodeIdentity>,
    notes: Vec<String>,
    status: watch::Sender<Vec<PoolStatus>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    /// How many plans are being made. What they have found running must not end meanwhile.
    plans: usize,
    stores: HashMap<StoreConfig, Weak<dyn Store>>,
}

/// A pool of a configuration.
#[derive(Clone)]
struct Running {
    key: Key,
    config: PoolConfig,
    handle: PoolHandle,
    store: String,
    notes: Vec<String>,
    /// Whether the present configuration has it.
    wanted: bool,
    /// Whether it was told to give its name back and end.
    leaving: bool,
}

/// Two pools with equal keys are about the same names in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    store: StoreConfig,
    names: String,
}

impl Pools {
    /// No pools yet. Finds out who this node is.
    #[must_use]
    pub fn new(options: &NodeOptions) -> Arc<Self> {
        let (node, note) = node::open(options.state_folder.as_deref(), None);
        Arc::new(Self {
            node: Arc::new(node),
            notes: note.into_iter().collect(),
            status: watch::Sender::new(Vec::new()),
            state: Mutex::default(),
        })
    }

    /// Begins a change of what is configured.
    #[must_use]
    pub fn plan(self: &Arc<Self>) -> Plan {
        self.lock().plans += 1;
        Plan {
            pools: Arc::clone(self),
            wanted: Vec::new(),
            stores: Vec::new(),
        }
    }

    /// Gives up every claim, and waits until that is done or 8 seconds are over.
    pub async fn release_all(&self) {
        let running = std::mem::take(&mut self.lock().running);
        running.iter().for_each(|running| running.handle.release());
        let ended = end(running.into_iter().map(|running| running.handle).collect());
        if timeout(LONGEST_RELEASE, ended).await.is_err() {
            warn!("not all names could be given back in time; they end with their leases");
        }
    }

    /// How the pools are doing, and every change of it.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Vec<PoolStatus>> {
        self.status.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) {
        let statuses = self
            .lock()
            .running
            .iter()
            .map(|running| running.status(&self.notes))
            .collect();
        self.status.send_if_modified(|old| {
            let changed = *old != statuses;
            *old = statuses;
            changed
        });
    }

    /// Tells the pools that nobody wants any more to give their names back and end; they are
    /// returned. [`None`] while a plan is being made, which may want them again.
    fn dismiss(&self) -> Option<Vec<PoolHandle>> {
        let mut state = self.lock();
        if state.plans > 0 {
            return None;
        }
        let old = state
            .running
            .iter_mut()
            .filter(|it| !it.wanted && !it.leaving);
        let dismiss = |running: &mut Running| {
            running.leaving = true;
            running.handle.release();
            running.handle.clone()
        };
        Some(old.map(dismiss).collect())
    }

    /// Passes on what a pool reports, until it ends.
    fn watch(self: &Arc<Self>, mut state: watch::Receiver<PoolState>) {
        let pools = Arc::downgrade(self);
        tokio::spawn(async move {
            while state.changed().await.is_ok() {
                let Some(pools) = pools.upgrade() else { return };
                pools.report();
            }
        });
    }

    fn open(&self, config: &StoreConfig) -> Result<(Arc<dyn Store>, Option<String>), String> {
        let known = self.lock().stores.get(config).and_then(Weak::upgrade);
        let (path, note) = match config {
            StoreConfig::Local(None) => {
                let folder = local::default_folder()?;
                (Some(folder.path), folder.note)
            }
            StoreConfig::Local(path) => (path.clone(), None),
            StoreConfig::Etcd(_) => (None, None),
        };
        if let Some(store) = known {
            return Ok((store, note));
        }
        let store: Arc<dyn Store> = match config {
            StoreConfig::Etcd(options) => Arc::new(EtcdStore::new(options.clone())?),
            StoreConfig::Local(_) => Arc::new(LocalStore::open(&path.unwrap_or_default())?),
        };
        let mut state = self.lock();
        state.stores.retain(|_, store| store.strong_count() > 0);
        state.stores.insert(config.clone(), Arc::downgrade(&store));
        Ok((store, note))
    }
}

/// A change of what is configured, without effect until it is committed.
pub struct Plan {
    pools: Arc<Pools>,
    wanted: Vec<Wanted>,
    /// Keeps the stores of this plan open while it is being made.
    stores: Vec<Arc<dyn Store>>,
}

/// A pool of a plan.
struct Wanted {
    running: Running,
    origin: Origin,
}

/// Where the running pool comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The configuration before had it too.
    Kept,
    /// It was started for the plan.
    New,
    /// It was started to take the place of one that holds what it may not hold any more.
    Moved,
}

impl Plan {
    /// Adds a pool. The store is opened and followed, so that names are answered as soon as they
    /// are known; nothing is claimed yet.
    ///
    /// # Errors
    ///
    /// One line: the store cannot be opened, or another pool of this plan has the same names.
    pub fn pool(&mut self, store: StoreConfig, config: PoolConfig) -> Result<PoolHandle, String> {
        let names = config.space.pattern.canonical().to_owned();
        let key = Key { store, names };
        if let Some(other) = self.wanted.iter().find(|wanted| wanted.running.key == key) {
            return other.running.share(&config);
        }
        let (store, note) = self.pools.open(&key.store)?;
        self.stores.push(Arc::clone(&store));
        let before = self.pools.lock().find(&key, &config).cloned();
        let origin = match &before {
            None => Origin::New,
            Some(running) if running.fits(&config) => Origin::Kept,
            Some(_) => Origin::Moved,
        };
        let running = match before.filter(|_| origin == Origin::Kept) {
            Some(running) => Running {
                config,
                wanted: true,
                ..running
            },
            None => {
                let mut first = config.clone();
                if origin == Origin::Moved {
                    // The slot that waits for this node is the one that it moves away from.
                    first.sticky = None;
                }
                let node = Arc::clone(&self.pools.node);
                Running {
                    handle: pool::start(first, Arc::clone(&store), node),
                    store: store.describe(),
                    notes: note.into_iter().collect(),
                    wanted: true,
                    leaving: false,
                    key,
                    config,
                }
            }
        };
        let handle = running.handle.clone();
        self.wanted.push(Wanted { running, origin });
        Ok(handle)
    }

    /// Begins the claims of new pools, and gives up those that are no longer configured once all
    /// new ones hold a name.
    pub fn commit(mut self) {
        let pools = Arc::clone(&self.pools);
        let mut state = pools.lock();
        for running in &mut state.running {
            running.wanted = false;
        }
        let mut new = Vec::new();
        for Wanted { running, origin } in std::mem::take(&mut self.wanted) {
            let handle = running.handle.clone();
            if origin == Origin::Kept {
                handle.configure(running.config.clone());
                state.running.retain(|old| !old.handle.is_same(&handle));
            } else {
                pools.watch(handle.state.clone());
            }
            if running.config.claim {
                tokio::spawn(claim(handle.clone(), state.leaving(&running.key)));
            }
            if origin != Origin::Kept && running.config.claim {
                new.push((handle, origin));
            }
            state.running.push(running);
        }
        drop(state);
        // The plan is over: what it does not want may go.
        drop(self);
        pools.report();
        tokio::spawn(give_up(Arc::downgrade(&pools), new));
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        self.pools.lock().plans -= 1;
    }
}

impl State {
    /// The pool that can go on as `config`: rather one that holds a name which may stay, and
    /// rather one of the present configuration.
    fn find(&self, key: &Key, config: &PoolConfig) -> Option<&Running> {
        let same = |running: &&Running| running.key == *key && !running.leaving;
        let merit = |running: &&Running| {
            let holds = running.handle.state.borrow().held.is_some();
            (holds && running.fits(config), running.wanted)
        };
        self.running.iter().filter(same).max_by_key(merit)
    }

    /// The pools of these names that are about to end.
    fn leaving(&self, key: &Key) -> Vec<PoolHandle> {
        let leaving = |running: &&Running| running.key == *key && running.leaving;
        let leaving = self.running.iter().filter(leaving);
        leaving.map(|running| running.handle.clone()).collect()
    }
}

/// Begins a claim, once this process has given back what it had under the same names.
async fn claim(handle: PoolHandle, leaving: Vec<PoolHandle>) {
    end(leaving).await;
    handle.claim();
}

/// Waits until all of these have ended.
async fn end(pools: Vec<PoolHandle>) {
    for mut handle in pools {
        // An error means that the pool is gone already.
        let _ = handle.state.wait_for(|state| state.ended).await;
    }
}

/// Waits until every new pool holds a name, then gives up those that nobody wants any more.
///
/// A pool that moved could not let a slot wait for it before: it is configured once more.
async fn give_up(pools: Weak<Pools>, new: Vec<(PoolHandle, Origin)>) {
    for (handle, _) in &new {
        let mut state = handle.state.clone();
        let _ = state
            .wait_for(|state| state.held.is_some() || state.ended)
            .await;
    }
    let old = loop {
        let Some(strong) = pools.upgrade() else {
            return;
        };
        if let Some(old) = strong.dismiss() {
            break old;
        }
        drop(strong);
        sleep(PLANNING).await;
    };
    end(old).await;
    let Some(pools) = pools.upgrade() else { return };
    let ended = |running: &Running| running.handle.state.borrow().ended;
    let mut state = pools.lock();
    state.running.retain(|running| !ended(running));
    let moved = new.iter().filter(|(_, origin)| *origin == Origin::Moved);
    for (handle, _) in moved {
        // What is configured now: another plan may have been committed since.
        let running = state.running.iter().find(|it| it.handle.is_same(handle));
        if let Some(running) = running {
            handle.configure(running.config.clone());
        }
    }
    drop(state);
    pools.report();
}

impl Running {
    /// Whether what is held may stay under `config`.
    fn fits(&self, config: &PoolConfig) -> bool {
        if self.config.claim && !config.claim {
            return false;
        }
        let state = self.handle.state.borrow();
        state
            .held
            .as_ref()
            .is_none_or(|(slot, _)| *slot <= config.space.limit)
    }

    /// The same pool for another server block, where its options are the same.
    fn share(&self, config: &PoolConfig) -> Result<PoolHandle, String> {
        let dns_port = self.config.dns_port;
        if self.config
            == (PoolConfig {
                dns_port,
                ..config.clone()
            })
        {
            return Ok(self.handle.clone());
        }
        let Self {
            config: PoolConfig { pool, .. },
            key: Key { names, .. },
            ..
        } = self;
        Err(format!(
            "the pool {pool:?} has the names {names} already, with other options"
        ))
    }

    fn status(&self, notes: &[String]) -> PoolStatus {
        let state = self.handle.state.borrow();
        let mut notes: Vec<String> = notes.iter().chain(&self.notes).cloned().collect();
        if state.only_loopback {
            notes.push(
                "only loopback addresses are published: other machines cannot use them".to_owned(),
            );
        }
        if self.config.space.pattern.ends_with_mdns_local() {
            // The same for all such pools, so that it is said once.
            notes.push(
                "most desktops ask for names under .local by mDNS, so their queries do not reach a \
                 DNS server"
                    .to_owned(),
            );
        }
        PoolStatus {
            pool: self.config.pool.clone(),
            pattern: self.key.names.clone(),
            store: self.store.clone(),
            name: state.held.as_ref().map(|(_, name)| name.clone()),
            epoch: state.epoch,
            full: state.full,
            problem: state.problem.clone(),
            notes,
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pools")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("pools", &self.wanted.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
