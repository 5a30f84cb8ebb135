//! Keeping the list of an engine's containers right, event by event.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::activity::{Activity, Count};
use super::api::{Detail, NetworkSummary, Summary};
use super::client::{Client, EngineError};
use super::container::Container;
use super::endpoint::Endpoint;
use super::events::{Events, Hint};
use super::places::Places;
use crate::clock::BootTime;
use crate::freshness::Freshness;

/// How many inspections are under way at a time.
const MOST_INSPECTIONS: usize = 16;

/// How many by ssh: each is a login of its own, and sshd drops some where ten begin at once
/// (`MaxStartups`).
const MOST_INSPECTIONS_BY_SSH: usize = 4;

/// The longest pause before a socket of this machine is tried again. It costs nothing, and while
/// its engine is back, names lead to addresses that containers had before.
const LONGEST_PAUSE_HERE: Duration = Duration::from_secs(1);

/// How much time there is at least between two tellings while more changes are on their way. Who
/// tells nothing for as long tells a change at once.
const GATHER: Duration = Duration::from_millis(20);

/// How often a quiet engine is asked whether it still lives.
const PING: Duration = Duration::from_secs(15);

/// The pauses after which containers that could not be inspected are tried again: doubled from the
/// first to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The most containers that are looked at because of events before everything is listed instead.
const MOST_DIRTY: usize = 20_000;

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often everything is listed although nothing is known to be missing; [`None`] for never.
    pub resync: Option<Duration>,
    /// The pauses between attempts to reach an engine that is away: doubled from the first to the
    /// last.
    pub reconnect: (Duration, Duration),
}

impl Default for Pace {
    /// Every five minutes; from a quarter of a second to half a minute.
    fn default() -> Self {
        Self {
            resync: Some(Duration::from_secs(300)),
            reconnect: (Duration::from_millis(250), Duration::from_secs(30)),
        }
    }
}

/// What an engine runs at one moment. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineState {
    /// The running containers, by id.
    pub containers: Arc<BTreeMap<String, Arc<Container>>>,
    /// The networks, by id.
    pub networks: Arc<BTreeMap<String, Network>>,
    /// How far this can be trusted.
    pub freshness: Freshness,
    /// The engine, once it has been reached.
    pub engine: Option<EngineInfo>,
    /// Whether there should be an engine: somebody has said so, or its socket is there.
    pub expected: bool,
    /// How many containers run that the engine could not show.
    pub unreadable: usize,
    /// Why it cannot be reached, in one line.
    pub trouble: Option<Arc<str>>,
}

/// An engine that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its version, and that of its interface: `20.10.24 (API 1.41)`.
    pub version: Arc<str>,
}

/// A network of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// `bridge`, `overlay`, `macvlan`, ...
    pub driver: String,
    /// Its subnets: address and length of the prefix.
    pub subnets: Vec<(IpAddr, u8)>,
    /// The host's addresses in it.
    pub gateways: Vec<IpAddr>,
}

/// Follows the first engine of `places` that is there, until nobody listens any more. Whatever
/// goes wrong is said once per cause, and tried again. What happens is counted in `activity`.
pub async fn follow(
    places: Places,
    pace: Pace,
    state: watch::Sender<EngineState>,
    activity: Arc<Activity>,
) {
    let mut pause = pace.reconnect.0;
    let mut said: Option<String> = None;
    let mut lost = false;
    loop {
        let expected = places.are_promising();
        state
            .send_if_modified(|state| std::mem::replace(&mut state.expected, expected) != expected);
        let (endpoint, result) = attempt(&places, pace, &state, &activity, &mut lost).await;
        let reached = state.borrow().freshness == Freshness::Current;
        if reached {
            (pause, said) = (pace.reconnect.0, None);
        }
        let error = result
            .err()
            .map_or_else(|| "it was left".to_owned(), |error| error.to_string());
        state.send_if_modified(|state| {
            if reached {
                state.freshness = Freshness::Away {
                    since: BootTime::now(),
                };
            }
            let is_new = state.trouble.as_deref() != Some(error.as_str());
            if is_new {
                state.trouble = Some(error.as_str().into());
            }
            reached || is_new
        });
        if said.as_ref() != Some(&error) {
            match lost {
                true => warn!("docker: {error}; names of containers are answered as they were"),
                false if expected => warn!("docker: {error}"),
                // Most machines have none, and nobody has said that this one has.
                false => info!("docker: {error}"),
            }
            said = Some(error);
        }
        let rest = match endpoint {
            Some(endpoint) if !endpoint.is_local() => pause,
            _ => pause.min(LONGEST_PAUSE_HERE),
        };
        tokio::select! {
            () = state.closed() => return,
            () = sleep(rest) => {}
        }
        pause = (pause * 2).min(pace.reconnect.1);
    }
}

/// One connection to an engine, from its beginning to its end.
async fn attempt(
    places: &Places,
    pace: Pace,
    state: &watch::Sender<EngineState>,
    activity: &Activity,
    lost: &mut bool,
) -> (Option<Endpoint>, Result<(), EngineError>) {
    let Some(endpoint) = places.found().or(places.endpoints.first()) else {
        return (None, Err(EngineError::new("no engine to ask")));
    };
    let follower = async {
        let client = Client::connect(endpoint).await?;
        let events = client.events().await?;
        activity.count(Count::Connections);
        let mut follower = Follower::new(client, endpoint, pace, state, activity);
        if std::mem::take(lost) {
            info!("docker: the engine at {endpoint} is back");
        }
        let result = follower.run(events).await;
        *lost = state.borrow().freshness == Freshness::Current;
        result
    };
    let result = tokio::select! {
        () = state.closed() => Ok(()),
        result = follower => result,
    };
    (Some(endpoint.clone()), result)
}

/// What an inspection has brought to light.
struct Inspected {
    id: String,
    container: Result<Option<Box<Container>>, EngineError>,
}

/// What was asked in the background.
enum Asked {
    Container(Inspected),
    List(Result<Vec<Summary>, EngineError>),
    Networks(Result<Vec<NetworkSummary>, EngineError>),
    Ping(Result<(), EngineError>),
}

struct Follower<'s> {
    client: Client,
    endpoint: &'s Endpoint,
    pace: Pace,
    state: &'s watch::Sender<EngineState>,
    activity: &'s Activity,
    containers: BTreeMap<String, Arc<Container>>,
    networks: Arc<BTreeMap<String, Network>>,
    /// Containers that are to be looked at.
    dirty: HashSet<String>,
    /// Containers that are being looked at.
    inspected: HashSet<String>,
    /// What is under way: inspections and more.
    asked: JoinSet<Asked>,
    /// When changes that were not told yet are told at the latest.
    tell_at: Option<Instant>,
    /// When changes were told last.
    told_at: Option<Instant>,
    /// Containers that could not be inspected, which was said.
    unreadable: HashSet<String>,
    /// When they are tried again.
    retry_at: Option<Instant>,
    /// The pause before that.
    retry: Duration,
    /// Whether everything that there was at the beginning has been looked at.
    complete: bool,
    listing: bool,
    /// Whether the engine has said what networks there are.
    knows_networks: bool,
    /// Whether it is being asked that, and whether it must be asked again afterwards: the answer on
    /// its way may be older than an event.
    asks_networks: (bool, bool),
}

impl<'s> Follower<'s> {
    fn new(
        client: Client,
        endpoint: &'s Endpoint,
        pace: Pace,
        state: &'s watch::Sender<EngineState>,
        activity: &'s Activity,
    ) -> Self {
        let known = state.borrow();
        Self {
            client,
            endpoint,
            pace,
            state,
            activity,
            // What was known stands until the engine says otherwise.
            containers: (*known.containers).clone(),
            networks: known.networks.clone(),
            dirty: HashSet::new(),
            inspected: HashSet::new(),
            asked: JoinSet::new(),
            tell_at: None,
            told_at: None,
            unreadable: HashSet::new(),
            retry_at: None,
            retry: RETRY.0,
            complete: false,
            listing: false,
            knows_networks: false,
            asks_networks: (false, false),
        }
    }

    async fn run(&mut self, mut events: Events) -> Result<(), EngineError> {
        self.list();
        self.ask_networks();
        let mut resync_at = self.next_resync();
        let mut ping_at = Instant::now() + PING;
        loop {
            self.inspect();
            let (tell_at, retry_at) = (self.tell_at, self.retry_at);
            tokio::select! {
                event = events.next() => {
                    ping_at = Instant::now() + PING;
                    self.take(Hint::of(&event?));
                }
                Some(asked) = self.asked.join_next() => {
                    // A task of ours neither panics nor is cancelled while we live.
                    if let Ok(asked) = asked {
                        self.learn(asked)?;
                    }
                }
                () = sleep_until(tell_at.unwrap_or(ping_at)), if tell_at.is_some() => self.tell(),
                () = sleep_until(retry_at.unwrap_or(ping_at)), if retry_at.is_some() => {
                    self.dirty.extend(self.unreadable.iter().cloned());
                    self.retry_at = None;
                    self.retry = (self.retry * 2).min(RETRY.1);
                }
                () = sleep_until(resync_at.unwrap_or(ping_at)), if resync_at.is_some() => {
                    self.list();
                    self.ask_networks();
                    resync_at = self.next_resync();
                }
                () = sleep_until(ping_at) => {
                    let client = self.client.clone();
                    self.asked.spawn(async move { Asked::Ping(client.ping().await) });
                    ping_at = Instant::now() + PING;
                }
            }
            // Nothing more is on its way: what changed is told at once.
            if self.tell_at.is_some() && self.dirty.is_empty() && self.inspected.is_empty() {
                self.tell();
            }
        }
    }

    fn next_resync(&self) -> Option<Instant> {
        self.pace.resync.map(|every| Instant::now() + every)
    }

    /// Takes in what an event is a hint of.
    fn take(&mut self, hint: Hint) {
        if !matches!(hint, Hint::Nothing) {
            self.activity.count(Count::Events);
        }
        match hint {
            Hint::Dead(id) => {
                if self.containers.remove(&id).is_some() {
                    self.changed();
                }
                self.mark(id);
            }
            Hint::Container(id) => self.mark(id),
            Hint::Networks => self.ask_networks(),
            Hint::Nothing => {}
        }
    }

    fn mark(&mut self, id: String) {
        self.dirty.insert(id);
        if self.dirty.len() > MOST_DIRTY {
            self.dirty.clear();
            self.list();
        }
    }

    fn changed(&mut self) {
        let (now, told_at) = (Instant::now(), self.told_at);
        self.tell_at
            .get_or_insert_with(|| told_at.map_or(now, |told_at| now.max(told_at + GATHER)));
    }

    /// Inspects what is to be looked at, some at a time. What is being looked at already is looked
    /// at again afterwards: the answer on its way may be older than the event.
    fn inspect(&mut self) {
        let most = match self.endpoint {
            Endpoint::Ssh { .. } => MOST_INSPECTIONS_BY_SSH,
            Endpoint::Unix(_) | Endpoint::Tcp { .. } => MOST_INSPECTIONS,
        };
        while self.inspected.len() < most {
            let next = self
                .dirty
                .iter()
                .find(|id| !self.inspected.contains(*id))
                .cloned();
            let Some(id) = next else { return };
            self.dirty.remove(&id);
            self.inspected.insert(id.clone());
            let client = self.client.clone();
            self.asked.spawn(async move {
                let path = format!("/containers/{}/json", escaped(&id));
                let detail = client.get::<Detail>(&path).await;
                let container = detail.map(|detail| detail.and_then(Container::of).map(Box::new));
                Asked::Container(Inspected { id, container })
            });
        }
    }

    fn list(&mut self) {
        if std::mem::replace(&mut self.listing, true) {
            return;
        }
        let client = self.client.clone();
        self.asked.spawn(async move {
            let list = client.get::<Vec<Summary>>("/containers/json").await;
            Asked::List(list.map(Option::unwrap_or_default))
        });
    }

    fn ask_networks(&mut self) {
        if std::mem::replace(&mut self.asks_networks.0, true) {
            self.asks_networks.1 = true;
            return;
        }
        let client = self.client.clone();
        self.asked.spawn(async move {
            let networks = client.get::<Vec<NetworkSummary>>("/networks").await;
            Asked::Networks(networks.map(Option::unwrap_or_default))
        });
    }

    fn learn(&mut self, asked: Asked) -> Result<(), EngineError> {
        match asked {
            Asked::Ping(result) => result?,
            Asked::List(list) => {
                self.listing = false;
                self.compare(&list?);
                self.activity.count(Count::Resyncs);
            }
            Asked::Networks(networks) => {
                self.knows_networks = true;
                // Some engines do not let everybody see networks; names do without.
                if let Ok(networks) = networks {
                    let networks = networks.into_iter();
                    let networks = networks.map(|it| (it.id.clone(), network(it))).collect();
                    if *self.networks != networks {
                        self.networks = Arc::new(networks);
                        self.changed();
                    }
                }
                let (_, again) = std::mem::take(&mut self.asks_networks);
                if again {
                    self.ask_networks();
                }
            }
            Asked::Container(Inspected { id, container }) => {
                self.inspected.remove(&id);
                self.activity.count(Count::Inspections);
                match container {
                    Ok(Some(container)) => self.put(id, *container),
                    Ok(None) => {
                        self.unreadable.remove(&id);
                        if self.containers.remove(&id).is_some() {
                            self.changed();
                        }
                    }
                    Err(error) => self.leave(&id, &error),
                }
            }
        }
        let looks = self.listing || !self.dirty.is_empty() || !self.inspected.is_empty();
        if !self.complete && self.knows_networks && !looks {
            self.complete = true;
            self.changed();
        }
        Ok(())
    }

    fn put(&mut self, id: String, container: Container) {
        self.unreadable.remove(&id);
        // An event may name it by a part of its id or by its name.
        let id = if container.id.is_empty() {
            id
        } else {
            container.id.clone()
        };
        if self
            .containers
            .get(&id)
            .is_none_or(|known| **known != container)
        {
            self.containers.insert(id, Arc::new(container));
            self.changed();
        }
    }

    /// Leaves a container that cannot be inspected as it was known, until it is tried again.
    fn leave(&mut self, id: &str, error: &EngineError) {
        self.activity.count(Count::Failures);
        if self.unreadable.len() < MOST_DIRTY && self.unreadable.insert(id.to_owned()) {
            warn!(
                "docker: container {} cannot be inspected: {error}",
                id.get(..12).unwrap_or(id)
            );
            (self.retry, self.retry_at) = (RETRY.0, None);
        }
        self.retry_at
            .get_or_insert_with(|| Instant::now() + self.retry);
    }

    /// Finds out what a list says that is not known, and has it looked at.
    fn compare(&mut self, list: &[Summary]) {
        let listed: HashSet<&str> = list.iter().map(|it| it.id.as_str()).collect();
        let gone = self
            .containers
            .keys()
            .filter(|id| !listed.contains(id.as_str()));
        // It may have been started after the list was made: an inspection tells.
        let mut dirty: Vec<String> = gone.cloned().collect();
        let new = list.iter().filter(|summary| {
            let known = self.containers.get(&summary.id);
            known.is_none_or(|known| !is_as_listed(known, summary))
        });
        dirty.extend(new.map(|summary| summary.id.clone()));
        dirty.retain(|id| !id.is_empty());
        if !self.complete {
            // What cannot be seen in a list may have changed while nobody looked.
            dirty.extend(self.containers.keys().cloned());
        }
        self.dirty.extend(dirty);
    }

    /// Tells what is known, unless a part of what there was at the beginning is still missing.
    fn tell(&mut self) {
        self.tell_at = None;
        if !self.complete {
            return;
        }
        let engine = EngineInfo {
            endpoint: self.endpoint.clone(),
            version: format!("{} (API {})", self.client.engine(), self.client.version()).into(),
        };
        let state = EngineState {
            containers: Arc::new(self.containers.clone()),
            networks: self.networks.clone(),
            freshness: Freshness::Current,
            engine: Some(engine),
            expected: true,
            unreadable: self.unreadable.len(),
            trouble: None,
        };
        self.told_at = Some(Instant::now());
        self.state.send_if_modified(|told| {
            let is_new = *told != state;
            if is_new {
                *told = state;
            }
            is_new
        });
    }
}

/// Whether a list says of a container what is known of it, as far as a list says anything.
fn is_as_listed(known: &Container, summary: &Summary) -> bool {
    let named = summary
        .names
        .iter()
        .any(|name| name.trim_start_matches('/') == known.name);
    let paused = summary.state == "paused";
    let listed = &summary.network_settings.networks;
    let connected = listed.len() == known.networks.len()
        && listed.iter().all(|(name, endpoint)| {
            let known = known.networks.get(name);
            known.is_some_and(|known| {
                let address = known.ipv4.map(|it| it.to_string()).unwrap_or_default();
                endpoint.ip_address == address
            })
        });
    named && connected && (summary.state.is_empty() || paused == known.paused)
}

fn network(summary: NetworkSummary) -> Network {
    let subnets = summary.ipam.config.iter().filter_map(|subnet| {
        let (address, length) = subnet.subnet.split_once('/')?;
        Some((address.parse().ok()?, length.parse().ok()?))
    });
    let gateways = summary
        .ipam
        .config
        .iter()
        .filter_map(|it| it.gateway.parse().ok());
    Network {
        subnets: subnets.collect(),
        gateways: gateways.collect(),
        name: summary.name,
        driver: summary.driver,
    }
}

/// An id in a path. Engines give hexadecimal digits; whatever else comes must not become a path.
fn escaped(id: &str) -> String {
    let is_plain = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    id.chars().filter(is_plain).take(128).collect()
}
