//! The local store between real processes: who dies loses its name, and nobody else does.
//!
//! A process of these tests is this very test program, started once more with the test
//! [`process`] alone and told by the environment what to do. It says on its output what it got.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc as threads};
use std::thread;
use std::time::{Duration, Instant};

use callsign::identity::pattern::Pattern;
use callsign::identity::record::{Member, Record, VERSION};
use callsign::identity::{node, node::random_hex};
use callsign::store::local::LocalStore;
use callsign::store::{
    Change, Feed, Guard, Occupancy, Reply, Request, Session, Slot, Space, Store,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::BOUND;

/// The folder that a started process works in; unset in an ordinary run of the tests.
const FOLDER: &str = "CALLSIGN_TEST_LOCAL_FOLDER";

/// How many names a started process wants. 0: it takes a seat in a state folder instead.
const WANTED: &str = "CALLSIGN_TEST_LOCAL_WANTED";

fn space() -> Space {
    let pattern = Pattern::parse("node{{.ID}}.cluster.internal.", "node").unwrap();
    Space {
        pattern: Arc::new(pattern),
        limit: 1000,
    }
}

fn record(slot: Slot, instance: &str, boot: &str) -> Record {
    let member = Member {
        v: VERSION,
        slot,
        node: instance.into(),
        inst: instance.into(),
        boot: boot.into(),
        ..Member::default()
    };
    Record {
        ipv4: "127.0.0.1".into(),
        member: Some(member),
        ..Record::default()
    }
}

async fn ask(store: &LocalStore, request: Request) -> Reply {
    let answer = timeout(BOUND, store.execute(&space(), request)).await;
    answer.expect("the store never waits for ever").unwrap()
}

async fn open_session(store: &LocalStore) -> Session {
    let ttl = Duration::from_secs(20);
    match ask(store, Request::Open { ttl }).await {
        Reply::Opened { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

/// Claims the lowest slot that looks free, until one is ours.
async fn claim_lowest(store: &LocalStore) -> (Session, Slot, u64) {
    let session = open_session(store).await;
    let instance = random_hex();
    let request = Request::Enqueue {
        session,
        instance: instance.clone(),
    };
    let Reply::Queued { mut occupancy, .. } = ask(store, request).await else {
        panic!("not queued");
    };
    loop {
        let slot = lowest_free(&occupancy);
        let request = Request::Claim {
            session,
            slot,
            record: record(slot, &instance, ""),
            guard: Guard::Free,
        };
        match ask(store, request).await {
            Reply::Claimed { epoch } => return (session, slot, epoch),
            Reply::Taken { occupancy: now, .. } => occupancy = now,
            other => panic!("{other:?}"),
        }
    }
}

fn lowest_free(occupancy: &Occupancy) -> Slot {
    let held: BTreeSet<Slot> = occupancy.held.iter().copied().collect();
    (1..).find(|slot| !held.contains(slot)).unwrap()
}

/// What a started process does. In an ordinary run it does nothing.
#[test]
fn process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let wanted: usize = std::env::var(WANTED).unwrap().parse().unwrap();
    // The harness has begun a line of its own.
    println!("\nready");
    let mut input = String::new();
    std::io::stdin().read_line(&mut input).unwrap();
    if wanted == 0 {
        let (identity, _) = node::open(Some(&folder), None);
        identity
            .remember("space", "instance of the child", 7)
            .unwrap();
        println!("seat {}", identity.key);
        std::io::stdin().read_to_string(&mut input).unwrap();
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let store = Arc::new(LocalStore::open(&folder).unwrap());
        let claims: Vec<_> = (0..wanted)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { claim_lowest(&store).await })
            })
            .collect();
        let mut claimed = Vec::new();
        for claim in claims {
            let claim = claim.await.unwrap();
            println!("slot {}", claim.1);
            claimed.push(claim);
        }
        std::io::stdin().read_line(&mut input).unwrap();
        for (session, slot, epoch) in claimed {
            let request = Request::Verify {
                session,
                slot,
                epoch,
            };
            println!("verified {:?}", store.execute(&space(), request).await);
        }
        // Until killed, or until the parent's end of the pipe is gone.
        std::io::stdin().read_to_string(&mut input).unwrap();
    });
}

/// A started process; killed when dropped.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: threads::Receiver<String>,
}

impl Process {
    /// Starts a process and waits until it is ready to be let go.
    fn start(folder: &Path, wanted: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store_local::process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .env(WANTED, wanted.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = threads::channel();
        // A thread may wait for a line for ever, a test may not.
        thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            while let Some(line) = lines.next()
                && sender.send(line).is_ok()
            {}
        });
        let mut process = Self {
            child,
            input,
            lines,
        };
        process.said("ready");
        process
    }

    fn go(&mut self) {
        self.input.write_all(b"go\n").unwrap();
    }

    /// What follows `word` on the next line that begins with it.
    fn said(&mut self, word: &str) -> String {
        let end = Instant::now() + BOUND;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("it does not say {word:?}: {error}"));
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    fn slot(&mut self) -> Slot {
        self.said("slot").parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(id, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that holds one name.
fn holder(folder: &Path) -> (Process, Slot) {
    let mut process = Process::start(folder, 1);
    process.go();
    let slot = process.slot();
    (process, slot)
}

fn follow(store: &LocalStore) -> mpsc::Receiver<Feed> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(store.follow(&space(), sender));
    receiver
}

async fn next(feed: &mut mpsc::Receiver<Feed>) -> Feed {
    let wait = timeout(BOUND, feed.recv());
    wait.await
        .expect("nothing was told")
        .expect("the feed ended")
}

#[tokio::test]
async fn a_killed_holder_loses_its_name_at_once_and_everybody_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let holders: Vec<(Process, Slot)> = (0..6).map(|_| holder(folder.path())).collect();
    let mut feed = follow(&store);
    let Feed::Listing(listing) = next(&mut feed).await else {
        panic!("no listing first");
    };
    let held: Vec<Slot> = listing.entries.iter().map(|entry| entry.slot).collect();
    assert_eq!(held, [1, 2, 3, 4, 5, 6]);

    // The watch tells, not the look at everything that comes every 10 s: that would need longer
    // than the bound for so many.
    let deaths = async {
        for (process, slot) in &holders {
            process.signal(Signal::SIGKILL);
            let (changes, revision) = loop {
                match next(&mut feed).await {
                    Feed::Changes { changes, revision } => break (changes, revision),
                    Feed::Current => {}
                    other => panic!("{other:?}"),
                }
            };
            let slot = *slot;
            assert_eq!(changes, [Change::Freed { slot, revision }]);
        }
    };
    timeout(BOUND, deaths).await.expect("told at once");
    let (_, again, epoch) = claim_lowest(&store).await;
    assert_eq!(again, 1);
    assert!(epoch > listing.entries[0].epoch);
}

#[tokio::test]
async fn a_stopped_holder_keeps_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let (process, slot) = holder(folder.path());
    process.signal(Signal::SIGSTOP);
    let (_, other, _) = claim_lowest(&store).await;
    assert_ne!(other, slot);
    process.signal(Signal::SIGKILL);
    // A stopped process dies of it all the same.
    let mut feed = follow(&store);
    loop {
        match next(&mut feed).await {
            Feed::Listing(listing) if listing.entries.len() == 1 => break,
            Feed::Changes { changes, .. } if matches!(changes[..], [Change::Freed { .. }]) => break,
            _ => {}
        }
    }
}

#[test]
fn fifty_claimants_in_five_processes_get_the_names_1_to_50() {
    let folder = tempfile::tempdir().unwrap();
    // They race to make the folder a store, too.
    let mut processes: Vec<Process> = (0..5).map(|_| Process::start(folder.path(), 10)).collect();
    processes.iter_mut().for_each(Process::go);
    let mut slots: Vec<Slot> = Vec::new();
    for process in &mut processes {
        slots.extend((0..10).map(|_| process.slot()));
    }
    slots.sort_unstable();
    assert_eq!(slots, (1..=50).collect::<Vec<_>>());
    // No losing attempt has damaged a winner's record.
    processes.iter_mut().for_each(Process::go);
    for process in &mut processes {
        for _ in 0..10 {
            assert_eq!(process.said("verified"), "Ok(Stands)");
        }
    }
}

#[tokio::test]
async fn what_a_killed_process_held_is_followed_slot_by_slot() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut feed = follow(&store);
    assert!(matches!(next(&mut feed).await, Feed::Listing(_)));
    let mut known = BTreeSet::new();
    for _ in 0..3 {
        let mut process = Process::start(folder.path(), 30);
        process.go();
        let told: BTreeSet<Slot> = (0..30).map(|_| process.slot()).collect();
        until(&mut feed, &mut known, |known| *known == told).await;
        drop(process);
        until(&mut feed, &mut known, BTreeSet::is_empty).await;
    }
}

/// Takes in what is told until it comes to what is expected.
async fn until(
    feed: &mut mpsc::Receiver<Feed>,
    known: &mut BTreeSet<Slot>,
    expected: impl Fn(&BTreeSet<Slot>) -> bool,
) {
    while !expected(known) {
        match next(feed).await {
            Feed::Listing(listing) => {
                *known = listing.entries.iter().map(|entry| entry.slot).collect();
            }
            Feed::Changes { changes, .. } => {
                for change in changes {
                    match change {
                        Change::Held(entry) => known.insert(entry.slot),
                        Change::Freed { slot, .. } => known.remove(&slot),
                    };
                }
            }
            Feed::Current => {}
            Feed::Away { reason } => panic!("{reason}"),
        }
    }
}

#[test]
fn after_a_kill_the_seat_is_free_and_its_claim_may_be_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), 0);
    process.go();
    let key = process.said("seat");
    let left = record(7, "instance of the child", &node::boot_id());
    let (meanwhile, _) = node::open(Some(folder.path()), None);
    assert_ne!(meanwhile.key, key, "two living processes with one key");
    assert!(!meanwhile.may_take_over("space", &left));
    process.signal(Signal::SIGKILL);
    process.child.wait().unwrap();
    let (after, _) = node::open(Some(folder.path()), None);
    assert_eq!(after.key, key);
    assert_eq!(after.last_slot("space"), Some(7));
    assert!(after.may_take_over("space", &left));
}
