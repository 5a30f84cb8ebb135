//! The herd: processes full of claimants, let loose at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use callsign::clock::BootTime;
use callsign::identity::pattern::Pattern;
use callsign::store::etcd::{EtcdOptions, EtcdStore};
use callsign::store::{Change, Feed, Listing, Slot, Space, Store};
use tempfile::TempDir;

use callsign_bench::Result;
use callsign_bench::etcd::{Counts, Etcd};
use callsign_bench::process::{Killed, processor_time};

use crate::report::Run;

/// How long a herd may take beyond what it has to wait for.
const BOUND: Duration = Duration::from_secs(60);

/// What the claimants of one etcd and one pool are to be like.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The pattern of the pool.
    pub(crate) pattern: String,
    /// Its limit.
    pub(crate) limit: Slot,
    /// The lease's time.
    pub(crate) ttl: Duration,
    /// How many claimants a process has.
    pub(crate) each: u32,
}

/// The claimants of one pool, living and to come.
#[derive(Debug)]
pub(crate) struct Herd {
    etcd: Etcd,
    shape: Shape,
    state: TempDir,
    processes: Vec<Process>,
    lines: (mpsc::Sender<Line>, mpsc::Receiver<Line>),
    /// Who holds which slot under which epoch.
    holders: BTreeMap<u32, (Slot, u64)>,
    /// The number of the next claimant that never lived before.
    next: u32,
}

/// How far those have come who were let loose last.
#[derive(Debug, Default)]
struct Progress {
    newcomers: BTreeSet<u32>,
    /// Since when each newcomer holds a name, and after how many requests.
    held: BTreeMap<u32, (BootTime, u32)>,
    reserved: BTreeSet<u32>,
    reservations: usize,
    losses: usize,
    clashes: usize,
}

impl Progress {
    /// Whether everybody has a name, and for the next time as well.
    fn is_complete(&self) -> bool {
        self.held.len() == self.newcomers.len() && self.reserved.is_superset(&self.newcomers)
    }
}

#[derive(Debug)]
struct Process {
    killed: Killed,
    input: ChildStdin,
    /// Their numbers.
    claimants: Range<u32>,
}

/// What a process says.
#[derive(Debug)]
enum Line {
    Ready,
    Held {
        claimant: u32,
        slot: Slot,
        epoch: u64,
        at: BootTime,
        requests: u32,
    },
    Lost {
        claimant: u32,
    },
    Reserved {
        claimant: u32,
    },
    Ended,
}

impl Herd {
    /// A herd without claimants.
    ///
    /// # Errors
    ///
    /// There is no room for temporary files.
    pub(crate) fn new(etcd: Etcd, shape: Shape) -> Result<Self> {
        Ok(Self {
            etcd,
            shape,
            state: tempfile::tempdir()?,
            processes: Vec::new(),
            lines: mpsc::channel(),
            holders: BTreeMap::new(),
            next: 0,
        })
    }

    /// Starts this many processes of claimants that never lived before, lets them claim all at
    /// once and waits until each has a name.
    ///
    /// # Errors
    ///
    /// A process cannot be started, etcd cannot be asked.
    pub(crate) fn claim(&mut self, name: &str, processes: u32) -> Result<Run> {
        let first = self.next;
        self.next += processes * self.shape.each;
        let firsts = (0..processes)
            .map(|number| first + number * self.shape.each)
            .collect();
        self.run(name, firsts, BOUND)
    }

    /// Stops everybody gracefully, starts them again with the state that they kept, and lets them
    /// claim. The second value is how many have another name than before.
    ///
    /// # Errors
    ///
    /// As [`Self::claim`].
    pub(crate) fn restart(&mut self, name: &str) -> Result<(Run, usize)> {
        let before = std::mem::take(&mut self.holders);
        for process in &mut self.processes {
            writeln!(process.input, "stop")?;
        }
        let count = self.processes.len();
        self.collect(count, BOUND, |line| matches!(line, Line::Ended))?;
        let firsts = self
            .processes
            .drain(..)
            .map(|process| process.claimants.start)
            .collect();
        // What the claimants said while they stopped.
        while self.lines.1.try_recv().is_ok() {}
        let run = self.run(name, firsts, BOUND)?;
        let slot = |held: Option<&(Slot, u64)>| held.map(|(slot, _)| *slot);
        let moved = before
            .keys()
            .filter(|it| slot(before.get(it)) != slot(self.holders.get(it)));
        Ok((run, moved.count()))
    }

    /// Kills half of the processes with signal 9 and starts as many with new claimants. Where the
    /// limit leaves no room these wait until the leases of the dead are over.
    ///
    /// # Errors
    ///
    /// As [`Self::claim`].
    pub(crate) fn replace_half(&mut self, name: &str) -> Result<Run> {
        let half = self.processes.len() / 2;
        let freed = self.watch_freed()?;
        for mut process in self.processes.drain(..half) {
            process.killed.kill();
            let dead = process.claimants;
            self.holders.retain(|claimant, _| !dead.contains(claimant));
        }
        let first = self.next;
        let half = u32::try_from(half)?;
        self.next += half * self.shape.each;
        let firsts = (0..half)
            .map(|number| first + number * self.shape.each)
            .collect();
        let mut run = self.run(name, firsts, BOUND + self.shape.ttl * 2)?;
        let freed = BootTime::from_nanoseconds(freed.load(Ordering::Relaxed));
        let waited = self.holders.len() == self.shape.limit as usize;
        run.after_free = waited.then(|| run.last.since(freed));
        Ok(run)
    }

    /// Waits until everybody watches and etcd has nothing left to do, so that what comes next is
    /// measured alone; for half a minute at most.
    ///
    /// # Errors
    ///
    /// etcd cannot be asked.
    pub(crate) fn settle(&self) -> Result<()> {
        let end = Instant::now() + BOUND / 2;
        loop {
            let before = self.etcd.counts()?;
            std::thread::sleep(Duration::from_secs(2));
            let busy = self.etcd.counts()?.since(&before).requests();
            // A few are left: now and then a holder asks whether its claim stands.
            if busy < self.holders.len() as u64 / 10 || Instant::now() > end {
                return Ok(());
            }
        }
    }

    /// What etcd writes and answers while nothing happens.
    ///
    /// # Errors
    ///
    /// etcd cannot be asked.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<Counts> {
        let before = self.etcd.counts()?;
        std::thread::sleep(time);
        Ok(self.etcd.counts()?.since(&before))
    }

    fn run(&mut self, name: &str, firsts: Vec<u32>, bound: Duration) -> Result<Run> {
        let claimants = firsts.len() * self.shape.each as usize;
        let mut fresh = Vec::new();
        for first in firsts {
            fresh.push(self.spawn(first)?);
        }
        self.collect(fresh.len(), BOUND, |line| matches!(line, Line::Ready))?;
        let living: Vec<u32> = self
            .processes
            .iter()
            .chain(&fresh)
            .map(|it| it.killed.id())
            .collect();
        let used = |etcd: &Etcd| {
            let claimants = living
                .iter()
                .filter_map(|process| processor_time(*process).ok());
            [etcd.processor_time(), claimants.sum()]
        };
        let (counts, processor) = (self.etcd.counts()?, used(&self.etcd));

        let barrier = BootTime::now();
        for process in &mut fresh {
            writeln!(process.input, "go")?;
        }
        let newcomers = fresh.iter().flat_map(|it| it.claimants.clone()).collect();
        self.processes.append(&mut fresh);
        let mut progress = Progress {
            newcomers,
            ..Progress::default()
        };
        let mut after = None;
        let end = Instant::now() + bound;
        while !progress.is_complete() {
            let rest = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.1.recv_timeout(rest) else {
                break;
            };
            self.take(line, &mut progress);
            if progress.held.len() == claimants {
                after.get_or_insert_with(|| used(&self.etcd));
            }
        }
        let after = after.unwrap_or_else(|| used(&self.etcd));
        let counts = self.etcd.counts()?.since(&counts);
        let Progress {
            held,
            reservations,
            losses,
            clashes,
            ..
        } = progress;
        let mut times: Vec<Duration> = held.values().map(|(at, _)| at.since(barrier)).collect();
        let mut requests: Vec<u32> = held.values().map(|(_, requests)| *requests).collect();
        let last = held.values().map(|(at, _)| *at).max().unwrap_or(barrier);
        times.sort_unstable();
        requests.sort_unstable();

        let slots: BTreeSet<Slot> = self.holders.values().map(|(slot, _)| *slot).collect();
        let highest = slots.last().copied().unwrap_or_default();
        Ok(Run {
            name: name.to_owned(),
            claimants,
            held: times.len(),
            unique: (slots.len(), self.holders.len()),
            disputed: clashes + self.disputed()?,
            losses,
            highest: (highest, highest as usize - slots.len()),
            times,
            last,
            after_free: None,
            requests,
            reservations,
            counts,
            processor: [
                after[0].saturating_sub(processor[0]),
                after[1].saturating_sub(processor[1]),
            ],
        })
    }

    /// Notes what a process says. What the dead said last is not heard any more.
    #[expect(clippy::needless_pass_by_value, reason = "a line is taken once")]
    fn take(&mut self, line: Line, progress: &mut Progress) {
        let lives = |claimant: &u32| {
            let mut processes = self.processes.iter();
            processes.any(|process| process.claimants.contains(claimant))
        };
        match line {
            Line::Held {
                claimant,
                slot,
                epoch,
                at,
                requests,
            } if lives(&claimant) => {
                let clashes = self.holders.values().any(|(other, _)| *other == slot);
                progress.clashes += usize::from(clashes);
                self.holders.insert(claimant, (slot, epoch));
                if progress.newcomers.contains(&claimant) {
                    progress.held.insert(claimant, (at, requests));
                }
            }
            Line::Lost { claimant } if lives(&claimant) => {
                progress.losses += 1;
                self.holders.remove(&claimant);
                progress.held.remove(&claimant);
            }
            Line::Reserved { claimant } if lives(&claimant) => {
                progress.reservations += 1;
                progress.reserved.insert(claimant);
            }
            _ => {}
        }
    }

    fn spawn(&self, first: u32) -> Result<Process> {
        let Shape {
            pattern,
            limit,
            ttl,
            each,
        } = &self.shape;
        let mut child = Command::new(std::env::current_exe()?)
            .args([
                "claimants",
                "--endpoint",
                &self.etcd.url,
                "--pattern",
                pattern,
            ])
            .args([
                "--limit",
                &limit.to_string(),
                "--ttl",
                &ttl.as_secs().to_string(),
            ])
            .args([
                "--first",
                &first.to_string(),
                "--count",
                &each.to_string(),
                "--state",
            ])
            .arg(self.state.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".into());
        };
        let lines = self.lines.0.clone();
        std::thread::spawn(move || {
            let said = BufReader::new(output)
                .lines()
                .map_while(std::result::Result::ok);
            for line in said.filter_map(|line| Line::parse(&line)) {
                // The herd is gone: nobody counts any more.
                let _ = lines.send(line);
            }
            let _ = lines.send(Line::Ended);
        });
        Ok(Process {
            killed: Killed(child),
            input,
            claimants: first..first + each,
        })
    }

    /// Waits for as many lines as are wanted; those in between count only where names are lost.
    fn collect(
        &mut self,
        count: usize,
        bound: Duration,
        wanted: fn(&Line) -> bool,
    ) -> Result<usize> {
        let end = Instant::now() + bound;
        let mut found = 0;
        while found < count {
            let rest = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.1.recv_timeout(rest) else {
                return Err(format!("only {found} of {count} came within {bound:?}").into());
            };
            if let Line::Lost { claimant } = line {
                self.holders.remove(&claimant);
            }
            found += usize::from(wanted(&line));
        }
        Ok(found)
    }

    /// How many of the living do not stand in etcd with the slot and the epoch that they believe in.
    fn disputed(&self) -> Result<usize> {
        let mut stands = BTreeMap::new();
        self.follow(|feed| {
            let Feed::Listing(Listing { entries, .. }) = feed else {
                return true;
            };
            stands = entries
                .iter()
                .map(|entry| (entry.slot, entry.epoch))
                .collect();
            false
        })?;
        let differs = |(slot, epoch): &&(Slot, u64)| stands.get(slot) != Some(epoch);
        Ok(self.holders.values().filter(differs).count())
    }

    /// When the last slot became free, kept up to date for as long as somebody has the result.
    fn watch_freed(&self) -> Result<Arc<AtomicU64>> {
        let latest = Arc::new(AtomicU64::new(0));
        let (ready, is_ready) = mpsc::channel();
        let kept = Arc::downgrade(&latest);
        let feed = self.feed()?;
        std::thread::spawn(move || {
            feed(&mut |feed| {
                let Some(latest) = kept.upgrade() else {
                    return false;
                };
                if let Feed::Changes { changes, .. } = feed
                    && changes
                        .iter()
                        .any(|change| matches!(change, Change::Freed { .. }))
                {
                    latest.store(BootTime::now().nanoseconds(), Ordering::Relaxed);
                }
                let _ = ready.send(());
                true
            })
        });
        is_ready.recv_timeout(BOUND)?;
        Ok(latest)
    }

    fn follow(&self, mut listener: impl FnMut(&Feed) -> bool) -> Result<()> {
        self.feed()?(&mut listener)
    }

    /// What tells of the pool to a listener until it returns `false`.
    #[expect(
        clippy::type_complexity,
        reason = "a function that takes a function, named nowhere"
    )]
    fn feed(&self) -> Result<impl FnOnce(&mut dyn FnMut(&Feed) -> bool) -> Result<()> + use<>> {
        let options = EtcdOptions {
            endpoints: vec![self.etcd.url.clone()],
            ..EtcdOptions::default()
        };
        let store = EtcdStore::new(options)?;
        let pattern =
            Pattern::parse(&self.shape.pattern, "worker").map_err(|error| format!("{error:?}"))?;
        let space = Space {
            pattern: Arc::new(pattern),
            limit: self.shape.limit,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(move |listener: &mut dyn FnMut(&Feed) -> bool| {
            runtime.block_on(async {
                let (sender, mut feeds) = tokio::sync::mpsc::channel(64);
                let follower = store.follow(&space, sender);
                tokio::spawn(follower);
                while let Some(feed) = feeds.recv().await {
                    if !listener(&feed) {
                        break;
                    }
                }
            });
            Ok(())
        })
    }
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let numbers: Vec<u64> = rest
            .split(' ')
            .map_while(|number| number.parse().ok())
            .collect();
        match (word, numbers.as_slice()) {
            ("ready", []) => Some(Self::Ready),
            ("held", &[claimant, slot, epoch, at, requests]) => Some(Self::Held {
                claimant: claimant.try_into().ok()?,
                slot: slot.try_into().ok()?,
                epoch,
                at: BootTime::from_nanoseconds(at),
                requests: requests.try_into().ok()?,
            }),
            ("lost", &[claimant]) => Some(Self::Lost {
                claimant: claimant.try_into().ok()?,
            }),
            ("reserved", &[claimant]) => Some(Self::Reserved {
                claimant: claimant.try_into().ok()?,
            }),
            _ => None,
        }
    }
}
