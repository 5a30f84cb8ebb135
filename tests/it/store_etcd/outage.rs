//! What a follower is told while etcd is away, and when it comes back.

use super::*;
use crate::support::gate::{Gate, Way};

/// Every answer would go stale for ever after one crash of etcd.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_survives_a_crash_of_etcd() {
    let mut etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    asker.take(session, 1).await;
    let mut follower = asker.follow();
    assert_eq!(slots(&follower.listing().await), [1]);
    etcd.kill();
    let reason = follower.away().await;
    assert!(
        reason.contains(etcd.url()) && reason.contains("refused"),
        "{reason}"
    );
    etcd.restart();
    assert_eq!(
        follower.back().await,
        Feed::Current,
        "resumed, for nothing was lost"
    );
    asker.take(session, 2).await;
    follower.held(2).await;
}

/// The same while other nodes go on: what they did meanwhile must be told, once.
#[tokio::test(flavor = "multi_thread")]
async fn changes_during_a_cut_are_told_afterwards() {
    let etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    asker.take(session, 1).await;
    let mut follower = Asker::with(options(&gate.url())).follow();
    follower.listing().await;
    gate.set(Way::Closed);
    follower.away().await;
    let epoch = asker.take(session, 2).await;
    gate.set(Way::Open);
    assert_eq!(follower.back().await, Feed::Current);
    match follower.next().await {
        Feed::Changes { revision, changes } => {
            assert_eq!((revision, changes.len()), (epoch, 1));
        }
        other => panic!("{other:?}"),
    }
}

/// Without the history since, only a listing tells what is true.
#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_during_a_cut_leads_to_a_listing() {
    let etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let asker = Asker::new(&etcd);
    let (session, other) = (asker.open(LONG).await, asker.open(LONG).await);
    asker.take(other, 9).await;
    asker.take(session, 1).await;
    let mut follower = Asker::with(options(&gate.url())).follow();
    assert_eq!(slots(&follower.listing().await), [1, 9]);
    gate.set(Way::Closed);
    follower.away().await;
    asker.take(other, 2).await;
    let last = asker.take(other, 3).await;
    asker.close(other).await;
    let last = asker.take(session, 4).await.max(last);
    etcd.control(&["compaction", &last.to_string()]);
    gate.set(Way::Open);
    assert_eq!(slots(&follower.listing().await), [1, 4]);
}

/// A cable that was pulled closes nothing: silence itself must be noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_etcd_counts_as_away() {
    let etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let asker = Asker::with(options(&gate.url()));
    let mut follower = asker.follow();
    let session = asker.open(LONG).await;
    asker.take(session, 1).await;
    // The watch is open once it has told something.
    follower.listing().await;
    asker.take(session, 2).await;
    follower.held(2).await;
    gate.set(Way::Silent);
    let reason = follower.away().await;
    assert!(
        reason.contains("no answer within") || reason.contains("no connection"),
        "{reason}"
    );
    gate.set(Way::Open);
    assert_eq!(follower.back().await, Feed::Current);
}

/// An etcd without its data knows nothing of our names: they may be given to others.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_comes_back_empty_is_listed_anew() {
    let mut etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    asker.take(session, 1).await;
    let mut follower = asker.follow();
    follower.listing().await;
    etcd.kill();
    follower.away().await;
    etcd.restart_empty();
    assert_eq!(slots(&follower.listing().await), [0; 0]);
    assert_eq!(asker.ask(Request::KeepAlive { session }).await, Reply::Gone);
}

/// The same, where others have already written more than there was: the numbers look fine.
#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_noticed_though_its_revision_is_higher() {
    let mut etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let epoch = asker.take(session, 1).await;
    let mut follower = Asker::with(options(&gate.url())).follow();
    follower.listing().await;
    gate.set(Way::Closed);
    follower.away().await;
    etcd.restart_empty();
    let other = asker.open(LONG).await;
    for slot in 2..10 {
        assert!(asker.take(other, slot).await <= epoch + 10);
    }
    gate.set(Way::Open);
    let found = slots(&follower.listing().await);
    assert_eq!(found, (2..10).collect::<Vec<_>>());
}

/// The same for a follower that had only listed by then: what was claimed after its listing, its
/// own node's name among it, is not in the restored store, and nothing else tells it so.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_history_is_listed_anew_by_who_had_not_begun_to_watch() {
    let mut etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let asker = Asker::new(&etcd);
    let (session, leaving) = (asker.open(LONG).await, asker.open(LONG).await);
    asker.take(session, 1).await;
    asker.take(leaving, 2).await;
    etcd.control(&["snapshot", "save", &backup.display().to_string()]);
    asker.close(leaving).await;
    let (mut follower, begin) = Asker::with(options(&gate.url())).follow_later();
    let listing = follower.listing().await;
    assert_eq!(slots(&listing), [1]);
    asker.take(session, 3).await;
    gate.set(Way::Closed);
    etcd.restore(&backup);
    // Slot 1 stands as it did, and the numbers look fine.
    let other = asker.open(LONG).await;
    let mut slot = 4;
    while asker.take(other, slot).await <= listing.revision {
        slot += 1;
    }
    begin.send(()).expect("it waits");
    follower.away().await;
    gate.set(Way::Open);
    match follower.back().await {
        Feed::Listing(listing) => {
            let expected: Vec<Slot> = [1, 2].into_iter().chain(4..=slot).collect();
            assert_eq!(slots(&listing), expected);
        }
        other => panic!("{other:?}"),
    }
}
