//! The containers behind the values of others: one more engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::value;
use crate::clock::BootTime;
use crate::docker::{Container, EngineState};
use crate::freshness::Freshness;
use crate::store::board::{Board, KeyAndValue, ValueFeed};
use crate::store::skipped::Skipped;

/// The most containers of others, and the most bytes of their values.
const MOST: (usize, usize) = (100_000, 128 * 1024 * 1024);

/// What others have pinned to a board.
#[derive(Debug)]
pub(super) struct Others {
    board: Board,
    /// Our own name, whose values are none of the others'.
    author: String,
    /// By id and author: several may see the same engine, and it is the same container then.
    containers: BTreeMap<(String, String), Shared>,
    bytes: usize,
    skipped: Skipped,
    freshness: Freshness,
    trouble: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    container: Arc<Container>,
    size: usize,
}

/// What is seen of our own values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sighting<'v> {
    /// These are all that are there, by id.
    All(BTreeSet<&'v str>),
    /// One that has just come or gone.
    One(&'v str, bool),
}

impl Others {
    /// Nothing yet. `author` is who is passed over; nobody if it is empty.
    pub(super) fn new(board: Board, author: &str) -> Self {
        Self {
            skipped: Skipped::of(board.describe()),
            board,
            author: author.to_owned(),
            containers: BTreeMap::new(),
            bytes: 0,
            freshness: Freshness::Unknown,
            trouble: None,
        }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Takes in a message, and tells `own` what it says of our own values. Returns whether anything
    /// may be new.
    pub(super) fn take(&mut self, message: ValueFeed, own: &impl Fn(Sighting<'_>)) -> bool {
        match message {
            ValueFeed::Current if self.freshness == Freshness::Current => return false,
            ValueFeed::Current => {}
            ValueFeed::Listing(values) => {
                let before = std::mem::take(&mut self.containers);
                self.bytes = 0;
                for value in &values {
                    self.put(value, &before);
                }
                let ours = values.iter().filter_map(|value| self.ours(value));
                own(Sighting::All(ours.collect()));
            }
            ValueFeed::Changes(values) => {
                for value in &values {
                    match self.ours(value) {
                        Some(id) => own(Sighting::One(id, value.value.is_some())),
                        None => self.put(value, &BTreeMap::new()),
                    }
                }
            }
            ValueFeed::Away { reason } => {
                self.is_away(&reason);
                return true;
            }
        }
        if self.trouble.take().is_some() {
            tracing::info!("docker: {} is back", self.board.describe());
        }
        self.freshness = Freshness::Current;
        true
    }

    fn is_away(&mut self, reason: &str) {
        if self.trouble.is_none() {
            let names = match self.freshness {
                Freshness::Unknown => "no container of another host is known yet",
                _ => "names of other hosts' containers are answered as they were",
            };
            tracing::warn!("docker: {reason}; {names}");
        }
        self.trouble = Some(reason.into());
        if self.freshness == Freshness::Current {
            self.freshness = Freshness::Away {
                since: BootTime::now(),
            };
        }
    }

    /// The id of a value of ours.
    fn ours<'v>(&self, value: &'v KeyAndValue) -> Option<&'v str> {
        let (author, id) = self.board.parts(&value.key)?;
        (author == self.author).then_some(id)
    }

    /// Takes in one value of somebody else. What was the same `before` stays as it is.
    fn put(&mut self, value: &KeyAndValue, before: &BTreeMap<(String, String), Shared>) {
        let Some((author, id)) = self.board.parts(&value.key) else {
            return;
        };
        if author == self.author {
            return;
        }
        let key = (id.to_owned(), author.to_owned());
        if let Some(old) = self.containers.remove(&key) {
            self.bytes -= old.size;
        }
        let Some(bytes) = &value.value else {
            return;
        };
        let size = bytes.len();
        if self.containers.len() >= MOST.0 || self.bytes + size > MOST.1 {
            self.skipped.note(b"", "more than can be kept");
            return;
        }
        match value::read(id, bytes) {
            Ok(container) => {
                let same = before.get(&key).map(|it| &it.container);
                let same = same.filter(|it| ***it == container).cloned();
                let container = same.unwrap_or_else(|| Arc::new(container));
                self.bytes += size;
                self.containers.insert(key, Shared { container, size });
            }
            Err(reason) => self.skipped.note(&value.key, &reason),
        }
    }

    /// Tells all of it, where anything is new.
    pub(super) fn tell(&self, state: &watch::Sender<EngineState>) {
        let mut containers: BTreeMap<String, Arc<Container>> = BTreeMap::new();
        for ((id, _), shared) in &self.containers {
            containers
                .entry(id.clone())
                .or_insert_with(|| Arc::clone(&shared.container));
        }
        let told = EngineState {
            containers: Arc::new(containers),
            freshness: self.freshness,
            expected: true,
            trouble: self.trouble.clone(),
            ..EngineState::default()
        };
        state.send_if_modified(|state| {
            let is_new = *state != told;
            if is_new {
                *state = told;
            }
            is_new
        });
    }
}
