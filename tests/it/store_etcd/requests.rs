//! Every request with every outcome.

use std::collections::BTreeMap;

use callsign::store::{NOTE_LIMIT, Note, NoteName, NoteWrite, Reservation, StoreErrorKind};
use tokio::task::JoinSet;

use super::*;

const ETCD_COUNTS: [&str; 3] = ["LeaseGrant", "Status", "Txn"];

/// A claimant that needs more requests makes a herd slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_claim_costs_four_requests() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let mut follower = asker.follow();
    assert_eq!(follower.listing().await.entries, []);
    let session = asker.open(LONG).await;
    let (arrival, ahead, occupancy) = asker.enqueue(session, "i").await;
    assert_eq!((ahead, occupancy.held), (0, vec![]));
    let claim = asker.claim(session, 1, record(1, "i", arrival), Guard::Free);
    let epoch = epoch(&claim.await);
    assert_eq!(follower.held(1).await.epoch, epoch);

    let requests = etcd.requests();
    let unary: BTreeMap<&str, u64> = requests
        .iter()
        .map(|(method, count)| (method.as_str(), *count))
        .filter(|(method, _)| !matches!(*method, "Watch"))
        .collect();
    // The listing, the place in the queue and the claim are transactions; Status is the set-up.
    let expected = ETCD_COUNTS.into_iter().zip([1, 1, 3]).collect();
    assert_eq!(unary, expected);
}

/// Two holders of one name, or a hole in the names, if the queue does not spread the herd.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_gets_distinct_dense_slots_at_the_first_try() {
    const HERD: u32 = 50;
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let mut herd = JoinSet::new();
    let sessions: Vec<Session> = {
        let mut sessions = Vec::new();
        for _ in 0..HERD {
            sessions.push(asker.open(LONG).await);
        }
        sessions
    };
    for (number, session) in sessions.into_iter().enumerate() {
        let asker = asker.clone();
        herd.spawn(async move {
            let instance = format!("instance-{number}");
            let (arrival, ahead, occupancy) = asker.enqueue(session, &instance).await;
            let free = (1..).filter(|slot| !occupancy.held.contains(slot));
            let slot = free.into_iter().nth(ahead as usize).unwrap();
            let claim = asker.claim(session, slot, record(slot, &instance, arrival), Guard::Free);
            (slot, epoch(&claim.await))
        });
    }
    let claims: BTreeMap<u32, u64> = herd.join_all().await.into_iter().collect();
    assert_eq!(
        claims.into_keys().collect::<Vec<_>>(),
        (1..=HERD).collect::<Vec<_>>()
    );
}

/// A claimant that counts wrong tries the slot of another.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_counts_those_ahead_and_forgets_who_claimed_or_left() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let (first, second, third) = (
        asker.open(LONG).await,
        asker.open(LONG).await,
        asker.open(LONG).await,
    );
    let (arrival1, ahead, _) = asker.enqueue(first, "1").await;
    assert_eq!(ahead, 0);
    let (arrival2, ahead, _) = asker.enqueue(second, "2").await;
    assert_eq!(ahead, 1);
    let (arrival3, ahead, _) = asker.enqueue(third, "3").await;
    assert_eq!(ahead, 2);
    assert!(arrival1 < arrival2 && arrival2 < arrival3);

    let requeue = |session, instance: &str, arrival| Request::Requeue {
        session,
        instance: instance.into(),
        arrival,
    };
    let queued = |ahead, held: &[Slot], reply: Reply| match reply {
        Reply::Queued {
            ahead: got,
            occupancy,
            ..
        } => {
            assert_eq!((got, occupancy.held.as_slice()), (ahead, held));
        }
        other => panic!("{other:?}"),
    };
    queued(0, &[], asker.ask(requeue(first, "1", arrival1)).await);
    queued(2, &[], asker.ask(requeue(third, "3", arrival3)).await);
    asker
        .claim(first, 1, record(1, "1", arrival1), Guard::Free)
        .await;
    queued(1, &[1], asker.ask(requeue(third, "3", arrival3)).await);
    match asker
        .claim(third, 1, record(1, "3", arrival3), Guard::Free)
        .await
    {
        Reply::Taken { ahead, occupancy } => assert_eq!((ahead, occupancy.held), (1, vec![1])),
        other => panic!("{other:?}"),
    }
    asker.close(second).await;
    queued(0, &[1], asker.ask(requeue(third, "3", arrival3)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_taken_only_where_the_guard_holds() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let (mine, other) = (asker.open(LONG).await, asker.open(LONG).await);
    let taken = |reply: &Reply| matches!(reply, Reply::Taken { .. });

    // Free: not where it is held, not where it is reserved.
    let held = asker.take(mine, 1).await;
    assert!(taken(
        &asker.claim(other, 1, record(1, "o", 0), Guard::Free).await
    ));
    let reserve = |epoch, reservation| Request::Reserve {
        slot: 1,
        epoch,
        node: "node".into(),
        ttl: LONG,
        reservation,
    };
    let Reply::Reserved { reservation } = asker.ask(reserve(held, None)).await else {
        panic!("not reserved");
    };
    let renewed = asker.ask(reserve(held, Some(reservation))).await;
    assert_eq!(renewed, Reply::Reserved { reservation });
    asker.close(mine).await;
    let Reply::Taken { occupancy, .. } =
        asker.claim(other, 1, record(1, "o", 0), Guard::Free).await
    else {
        panic!("a reserved slot is not free");
    };
    assert_eq!(occupancy.held, [0; 0]);
    let [
        Reservation {
            slot: 1,
            node,
            revision,
        },
    ] = occupancy.reserved.as_slice()
    else {
        panic!("{occupancy:?}");
    };
    assert_eq!(node, "node");

    // Reserved: only while the reservation is the same.
    let (revision, wrong) = (*revision, *revision + 1);
    let claim = |revision| asker.claim(other, 1, record(1, "o", 0), Guard::Reserved { revision });
    assert!(taken(&claim(wrong).await));
    let again = epoch(&claim(revision).await);
    assert!(again > held, "an epoch orders the owners");
    assert!(taken(&claim(revision).await), "it is held now");

    // Takeover: only from exactly this claim.
    let heir = asker.open(LONG).await;
    let takeover = |epoch, session| {
        asker.claim(
            heir,
            1,
            record(1, "h", 0),
            Guard::Takeover { epoch, session },
        )
    };
    assert!(taken(&takeover(again + 1, other).await));
    assert!(taken(&takeover(again, mine).await));
    let taken_over = epoch(&takeover(again, other).await);
    assert!(taken_over > again);
    asker.close(other).await;
    let stands = asker.verify(heir, 1, taken_over).await;
    assert_eq!(
        stands,
        Reply::Stands,
        "closing the old session must not free the slot"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_stands_until_it_is_changed_or_gone() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let first = asker.take(session, 4).await;
    assert_eq!(asker.verify(session, 4, first).await, Reply::Stands);
    assert_eq!(asker.verify(session, 4, first + 1).await, Reply::Gone);
    assert_eq!(asker.verify(Session(1), 4, first).await, Reply::Gone);
    assert_eq!(asker.verify(session, 5, first).await, Reply::Gone);

    let update = |epoch| Request::Update {
        session,
        slot: 4,
        epoch,
        record: record(4, "other", 0),
    };
    let second = epoch(&asker.ask(update(first)).await);
    assert!(second > first);
    // Who did not hear of the update learns of it.
    let moved = Reply::Moved { epoch: second };
    assert_eq!(asker.ask(update(first)).await, moved);
    assert_eq!(asker.verify(session, 4, first).await, moved);
    assert_eq!(asker.verify(session, 4, second).await, Reply::Stands);
    etcd.control(&["del", "/callsign/v1/worker%d.tf.local./slots/00000004"]);
    assert_eq!(asker.verify(session, 4, second).await, Reply::Gone);
    assert_eq!(asker.ask(update(second)).await, Reply::Gone);
    let reserve = Request::Reserve {
        slot: 4,
        epoch: second,
        node: "node".into(),
        ttl: LONG,
        reservation: None,
    };
    assert_eq!(asker.ask(reserve).await, Reply::Gone);
    let leases = etcd.control(&["lease", "list"]);
    assert!(
        leases.contains("found 1 leases"),
        "nothing is left behind: {leases}"
    );
}

/// A renewal that is believed though the lease is gone means two holders.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_while_it_is_renewed_and_says_when_it_is_gone() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let keep_alive = || asker.ask(Request::KeepAlive { session });
    assert_eq!(keep_alive().await, Reply::Renewed { ttl: LONG });
    assert_eq!(keep_alive().await, Reply::Renewed { ttl: LONG });
    let streams = etcd.requests().get("LeaseKeepAlive").copied();
    assert_eq!(streams, None, "the stream is kept: none has ended");
    let id = format!("{:x}", session.0);
    etcd.control(&["lease", "revoke", &id]);
    assert_eq!(keep_alive().await, Reply::Gone, "told over an open stream");
    assert_eq!(keep_alive().await, Reply::Gone, "told over a new one");
    asker.close(session).await;

    let gone = asker
        .try_ask(Request::Claim {
            session,
            slot: 1,
            record: record(1, "i", 0),
            guard: Guard::Free,
        })
        .await;
    assert_eq!(gone.unwrap_err().kind, StoreErrorKind::SessionGone);
    let instance = "i".to_owned();
    let gone = asker.try_ask(Request::Enqueue { session, instance }).await;
    assert_eq!(gone.unwrap_err().kind, StoreErrorKind::SessionGone);
}

/// A caller that waited too long must not get the late answer as the answer to its next question.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_was_given_up_leaves_nothing_behind() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let sessions = [asker.open(LONG).await, asker.open(2 * LONG).await];
    for round in 0..40_u32 {
        let keep_alive = |session| {
            asker
                .store
                .execute(&asker.space, Request::KeepAlive { session })
        };
        // Dropped somewhere between the question and the answer.
        let _ = timeout(
            Duration::from_micros(u64::from(round) * 50),
            keep_alive(sessions[0]),
        )
        .await;
        for (session, ttl) in sessions.into_iter().zip([LONG, 2 * LONG]) {
            assert_eq!(keep_alive(session).await, Ok(Reply::Renewed { ttl }));
        }
    }
    etcd.control(&["lease", "revoke", &format!("{:x}", sessions[0].0)]);
    let session = sessions[0];
    assert_eq!(asker.ask(Request::KeepAlive { session }).await, Reply::Gone);
}

/// A full etcd is for its operator to repair: the reason must reach the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_etcd_refuses_and_says_why() {
    let etcd = Etcd::start_with(&["--quota-backend-bytes", "100000"]);
    let asker = Asker::new(&etcd);
    let session = asker.open(LONG).await;
    let mut refusal = None;
    for slot in 1..2000 {
        let mut record = record(slot, "i", 0);
        record.member.as_mut().unwrap().meta = [("text".into(), "x".repeat(12_000))].into();
        let claim = Request::Claim {
            session,
            slot,
            record,
            guard: Guard::Free,
        };
        if let Err(error) = asker.try_ask(claim).await {
            refusal = Some(error);
            break;
        }
    }
    let error = refusal.expect("100 kB are soon full");
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(error.message.contains("database space exceeded"), "{error}");
    assert!(error.message.contains(etcd.url()), "{error}");
    let renewed = asker.ask(Request::KeepAlive { session }).await;
    assert_eq!(
        renewed,
        Reply::Renewed { ttl: LONG },
        "names are kept all the same"
    );
}

/// A node that starts before its etcd must wait, not end.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_is_not_there_is_unreachable_with_its_address() {
    let asker = Asker::with(options("http://127.0.0.1:9"));
    let error = asker
        .try_ask(Request::Open { ttl: LONG })
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
    assert!(error.message.contains("http://127.0.0.1:9"), "{error}");
    assert!(error.message.contains("refused"), "{error}");
}

/// Names of an idetcd node and ours must be one and the same key.
#[tokio::test(flavor = "multi_thread")]
async fn the_layout_of_idetcd_is_read_and_written() {
    let etcd = Etcd::start();
    let asker = Asker::idetcd(&etcd);
    assert!(asker.store.settle() > Duration::ZERO);
    let session = asker.open(LONG).await;
    let epoch = asker.take(session, 2).await;
    let value = etcd.control(&["get", "worker2.tf.local.", "--print-value-only"]);
    assert!(
        value.starts_with(r#"{"ipv4":"10.0.0.5","ipv6":"","port":"53","#),
        "{value}"
    );

    etcd.control(&["put", "worker3.tf.local.", r#"{"ipv4":"10.0.0.6"}"#]);
    etcd.control(&["put", "worker.tf.local.", "another program's"]);
    etcd.control(&["put", "workers", "another program's"]);
    let (_, _, occupancy) = asker.enqueue(session, "i").await;
    assert_eq!(occupancy.held, [2, 3]);
    let reply = asker
        .claim(session, 3, record(3, "i", 0), Guard::Free)
        .await;
    assert!(matches!(reply, Reply::Taken { .. }));

    // An old node overwrites a claim inside its own race window: the new node must notice.
    etcd.control(&["put", "worker2.tf.local.", r#"{"ipv4":"10.0.0.7"}"#]);
    assert_eq!(asker.verify(session, 2, epoch).await, Reply::Gone);
}

/// If this fails, two members of a job freeze two rosters, or one reads an old one.
#[tokio::test]
async fn a_note_is_written_by_the_first_who_knows_it() {
    let etcd = Etcd::start();
    let asker = Asker::new(&etcd);
    let note = |name, write| timeout(BOUND, asker.store.note(&asker.space, name, write));
    let write = |text: &str, after| {
        Some(NoteWrite {
            text: text.into(),
            after,
        })
    };
    let none = note(NoteName::Roster, None).await.unwrap().unwrap();
    assert_eq!(none, Note::default());
    let first = note(NoteName::Roster, write("a", Some(0)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.text, b"a");
    let late = note(NoteName::Roster, write("b", Some(0)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(late, first, "who comes late reads what stands");
    let next = note(NoteName::Roster, write("c", Some(first.revision)))
        .await
        .unwrap()
        .unwrap();
    assert!(next.revision > first.revision);
    // Another note is another one, and whatever stands in it may be written over.
    for text in ["x", "y"] {
        let ended = note(NoteName::Ended(3), write(text, None))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ended.text, text.as_bytes());
    }
    let read = note(NoteName::Roster, None).await.unwrap().unwrap();
    assert_eq!(read, next);
    let long = "x".repeat(NOTE_LIMIT + 1);
    assert!(
        note(NoteName::Roster, write(&long, None))
            .await
            .unwrap()
            .is_err()
    );
}
