//! One race at a time, step by step.

use std::time::Duration;

use crate::clock::BootTime;
use crate::identity::claim::{
    Action, Claimant, Description, Event, Input, Previous, RequestId, Settings,
};
use crate::identity::record::{Member, QUARANTINE, Record};
use crate::store::{
    Change, Entry, Guard, Listing, Occupancy, Reply, Request, Reservation, Session, StoreError,
    StoreErrorKind,
};

/// A claimant with its clock, step by step.
struct Bench {
    claimant: Claimant,
    now: BootTime,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            limit: 10,
            ttl: Duration::from_secs(20),
            has_leases: true,
            settle: Duration::ZERO,
            node: "me".to_owned(),
            sticky: Some(Duration::from_secs(600)),
            boot: "boot".to_owned(),
        };
        change(&mut settings);
        let random = Box::new(|| 7);
        let claimant = Claimant::new(settings, Description::default(), random);
        Self {
            claimant,
            now: BootTime::from_nanoseconds(1_000_000_000),
        }
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Action> {
        self.now = self.now + Duration::from_millis(1);
        self.claimant.step(self.now, input)
    }

    fn list(&mut self, listing: &Listing) -> Vec<Action> {
        self.give(Input::Listing {
            listing,
            previous: Previous::Nothing,
        })
    }

    fn answer(&mut self, actions: &[Action], reply: Reply) -> Vec<Action> {
        let id = sent(actions).0;
        self.give(Input::Answer {
            id,
            result: Ok(reply),
        })
    }

    fn silence(&mut self, actions: &[Action]) -> Vec<Action> {
        let error = StoreError {
            kind: StoreErrorKind::Unreachable,
            message: "no answer".to_owned(),
        };
        self.give(Input::Answer {
            id: sent(actions).0,
            result: Err(error),
        })
    }

    fn pass(&mut self, duration: Duration) -> Vec<Action> {
        self.now = self.now + duration;
        self.claimant.step(self.now, Input::Wake)
    }

    /// As far as the claim that is under way.
    fn claiming(&mut self) -> Vec<Action> {
        let open = self.list(&Listing::default());
        let queue = self.answer(&open, opened());
        self.answer(&queue, queued(0))
    }

    fn holding(&mut self) {
        let claim = self.claiming();
        self.answer(&claim, Reply::Claimed { epoch: 9 });
    }
}

fn opened() -> Reply {
    Reply::Opened {
        session: Session(5),
        ttl: Duration::from_secs(20),
    }
}

fn queued(ahead: u32) -> Reply {
    let occupancy = Occupancy {
        revision: 8,
        ..Occupancy::default()
    };
    Reply::Queued {
        arrival: 8,
        ahead,
        occupancy,
    }
}

/// The last request among the actions.
fn sent(actions: &[Action]) -> (RequestId, Request) {
    let request = |action: &Action| match action {
        Action::Send { id, request, .. } => Some((*id, request.clone())),
        _ => None,
    };
    actions
        .iter()
        .rev()
        .find_map(request)
        .expect("a request among the actions")
}

fn told(actions: &[Action], event: &Event) -> bool {
    actions.contains(&Action::Tell(event.clone()))
}

fn entry(slot: u32, epoch: u64, node: &str, inst: &str, session: i64) -> Entry {
    let member = Member {
        node: node.to_owned(),
        inst: inst.to_owned(),
        ..Member::default()
    };
    let record = Record {
        member: Some(member),
        ..Record::default()
    };
    Entry {
        slot,
        epoch,
        session: Some(Session(session)),
        record,
    }
}

#[test]
fn a_fresh_claim_takes_three_requests_after_the_listing() {
    let mut bench = Bench::new(|_| {});
    let open = bench.list(&Listing::default());
    assert!(matches!(sent(&open).1, Request::Open { .. }));
    let queue = bench.answer(&open, opened());
    assert!(matches!(sent(&queue).1, Request::Enqueue { .. }));
    let claim = bench.answer(&queue, queued(2));
    assert!(matches!(
        sent(&claim).1,
        Request::Claim {
            slot: 3,
            guard: Guard::Free,
            ..
        }
    ));
    assert!(
        matches!(claim[0], Action::Remember { slot: 3, .. }),
        "kept before it is sent"
    );
    let done = bench.answer(&claim, Reply::Claimed { epoch: 9 });
    assert!(told(&done, &Event::Claimed { slot: 3, epoch: 9 }));
}

#[test]
fn a_slot_that_waits_for_the_node_takes_two() {
    let mut bench = Bench::new(|_| {});
    let reservation = Reservation {
        slot: 7,
        node: "me".to_owned(),
        revision: 4,
    };
    let listing = Listing {
        revision: 5,
        entries: vec![],
        reservations: vec![reservation],
    };
    let open = bench.list(&listing);
    let claim = bench.answer(&open, opened());
    let guard = Guard::Reserved { revision: 4 };
    assert!(matches!(sent(&claim).1, Request::Claim { slot: 7, guard: it, .. } if it == guard));
}

#[test]
fn a_dead_process_of_the_same_seat_is_taken_over_and_its_lease_closed_afterwards() {
    let mut bench = Bench::new(|_| {});
    let old = entry(4, 6, "me", "old", 3);
    let listing = Listing {
        revision: 6,
        entries: vec![old.clone()],
        reservations: vec![],
    };
    let open = bench.give(Input::Listing {
        listing: &listing,
        previous: Previous::Dead(&old),
    });
    let claim = bench.answer(&open, opened());
    let guard = Guard::Takeover {
        epoch: 6,
        session: Session(3),
    };
    assert!(matches!(sent(&claim).1, Request::Claim { slot: 4, guard: it, .. } if it == guard));
    let reserve = bench.answer(&claim, Reply::Claimed { epoch: 9 });
    let close = bench.answer(
        &reserve,
        Reply::Reserved {
            reservation: Session(8),
        },
    );
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(3)
        }
    );
}

#[test]
fn a_crashed_machine_waits_for_its_own_lease_and_a_copied_disk_does_not_for_long() {
    let old = entry(4, 6, "me", "old", 3);
    let listing = Listing {
        revision: 6,
        entries: vec![old.clone()],
        reservations: vec![],
    };
    let input = || Input::Listing {
        listing: &listing,
        previous: Previous::Unsure(&old),
    };
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.give(input()), []);
    let freed = Change::Freed {
        slot: 4,
        revision: 7,
    };
    let open = bench.give(Input::Change(&freed));
    assert!(matches!(sent(&open).1, Request::Open { .. }));

    let mut copy = Bench::new(|_| {});
    copy.give(input());
    let open = copy.pass(Duration::from_secs(43));
    assert!(told(&open, &Event::KeyInUse { slot: 4 }));

    let mut stranger = Bench::new(|_| {});
    let open = stranger.list(&listing);
    assert!(
        told(&open, &Event::KeyInUse { slot: 4 }),
        "it was never claimed here"
    );
}

#[test]
fn a_claim_without_an_answer_is_voided_before_anything_else_is_tried() {
    let mut bench = Bench::new(|_| {});
    let claim = bench.claiming();
    let close = bench.silence(&claim);
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(5)
        }
    );
    let wait = bench.silence(&close);
    assert!(
        wait.iter()
            .all(|action| !matches!(action, Action::Send { .. }))
    );
    let close = bench.pass(Duration::from_secs(3));
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(5)
        },
        "again, and nothing else"
    );
    let open = bench.answer(&close, Reply::Closed);
    assert!(matches!(sent(&open).1, Request::Open { .. }));
}

#[test]
fn stopping_disowns_before_others_can_have_the_slot() {
    let mut bench = Bench::new(|_| {});
    bench.holding();
    let actions = bench.give(Input::Stop);
    let position = |wanted: fn(&Action) -> bool| actions.iter().position(wanted);
    let disown = position(|action| matches!(action, Action::Disown));
    let close = position(|action| {
        matches!(
            action,
            Action::Send {
                request: Request::Close { .. },
                ..
            }
        )
    });
    assert!(disown.is_some() && disown < close);
}

#[test]
fn past_the_deadline_the_slot_is_disowned_even_if_an_answer_is_on_its_way() {
    let mut bench = Bench::new(|_| {});
    bench.holding();
    let renewal = bench.pass(Duration::from_secs(7));
    bench.now = bench.now + Duration::from_secs(20);
    let late = bench.answer(
        &renewal,
        Reply::Renewed {
            ttl: Duration::from_secs(20),
        },
    );
    assert_eq!(late.first(), Some(&Action::Disown));
    assert!(
        !late
            .iter()
            .any(|action| matches!(action, Action::Own { .. }))
    );
}

/// A machine that slept is told what is so now, not what was about to happen before it.
#[test]
fn past_the_deadline_nobody_is_told_that_the_lease_may_run_out() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let woken = bench.pass(Duration::from_secs(60));
    assert!(matches!(
        woken[..2],
        [Action::Disown, Action::Tell(Event::Lost { .. })]
    ));
    assert!(!told(&woken, &Event::Degraded), "{woken:?}");
}

#[test]
fn a_record_deleted_by_hand_is_asked_about_and_given_up() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let freed = Change::Freed {
        slot: 1,
        revision: 12,
    };
    let verify = bench.give(Input::Change(&freed));
    assert!(matches!(
        sent(&verify).1,
        Request::Verify {
            slot: 1,
            epoch: 9,
            ..
        }
    ));
    let lost = bench.answer(&verify, Reply::Gone);
    assert_eq!(lost.first(), Some(&Action::Disown));
}

/// A backup was restored: an older record stands in our slot, under a smaller number than ours.
#[test]
fn a_listing_from_before_our_claim_is_asked_about() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let restored = Listing {
        revision: 6,
        entries: vec![entry(1, 5, "other", "i", 3)],
        reservations: vec![],
    };
    let verify = bench.list(&restored);
    assert!(matches!(sent(&verify).1, Request::Verify { slot: 1, .. }));
    let lost = bench.answer(&verify, Reply::Gone);
    assert_eq!(lost.first(), Some(&Action::Disown));
}

/// An emptied store counts its revisions from 1 again, and somebody was faster.
#[test]
fn the_record_of_another_under_our_own_number_is_asked_about() {
    let other = || entry(1, 9, "other", "i", 3);
    let listing = Listing {
        revision: 9,
        entries: vec![other()],
        reservations: vec![],
    };
    let change = Change::Held(other());
    let listed = Input::Listing {
        listing: &listing,
        previous: Previous::Nothing,
    };
    for told in [listed, Input::Change(&change)] {
        let mut bench = Bench::new(|settings| settings.sticky = None);
        bench.holding();
        let verify = bench.give(told);
        assert!(matches!(sent(&verify).1, Request::Verify { slot: 1, .. }));
        let lost = bench.answer(&verify, Reply::Gone);
        assert_eq!(lost.first(), Some(&Action::Disown));
    }
}

#[test]
fn an_own_update_whose_answer_was_lost_is_recognised() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let inst = format!("{:016x}{:016x}", 7, 7);
    let change = Change::Held(entry(1, 12, "me", &inst, 5));
    let actions = bench.give(Input::Change(&change));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Own { epoch: 12, .. }))
    );
}

#[test]
fn where_an_old_node_may_overwrite_nothing_is_announced_before_it_was_verified() {
    let mut bench = Bench::new(|settings| {
        settings.settle = Duration::from_secs(2);
        settings.sticky = None;
    });
    let claim = bench.claiming();
    assert_eq!(bench.answer(&claim, Reply::Claimed { epoch: 9 }), []);
    let verify = bench.pass(Duration::from_secs(2));
    assert!(matches!(
        sent(&verify).1,
        Request::Verify {
            slot: 1,
            epoch: 9,
            ..
        }
    ));
    let close = bench.answer(&verify, Reply::Gone);
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(5)
        },
        "it yields"
    );
}

#[test]
fn a_problem_is_told_once_and_its_end_too() {
    let mut bench = Bench::new(|_| {});
    let open = bench.list(&Listing::default());
    let first = bench.silence(&open);
    assert!(told(&first, &Event::Problem("no answer".to_owned())));
    let again = bench.pass(Duration::from_secs(3));
    assert!(!told(
        &bench.silence(&again),
        &Event::Problem("no answer".to_owned())
    ));
    let again = bench.pass(Duration::from_secs(3));
    assert!(told(&bench.answer(&again, opened()), &Event::Solved));
}

#[test]
fn after_an_outage_a_record_that_still_stands_is_ours_again_under_the_same_epoch() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let renewal = bench.pass(Duration::from_secs(7));
    bench.silence(&renewal);
    let lapsed = bench.pass(Duration::from_secs(30));
    assert_eq!(lapsed.first(), Some(&Action::Disown));
    let renewal = lapsed;
    assert!(matches!(sent(&renewal).1, Request::KeepAlive { .. }));
    let ttl = Duration::from_secs(20);
    let verify = bench.answer(&renewal, Reply::Renewed { ttl });
    assert!(
        !verify
            .iter()
            .any(|action| matches!(action, Action::Own { .. })),
        "not yet"
    );
    assert!(matches!(
        sent(&verify).1,
        Request::Verify {
            slot: 1,
            epoch: 9,
            ..
        }
    ));
    let regained = bench.answer(&verify, Reply::Stands);
    assert!(
        regained
            .iter()
            .any(|action| matches!(action, Action::Own { epoch: 9, .. }))
    );
    assert!(told(&regained, &Event::Claimed { slot: 1, epoch: 9 }));
}

#[test]
fn after_an_outage_a_record_that_is_gone_is_claimed_anew() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let renewal = bench.pass(Duration::from_secs(37));
    let close = bench.answer(&renewal, Reply::Gone);
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(5)
        }
    );
    assert!(
        !close
            .iter()
            .any(|action| matches!(action, Action::Tell(Event::Lost { .. })))
    );
}

#[test]
fn a_lapsed_claim_does_not_keep_the_processor_busy() {
    let mut bench = Bench::new(|_| {});
    bench.holding();
    let renewal = bench.pass(Duration::from_secs(37));
    let down = true;
    bench.give(Input::Describe(Description {
        down,
        ..Description::default()
    }));
    bench.silence(&renewal);
    assert!(bench.claimant.wake_at().is_some_and(|at| at > bench.now));
}

/// A role that may open leases but not claim: without back-off one node would flood the store.
#[test]
fn a_claim_that_is_refused_is_tried_again_with_pauses_and_told_once() {
    let mut bench = Bench::new(|_| {});
    let mut actions = bench.list(&Listing::default());
    let (mut opened_at, mut problems) = (Vec::new(), 0);
    for _ in 0..200 {
        let answer = match actions.iter().any(|it| matches!(it, Action::Send { .. })) {
            true => sent(&actions).1,
            false => {
                actions = bench.pass(Duration::from_millis(10));
                continue;
            }
        };
        let result = match answer {
            Request::Open { .. } => {
                opened_at.push(bench.now);
                Ok(opened())
            }
            Request::Close { .. } => Ok(Reply::Closed),
            _ => Err(StoreError {
                kind: StoreErrorKind::Refused,
                message: "permission denied".to_owned(),
            }),
        };
        let id = sent(&actions).0;
        actions = bench.give(Input::Answer { id, result });
        problems += actions
            .iter()
            .filter(|it| matches!(it, Action::Tell(Event::Problem(_))))
            .count();
    }
    assert_eq!(problems, 1);
    assert!((2..10).contains(&opened_at.len()), "{opened_at:?}");
}

/// The answer to an update is lost, but it was carried out: no reason to lose the name.
#[test]
fn an_update_without_an_answer_moves_the_epoch_and_nothing_else() {
    let mut bench = Bench::new(|settings| settings.sticky = None);
    bench.holding();
    let down = Description {
        down: true,
        ..Description::default()
    };
    let update = bench.give(Input::Describe(down));
    assert!(matches!(sent(&update).1, Request::Update { epoch: 9, .. }));
    bench.silence(&update);
    let verify = bench.pass(Duration::from_millis(300));
    assert!(matches!(sent(&verify).1, Request::Verify { epoch: 9, .. }));
    let again = bench.answer(&verify, Reply::Moved { epoch: 12 });
    assert!(matches!(sent(&again).1, Request::Update { epoch: 12, .. }));
    let done = bench.answer(&again, Reply::Claimed { epoch: 13 });
    assert!(
        !done
            .iter()
            .any(|it| matches!(it, Action::Tell(Event::Lost { .. })))
    );
}

/// Every reload would leave a lease behind.
#[test]
fn the_same_settings_again_ask_nothing_of_the_store() {
    let mut bench = Bench::new(|_| {});
    let claim = bench.claiming();
    let reserve = bench.answer(&claim, Reply::Claimed { epoch: 9 });
    bench.answer(
        &reserve,
        Reply::Reserved {
            reservation: Session(8),
        },
    );
    let settings = bench.claimant.settings.clone();
    assert_eq!(bench.give(Input::Configure(settings.clone())), []);
    let off = Settings {
        sticky: None,
        ..settings
    };
    let close = bench.give(Input::Configure(off));
    assert_eq!(
        sent(&close).1,
        Request::Close {
            session: Session(8)
        }
    );
}

/// If this fails, who waits in a full pool has an evicted holder's slot only seconds after it could:
/// the end of a reservation is no change that anybody is told.
#[test]
fn the_end_of_a_quarantine_is_looked_for() {
    let kept = |revision| Occupancy {
        revision,
        held: vec![],
        reserved: vec![Reservation {
            slot: 1,
            node: QUARANTINE.to_owned(),
            revision: 7,
        }],
    };
    let queued = |ahead, occupancy| Reply::Queued {
        arrival: 8,
        ahead,
        occupancy,
    };
    let mut bench = Bench::new(|settings| settings.limit = 1);
    let open = bench.list(&Listing::default());
    let queue = bench.answer(&open, opened());
    bench.answer(&queue, queued(0, kept(8)));
    let look = bench.pass(Duration::from_secs(1));
    assert!(matches!(sent(&look).1, Request::Requeue { .. }), "{look:?}");
    let still = bench.answer(&look, queued(0, kept(9)));
    assert_eq!(still, []);
    let look = bench.pass(Duration::from_secs(1));
    let claim = bench.answer(&look, queued(0, Occupancy::default()));
    assert!(matches!(sent(&claim).1, Request::Claim { slot: 1, .. }));
    // Those behind, whose turn it is not, do not all ask with it.
    let mut bench = Bench::new(|settings| settings.limit = 1);
    let open = bench.list(&Listing::default());
    let queue = bench.answer(&open, opened());
    bench.answer(&queue, queued(1, kept(8)));
    assert_eq!(bench.pass(Duration::from_secs(1)), []);
}
