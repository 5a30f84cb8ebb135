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
        Ok(Reply::Gone)
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
async fn a_folder_that_is_deleted_ends_its_claims_and_is_made_again() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    let mut feed = bench.follow();
    assert!(matches!(next(&mut feed).await, Feed::Listing(listing) if listing.entries.len() == 1));
    fs::remove_dir_all(bench.store.path()).unwrap();
    loop {
        match next(&mut feed).await {
            Feed::Listing(listing) => {
                assert_eq!(listing.entries, []);
                break;
            }
            // The files go one by one before the folder.
            Feed::Changes { .. } | Feed::Current | Feed::Away { .. } => {}
        }
    }
    assert_eq!(bench.verify(session, 1, epoch).await, Reply::Gone);
    let session = bench.session().await;
    assert!(
        bench.claim(session, 1, "b").await > epoch,
        "also without the old epoch's file"
    );
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
    let mut events = follow::Events::default();
    events.add(nix::sys::inotify::AddWatchFlags::IN_Q_OVERFLOW, None);
    assert!(events.again);
}
