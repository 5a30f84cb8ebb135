//! What etcd tells, to snapshots of all records.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Snapshot;
use super::record::{Lease, Record};
use super::tree::Tree;
use crate::clock::BootTime;
use crate::current::Current;
use crate::freshness::Freshness;
use crate::plugins::trust::Trust;
use crate::store::board::{KeyAndValue, ValueFeed};
use crate::store::etcd::{EtcdOptions, EtcdPrefix};
use crate::store::skipped::Skipped;
use crate::task::Task;

/// How much may be waiting to be taken over.
const FEED: usize = 16;

/// How many values are read before others have a turn.
const TURN: usize = 1000;

/// How many leases are looked up at once.
const LOOK_UPS: usize = 8;

/// Of how many leases the length is known; of others the shortest is assumed.
const MOST_LEASES: usize = 100_000;

/// How many leases may gather before those that nothing hangs on are forgotten.
const FORGET: usize = 1000;

/// What becomes of values.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// What all keys begin with; without a slash at its end.
    pub(super) path: String,
    /// The shortest and the longest that a lease counts for, in seconds.
    pub(super) lease: (u32, u32),
    /// How long the records are answered while etcd is away.
    pub(super) stale: Duration,
}

/// The work behind the records; it ends when this is dropped.
pub(super) struct Following {
    _etcd: Task,
    _records: Task,
    /// The values that could not be read.
    pub(super) skipped: Arc<Skipped>,
}

/// Follows the records for as long as the second lives.
pub(super) fn follow(
    options: EtcdOptions,
    terms: Terms,
    runtime: &Handle,
) -> Result<(Arc<Current<Snapshot>>, Following), String> {
    let skipped = Arc::<Skipped>::default();
    let etcd = EtcdPrefix::new(options, &format!("{}/", terms.path))?;
    let current = Arc::new(Current::new(Snapshot {
        tree: Tree::default(),
        trust: Trust::Unknown,
        serial: now(),
    }));
    let (feed, news) = mpsc::channel(FEED);
    let records = Records {
        terms,
        etcd: etcd.clone(),
        tree: Tree::default(),
        skipped: Arc::clone(&skipped),
        leases: HashMap::new(),
        forget_at: FORGET,
        wanted: Vec::new(),
        failed: Vec::new(),
        looking: JoinSet::new(),
        heard: false,
        away: None,
        serial: now(),
        current: Arc::clone(&current),
    };
    let following = Following {
        _etcd: Task::start(runtime, etcd.follow(feed)),
        _records: Task::start(runtime, records.run(news)),
        skipped,
    };
    Ok((current, following))
}

/// The records as they were told, and who is to know.
struct Records {
    terms: Terms,
    etcd: EtcdPrefix,
    tree: Tree,
    skipped: Arc<Skipped>,
    leases: HashMap<i64, Arc<Lease>>,
    /// At how many leases it is looked for those that are no longer needed.
    forget_at: usize,
    /// Leases that are to be looked up.
    wanted: Vec<i64>,
    /// Those for which that has failed.
    failed: Vec<i64>,
    looking: JoinSet<(i64, Option<Option<Duration>>)>,
    /// Whether there has been a listing.
    heard: bool,
    /// Since when etcd is away.
    away: Option<BootTime>,
    serial: u32,
    current: Arc<Current<Snapshot>>,
}

impl Records {
    async fn run(mut self, mut news: mpsc::Receiver<ValueFeed>) {
        loop {
            self.look_up();
            let freshness = self.freshness();
            let expiry = freshness.expires_in(BootTime::now(), self.terms.stale);
            tokio::select! {
                message = news.recv() => match message {
                    Some(message) => self.take_in(message).await,
                    None => return,
                },
                Some(answer) = self.looking.join_next() => {
                    if let Ok((number, answer)) = answer {
                        self.learn(number, answer);
                    }
                }
                () = sleep(expiry.unwrap_or_default()), if expiry.is_some() => self.publish(),
            }
        }
    }

    async fn take_in(&mut self, message: ValueFeed) {
        match message {
            ValueFeed::Listing(values) => {
                let mut records = Vec::with_capacity(values.len());
                for (number, value) in values.into_iter().enumerate() {
                    records.extend(self.record(&value));
                    if number % TURN == TURN - 1 {
                        tokio::task::yield_now().await;
                    }
                }
                self.tree = Tree::of(records);
                self.serial = now();
                let (first, count) = (!self.heard, self.tree.len());
                self.heard = true;
                if first {
                    let place = self.place();
                    tracing::info!("{place}: {count} records");
                }
                self.is_back();
                self.publish();
            }
            ValueFeed::Changes(values) => {
                for value in values {
                    match self.record(&value) {
                        Some(record) => self.tree.put(record),
                        None => self.tree.remove(&value.key),
                    }
                }
                self.serial = now();
                self.is_back();
                self.publish();
            }
            ValueFeed::Current => {
                self.wanted.append(&mut self.failed);
                if self.is_back() {
                    self.publish();
                }
            }
            ValueFeed::Away { reason } => {
                if self.away.is_none() {
                    self.away = Some(BootTime::now());
                    let heard = if self.heard {
                        "the records are answered from memory"
                    } else {
                        "no record is known yet"
                    };
                    tracing::warn!("{}: {reason}; {heard}", self.place());
                    self.publish();
                }
            }
        }
    }

    /// Notes that etcd is there. Returns whether it was away.
    fn is_back(&mut self) -> bool {
        let was_away = self.away.take().is_some();
        if was_away {
            tracing::info!("{}: it is back", self.place());
        }
        was_away
    }

    /// The records in a log line.
    fn place(&self) -> String {
        format!("{} {}", self.etcd.describe(), self.terms.path)
    }

    /// The record that a value is; [`None`] for one that is gone.
    fn record(&mut self, value: &KeyAndValue) -> Option<Arc<Record>> {
        let text = value.value.as_deref()?;
        let lease = value.lease.map(|number| self.lease(number));
        let (record, fault) = Record::read(&value.key, self.terms.path.len(), text, lease);
        if let Some(fault) = fault {
            self.skipped.note(&value.key, &fault);
        }
        Some(Arc::new(record))
    }

    /// A lease, which is looked up if it is new.
    fn lease(&mut self, number: i64) -> Arc<Lease> {
        if let Some(lease) = self.leases.get(&number) {
            return Arc::clone(lease);
        }
        if self.leases.len() >= self.forget_at {
            self.leases.retain(|_, lease| Arc::strong_count(lease) > 1);
            self.forget_at = FORGET.max(2 * self.leases.len());
        }
        let lease = Arc::new(Lease::new(self.terms.lease.0));
        if self.leases.len() < MOST_LEASES {
            self.leases.insert(number, Arc::clone(&lease));
            self.wanted.push(number);
        }
        lease
    }

    /// Looks up leases, some at once.
    fn look_up(&mut self) {
        while self.looking.len() < LOOK_UPS
            && self.away.is_none()
            && let Some(number) = self.wanted.pop()
        {
            if self.leases.contains_key(&number) {
                let etcd = self.etcd.clone();
                self.looking
                    .spawn(async move { (number, etcd.lease(number).await.ok()) });
            }
        }
    }

    /// Takes over how long a lease lives; [`None`] where etcd has not said.
    fn learn(&mut self, number: i64, answer: Option<Option<Duration>>) {
        let Some(lease) = self.leases.get(&number) else {
            return;
        };
        match answer {
            None => self.failed.push(number),
            Some(ttl) => {
                let (least, most) = self.terms.lease;
                let seconds = ttl.map_or(0, |ttl| ttl.as_secs());
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                lease.set(seconds.min(most).max(least));
            }
        }
    }

    fn publish(&self) {
        let trust = Trust::of(self.freshness(), BootTime::now(), self.terms.stale);
        self.current.replace(Snapshot {
            tree: self.tree.clone(),
            trust,
            serial: self.serial,
        });
    }

    fn freshness(&self) -> Freshness {
        match self.away {
            _ if !self.heard => Freshness::Unknown,
            None => Freshness::Current,
            Some(since) => Freshness::Away { since },
        }
    }
}

/// Seconds since 1970, as a serial number.
fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // Serial numbers wrap around (RFC 1982).
    now.unwrap_or_default().as_secs() as u32
}
