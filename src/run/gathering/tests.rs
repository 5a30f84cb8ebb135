//! When a job is complete, from copies of the store.

use std::collections::BTreeMap;

use super::*;
use crate::clock::BootTime;
use crate::identity::record::{Member, Record};
use crate::store::{Feed, Listing};

pub(super) fn entry(slot: Slot, instance: &str, gang: Option<&str>) -> Entry {
    let gang = gang.map(|text| (GANG.to_owned(), text.to_owned()));
    Entry {
        slot,
        epoch: slot.into(),
        session: None,
        record: Record {
            member: Some(Member {
                inst: instance.to_owned(),
                meta: gang.into_iter().collect::<BTreeMap<_, _>>(),
                ..Member::default()
            }),
            ..Record::default()
        },
    }
}

fn members(entries: &[Entry]) -> Members {
    let mut members = Members::default();
    let listing = Listing {
        revision: 100,
        entries: entries.to_vec(),
        reservations: Vec::new(),
    };
    members.follow(BootTime::default(), &Feed::Listing(listing));
    members
}

fn roster(generation: u64, entries: &[Entry]) -> Roster {
    let members = entries.iter().filter_map(RosterMember::of);
    Roster::new(generation, "x", members.collect())
}

/// Two are expected, later than this.
const fn two(after: u64) -> Readiness {
    Readiness {
        expect: Expectation::members(2),
        role: None,
        after,
    }
}

const FRESH: Readiness = two(0);

/// If this fails, a job starts with too few, or with those that wait for another one.
#[test]
fn as_many_as_are_expected_start_together() {
    let a = entry(1, "a", Some("2 after 0"));
    let stranger = entry(2, "s", None);
    let other = entry(3, "o", Some("5 after 0"));
    let b = entry(4, "b", Some("2 after 0"));
    let c = entry(5, "c", Some("2 after 0"));
    let decision = decide(
        "a",
        &FRESH,
        &members(&[a.clone(), stranger.clone(), other.clone()]),
        None,
    );
    let waiting = Waiting {
        ready: vec![1],
        parts: vec![1],
        busy: vec![],
        others: vec![3],
    };
    assert_eq!(decision, Decision::Wait(waiting));
    let all = members(&[a.clone(), stranger, other, b.clone(), c]);
    let expected = |who| Roster::new(1, who, roster(1, &[a.clone(), b.clone()]).members);
    assert_eq!(
        decide("a", &FRESH, &all, None),
        Decision::Propose(expected("a"))
    );
    assert_eq!(
        decide("b", &FRESH, &all, None),
        Decision::Propose(expected("b"))
    );
    // A third one is a spare.
    assert!(matches!(decide("c", &FRESH, &all, None), Decision::Wait(_)));
    let frozen = roster(1, &[a, b]);
    assert_eq!(decide("b", &FRESH, &all, Some(&frozen)), Decision::Start);
}

/// If this fails, a job starts with a worker in the place of its chief, a role's members start
/// with ranks that depend on who came first, or members that were told otherwise are taken in.
#[test]
fn each_role_has_as_many_as_are_expected() {
    let as_role = |slot, instance, role| {
        let text = format!("chief=1,worker=2 as {role} after 0");
        entry(slot, instance, Some(&text))
    };
    let own = |role: &str| Readiness {
        expect: "chief=1,worker=2".parse().unwrap(),
        role: Some(role.to_owned()),
        after: 0,
    };
    assert_eq!(
        own("chief").to_string(),
        "chief=1,worker=2 as chief after 0"
    );
    let workers = [1, 2, 3].map(|slot| as_role(slot, ["a", "b", "c"][slot as usize - 1], "worker"));
    let others = [
        entry(4, "d", Some("3 after 0")),
        entry(5, "e", Some("worker=2,chief=1 as chief after 0")),
        entry(6, "f", Some("chief=1,worker=1 as chief after 0")),
        // What cannot be takes no part.
        entry(7, "g", Some("chief=1,worker=2 as ps after 0")),
        entry(8, "h", Some("chief=1,worker=2 after 0")),
    ];
    let mut now = [workers.to_vec(), others.to_vec()].concat();
    let decision = decide("a", &own("worker"), &members(&now), None);
    let waiting = Waiting {
        ready: vec![1, 2, 3],
        parts: vec![0, 3],
        busy: vec![],
        others: vec![4, 5, 6],
    };
    assert_eq!(decision, Decision::Wait(waiting));
    let chief = as_role(9, "i", "chief");
    now.push(chief.clone());
    let all = members(&now);
    let Decision::Propose(proposed) = decide("i", &own("chief"), &all, None) else {
        panic!("all are here");
    };
    let slots: Vec<Slot> = proposed.members.iter().map(|it| it.slot).collect();
    assert_eq!(slots, [9, 1, 2]);
    assert_eq!(proposed.roles, own("chief").expect.roles());
    // The third worker is a spare, and a member of the roster is busy.
    assert!(matches!(
        decide("c", &own("worker"), &all, None),
        Decision::Wait(_)
    ));
    let Decision::Wait(waiting) = decide("c", &own("worker"), &all, Some(&proposed)) else {
        panic!("it is a spare");
    };
    assert_eq!(waiting.busy, [1, 2, 9]);
    assert_eq!(
        decide("b", &own("worker"), &all, Some(&proposed)),
        Decision::Start
    );
    let runs = Part::Runs {
        rank: 0,
        of: 3,
        role: Some("chief".to_owned()),
    };
    assert_eq!(Part::of(&chief, Some(&proposed)), Some(runs));
}

/// If this fails, programs that have nothing to do with each other wait for each other.
#[test]
fn who_expects_nobody_starts_alone() {
    let a = entry(1, "a", Some("2 after 0"));
    let b = entry(2, "b", None);
    let own = Readiness {
        expect: Expectation::members(1),
        ..FRESH
    };
    let running = roster(3, std::slice::from_ref(&a));
    let now = members(&[a, b.clone()]);
    let expected = Roster::new(1, "b", roster(1, &[b]).members);
    assert_eq!(
        decide("b", &own, &now, Some(&running)),
        Decision::Alone(expected)
    );
    assert_eq!(
        decide("c", &own, &now, None),
        Decision::Wait(Waiting::default()),
        "the store does not show it yet"
    );
}

/// If this fails, a job that runs is torn apart by a newcomer, or a job that lost a member
/// starts again before the others have stopped theirs.
#[test]
fn nobody_is_taken_out_of_a_job_that_runs() {
    let a = entry(1, "a", Some("2 after 0"));
    let b = entry(2, "b", Some("2 after 0"));
    let c = entry(3, "c", Some("2 after 0"));
    let d = entry(4, "d", Some("2 after 0"));
    let frozen = roster(4, &[a.clone(), b]);
    // b is gone, a still runs; c and d would be enough.
    let now = members(&[a, c.clone(), d.clone()]);
    let Decision::Wait(waiting) = decide("c", &FRESH, &now, Some(&frozen)) else {
        panic!("a runs");
    };
    assert_eq!((waiting.busy, waiting.ready), (vec![1], vec![3, 4]));
    // a has stopped and is ready again.
    let again = entry(1, "a", Some("2 after 4"));
    let now = members(&[again, c, d]);
    let ready = two(4);
    let Decision::Propose(next) = decide("a", &ready, &now, Some(&frozen)) else {
        panic!("two are ready");
    };
    assert_eq!(next.generation, 5);
    let slots: Vec<Slot> = next.members.iter().map(|it| it.slot).collect();
    assert_eq!(slots, [1, 3]);
}

/// If this fails, whoever has stopped its command starts it again with the roster that it has
/// just left, because the store does not show yet what it wrote.
#[test]
fn an_old_roster_starts_nobody_twice() {
    let a = entry(1, "a", Some("2 after 0"));
    let b = entry(2, "b", Some("2 after 0"));
    let frozen = roster(4, &[a.clone(), b.clone()]);
    let ready = two(4);
    let decision = decide("a", &ready, &members(&[a, b]), Some(&frozen));
    assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
}

/// If this fails, two jobs of one pool run at the same time: a member that hears late of others
/// freezes a roster while these run theirs.
#[test]
fn nobody_proposes_from_a_copy_that_is_older_than_the_roster() {
    let a = entry(101, "a", Some("2 after 0"));
    let b = entry(102, "b", Some("2 after 0"));
    let ready = [
        entry(3, "c", Some("2 after 0")),
        entry(4, "d", Some("2 after 0")),
    ];
    let frozen = roster(1, &[a, b]);
    let decision = decide("c", &FRESH, &members(&ready), Some(&frozen));
    assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
}

/// If this fails, members that have stopped their command wait for ever after somebody has
/// deleted the roster.
#[test]
fn generations_grow_without_the_last_roster_too() {
    let a = entry(1, "a", Some("2 after 3"));
    let b = entry(2, "b", Some("2 after 4"));
    let ready = two(3);
    let Decision::Propose(next) = decide("a", &ready, &members(&[a, b]), None) else {
        panic!("two are ready");
    };
    assert_eq!(next.generation, 5);
}

/// If this fails, people see a member waiting whose command runs, or the other way round.
#[test]
fn what_a_member_does_is_shown() {
    let a = entry(1, "a", Some("2 after 0"));
    let again = entry(2, "b", Some("2 after 4"));
    let other = entry(3, "c", Some("3 after 0"));
    let frozen = roster(4, &[entry(0, "x", None), a.clone(), again.clone()]);
    let part = |entry: &Entry| Part::of(entry, Some(&frozen));
    let ready = |expect, role: Option<&str>| {
        let role = role.map(str::to_owned);
        Some(Part::Ready { expect, role })
    };
    let (rank, of, role) = (1, 3, None);
    assert_eq!(part(&a), Some(Part::Runs { rank, of, role }));
    assert_eq!(part(&again), ready(2, None));
    assert_eq!(part(&other), ready(3, None));
    assert_eq!(part(&entry(1, "a", None)), None);
    assert_eq!(Part::of(&a, None), ready(2, None));
    let ps = entry(3, "c", Some("ps=1,worker=2 as ps after 0"));
    assert_eq!(part(&ps), ready(3, Some("ps")));
}

/// If this fails, a job ends because of a member that has only just come, or goes on without
/// one that has died before everybody had seen it.
#[test]
fn who_is_gone_shows_once_the_copy_is_new_enough() {
    let a = entry(1, "a", Some("2 after 0"));
    let b = entry(2, "b", Some("2 after 0"));
    let frozen = roster(1, &[a.clone(), b]);
    let mut now = members(&[a]);
    assert_eq!(gone(&frozen, &now).len(), 1);
    now.revision = 1;
    assert_eq!(gone(&frozen, &now).len(), 0);
    // The slot in other hands is not the member.
    let other = members(&[entry(1, "x", None), entry(2, "b", None)]);
    let gone: Vec<Slot> = gone(&frozen, &other).iter().map(|it| it.slot).collect();
    assert_eq!(gone, [1]);
}
