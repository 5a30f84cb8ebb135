//! From what engines tell to the snapshot that queries are answered from.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use answer::Name;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{info, warn};

use super::super::trust::Trust;
use super::introduction::Introduction;
use super::knowledge::{Knowledge, trust};
use super::metrics::Followed;
use super::onlooker::{Onlooker, QUESTIONS, Question};
use super::sharing::{self, Sharing};
use super::{AnswerOptions, Audience, Build, Departed, Options, Snapshot};
use crate::clock::BootTime;
use crate::config::ListenAddress;
use crate::current::Current;
use crate::docker::names::{Names, View};
use crate::docker::{EngineState, Places, follow};
use crate::freshness::Freshness;
use crate::identity::address::{self, AddressSelection, Addresses};
use crate::journal::{Journal, Kind};
use crate::task::Task;

/// How long a name that nobody has any more is remembered.
pub(super) const DEPARTED: Duration = Duration::from_secs(60);

/// The most names that are remembered so.
const MOST_DEPARTED: usize = 10_000;

/// The most warnings about names that cannot be given.
const MOST_WARNINGS: usize = 1000;

/// The names of engines' containers, always up to date. Dropping it ends the work behind it.
pub(super) struct Published {
    pub(super) snapshot: Arc<Current<Snapshot>>,
    pub(super) engines: Vec<Followed>,
    pub(super) onlooker: Onlooker,
    _work: Task,
}

/// Keeps a snapshot of the names up to date for as long as the result lives.
///
/// # Errors
///
/// One line: the place where containers are shared cannot be used.
pub(super) fn publish(options: Options, build: &Build<'_>) -> Result<Published, String> {
    let (sharing, beginning) = match &options.share {
        Some(share) => {
            let (names, engines) = (&options.names, &options.engines);
            let (shares, runtime) = (build.shares, build.runtime);
            let opened = Sharing::open(share.clone(), names, engines, shares, runtime)?;
            (Some(opened.0), Some(opened.1))
        }
        None => (None, None),
    };
    let serial = SystemTime::now().duration_since(UNIX_EPOCH);
    let serial = serial.map_or(1, |since| since.as_secs() as u32);
    let mut publisher = Publisher {
        names: Names::new(options.names.clone(), serial),
        answer: options.answer.clone(),
        local: options.engines.iter().map(Places::are_local).collect(),
        departed: Arc::default(),
        outside: BTreeSet::new(),
        warned: BTreeSet::new(),
        introductions: options
            .engines
            .iter()
            .map(|_| Introduction::default())
            .collect(),
        sharing,
        journal: build.journal.clone(),
        fresh: Vec::new(),
    };
    let mut engines = Vec::new();
    let mut work = JoinSet::new();
    for places in &options.engines {
        let (sender, receiver) = watch::channel(unheard(places));
        let engine = Followed::new(places, receiver);
        let activity = engine.activity.clone();
        let follow = follow(places.clone(), options.pace, sender, activity);
        work.spawn_on(follow, build.runtime);
        engines.push(engine);
    }
    let mut states: Vec<_> = engines.iter().map(|it| it.state.clone()).collect();
    if let Some(beginning) = beginning {
        let (sender, receiver) = watch::channel(sharing::unheard());
        work.spawn_on(beginning.run(sender), build.runtime);
        states.push(receiver);
    }
    let names = engines.iter().map(|it| it.name.clone());
    let names = names.chain(std::iter::once("other hosts".to_owned()));
    let (onlooker, asked) = Onlooker::new(names.zip(states.iter().cloned()).collect());
    let unheard: Vec<EngineState> = states.iter().map(|it| it.borrow().clone()).collect();
    let snapshot = Arc::new(Current::new(publisher.snapshot(&unheard, &[])));
    let target = snapshot.clone();
    let servers = build.servers.clone();
    let work = Task::start(build.runtime, async move {
        publisher
            .run(states, work, options.host, servers, &target, asked)
            .await;
    });
    Ok(Published {
        snapshot,
        engines,
        onlooker,
        _work: work,
    })
}

struct Publisher {
    names: Names,
    answer: AnswerOptions,
    local: Vec<bool>,
    departed: Arc<Departed>,
    /// The names outside of the zones that there are.
    outside: BTreeSet<Name>,
    /// What was warned of.
    warned: BTreeSet<String>,
    /// What the user was told of the engines.
    introductions: Vec<Introduction>,
    /// The share with other hosts, whose containers are those of a last engine.
    sharing: Option<Sharing>,
    journal: Arc<Journal>,
    /// Whether each engine told every change when it was last looked at.
    fresh: Vec<bool>,
}

impl Publisher {
    /// Publishes every change, for ever.
    async fn run(
        &mut self,
        engines: Vec<watch::Receiver<EngineState>>,
        // All of it ends with this future.
        mut work: JoinSet<()>,
        host: Vec<AddressSelection>,
        servers: watch::Receiver<Vec<ListenAddress>>,
        target: &Current<Snapshot>,
        mut asked: mpsc::Receiver<Question>,
    ) {
        let changed = Arc::new(Notify::new());
        for engine in &engines {
            work.spawn(tell(engine.clone(), changed.clone()));
        }
        // What was told before somebody waited is seen at the first look.
        let mut host = address::watch(host);
        work.spawn(tell(host.clone(), changed.clone()));
        work.spawn(tell(servers.clone(), changed.clone()));
        let mut questions = Vec::new();
        loop {
            let states: Vec<EngineState> = engines.iter().map(|it| it.borrow().clone()).collect();
            let addresses: Addresses = host.borrow_and_update().clone();
            target.replace(self.snapshot(&states, &addresses.list));
            self.write_down(&states);
            let served = servers.borrow().clone();
            self.introduce(&states, &served);
            self.warn();
            let expiry = [self.expires_in(&states), self.introduces_in()];
            let expiry = expiry.into_iter().flatten().min();
            let expiry = expiry.map(|left| tokio::time::Instant::now() + left);
            // Whoever asks is answered from the names as they are.
            loop {
                tokio::select! {
                    biased;
                    () = changed.notified() => break,
                    () = sleep_until(expiry.unwrap_or_else(tokio::time::Instant::now)), if expiry.is_some() => break,
                    _ = work.join_next() => break,
                    1.. = asked.recv_many(&mut questions, QUESTIONS) => self.answer(&mut questions),
                }
            }
        }
    }

    /// Takes in what the engines say now.
    fn snapshot(&mut self, engines: &[EngineState], host: &[std::net::IpAddr]) -> Snapshot {
        let mut told = self.without_expired(engines);
        if let (Some(sharing), Some((others, ours))) = (&mut self.sharing, told.split_last_mut()) {
            sharing.offer(ours, host);
            sharing.without_gone(engines.split_last().map_or(&[], |it| it.1), others);
        }
        self.names.update(&told, &self.local, host);
        self.remember_departed();
        let mut clients = match &self.answer.audience {
            Audience::Nobody => HashMap::new(),
            Audience::Clients | Audience::Networks(_) => self.names.views(),
        };
        if let Audience::Networks(networks) = &self.answer.audience {
            let inside = self.names.addresses_in(networks);
            clients.retain(|address, _: &mut View| inside.contains(address));
        }
        Snapshot {
            tally: self.names.tally(),
            knowledge: Knowledge::of(engines, &self.names, self.answer.stale),
            all: self.names.all().clone(),
            clients,
            reverse: self.names.reverse().clone(),
            subnets: self.names.subnets().cloned().collect(),
            departed: self.departed.clone(),
        }
    }

    /// The engines, without the containers of those that have been away for too long.
    fn without_expired(&self, engines: &[EngineState]) -> Vec<EngineState> {
        let now = BootTime::now();
        let told = engines
            .iter()
            .map(|engine| match trust(engine, now, self.answer.stale) {
                Trust::Expired => EngineState::default(),
                _ => engine.clone(),
            });
        told.collect()
    }

    /// How long until an engine has been away for too long.
    fn expires_in(&self, engines: &[EngineState]) -> Option<Duration> {
        let now = BootTime::now();
        let left = engines.iter();
        left.filter_map(|state| state.freshness.expires_in(now, self.answer.stale))
            .min()
    }

    /// Keeps names outside of the zones that have just gone: somebody else answers for those of
    /// which nothing is known.
    fn remember_departed(&mut self) {
        let now = Instant::now();
        let outside: BTreeSet<Name> = self.names.outside().cloned().collect();
        let gone: Vec<Name> = self.outside.difference(&outside).cloned().collect();
        let mut departed = (*self.departed).clone();
        departed.retain(|_, since| now.duration_since(*since) < DEPARTED);
        for name in &outside {
            departed.remove(name.as_wire());
        }
        let room = MOST_DEPARTED.saturating_sub(departed.len());
        departed.extend(
            gone.into_iter()
                .take(room)
                .map(|name| (name.as_wire().into(), now)),
        );
        self.departed = Arc::new(departed);
        self.outside = outside;
    }

    /// Tells those who look on who claims which name.
    fn answer(&self, questions: &mut Vec<Question>) {
        let mut lines = self.names.report();
        if let Some(sharing) = &self.sharing {
            let hidden = sharing.hidden();
            for line in &mut lines {
                line.unshared = hidden.get(&line.whole_id).cloned();
            }
        }
        for question in questions.drain(..) {
            // Who has lost patience is not told.
            let _ = question.send(lines.clone());
        }
    }

    /// Writes down which engines came or went.
    fn write_down(&mut self, engines: &[EngineState]) {
        let is_fresh = |state: &EngineState| state.freshness == Freshness::Current;
        let fresh: Vec<bool> = engines.iter().map(is_fresh).collect();
        self.fresh.resize(fresh.len(), false);
        for ((state, before), now) in engines.iter().zip(&self.fresh).zip(&fresh) {
            let place = match &state.engine {
                Some(engine) => engine.endpoint.to_string(),
                None => "what other hosts share".to_owned(),
            };
            let (kind, text) = match (before, now) {
                (false, true) => (Kind::EngineBack, format!("{place} tells every change")),
                (true, false) => {
                    let trouble = state.trouble.as_deref().unwrap_or("it is away");
                    (Kind::EngineAway, format!("{place}: {trouble}"))
                }
                _ => continue,
            };
            self.journal.tell(kind, "docker", &text);
        }
        self.fresh = fresh;
    }

    /// Tells the user of engines that have answered, and how containers can ask us.
    fn introduce(&mut self, engines: &[EngineState], servers: &[ListenAddress]) {
        let now = Instant::now();
        let places = self.local.iter().zip(&mut self.introductions);
        for (state, (is_local, introduction)) in engines.iter().zip(places) {
            for line in introduction.lines(state, &self.answer, *is_local, servers, now) {
                info!("docker: {line}");
            }
        }
    }

    /// How long until an engine is to be told of although nothing happens.
    fn introduces_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let due = self.introductions.iter();
        due.filter_map(|introduction| introduction.due_in(now))
            .min()
    }

    /// Says once of each name that a container wishes for and cannot have.
    fn warn(&mut self) {
        for (container, problem) in self.names.problems() {
            let warning = format!("docker: container {container}: {problem}");
            if self.warned.len() < MOST_WARNINGS && self.warned.insert(warning.clone()) {
                warn!("{warning}");
            }
        }
    }
}

/// What is known of an engine before it is asked.
fn unheard(places: &Places) -> EngineState {
    EngineState {
        expected: places.are_promising(),
        ..EngineState::default()
    }
}

/// Tells of every change of a value.
async fn tell<T>(mut value: watch::Receiver<T>, changed: Arc<Notify>) {
    while value.changed().await.is_ok() {
        changed.notify_one();
    }
    // Nothing will change any more; whoever waits for that has no need to know.
    std::future::pending::<()>().await;
}
