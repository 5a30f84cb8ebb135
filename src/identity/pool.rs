//! One pool at work: its claim, its members, and what drives them.
//!
//! A pool is one task. It follows the store, keeps the members, hands to the claimant whatever
//! happens and carries out what the claimant says.

mod config;
mod watching;

use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use self::watching::Watching;
use super::address::{self, Addresses};
use super::claim::{Action, Claimant, Description, Event, Input, Previous, RequestId, Settings};
use super::health;
use super::hooks::{self, Hooks};
use super::members::Members;
use super::node::NodeIdentity;
use super::ownership::Ownership;
use super::record::Record;
use crate::clock::{Alarm, BootTime};
use crate::freshness::Freshness;
use crate::journal::{self, Journal, Kind};
use crate::store::{
    Entry, Epoch, Feed, Listing, Note, NoteName, NoteWrite, Reply, Request, Slot, Space, Store,
    StoreError, StoreErrorKind,
};

pub use self::config::PoolConfig;

/// How many messages of the store may wait for the pool.
const FEED_QUEUE: usize = 256;

/// The most members that are written down one by one when many come or go at once.
const MOST_NAMED: usize = 20;

/// How long the last hooks of a pool that ends may take.
const LAST_HOOKS: Duration = Duration::from_secs(5);

/// What a node remembers its claims on these names in this store by.
pub(crate) fn memory(store: &dyn Store, space: &Space) -> String {
    // Equal patterns in two stores are two spaces.
    format!("{} {}", store.place(), space.pattern.canonical())
}

/// How a pool is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// The slot that is held and its name.
    pub held: Option<(Slot, String)>,
    /// The fencing token.
    pub epoch: Option<Epoch>,
    /// The instance under which it is held: another one for every claim.
    pub instance: Option<String>,
    /// Whether all slots are taken by others.
    pub full: bool,
    /// What keeps the pool from being well, in one line.
    pub problem: Option<String>,
    /// Whether nothing but loopback addresses is published.
    pub only_loopback: bool,
    /// How often a claim was lost.
    pub lost: u64,
    /// Whether the pool has ended.
    pub ended: bool,
}

/// A running pool. Dropping the last handle ends it without giving the name back.
#[derive(Clone, Debug)]
pub struct PoolHandle {
    /// The members, and every change of them.
    pub members: watch::Receiver<Members>,
    /// How it is doing.
    pub state: watch::Receiver<PoolState>,
    /// Whether a slot is ours.
    pub ownership: Ownership,
    place: Place,
    /// Where the pool runs.
    runtime: Handle,
    commands: mpsc::UnboundedSender<Command>,
}

/// The store of a pool, and which of its names are the pool's.
#[derive(Clone)]
struct Place {
    store: Arc<dyn Store>,
    space: Space,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.store.describe())
    }
}

#[derive(Debug)]
enum Command {
    Claim,
    Configure(Box<PoolConfig>),
    Release,
}

impl PoolHandle {
    /// Begins to claim a name. Before that the pool only follows the store.
    pub fn claim(&self) {
        self.tell(Command::Claim);
    }

    /// Changes what can be changed under a claim. The pattern stays what it was; a slot that is
    /// held beyond a smaller limit stays held.
    pub fn configure(&self, config: PoolConfig) {
        self.tell(Command::Configure(Box::new(config)));
    }

    /// Gives the name back and ends the pool; [`PoolState::ended`] says when that is done.
    pub fn release(&self) {
        self.tell(Command::Release);
    }

    /// Reads a note of the pool after writing it, if it is to be written: [`Store::note`].
    ///
    /// # Errors
    ///
    /// As there, and where the store does not answer within `limit`.
    pub async fn note(
        &self,
        name: NoteName,
        write: Option<NoteWrite>,
        limit: Duration,
    ) -> Result<Note, StoreError> {
        let Place { store, space } = &self.place;
        // A store connects where it is asked first, and the claim is renewed over that connection.
        let mut asked = JoinSet::new();
        asked.spawn_on(store.note(space, name, write), &self.runtime);
        match timeout(limit, asked.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            _ => {
                let store = store.describe();
                Err(unreachable(format!("{store} does not answer")))
            }
        }
    }

    /// The members, looked at after this call, where the revision of [`Self::members`] does not say
    /// whether they are new enough: [`Store::look`].
    pub async fn look(&self, limit: Duration) -> Option<Result<Members, StoreError>> {
        let Place { store, space } = &self.place;
        let answer = timeout(limit, store.look(space)?).await;
        let silent = |_| Err(unreachable(format!("{} does not answer", store.describe())));
        Some(answer.unwrap_or_else(silent).map(|listing| {
            let mut members = Members::default();
            members.follow(BootTime::now(), &Feed::Listing(listing));
            members
        }))
    }

    /// What keeps a slot held in the programs that this process starts: [`Store::inheritable`].
    #[must_use]
    pub fn inheritable(&self, slot: Slot) -> Option<OwnedFd> {
        self.place.store.inheritable(&self.place.space, slot)
    }

    /// The pool's names.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.place.space
    }

    /// Whether both are handles of one pool.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.commands.same_channel(&other.commands)
    }

    fn tell(&self, command: Command) {
        // A pool that has ended has nothing left to do.
        let _ = self.commands.send(command);
    }
}

/// Starts a pool, which follows the store from now on and claims when it is told to. What happens to it
/// is written down in `journal`.
///
/// # Panics
///
/// Outside of a tokio runtime with IO and time.
pub fn start(
    config: PoolConfig,
    store: Arc<dyn Store>,
    node: Arc<NodeIdentity>,
    journal: Arc<Journal>,
) -> PoolHandle {
    let (publish, members) = watch::channel(Members::default());
    let (commands, inbox) = mpsc::unbounded_channel();
    let ownership = Ownership::default();
    let sources = Sources::new(&config);
    let (report, state) = watch::channel(PoolState {
        only_loopback: sources.only_loopback(),
        ..PoolState::default()
    });
    let settings = settings(&config, &*store, &node);
    let claimant = Claimant::new(settings, sources.description(&config), Box::new(random));
    let place = Place {
        store: Arc::clone(&store),
        space: config.space.clone(),
    };
    let driver = Driver {
        memory: memory(&*store, &config.space),
        hooks: Hooks::start(config.hooks.clone()),
        config,
        store,
        node,
        journal,
        claimant,
        sources,
        members: Members::default(),
        publish,
        report,
        ownership: ownership.clone(),
        requests: JoinSet::new(),
        asked: HashMap::new(),
        remember: None,
        instance: None,
        claimed: BootTime::default(),
        backlog: Some(Vec::new()),
        stopped: false,
    };
    tokio::spawn(driver.run(inbox));
    PoolHandle {
        members,
        state,
        ownership,
        place,
        runtime: Handle::current(),
        commands,
    }
}

struct Driver {
    config: PoolConfig,
    store: Arc<dyn Store>,
    node: Arc<NodeIdentity>,
    journal: Arc<Journal>,
    memory: String,
    hooks: Hooks,
    claimant: Claimant,
    sources: Sources,
    members: Members,
    publish: watch::Sender<Members>,
    report: watch::Sender<PoolState>,
    ownership: Ownership,
    requests: JoinSet<Result<Reply, StoreError>>,
    /// Which request each task of `requests` carries out.
    asked: HashMap<task::Id, RequestId>,
    /// What must be on disk before the next request is sent.
    remember: Option<(Slot, String)>,
    /// The instance of the last claim that was tried.
    instance: Option<String>,
    /// When that was.
    claimed: BootTime,
    /// What the store told before the claim began.
    backlog: Option<Vec<Feed>>,
    stopped: bool,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (feed, mut feeds) = mpsc::channel(FEED_QUEUE);
        let (mut watching, begin) = Watching::new();
        let follower = self.store.follow_from(&self.config.space, feed, begin);
        tokio::pin!(follower);
        let mut following = true;
        let mut news = Vec::new();
        // The clock of timers stands still while the machine sleeps, that of leases does not.
        let mut alarm = Alarm::new();
        while !self.stopped {
            tokio::select! {
                () = &mut follower, if following => following = false,
                // A herd's changes come faster than one by one.
                1.. = feeds.recv_many(&mut news, FEED_QUEUE) => self.follow(&mut news),
                Some(answer) = self.requests.join_next_with_id() => self.answered(answer),
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                () = self.sources.changed() => self.describe(),
                () = alarm.wait_until(self.claimant.wake_at()) => self.step(Input::Wake),
            }
            if self.report.borrow().held.is_some() {
                watching.served();
            } else if !self.config.claim || !self.claimant.is_on_its_way() {
                watching.begin();
            }
        }
        self.hooks.finish(LAST_HOOKS).await;
        self.report.send_modify(|state| state.ended = true);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Claim => {
                for feed in self.backlog.take().into_iter().flatten() {
                    self.hand_on(&feed);
                }
            }
            Command::Configure(config) => {
                let old = std::mem::replace(&mut self.config, *config);
                if old.hooks != self.config.hooks {
                    self.hooks.replace(self.config.hooks.clone());
                }
                // A health check that goes on remembers that it has passed.
                if (&old.addresses, &old.health) != (&self.config.addresses, &self.config.health) {
                    self.sources = Sources::new(&self.config);
                }
                let settings = settings(&self.config, &*self.store, &self.node);
                self.step(Input::Configure(settings));
                self.describe();
            }
            Command::Release => self.step(Input::Stop),
        }
    }

    /// Takes in what the store told: first the members, then whoever wants a slot.
    fn follow(&mut self, news: &mut Vec<Feed>) {
        let (now, before) = (BootTime::now(), self.members.clone());
        let mut changed = false;
        for feed in &*news {
            let freshness = self.members.freshness;
            changed |= self.members.follow(now, feed);
            self.tell_of_outage(freshness, feed);
        }
        if changed {
            self.publish.send_replace(self.members.clone());
            self.tell_of_members(&before);
        }
        for feed in news.drain(..) {
            self.take(feed);
        }
    }

    fn take(&mut self, feed: Feed) {
        match &mut self.backlog {
            None => self.hand_on(&feed),
            Some(backlog) => {
                if matches!(feed, Feed::Listing(_)) {
                    backlog.clear();
                }
                if matches!(feed, Feed::Listing(_) | Feed::Changes { .. }) {
                    backlog.push(feed);
                }
            }
        }
    }

    /// One line when the store goes away and one when it is back, whatever an outage sounds like
    /// in between.
    fn tell_of_outage(&self, before: Freshness, feed: &Feed) {
        let pool = &self.config.pool;
        match (before, self.members.freshness, feed) {
            (Freshness::Away { .. }, Freshness::Current, _) => {
                let text = format!("{} is back", self.store.describe());
                info!("pool {pool}: {text}");
                self.write_down(Kind::StoreBack, &text);
            }
            (Freshness::Current, _, Feed::Away { reason }) => {
                warn!("pool {pool}: {reason}; names are answered from memory");
                self.write_down(Kind::StoreAway, reason);
            }
            (Freshness::Unknown, _, Feed::Away { reason }) => {
                warn!("pool {pool}: {reason}; no names are known yet");
                self.write_down(Kind::StoreAway, reason);
            }
            (_, _, Feed::Away { reason }) => debug!("pool {pool}: {reason}"),
            _ => {}
        }
    }

    fn hand_on(&mut self, feed: &Feed) {
        match feed {
            Feed::Listing(listing) => {
                let previous = self.previous(listing);
                self.step(Input::Listing { listing, previous });
            }
            Feed::Changes { changes, .. } => {
                for change in changes {
                    self.step(Input::Change(change));
                }
            }
            Feed::Current | Feed::Away { .. } => {}
        }
    }

    /// What an earlier process on this seat left in the store.
    fn previous<'a>(&self, listing: &'a Listing) -> Previous<'a> {
        let (node, memory) = (&self.node, &self.memory);
        let find = |wanted: &dyn Fn(&Record) -> bool| {
            listing.entries.iter().find(|entry| wanted(&entry.record))
        };
        if let Some(entry) = find(&|record| node.has_written(memory, record)) {
            return match node.may_take_over(memory, &entry.record) {
                true => Previous::Dead(entry),
                false => Previous::Unsure(entry),
            };
        }
        if find(&|record| node.is_own(record)).is_some() {
            return Previous::Own;
        }
        // Who was told to be this node may have been it on another disk.
        match &self.config.node {
            Some(key) => find(&|record| record.node() == Some(key))
                .map_or(Previous::Nothing, Previous::Unsure),
            None => Previous::Nothing,
        }
    }

    fn describe(&mut self) {
        let description = self.sources.description(&self.config);
        let only_loopback = self.sources.only_loopback();
        self.report(|state| state.only_loopback = only_loopback);
        self.step(Input::Describe(description));
    }

    fn step(&mut self, input: Input<'_>) {
        for action in self.claimant.step(BootTime::now(), input) {
            match action {
                Action::Remember { slot, instance } => {
                    self.instance = Some(instance.clone());
                    self.remember = Some((slot, instance));
                }
                Action::Send {
                    id,
                    request,
                    timeout,
                } => self.send(id, request, timeout),
                Action::Own { slot, epoch, until } => {
                    self.ownership.own(slot, epoch, until);
                    // An update of the record moves the epoch.
                    self.report(|state| {
                        if state.held.is_some() {
                            state.epoch = Some(epoch);
                        }
                    });
                }
                Action::Disown => self.ownership.disown(),
                Action::Tell(event) => self.told(&event),
            }
        }
    }

    fn send(&mut self, id: RequestId, mut request: Request, limit: Duration) {
        self.date(&mut request);
        let answer = self.store.execute(&self.config.space, request);
        let remember = self.remember.take();
        let (node, memory) = (Arc::clone(&self.node), self.memory.clone());
        let store = self.store.describe();
        let request = self.requests.spawn(async move {
            if let Some((slot, instance)) = remember {
                let kept = task::spawn_blocking(move || node.remember(&memory, &instance, slot));
                if let Ok(Err(reason)) = kept.await {
                    warn!("{reason}: after a crash this claim waits for its lease");
                }
            }
            let silent = || unreachable(format!("{store} does not answer"));
            timeout(limit, answer)
                .await
                .unwrap_or_else(|_| Err(silent()))
        });
        self.asked.insert(request.id(), id);
    }

    /// Writes down since when the slot is held, for people: an update of the record keeps it, and
    /// corrects it where the wall clock was set meanwhile.
    fn date(&mut self, request: &mut Request) {
        let now = BootTime::now();
        if matches!(request, Request::Claim { .. }) {
            self.claimed = now;
        }
        if let Request::Claim { record, .. } | Request::Update { record, .. } = request
            && let Some(member) = &mut record.member
        {
            let held_for = now.since(self.claimed).as_secs();
            member.since = journal::seconds().saturating_sub(held_for);
        }
    }

    /// Every request gets an answer, also one that panicked: its claimant waits for it.
    fn answered(&mut self, answer: Result<(task::Id, Result<Reply, StoreError>), JoinError>) {
        let (task, result) = answer.unwrap_or_else(|error| {
            let message = format!("a request to {} failed in itself", self.store.describe());
            (error.id(), Err(unreachable(message)))
        });
        if let Some(id) = self.asked.remove(&task) {
            self.step(Input::Answer { id, result });
        }
    }

    fn told(&mut self, event: &Event) {
        let pool = self.config.pool.clone();
        let mut state = self.report.borrow().clone();
        let name = state
            .held
            .as_ref()
            .map(|(_, name)| name.clone())
            .unwrap_or_default();
        match event {
            Event::Claimed { slot, epoch } => {
                let name = self.config.space.pattern.text(*slot);
                info!("pool {pool}: this node is {name} (epoch {epoch})");
                self.write_down(Kind::Claimed, &format!("this node is {name}"));
                state.held = Some((*slot, name));
                state.epoch = Some(*epoch);
                state.instance = self.instance.clone();
                state.full = false;
                self.run_hook(hooks::Event::Claimed, &state);
            }
            Event::Degraded => {
                let text = format!("the lease of {name} is not being renewed");
                warn!("pool {pool}: {text}");
                self.write_down(Kind::Degraded, &text);
                self.run_hook(hooks::Event::Degraded, &state);
            }
            // Where the name was lost meanwhile, it is about to be claimed again.
            Event::Restored if name.is_empty() => {}
            Event::Restored => {
                let text = format!("the lease of {name} is renewed again");
                info!("pool {pool}: {text}");
                self.write_down(Kind::Restored, &text);
            }
            Event::Lost { reason, .. } => {
                warn!("pool {pool}: {name} is lost: {reason}; claiming again");
                self.write_down(Kind::Lost, &format!("{name} is lost: {reason}"));
                self.run_hook(hooks::Event::Lost, &state);
                state.held = None;
                state.epoch = None;
                state.instance = None;
                state.lost += 1;
            }
            Event::Released { .. } => {
                info!("pool {pool}: {name} is released");
                self.write_down(Kind::Released, &format!("{name} is released"));
                self.run_hook(hooks::Event::Released, &state);
                state.held = None;
                state.epoch = None;
                state.instance = None;
            }
            Event::Full => {
                let limit = self.config.space.limit;
                let text = format!("all {limit} slots are taken; waiting for one");
                warn!("pool {pool}: {text}");
                self.write_down(Kind::Full, &text);
                state.full = true;
            }
            Event::KeyInUse { slot } => {
                let other = self.config.space.pattern.text(*slot);
                warn!(
                    "pool {pool}: {other} has this node's key, perhaps from a copied disk; \
                     this node takes another name, and may get yet another after a restart"
                );
            }
            Event::Problem(reason) => {
                match self.members.freshness {
                    Freshness::Away { .. } => debug!("pool {pool}: {reason}"),
                    Freshness::Current | Freshness::Unknown => warn!("pool {pool}: {reason}"),
                }
                state.problem = Some(reason.clone());
            }
            Event::Solved => state.problem = None,
            Event::Stopped => self.stopped = true,
        }
        self.report(|old| *old = state);
    }

    /// Changes the state; tells of it only where it is another one then.
    fn report(&self, change: impl FnOnce(&mut PoolState)) {
        self.report.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }

    fn run_hook(&self, event: hooks::Event, state: &PoolState) {
        self.hooks.run(event, self.environment(state, None));
    }

    fn write_down(&self, kind: Kind, text: &str) {
        let about = format!("pool {}", self.config.pool);
        self.journal.tell(kind, &about, text);
    }

    /// Writes down which other nodes came or went since `before`, and runs the hooks for them.
    fn tell_of_members(&self, before: &Members) {
        // Those of the first listing were there before us.
        if before.freshness == Freshness::Unknown {
            return;
        }
        let (mut new, mut gone) = self.members.came_and_went(before);
        // Our own claim has events of its own.
        let own = self.instance.as_deref();
        let is_other = |entry: &&Entry| {
            let instance = entry.record.instance();
            instance.is_none() || instance != own
        };
        new.retain(is_other);
        gone.retain(is_other);
        self.write_down_members(Kind::Left, "left", &gone);
        self.write_down_members(Kind::Joined, "joined", &new);
        if self.config.hooks.is_empty() {
            return;
        }
        let left = gone
            .into_iter()
            .map(|entry| (hooks::Event::MemberLeave, entry));
        let joined = new
            .into_iter()
            .map(|entry| (hooks::Event::MemberJoin, entry));
        let state = self.report.borrow().clone();
        for (event, entry) in left.chain(joined) {
            let member = hooks::MemberEnvironment {
                name: self.config.space.pattern.text(entry.slot),
                slot: entry.slot,
                addresses: entry.record.addresses().collect(),
            };
            self.hooks
                .run(event, self.environment(&state, Some(member)));
        }
    }

    fn write_down_members(&self, kind: Kind, what: &str, members: &[&Entry]) {
        if members.len() > MOST_NAMED {
            let text = format!("{} nodes have {what}", members.len());
            return self.write_down(kind, &text);
        }
        for entry in members {
            let name = self.config.space.pattern.text(entry.slot);
            self.write_down(kind, &format!("{name} has {what}"));
        }
    }

    fn environment(
        &self,
        state: &PoolState,
        member: Option<hooks::MemberEnvironment>,
    ) -> hooks::Environment {
        let (slot, name) = state.held.clone().unzip();
        hooks::Environment {
            pool: self.config.pool.clone(),
            name: name.unwrap_or_default(),
            slot,
            epoch: state.epoch,
            addresses: self.sources.description(&self.config).addresses,
            member,
        }
    }
}

/// Where the changing part of the record comes from.
struct Sources {
    addresses: watch::Receiver<Addresses>,
    healthy: Option<watch::Receiver<bool>>,
}

impl Sources {
    fn new(config: &PoolConfig) -> Self {
        Self {
            addresses: address::watch(config.addresses.clone()),
            healthy: config.health.clone().map(health::run),
        }
    }

    fn description(&self, config: &PoolConfig) -> Description {
        Description {
            addresses: self.addresses.borrow().list.clone(),
            dns_port: config.dns_port,
            ports: config.ports.clone(),
            meta: config.meta.clone(),
            down: self
                .healthy
                .as_ref()
                .is_some_and(|healthy| !*healthy.borrow()),
        }
    }

    fn only_loopback(&self) -> bool {
        self.addresses.borrow().only_loopback
    }

    /// Waits until something is different.
    async fn changed(&mut self) {
        let healthy = async {
            match &mut self.healthy {
                Some(healthy) => healthy.changed().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            result = self.addresses.changed() => result.is_err(),
            result = healthy => result.is_err(),
        };
        if ended {
            // Whoever looked has ended; the last that was seen stays.
            std::future::pending::<()>().await;
        }
    }
}

fn settings(config: &PoolConfig, store: &dyn Store, node: &NodeIdentity) -> Settings {
    Settings {
        limit: config.space.limit,
        ttl: config.ttl,
        has_leases: store.has_leases(),
        settle: store.settle(),
        node: config.node.clone().unwrap_or_else(|| node.key.clone()),
        // A node whose key ends with its process cannot come back for its slot.
        sticky: config
            .sticky
            .filter(|_| config.node.is_some() || node.seat().is_some()),
        boot: node.boot_id().to_owned(),
    }
}

fn unreachable(message: String) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Unreachable,
        message,
    }
}

fn random() -> u64 {
    // Without random numbers from the kernel the clock has to do: instances also need the store's
    // word to own anything.
    getrandom::u64().unwrap_or_else(|_| BootTime::now().nanoseconds())
}

#[cfg(test)]
mod tests;
