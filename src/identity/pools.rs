//! The pools of this process: they outlive every configuration.

mod exchange;
mod plan;
mod status;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use self::exchange::Exchangeable;
use self::status::answers;
use super::keeper::Keeper;
use super::node::{self, NodeIdentity};
use super::pool::{PoolConfig, PoolHandle};
use crate::journal::Journal;
use crate::mutex::locked;
use crate::store::Store;
use crate::store::etcd::{EtcdOptions, EtcdStore};
use crate::store::local::{self, LocalStore};

pub use self::plan::Plan;
pub use self::status::PoolStatus;
pub use self::view::PoolView;

/// How long the pools of an ending process may take to give their names back.
const LONGEST_RELEASE: Duration = Duration::from_secs(8);

/// What all pools of a process share.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Where the node keeps who it is; [`None`] for the usual place.
    pub state_folder: Option<PathBuf>,
    /// Where what happens to pools is written down.
    pub journal: Arc<Journal>,
}

/// Where a pool's claims are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreConfig {
    /// In etcd.
    Etcd(EtcdOptions),
    /// In a folder of this machine; [`None`] for the one that all of its processes share.
    Local(Option<PathBuf>),
}

impl StoreConfig {
    /// Opens the store. Its second value is what the user should know about it, in one sentence.
    ///
    /// # Errors
    ///
    /// One line: an option of etcd that cannot work, or what is wrong with the folder.
    pub fn open(&self) -> Result<(Arc<dyn Store>, Option<String>), String> {
        let (folder, note) = self.folder()?;
        let store: Arc<dyn Store> = match self {
            Self::Etcd(options) => Arc::new(EtcdStore::new(options.clone())?),
            Self::Local(_) => Arc::new(LocalStore::open(&folder.unwrap_or_default())?),
        };
        Ok((store, note))
    }

    /// The folder of a local store, and what the user should know about it.
    ///
    /// # Errors
    ///
    /// One line: no folder can be used.
    pub(crate) fn folder(&self) -> Result<(Option<PathBuf>, Option<String>), String> {
        Ok(match self {
            Self::Local(None) => {
                let folder = local::default_folder()?;
                (Some(folder.path), folder.note)
            }
            Self::Local(path) => (path.clone(), None),
            Self::Etcd(_) => (None, None),
        })
    }

    /// Whether two configurations of one place ([`Store::place`]) lead to the same store: for etcd,
    /// whether they have an endpoint in common.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Etcd(one), Self::Etcd(other)) => one.shares_endpoint(other),
            (Self::Local(_), Self::Local(_)) => true,
            _ => false,
        }
    }
}

/// The pools of this process, by the names that they are about.
///
/// A reload makes a [`Plan`] of what is configured now. A pool that stays goes on with its claim,
/// also where its store is reached in another way from now on. One that is replaced is given up
/// when what replaces it holds a name. One that is removed is given up at once.
pub struct Pools {
    node: Arc<NodeIdentity>,
    /// Started for the first pool.
    keeper: OnceLock<Keeper>,
    journal: Arc<Journal>,
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
    store: Arc<Exchangeable>,
    notes: Vec<String>,
    /// Whether the present configuration has it.
    wanted: bool,
    /// Whether it takes the place of another of the same names that has not ended yet.
    moved: bool,
    /// Whether it was told to give its name back and end.
    leaving: bool,
    /// What must hold names before this one, which is not wanted, is given up.
    heirs: Vec<PoolHandle>,
}

/// Which names, and where they are kept, whatever the way there. Two clusters may have equal keys:
/// [`StoreConfig::meets`] tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// [`Store::place`].
    place: String,
    /// The canonical pattern.
    names: String,
}

impl Pools {
    /// No pools yet. Finds out who this node is.
    #[must_use]
    pub fn new(options: &NodeOptions) -> Arc<Self> {
        let (node, note) = node::open(options.state_folder.as_deref(), None);
        Arc::new(Self {
            node: Arc::new(node),
            keeper: OnceLock::new(),
            journal: Arc::clone(&options.journal),
            notes: note.into_iter().collect(),
            status: watch::Sender::new(Vec::new()),
            state: Mutex::default(),
        })
    }

    /// Who this node is.
    #[must_use]
    pub fn node(&self) -> Arc<NodeIdentity> {
        Arc::clone(&self.node)
    }

    /// Begins a change of what is configured.
    #[must_use]
    pub fn plan(self: &Arc<Self>) -> Plan {
        self.lock().plans += 1;
        Plan::new(Arc::clone(self))
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
        locked(&self.state)
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

    /// Does what has become due: tells old pools to give their names back, forgets those that have
    /// ended, and lets slots wait for those that took their place.
    fn tidy(&self) {
        let mut state = self.lock();
        state.running.retain(|running| !running.has_ended());
        // A plan that is being made may want an old pool again.
        if state.plans == 0 {
            for running in state.running.iter_mut().filter(|it| it.may_go()) {
                running.leaving = true;
                running.handle.release();
            }
        }
        let State { running, .. } = &mut *state;
        let old: Vec<Key> = running
            .iter()
            .filter(|it| !it.wanted)
            .map(|it| it.key.clone())
            .collect();
        for running in running.iter_mut().filter(|it| it.moved) {
            if !old.contains(&running.key) {
                running.moved = false;
                running.handle.configure(running.config.clone());
            }
        }
    }

    /// Passes on what a pool reports, until it ends.
    fn watch(self: &Arc<Self>, handle: &PoolHandle) {
        let pools = Arc::downgrade(self);
        let (mut state, mut members) = (handle.state.clone(), handle.members.clone());
        tokio::spawn(async move {
            loop {
                // Of the members only our own matters here, and only until it is seen. Looked at
                // before the report: what changes after this brings another one.
                let unseen = {
                    let (state, members) = (state.borrow_and_update(), members.borrow_and_update());
                    state.held.is_some() && !answers(&state, &members)
                };
                let Some(strong) = pools.upgrade() else {
                    return;
                };
                strong.tidy();
                strong.report();
                drop(strong);
                let changed = tokio::select! {
                    changed = state.changed() => changed,
                    changed = members.changed(), if unseen => changed,
                };
                if changed.is_err() {
                    return;
                }
            }
        });
    }

    fn open(&self, config: &StoreConfig) -> Result<(Arc<dyn Store>, Option<String>), String> {
        let known = self.lock().stores.get(config).and_then(Weak::upgrade);
        if let Some(store) = known {
            return Ok((store, config.folder()?.1));
        }
        let (store, note) = config.open()?;
        let mut state = self.lock();
        state.stores.retain(|_, store| store.strong_count() > 0);
        state.stores.insert(config.clone(), Arc::downgrade(&store));
        Ok((store, note))
    }
}

impl Running {
    fn is_same(&self, other: &Self) -> bool {
        self.handle.is_same(&other.handle)
    }

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

    /// Whether this one, which is new, replaces one that is not wanted any more.
    fn replaces(&self, old: &Self) -> bool {
        self.config.pool == old.config.pool || self.key == old.key
    }

    /// Whether it is to give its name back now: nothing replaces it, all that do hold a name, or
    /// it never had one. A name that was lost to an outage may still come back.
    fn may_go(&self) -> bool {
        let holds = |heir: &PoolHandle| heir.state.borrow().held.is_some();
        let never_held = || {
            let state = self.handle.state.borrow();
            state.held.is_none() && state.lost == 0
        };
        !self.wanted && !self.leaving && (self.heirs.iter().all(holds) || never_held())
    }

    fn has_ended(&self) -> bool {
        self.handle.state.borrow().ended
    }
}

/// Waits until all of these have ended.
async fn end(pools: Vec<PoolHandle>) {
    for mut handle in pools {
        // An error means that the pool is gone already.
        let _ = handle.state.wait_for(|state| state.ended).await;
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

#[cfg(test)]
mod tests;
