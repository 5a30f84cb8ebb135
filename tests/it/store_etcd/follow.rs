//! What a follower is told while everything is well.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_what_stands_and_then_every_change() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let epoch = asker.take(session, 7).await;
    asker.take(session, 3).await;
    let mut follower = asker.follow();
    let listing = follower.listing().await;
    assert_eq!(slots(&listing), [3, 7]);
    let seven = &listing.entries[1];
    assert_eq!((seven.epoch, seven.session), (epoch, Some(session)));
    assert_eq!(seven.record, record(7, "instance-of-7", 0));

    asker.take(session, 5).await;
    assert_eq!(follower.held(5).await.session, Some(session));
    asker.close(session).await;
    match follower.next().await {
        Feed::Changes { revision, changes } => {
            let freed = [3, 5, 7].map(|slot| Change::Freed { slot, revision });
            let mut changes = changes;
            changes.sort_by_key(|change| match change {
                Change::Freed { slot, .. } => *slot,
                Change::Held(entry) => entry.slot,
            });
            assert_eq!(changes, freed, "all of one revision come at once");
        }
        other => panic!("{other:?}"),
    }
}

/// A dead node whose name stays is what everybody else must be spared.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_frees_the_slot() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let mut follower = asker.follow();
    let session = asker.open(SHORT).await;
    asker.take(session, 1).await;
    follower.held(1).await;
    follower.freed(1).await;
    let other = asker.open(LONG).await;
    asker.take(other, 1).await;
}

/// One broken value must cost its own name only, and never be claimed over.
#[tokio::test(flavor = "multi_thread")]
async fn broken_and_foreign_values_are_skipped() {
    const SLOTS: &str = "/callsign/v1/worker%d.tf.local./slots/";
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let put = |key: &str, value: &str| etcd.control(&["put", &format!("{SLOTS}{key}"), value]);
    put("00000001", "no JSON");
    put("00000002", r#"{"ipv4":"10.0.0.2"}"#);
    put("nonsense", "{}");
    let mut follower = asker.follow();
    let listing = follower.listing().await;
    assert_eq!(slots(&listing), [2]);
    assert_eq!(listing.entries[0].session, None);
    assert_eq!(asker.store.skipped(), 2);

    put("00000002", "now broken");
    follower.freed(2).await;
    let session = asker.open(LONG).await;
    let (_, _, occupancy) = asker.enqueue(session, "i").await;
    assert_eq!(occupancy.held, [1, 2], "broken is still occupied");
    put("00000002", r#"{"ipv4":"10.0.0.3"}"#);
    assert_eq!(follower.held(2).await.record.ipv4, "10.0.0.3");
    etcd.control(&["del", &format!("{SLOTS}00000002")]);
    follower.freed(2).await;
    assert_eq!(asker.store.skipped(), 3);
}

/// Old nodes and new ones answer for each other while a cluster is moved.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_idetcd_nodes_appear_and_other_keys_do_not() {
    let etcd = Etcd::start();
    let asker = Asker::idetcd(&etcd);
    let mut follower = asker.follow();
    assert_eq!(slots(&follower.listing().await), [0; 0]);
    etcd.control(&["put", "workspace", "another program's"]);
    etcd.control(&[
        "put",
        "worker3.tf.local.",
        r#"{"ipv4":"10.0.0.6","ipv6":"","port":"53"}"#,
    ]);
    let entry = follower.held(3).await;
    assert_eq!(
        (entry.record.ipv4.as_str(), entry.session),
        ("10.0.0.6", None)
    );
    assert_eq!(asker.store.skipped(), 0);
}

/// Beyond a page of keys a follower would know only a part of the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_space_of_several_pages_is_listed_whole() {
    const SIZE: u32 = 2100;
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let mut client = etcd_client::Client::connect([etcd.url()], None)
        .await
        .unwrap();
    let all: Vec<u32> = (1..=SIZE).collect();
    for some in all.chunks(100) {
        let put = |slot: &u32| {
            let key = format!("/callsign/v1/worker%d.tf.local./slots/{slot:08}");
            let options = etcd_client::PutOptions::new().with_lease(session.0);
            etcd_client::TxnOp::put(key, record(*slot, "i", 0).to_json(), Some(options))
        };
        let operations: Vec<_> = some.iter().map(put).collect();
        client
            .txn(etcd_client::Txn::new().and_then(operations))
            .await
            .unwrap();
    }
    let mut follower = asker.follow();
    assert_eq!(slots(&follower.listing().await), all);
    // The watch is open once it has told something.
    let other = asker.open(LONG).await;
    asker.take(other, SIZE + 1).await;
    follower.held(SIZE + 1).await;
    let (_, _, occupancy) = asker.enqueue(session, "i").await;
    assert_eq!(occupancy.held.len(), all.len() + 1);
    // All at once in one revision: the largest change there can be.
    asker.close(session).await;
    match follower.next().await {
        Feed::Changes { changes, .. } => assert_eq!(changes.len(), all.len()),
        other => panic!("{other:?}"),
    }
}

/// Without this, nobody could tell a quiet cluster from a dead connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_store_is_asked_and_the_copy_called_current() {
    let etcd = Etcd::start();
    let mut follower = Asker::new(&etcd).follow();
    follower.listing().await;
    assert_eq!(follower.next().await, Feed::Current);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_nobody_reads_ends_the_future() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let (sender, mut feed) = mpsc::channel(1);
    let task = tokio::spawn(asker.store.follow(&asker.space, sender));
    assert!(matches!(feed.recv().await, Some(Feed::Listing(_))));
    drop(feed);
    timeout(BOUND, task).await.expect("it ends").unwrap();
}

/// In a herd everybody's watch would hear of everybody: who claims must be able to wait, and then
/// be told all of it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_begins_later_is_told_what_it_missed_in_one_message() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    asker.take(session, 1).await;
    let (mut follower, begin) = asker.follow_later();
    assert_eq!(slots(&follower.listing().await), [1]);
    for slot in 2..=20 {
        asker.take(session, slot).await;
    }
    assert!(follower.feed.try_recv().is_err(), "it has not begun");
    begin.send(()).expect("it waits");
    let told = match follower.next().await {
        Feed::Listing(listing) => listing.entries.len() - 1,
        Feed::Changes { changes, .. } => changes.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told, 19);
}

/// A hundred die at once: the watch pauses, so that etcd is not drowned in messages, and what
/// happens meanwhile is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_pauses_in_a_storm_loses_nothing() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let (dying, lasting) = (asker.open(LONG).await, asker.open(LONG).await);
    for slot in 1..=100 {
        asker.take(dying, slot).await;
    }
    asker.take(lasting, 101).await;
    let mut follower = asker.follow();
    assert_eq!(follower.listing().await.entries.len(), 101);
    asker.close(dying).await;
    follower.freed(100).await;
    for slot in 1..=10 {
        asker.take(lasting, slot).await;
    }
    let mut held = Vec::new();
    while held.len() < 10 {
        if let Feed::Changes { changes, .. } = follower.next().await {
            held.extend(
                changes
                    .into_iter()
                    .filter_map(claim)
                    .map(|entry| entry.slot),
            );
        }
    }
    assert_eq!(held, (1..=10).collect::<Vec<Slot>>());
    let ended = etcd.requests().get("Watch").copied();
    assert!(ended.is_some_and(|ended| ended > 0), "no watch paused");
}
