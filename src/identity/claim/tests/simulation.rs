//! Claimants against a model of etcd, in virtual time: requests and answers are delayed and lost,
//! processes stand still, the network is cut, leases outlive their word, records are deleted.
//!
//! One world is one seed. [`World::run`] returns the history, which the checker judges.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use history::What;

use super::model::Model;
use crate::clock::BootTime;
use crate::identity::claim::{Action, Claimant, Description, Event, Input, Previous, Settings};
use crate::store::{
    Change, Entry, Guard, Listing, Reply, Request, Slot, StoreError, StoreErrorKind,
};

pub(super) const TTL: Duration = Duration::from_secs(10);

/// What is wrong on purpose: the checker must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    None,
    /// idetcd's claim: look whether the slot is free, then write it whatever happened meanwhile.
    GetThenPut,
    /// The deadline counts from when an answer came, without a margin.
    DeadlineFromReceipt,
    /// A claim without an answer is given up without revoking its lease.
    NoRevoke,
    /// Who is evicted loses its record, and nothing keeps its slot.
    BareEviction,
}

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) claimants: usize,
    pub(super) limit: Slot,
    /// How many of 1000 messages get lost.
    pub(super) loss: u64,
    /// The longest delay of a message in milliseconds.
    pub(super) delay: u64,
    /// Whether processes are stopped and cut off, and leases outlive their word.
    pub(super) nemesis: bool,
    /// Whether slots are taken from their holders.
    pub(super) evictions: bool,
    /// For how long.
    pub(super) duration: Duration,
}

pub(super) struct World {
    weather: Weather,
    mutation: Mutation,
    random: u64,
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    store: Model,
    nodes: Vec<Node>,
    pub(super) history: Vec<history::Event>,
}

struct Node {
    claimant: Claimant,
    own: Option<(Slot, u64, BootTime, BootTime)>,
    stopped_until: u64,
    cut_until: u64,
    /// What arrived while the process stood still.
    inbox: Vec<Message>,
    lease_answers: BTreeMap<u64, u64>,
    /// The one moment of waking that counts.
    wake: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Wake(usize),
    Deliver(usize, u64, Wrapped<Request>),
    Answer(usize, u64, Wrapped<Message>),
    Use(usize),
    Expire,
    Nemesis,
    /// Whoever evicts has looked at this claim.
    Evict(Wrapped<Entry>),
}

/// Lets the queue order happenings by time alone.
#[derive(Clone, Debug)]
struct Wrapped<T>(T);

impl<T> PartialEq for Wrapped<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<T> Eq for Wrapped<T> {}
impl<T> PartialOrd for Wrapped<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Wrapped<T> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

#[derive(Clone, Debug)]
enum Message {
    Answer(u64, Result<Reply, StoreError>),
    Listing(Listing),
    Change(Change),
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather, mutation: Mutation) -> Self {
        let mut world = Self {
            weather,
            mutation,
            random: seed.wrapping_mul(2).wrapping_add(0x9e37_79b9),
            now: 1_000_000_000,
            order: 0,
            queue: BinaryHeap::new(),
            store: Model::default(),
            nodes: Vec::new(),
            history: Vec::new(),
        };
        for index in 0..weather.claimants {
            let mut state = world.next_random();
            let settings = Settings {
                limit: weather.limit,
                ttl: TTL,
                has_leases: true,
                settle: Duration::ZERO,
                node: format!("node-{index}"),
                sticky: (index % 2 == 0).then_some(Duration::from_secs(60)),
                boot: String::new(),
            };
            let random = Box::new(move || scramble(&mut state));
            let claimant = Claimant::new(settings, Description::default(), random);
            world.nodes.push(Node {
                claimant,
                own: None,
                stopped_until: 0,
                cut_until: 0,
                inbox: Vec::new(),
                lease_answers: BTreeMap::new(),
                wake: 0,
            });
            let listing = Message::Listing(world.store.listing());
            world.later(1, Happening::Answer(index, u64::MAX, Wrapped(listing)));
            world.later(2, Happening::Use(index));
        }
        world.later(100, Happening::Expire);
        world.later(500, Happening::Nemesis);
        world
    }

    /// Runs until the weather's duration is over, then lets everything settle in fine weather.
    pub(super) fn run(mut self) -> Self {
        let bad_until = self.now + nanoseconds(self.weather.duration);
        let end = bad_until + nanoseconds(TTL) * 6;
        while let Some(Reverse((at, _, happening))) = self.queue.pop() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            if self.now > bad_until {
                self.weather.loss = 0;
                self.weather.delay = 20;
                self.weather.nemesis = false;
                self.weather.evictions = false;
            }
            self.happen(happening);
        }
        self
    }

    /// The slots that are owned now, by claimant.
    pub(super) fn owned(&self) -> Vec<Option<Slot>> {
        let now = BootTime::from_nanoseconds(self.now);
        let own = |node: &Node| node.own.filter(|own| now < own.3).map(|own| own.0);
        self.nodes.iter().map(own).collect()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(node) if self.nodes[node].wake > self.now => {}
            Happening::Wake(node) => self.give(node, None),
            Happening::Deliver(node, id, Wrapped(request)) => self.deliver(node, id, request),
            Happening::Answer(node, _, Wrapped(message)) => self.give(node, Some(message)),
            Happening::Use(node) => self.use_slot(node),
            Happening::Expire => {
                for change in self.store.expire(self.now) {
                    self.broadcast(&change);
                }
                self.later(100, Happening::Expire);
            }
            Happening::Nemesis => self.nemesis(),
            Happening::Evict(Wrapped(seen)) => {
                let bare = self.mutation == Mutation::BareEviction;
                for change in self.store.evict(self.now, &seen, bare) {
                    self.broadcast(&change);
                }
            }
        }
    }

    /// Hands a message to a claimant's process, or keeps it while that stands still.
    fn give(&mut self, index: usize, message: Option<Message>) {
        let node = &mut self.nodes[index];
        if self.now < node.stopped_until {
            node.inbox.extend(message);
            let at = node.stopped_until;
            self.wake(index, at);
            return;
        }
        let mut messages = std::mem::take(&mut node.inbox);
        messages.extend(message);
        if messages.is_empty() {
            self.step(index, Input::Wake);
        }
        for message in messages {
            match &message {
                Message::Answer(id, result) => {
                    let now = self.now;
                    if matches!(result, Ok(Reply::Renewed { .. } | Reply::Opened { .. })) {
                        self.nodes[index].lease_answers.insert(*id, now);
                    }
                    self.step(
                        index,
                        Input::Answer {
                            id: *id,
                            result: result.clone(),
                        },
                    );
                }
                Message::Listing(listing) => {
                    self.step(
                        index,
                        Input::Listing {
                            listing,
                            previous: Previous::Nothing,
                        },
                    );
                }
                Message::Change(change) => self.step(index, Input::Change(change)),
            }
        }
    }

    fn step(&mut self, index: usize, input: Input<'_>) {
        let now = BootTime::from_nanoseconds(self.now);
        let actions = self.nodes[index].claimant.step(now, input);
        for action in actions {
            self.act(index, action);
        }
        if self.is_due(index) {
            for action in self.nodes[index].claimant.step(now, Input::Wake) {
                self.act(index, action);
            }
            // Else its driver wakes it again and again, and nothing else runs on its thread.
            assert!(!self.is_due(index), "a wake leaves something to do");
        }
        if let Some(at) = self.nodes[index].claimant.wake_at() {
            self.wake(index, at.nanoseconds().max(self.now + 1_000));
        }
    }

    fn is_due(&self, index: usize) -> bool {
        let wake_at = self.nodes[index].claimant.wake_at();
        wake_at.is_some_and(|at| at.nanoseconds() <= self.now)
    }

    fn wake(&mut self, index: usize, at: u64) {
        self.nodes[index].wake = at;
        self.at(at, Happening::Wake(index));
    }

    fn act(&mut self, index: usize, action: Action) {
        let now = BootTime::from_nanoseconds(self.now);
        match action {
            Action::Remember { .. } => {}
            Action::Send {
                id,
                request,
                timeout,
            } => self.send(index, id, request, timeout),
            Action::Own { slot, epoch, until } => {
                let node = &mut self.nodes[index];
                let until = if self.mutation == Mutation::DeadlineFromReceipt {
                    let received = node
                        .lease_answers
                        .values()
                        .max()
                        .copied()
                        .unwrap_or(self.now);
                    BootTime::from_nanoseconds(received) + TTL
                } else {
                    until
                };
                let since = node
                    .own
                    .filter(|own| own.0 == slot)
                    .map_or(now, |own| own.2);
                node.own = Some((slot, epoch, since, until));
            }
            Action::Disown => {
                if self.mutation != Mutation::DeadlineFromReceipt {
                    self.nodes[index].own = None;
                }
            }
            Action::Tell(Event::Claimed { slot, epoch }) => {
                self.record(index, What::Claimed { slot, epoch });
            }
            Action::Tell(Event::Lost { slot, epoch, .. } | Event::Released { slot, epoch })
                if self.mutation != Mutation::DeadlineFromReceipt =>
            {
                self.record(index, What::Ended { slot, epoch });
            }
            Action::Tell(_) => {}
        }
    }

    fn send(&mut self, index: usize, id: u64, request: Request, timeout: Duration) {
        let timed_out = StoreError {
            kind: StoreErrorKind::Unreachable,
            message: "no answer".to_owned(),
        };
        let error = Message::Answer(id, Err(timed_out));
        let at = self.now + nanoseconds(timeout);
        self.at(at, Happening::Answer(index, id, Wrapped(error)));
        if self.mutation == Mutation::NoRevoke && matches!(request, Request::Close { .. }) {
            let closed = Message::Answer(id, Ok(Reply::Closed));
            self.later(1, Happening::Answer(index, id, Wrapped(closed)));
        } else if !self.lost(index) {
            let delay = self.delay();
            if self.mutation == Mutation::GetThenPut
                && let Request::Claim {
                    slot,
                    guard: Guard::Free,
                    ..
                } = request
            {
                // The look-up comes back, then the write goes out.
                let free = !self.store.slots.contains_key(&slot);
                let delay = delay + self.delay() + self.delay();
                if free {
                    self.later(delay, Happening::Deliver(index, id, Wrapped(request)));
                }
            } else {
                self.later(delay, Happening::Deliver(index, id, Wrapped(request)));
            }
        }
    }

    fn deliver(&mut self, index: usize, id: u64, request: Request) {
        let blind = self.mutation == Mutation::GetThenPut;
        let claimant = format!("node-{index}");
        let (mut result, changes) = self.store.execute(self.now, request, &claimant, blind);
        if blind && let Ok(Reply::Queued { ahead, .. }) = &mut result {
            // It has no queue either.
            *ahead = 0;
        }
        for change in changes {
            self.broadcast(&change);
        }
        if !self.lost(index) {
            let delay = self.delay();
            let answer = Message::Answer(id, result);
            self.later(delay, Happening::Answer(index, id, Wrapped(answer)));
        }
    }

    /// An onlooker writes a change down, and the watches tell it, late but in order.
    fn broadcast(&mut self, change: &Change) {
        match change {
            Change::Held(entry) => {
                let claimant = entry.record.node().unwrap_or_default().to_owned();
                let (slot, epoch) = (entry.slot, entry.epoch);
                let what = match entry.record.is_quarantine() {
                    true => What::Evicted { slot, epoch },
                    false => What::Stands { slot, epoch },
                };
                self.history.push(history::Event {
                    at: self.now,
                    claimant,
                    what,
                });
            }
            Change::Freed { slot, .. } => {
                let what = What::Free { slot: *slot };
                self.history.push(history::Event {
                    at: self.now,
                    claimant: String::new(),
                    what,
                });
            }
        }
        for index in 0..self.nodes.len() {
            // A constant lag keeps the order; one who is cut off gets it all afterwards.
            let lag = 10_000_000;
            let at = (self.now + lag).max(self.nodes[index].cut_until);
            let message = Message::Change(change.clone());
            self.at(at, Happening::Answer(index, u64::MAX, Wrapped(message)));
        }
    }

    fn use_slot(&mut self, index: usize) {
        let now = BootTime::from_nanoseconds(self.now);
        if self.now >= self.nodes[index].stopped_until
            && let Some((slot, epoch, since, until)) = self.nodes[index].own
            && since <= now
            && now < until
        {
            self.record(index, What::Used { slot, epoch });
        }
        let pause = 50 + self.next_random() % 100;
        self.later(pause, Happening::Use(index));
    }

    fn nemesis(&mut self) {
        self.later(700, Happening::Nemesis);
        self.evict();
        if !self.weather.nemesis {
            return;
        }
        let index = (self.next_random() % self.nodes.len() as u64) as usize;
        let stretch = self.next_random() % (2 * nanoseconds(TTL));
        match self.next_random() % 8 {
            0 | 1 => self.nodes[index].stopped_until = self.now + stretch,
            2 | 3 => self.nodes[index].cut_until = self.now + stretch,
            // A new leader promises every lease its full time again.
            4 => self.store.extend(self.now),
            _ => {}
        }
    }

    /// At times a slot is taken from its holder, by somebody who has looked at it a while before.
    fn evict(&mut self) {
        if !self.weather.evictions || !self.next_random().is_multiple_of(4) {
            return;
        }
        let held = self.store.slots.values();
        let held: Vec<Entry> = held
            .filter(|entry| !entry.record.is_quarantine())
            .cloned()
            .collect();
        if held.is_empty() {
            return;
        }
        let chosen = self.next_random() as usize % held.len();
        let delay = self.delay() + self.delay();
        let seen = Wrapped(held[chosen].clone());
        self.later(delay, Happening::Evict(seen));
    }

    fn record(&mut self, index: usize, what: What) {
        let claimant = format!("node-{index}");
        self.history.push(history::Event {
            at: self.now,
            claimant,
            what,
        });
    }

    fn lost(&mut self, index: usize) -> bool {
        self.now < self.nodes[index].cut_until || self.next_random() % 1000 < self.weather.loss
    }

    /// Milliseconds: mostly short, at times as long as the weather has it.
    fn delay(&mut self) -> u64 {
        let longest = if self.next_random().is_multiple_of(4) {
            self.weather.delay
        } else {
            20
        };
        1 + self.next_random() % longest
    }

    fn later(&mut self, milliseconds: u64, happening: Happening) {
        self.at(self.now + milliseconds * 1_000_000, happening);
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order, happening)));
    }

    fn next_random(&mut self) -> u64 {
        scramble(&mut self.random)
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// SplitMix64: good enough to pick from, and the same for every run of a seed.
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
