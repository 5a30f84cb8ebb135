//! What followers are told.

use std::fs;

use super::*;

#[tokio::test]
async fn an_update_is_seen_under_the_same_claim_with_a_larger_epoch() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 2, "a").await;
    let mut feed = bench.other().follow();
    let Feed::Listing(listing) = next(&mut feed).await else {
        panic!("no listing first");
    };
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].session, Some(session));
    assert_eq!(listing.entries[0].record, record(2, "a"));
    let mut changed = record(2, "a");
    changed.ipv4 = "10.0.0.6".into();
    let update = |epoch, record| Request::Update {
        session,
        slot: 2,
        epoch,
        record,
    };
    let Ok(Reply::Claimed { epoch: later }) = bench.ask(update(epoch, changed.clone())).await
    else {
        panic!("not updated");
    };
    assert!(later > epoch);
    let told = changes(&mut feed).await;
    let [Change::Held(entry)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((entry.epoch, &entry.record), (later, &changed));
    assert_eq!(
        bench.ask(update(epoch, changed.clone())).await,
        Ok(Reply::Moved { epoch: later })
    );
    assert_eq!(bench.verify(session, 2, later).await, Reply::Stands);
    // Too large to be read by others: refused, and the claim stands as it was.
    changed.port = "1".repeat(20_000);
    let error = bench.ask(update(later, changed)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert_eq!(bench.verify(session, 2, later).await, Reply::Stands);
}

#[tokio::test]
async fn followers_hear_of_claims_and_releases() {
    let bench = Bench::new();
    let mut feed = bench.other().follow();
    let Feed::Listing(listing) = next(&mut feed).await else {
        panic!("no listing first");
    };
    assert_eq!(listing.entries, []);
    let session = bench.session().await;
    let epoch = bench.claim(session, 3, "a").await;
    let told = changes(&mut feed).await;
    let [Change::Held(entry)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((entry.slot, entry.epoch), (3, epoch));
    bench.close(session).await;
    let told = changes(&mut feed).await;
    let [Change::Freed { slot: 3, revision }] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        *revision > epoch,
        "else its holder would take it for an older one"
    );
}

#[tokio::test]
async fn a_holder_that_is_seen_at_its_very_end_is_looked_at_again() {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.claim(session, 1, "a").await;
    bench.close(session).await;
    let mut feed = bench.follow();
    assert!(matches!(next(&mut feed).await, Feed::Listing(it) if it.entries.is_empty()));
    let holder = lock::LockFile::open(&bench.file("00000001.lock")).unwrap();
    assert!(holder.try_lock(lock::Part::Life).unwrap());
    holder.sign().unwrap();
    assert!(matches!(changes(&mut feed).await[..], [Change::Held(_)]));
    // A closing is told, and a moment later, when the follower has looked most likely, the lock
    // goes without a notice.
    drop(lock::LockFile::open(&bench.file("00000001.lock")).unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    holder.unlock(lock::Part::Life).unwrap();
    assert!(matches!(
        changes(&mut feed).await[..],
        [Change::Freed { slot: 1, .. }]
    ));
}

#[tokio::test]
async fn a_claim_is_told_after_it_is_locked() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let bench = Bench::new();
    let session = bench.session().await;
    bench.claim(session, 2, "a").await;
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let mask = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_MODIFY;
    watch.add_watch(bench.file("").as_path(), mask).unwrap();
    bench.claim(session, 1, "b").await;
    // The record comes into place before its lock: whoever looks in between sees nothing yet.
    let events = watch.read_events().unwrap();
    let names: Vec<_> = events
        .iter()
        .filter_map(|event| event.name.as_deref()?.to_str())
        .collect();
    let record = names
        .iter()
        .position(|name| *name == "00000001.json")
        .unwrap();
    assert!(names[record..].contains(&"00000001.lock"), "{names:?}");
}

#[tokio::test]
async fn a_folder_that_is_deleted_ends_its_claims_and_is_made_again() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    let mut feed = bench.follow();
    assert!(matches!(next(&mut feed).await, Feed::Listing(it) if it.entries.len() == 1));
    for name in ["00000001.json", "00000001.lock"] {
        fs::remove_file(bench.file(name)).unwrap();
    }
    assert!(matches!(
        changes(&mut feed).await[..],
        [Change::Freed { slot: 1, .. }]
    ));
    // The holder has the lock file open, so that the folder's own end is not told by the kernel.
    fs::remove_dir(bench.file("")).unwrap();
    let Feed::Listing(listing) = next(&mut feed).await else {
        panic!("no listing");
    };
    assert_eq!(listing.entries, []);
    assert_eq!(bench.verify(session, 1, epoch).await, Reply::Gone);
    let session = bench.session().await;
    let later = bench.claim(session, 1, "b").await;
    assert!(later > epoch, "also without the old epoch's file");
    assert!(matches!(changes(&mut feed).await[..], [Change::Held(_)]));
}

#[tokio::test]
async fn a_store_that_is_deleted_while_it_is_used_is_made_again() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    // Without a follower, which would make it again at once.
    fs::remove_dir_all(bench.store.path()).unwrap();
    assert_eq!(bench.verify(session, 1, epoch).await, Reply::Gone);
    let session = bench.session().await;
    assert!(bench.claim(session, 1, "b").await > epoch);
    LocalStore::open(bench.store.path()).unwrap();
}

#[tokio::test]
async fn a_folder_that_is_moved_away_is_noticed_wherever_it_hung() {
    for (reconcile, moved) in [
        (
            Duration::from_secs(3600),
            "parent/store/node%d.cluster.internal.",
        ),
        (Duration::from_secs(3600), "parent/store"),
        // The kernel does not tell of this one.
        (Duration::from_millis(20), "parent"),
    ] {
        let bench = Bench::with_reconcile(reconcile);
        let session = bench.session().await;
        let epoch = bench.claim(session, 1, "a").await;
        let mut feed = bench.follow();
        assert!(matches!(next(&mut feed).await, Feed::Listing(it) if it.entries.len() == 1));
        fs::rename(
            bench.folder.path().join(moved),
            bench.folder.path().join("away"),
        )
        .unwrap();
        loop {
            match next(&mut feed).await {
                Feed::Listing(listing) => break assert_eq!(listing.entries, []),
                Feed::Current => {}
                other => panic!("{moved}: {other:?}"),
            }
        }
        assert_eq!(bench.verify(session, 1, epoch).await, Reply::Gone);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_watched_is_said_once_and_watched_when_it_can() {
    let bench = Bench::new();
    let format = bench.store.path().join("FORMAT");
    fs::write(&format, "callsign-local 9\n").unwrap();
    let mut feed = bench.follow();
    let Feed::Away { reason } = next(&mut feed).await else {
        panic!("it was watched");
    };
    assert!(reason.contains("FORMAT says version 9"), "{reason}");
    fs::write(&format, "callsign-local 1\n").unwrap();
    assert!(
        matches!(next(&mut feed).await, Feed::Listing(_)),
        "the same reason twice"
    );
}

#[test]
fn an_overflow_of_notices_leads_to_a_listing() {
    let mut events = watch::Events::<Slot>::default();
    events.add(nix::sys::inotify::AddWatchFlags::IN_Q_OVERFLOW, None);
    assert!(events.again);
}
