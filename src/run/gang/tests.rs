//! Waiting and noticing, with pools in a folder and copies that lag behind.

use std::path::Path;
use std::sync::Arc;

use tokio::time::timeout;

use super::*;
use crate::clock::BootTime;
use crate::identity::node;
use crate::identity::pattern::Pattern;
use crate::identity::pool;
use crate::identity::pools::{NodeOptions, StoreConfig};
use crate::identity::record::{Member, Record};
use crate::run::expectation::Expectation;
use crate::run::{OnMemberLoss, Policies};
use crate::store::local::LocalStore;
use crate::store::{Entry, Feed, Listing, Space};

/// How long anything may take that should take a moment.
const BOUND: Duration = Duration::from_secs(40);

fn job(pool: PoolConfig) -> Job {
    Job {
        store: StoreConfig::Local(None),
        pool,
        node: NodeOptions::default(),
        expect: Expectation::members(1),
        role: None,
        timeout: None,
        policies: Policies {
            stop_on_claim_loss: true,
            on_member_loss: OnMemberLoss::Fail,
        },
        grace: Duration::from_secs(1),
        frameworks: Vec::new(),
        port: 1,
        by_name: false,
        command: Vec::new(),
    }
}

fn config() -> PoolConfig {
    let space = Space {
        pattern: Arc::new(Pattern::parse("node{{.ID}}.test.", "node").unwrap()),
        limit: 10,
    };
    PoolConfig::new("node", space)
}

/// The pool of another process, with its state in a folder of this name.
fn start(folder: &Path, name: &str, config: PoolConfig) -> PoolHandle {
    let store = LocalStore::open(&folder.join("names")).unwrap();
    let (node, _) = node::open(Some(&folder.join(name)), None);
    pool::start(config, Arc::new(store), Arc::new(node), Arc::default())
}

/// The same, once it holds a name.
async fn member(folder: &Path, name: &str, config: PoolConfig) -> PoolHandle {
    let mut handle = start(folder, name, config);
    handle.claim();
    let held = handle.state.wait_for(|state| state.instance.is_some());
    timeout(BOUND, held).await.unwrap().unwrap();
    handle
}

/// The members once there are so many.
async fn members(handle: &PoolHandle, count: usize) -> Vec<Entry> {
    let mut members = handle.members.clone();
    let all = members.wait_for(|members| members.len() == count);
    let all = timeout(BOUND, all).await.unwrap().unwrap();
    all.entries().cloned().collect()
}

/// Has a pool's copy show these only, as if it were as new as can be.
fn shows_only(handle: &mut PoolHandle, entries: &[Entry]) -> watch::Sender<Members> {
    let mut members = Members::default();
    let listing = Listing {
        revision: u64::MAX,
        entries: entries.to_vec(),
        reservations: Vec::new(),
    };
    members.follow(BootTime::now(), &Feed::Listing(listing));
    let (tell, receiver) = watch::channel(members);
    handle.members = receiver;
    tell
}

fn roster(entries: &[Entry]) -> Roster {
    Roster::new(
        1,
        "x",
        entries.iter().filter_map(RosterMember::of).collect(),
    )
}

/// A listing in which the first slot is held under this instance.
fn held(instance: &str) -> Feed {
    let member = Member {
        slot: 1,
        inst: instance.to_owned(),
        ..Member::default()
    };
    Feed::Listing(Listing {
        revision: 9,
        entries: vec![Entry {
            slot: 1,
            epoch: 5,
            session: None,
            record: Record {
                member: Some(member),
                ..Record::default()
            },
        }],
        reservations: Vec::new(),
    })
}

/// If this fails, a job that was stopped for longer than its lease turns in circles when it goes
/// on, and never hears that its name is lost or renewed.
#[tokio::test]
async fn nothing_starts_under_a_name_whose_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = config();
    let job = job(config.clone());
    let mut handle = start(folder.path(), "a", config);
    // The store shows the claim and the pool believes in it; nothing is owned any more.
    let mut members = Members::default();
    members.follow(BootTime::now(), &held("i"));
    let (_members, receiver) = watch::channel(members);
    handle.members = receiver;
    let (_state, receiver) = watch::channel(PoolState {
        held: Some((1, "node1.test.".to_owned())),
        instance: Some("i".to_owned()),
        ..PoolState::default()
    });
    handle.state = receiver;
    let mut gang = Gang::new(handle, &job);
    let waited = timeout(Duration::from_millis(100), gang.wait()).await;
    assert!(waited.is_err(), "it starts");
}

/// If this fails, a member that has told how it waits, and whose turn it is not, turns in circles and
/// never looks for the roster that the others have started with.
#[tokio::test]
async fn a_roster_that_another_freezes_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        expect: Expectation::members(3),
        ..job(config())
    };
    let ready = || PoolConfig {
        meta: announced(&BTreeMap::new(), &job.readiness()),
        ..config()
    };
    let first = member(folder.path(), "a", ready()).await;
    let second = member(folder.path(), "b", ready()).await;
    let _third = member(folder.path(), "c", ready()).await;
    members(&first, 3).await;
    members(&second, 3).await;
    let (mut first, mut second) = (Gang::new(first, &job), Gang::new(second, &job));
    let both = async { tokio::join!(second.wait(), first.wait()) };
    let (second, first) = timeout(BOUND, both).await.unwrap();
    for waited in [first, second] {
        assert!(matches!(waited, Waited::Complete(roster) if roster.members.len() == 3));
    }
}

/// If this fails, a job on one machine ends because of a member that has only just come: the numbers
/// of a copy and of a claim are drawn by two processes, so a copy may seem newer than what it lacks.
#[tokio::test]
async fn a_member_that_the_copy_does_not_show_yet_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = member(folder.path(), "a", config()).await;
    let second = member(folder.path(), "b", config()).await;
    let all = members(&second, 2).await;
    let roster = roster(&all);
    let instance = first.state.borrow().instance.clone().unwrap();
    let is_first = |it: &&Entry| it.record.instance() == Some(instance.as_str());
    let own: Vec<Entry> = all.iter().filter(is_first).cloned().collect();
    let copy = shows_only(&mut first, &own);
    let mut gang = Gang::new(first, &job(config()));
    gang.instance = instance;
    let lost = timeout(Duration::from_millis(100), gang.lost(&roster)).await;
    assert!(lost.is_err(), "{lost:?}");
    // Who is really gone is missed.
    second.release();
    let mut state = second.state.clone();
    let ended = state.wait_for(|state| state.ended);
    timeout(BOUND, ended).await.unwrap().unwrap();
    copy.send_modify(|_| {});
    let lost = timeout(BOUND, gang.lost(&roster)).await.unwrap();
    assert_eq!(lost.len(), 1, "{lost:?}");
}

/// If this fails, a member that came and went before another has heard of it is waited for by a job
/// that cannot go on.
#[tokio::test]
async fn a_member_that_was_never_seen_can_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = member(folder.path(), "a", config()).await;
    let second = member(folder.path(), "b", config()).await;
    let roster = roster(&members(&second, 2).await);
    let instance = first.state.borrow().instance.clone().unwrap();
    second.release();
    let mut state = second.state.clone();
    let ended = state.wait_for(|state| state.ended);
    timeout(BOUND, ended).await.unwrap().unwrap();
    // It is older than the roster, and nothing will change in it.
    let mut members = Members::default();
    members.follow(BootTime::now(), &held(&instance));
    let (_copy, receiver) = watch::channel(members);
    first.members = receiver;
    let mut gang = Gang::new(first, &job(config()));
    gang.instance = instance;
    let lost = timeout(BOUND, gang.lost(&roster)).await.unwrap();
    assert_eq!(lost.len(), 1, "{lost:?}");
}

/// If this fails, two jobs of one pool run at the same time on one machine: a member that does not see
/// yet who is busy freezes a roster while these run theirs.
#[tokio::test]
async fn nobody_proposes_while_somebody_whom_the_copy_does_not_show_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = job(config());
    job.expect = Expectation::members(2);
    let ready = PoolConfig {
        meta: announced(&BTreeMap::new(), &job.readiness()),
        ..config()
    };
    let mut first = member(folder.path(), "a", ready.clone()).await;
    let busy = member(folder.path(), "b", ready.clone()).await;
    let other = member(folder.path(), "c", ready).await;
    let all = members(&other, 3).await;
    let instance = busy.state.borrow().instance.clone();
    let (runs, waits): (Vec<Entry>, Vec<Entry>) = all
        .into_iter()
        .partition(|it| it.record.instance() == instance.as_deref());
    let write = NoteWrite {
        text: roster(&runs).to_json().unwrap(),
        after: None,
    };
    let note = first.note(NoteName::Roster, Some(write), BOUND).await;
    let written = note.unwrap();
    let _copy = shows_only(&mut first, &waits);
    let mut gang = Gang::new(first, &job);
    let waited = timeout(Duration::from_millis(100), gang.wait()).await;
    assert!(waited.is_err(), "it starts");
    let stands = busy.note(NoteName::Roster, None, BOUND).await.unwrap();
    assert_eq!(stands, written);
}
