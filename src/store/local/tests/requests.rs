//! What requests do.

use std::fs;

use super::*;

#[tokio::test]
async fn a_slot_has_one_holder_whoever_asks_and_every_owner_a_larger_epoch() {
    let bench = Bench::new();
    let other = bench.other();
    let (first, second) = (bench.session().await, other.session().await);
    let epoch = bench.claim(first, 1, "a").await;
    let reply = other.try_claim(second, 1, "b", Guard::Free).await;
    let Reply::Taken {
        ahead: 0,
        occupancy,
    } = reply
    else {
        panic!("{reply:?}");
    };
    assert_eq!(occupancy.held, [1]);
    assert_eq!(occupancy.reserved, []);
    // The same process cannot take its own slot twice either.
    let reply = bench.try_claim(first, 1, "a", Guard::Free).await;
    assert!(matches!(reply, Reply::Taken { .. }), "{reply:?}");
    assert_eq!(bench.verify(first, 1, epoch).await, Reply::Stands);
    assert_eq!(bench.verify(first, 1, epoch + 1).await, Reply::Gone);
    assert_eq!(other.verify(second, 1, epoch).await, Reply::Gone);
    bench.close(first).await;
    assert_eq!(bench.verify(first, 1, epoch).await, Reply::Gone);
    let later = other.claim(second, 1, "b").await;
    assert!(later > epoch, "{later} after {epoch}");
    assert!(other.occupancy(second).await.revision > later);
}

#[tokio::test]
async fn an_epoch_grows_over_one_of_another_clock_and_the_largest_is_refused() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    bench.close(session).await;
    let text = fs::read_to_string(bench.file("00000001.json")).unwrap();
    // A process whose clock runs a century ahead.
    let ahead = epoch + 100 * 365 * 86_400_000;
    let changed = text.replace(&epoch.to_string(), &ahead.to_string());
    fs::write(bench.file("00000001.json"), changed).unwrap();
    let session = bench.session().await;
    assert!(bench.occupancy(session).await.revision > ahead);
    assert!(bench.claim(session, 1, "a").await > ahead);
    let endless = text.replace(&epoch.to_string(), &u64::MAX.to_string());
    fs::write(bench.file("00000002.json"), endless).unwrap();
    let error = LocalStore::open(bench.store.path()).unwrap_err();
    assert!(error.contains("00000002.json is damaged"), "{error}");
}

#[tokio::test]
async fn requests_of_a_closed_session_change_nothing() {
    let bench = Bench::new();
    let session = bench.session().await;
    let ttl = Duration::from_secs(20);
    assert_eq!(
        bench.ask(Request::KeepAlive { session }).await,
        Ok(Reply::Renewed { ttl })
    );
    bench.close(session).await;
    bench.close(session).await;
    assert_eq!(
        bench.ask(Request::KeepAlive { session }).await,
        Ok(Reply::Gone)
    );
    let request = Request::Claim {
        session,
        slot: 1,
        record: record(1, "a"),
        guard: Guard::Free,
    };
    let error = bench.ask(request).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::SessionGone);
    let session = bench.session().await;
    assert_eq!(bench.occupancy(session).await.held, [0; 0]);
    for slot in [0, 11] {
        let request = Request::Claim {
            session,
            slot,
            record: record(slot, "a"),
            guard: Guard::Free,
        };
        let error = bench.ask(request).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Refused);
    }
}

#[tokio::test]
async fn a_slot_waits_for_its_node_and_gives_way_when_nothing_else_is_left() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    bench.reserve(1, epoch, "a", 3600).await;
    bench.close(session).await;

    let session = bench.session().await;
    let occupancy = bench.occupancy(session).await;
    assert_eq!(occupancy.held, [0; 0]);
    let reserved: Vec<_> = occupancy
        .reserved
        .iter()
        .map(|it| (it.slot, &*it.node))
        .collect();
    assert_eq!(reserved, [(1, "a")]);
    let revision = occupancy.reserved[0].revision;
    // A stranger does not get it as a free one; its own node does, and keeps the reservation.
    let reply = bench.try_claim(session, 1, "b", Guard::Free).await;
    assert!(matches!(reply, Reply::Taken { .. }), "{reply:?}");
    let own = Guard::Reserved { revision };
    let reply = bench.try_claim(session, 1, "a", own).await;
    assert!(matches!(reply, Reply::Claimed { .. }), "{reply:?}");
    bench.close(session).await;

    let session = bench.session().await;
    let occupancy = bench.occupancy(session).await;
    let revision = occupancy.reserved[0].revision;
    // An outdated look does not count; a fresh one does, and ends the reservation.
    let reply = bench.try_claim(session, 1, "b", own).await;
    assert!(matches!(reply, Reply::Taken { .. }), "{reply:?}");
    let reply = bench
        .try_claim(session, 1, "b", Guard::Reserved { revision })
        .await;
    assert!(matches!(reply, Reply::Claimed { .. }), "{reply:?}");
    assert_eq!(bench.occupancy(session).await.reserved, []);
}

#[tokio::test]
async fn a_reservation_ends_with_its_time_or_its_session() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    bench.reserve(1, epoch, "a", 0).await;
    assert_eq!(bench.occupancy(session).await.reserved, []);
    // While the slot is held, and after.
    let reservation = bench.reserve(1, epoch, "a", 3600).await;
    assert_eq!(bench.occupancy(session).await.reserved.len(), 1);
    bench.close(reservation).await;
    assert_eq!(bench.occupancy(session).await.reserved, []);
    assert_eq!(bench.verify(session, 1, epoch).await, Reply::Stands);
    let reservation = bench.reserve(1, epoch, "a", 3600).await;
    bench.close(session).await;
    bench.close(reservation).await;
    let session = bench.session().await;
    let occupancy = bench.occupancy(session).await;
    assert_eq!((occupancy.held, occupancy.reserved), (vec![], vec![]));
    bench.claim(session, 1, "b").await;
}

#[tokio::test]
async fn a_dead_claim_is_taken_over_only_as_it_was_seen() {
    let bench = Bench::new();
    let (old, new) = (bench.session().await, bench.session().await);
    let epoch = bench.claim(old, 1, "a").await;
    let takeover = |epoch, session| Guard::Takeover { epoch, session };
    let reply = bench.try_claim(new, 1, "a", takeover(epoch, old)).await;
    assert!(matches!(reply, Reply::Taken { .. }), "it lives: {reply:?}");
    bench.close(old).await;
    for wrong in [takeover(epoch + 1, old), takeover(epoch, new)] {
        let reply = bench.try_claim(new, 1, "a", wrong).await;
        assert!(matches!(reply, Reply::Taken { .. }), "{reply:?}");
    }
    let reply = bench.try_claim(new, 1, "a", takeover(epoch, old)).await;
    assert!(matches!(reply, Reply::Claimed { .. }), "{reply:?}");
}

#[tokio::test]
async fn a_deleted_lock_file_or_a_foreign_record_ends_a_claim() {
    let bench = Bench::new();
    let session = bench.session().await;
    let first = bench.claim(session, 1, "a").await;
    let second = bench.claim(session, 2, "b").await;
    let third = bench.claim(session, 3, "c").await;
    fs::remove_file(bench.file("00000001.lock")).unwrap();
    fs::copy(bench.file("00000003.json"), bench.file("00000002.json")).unwrap();
    fs::remove_file(bench.file("00000003.json")).unwrap();
    for (slot, epoch) in [(1, first), (2, second), (3, third)] {
        assert_eq!(bench.verify(session, slot, epoch).await, Reply::Gone);
    }
    // Another one's lock in the place of ours.
    let lock = lock::LockFile::open(&bench.file("00000001.lock")).unwrap();
    assert!(lock.try_lock(lock::Part::Life).unwrap());
    assert_eq!(bench.verify(session, 1, first).await, Reply::Gone);
}

#[tokio::test]
async fn a_slot_that_is_damaged_while_running_is_left_alone() {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.claim(session, 1, "a").await;
    bench.close(session).await;
    fs::write(bench.file("00000001.json"), "{").unwrap();
    fs::write(bench.file("notes.json"), "{").unwrap();
    let session = bench.session().await;
    assert_eq!(bench.occupancy(session).await.held, [1]);
    let reply = bench.try_claim(session, 1, "a", Guard::Free).await;
    assert!(matches!(reply, Reply::Taken { .. }), "{reply:?}");
    assert_eq!(
        fs::read_to_string(bench.file("00000001.json")).unwrap(),
        "{"
    );
    bench.claim(session, 2, "a").await;
}

#[tokio::test]
async fn somebody_who_is_stopped_while_deciding_does_not_stop_the_others() {
    let bench = Bench::new();
    let session = bench.session().await;
    let epoch = bench.claim(session, 1, "a").await;
    // Its own node is not turned away by a look, only by an attempt.
    bench.reserve(1, epoch, "a", 3600).await;
    bench.close(session).await;
    let gate = lock::LockFile::open(&bench.file("00000001.lock")).unwrap();
    assert!(gate.try_lock(lock::Part::Gate).unwrap());
    let session = bench.session().await;
    for guard in [Guard::Free, Guard::Reserved { revision: epoch }] {
        let reply = bench.try_claim(session, 1, "a", guard).await;
        assert_eq!(bench.occupancy(session).await.held, [0; 0]);
        let Reply::Taken { occupancy, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(occupancy.held, [1], "else it would be tried again for ever");
    }
    bench.claim(session, 2, "a").await;
    drop(gate);
    assert_eq!(bench.occupancy(session).await.held, [2]);
}

#[tokio::test]
async fn a_claim_that_ends_after_its_session_is_not_kept() {
    let bench = Bench::new();
    let session = bench.session().await;
    let request = Request::Claim {
        session,
        slot: 1,
        record: record(1, "a"),
        guard: Guard::Free,
    };
    // Asked for and given up at once, as a caller does whose time is over; then closed.
    let mut claim = bench.store.execute(&bench.space, request);
    let polled = std::future::poll_fn(|context| {
        std::task::Poll::Ready(claim.as_mut().poll(context).is_ready())
    });
    polled.await;
    drop(claim);
    bench.close(session).await;
    let session = bench.session().await;
    let free = async {
        while !bench.occupancy(session).await.held.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), free)
        .await
        .expect("held for ever");
}

#[test]
fn a_store_without_leases_says_so_and_where_it_is() {
    let bench = Bench::new();
    assert!(!bench.store.has_leases());
    assert_eq!(bench.store.settle(), Duration::ZERO);
    let name = format!("local store {}", bench.store.path().display());
    assert_eq!(bench.store.describe(), name);
}
