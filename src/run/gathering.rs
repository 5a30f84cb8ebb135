//! When is a job complete, and who is in it: decided from what the store shows, without IO.
//!
//! A claimant that takes part says so in its record (`gang = EXPECT after GENERATION`): how many it
//! waits for, and for a roster later than which it is ready. So a member of the last roster counts
//! as busy until it says otherwise, without having to write anything when its job starts.
//!
//! Who expects nobody else starts alone: nothing is said and nothing written down. Otherwise a
//! roster is frozen once nobody of the last one is busy any more and as many are ready as are
//! expected. Whoever sees that may propose one: the first that is written counts, and all others
//! read it.

use std::fmt;

use super::roster::{Roster, RosterMember};
use crate::identity::members::Members;
use crate::store::{Entry, Slot};

/// The key in a record's free text that says who takes part.
pub(super) const GANG: &str = "gang";

/// What a claimant says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readiness {
    /// How many it waits for, itself among them.
    pub(super) expect: u32,
    /// It is ready for any roster later than this.
    pub(super) after: u64,
}

impl fmt::Display for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} after {}", self.expect, self.after)
    }
}

impl Readiness {
    fn of(entry: &Entry) -> Option<Self> {
        let text = entry.record.member.as_ref()?.meta.get(GANG)?;
        let (expect, after) = text.split_once(" after ")?;
        Some(Self {
            expect: expect.parse().ok()?,
            after: after.parse().ok()?,
        })
    }
}

/// Where a member stands in its job, for people who look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It waits for others.
    Ready {
        /// For how many, itself among them.
        expect: u32,
    },
    /// Its command runs, as far as the last roster says.
    Runs {
        /// Its position, from 0.
        rank: usize,
        /// Of how many.
        of: usize,
    },
}

impl Part {
    /// The part of a member, after the last roster; [`None`] for who takes part in no job.
    pub(crate) fn of(entry: &Entry, last: Option<&Roster>) -> Option<Self> {
        let member = RosterMember::of(entry)?;
        let Readiness { expect, after } = Readiness::of(entry)?;
        let roster = last.filter(|roster| after < roster.generation);
        let rank = roster.and_then(|roster| Some((roster.rank_at(&member)?, roster.members.len())));
        Some(rank.map_or(Self::Ready { expect }, |(rank, of)| Self::Runs { rank, of }))
    }
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait for a change.
    Wait(Waiting),
    /// Freeze this one, unless somebody has frozen another.
    Propose(Roster),
    /// Start: this is the last roster and we are in it.
    Start,
    /// Start with this one, which is nobody else's business.
    Alone(Roster),
}

/// What is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The slots of those that are ready, ascending.
    pub(super) ready: Vec<Slot>,
    /// Those of the last roster that are still busy.
    pub(super) busy: Vec<Slot>,
    /// Those that expect another number of members than we do.
    pub(super) others: Vec<Slot>,
}

/// Decides for the claim `instance`, which has said `own` of itself, whether the copy of the store
/// shows that already or not.
///
/// Of a copy that lags behind no more follows than that one waits: whoever is busy shows in it
/// sooner than that it is ready again.
pub(super) fn decide(
    instance: &str,
    own: Readiness,
    members: &Members,
    last: Option<&Roster>,
) -> Decision {
    if own.expect == 1 {
        return alone(instance, own, members);
    }
    let generation = last.map_or(0, |roster| roster.generation);
    // What comes after it: somebody may have deleted the last roster, or damaged it.
    let mut newest = generation.max(own.after);
    let mut waiting = Waiting::default();
    let mut ready = Vec::new();
    let mut is_ready = false;
    for entry in members.entries() {
        let Some(member) = RosterMember::of(entry) else {
            continue;
        };
        let Some(readiness) = Readiness::of(entry) else {
            continue;
        };
        let is_old = last.is_some_and(|roster| roster.rank_at(&member).is_some());
        if is_old && readiness.after < generation {
            waiting.busy.push(entry.slot);
        } else if readiness.expect == own.expect {
            is_ready |= member.instance == instance;
            newest = newest.max(readiness.after);
            waiting.ready.push(entry.slot);
            ready.push(member);
        } else {
            waiting.others.push(entry.slot);
        }
    }
    // Whether everybody is still there shows afterwards.
    let is_in = last.is_some_and(|roster| roster.rank(instance).is_some());
    if is_in && generation > own.after {
        return Decision::Start;
    }
    // A copy that is older than the last roster does not show who of that is busy.
    let lags = last.is_some_and(|roster| members.revision < roster.newest());
    let wanted = usize::try_from(own.expect).unwrap_or(usize::MAX);
    if lags || !is_ready || !waiting.busy.is_empty() || ready.len() < wanted {
        return Decision::Wait(waiting);
    }
    ready.truncate(wanted);
    if !ready.iter().any(|member| member.instance == instance) {
        // Enough others have lower slots: it is theirs to begin.
        return Decision::Wait(waiting);
    }
    Decision::Propose(Roster::new(newest.saturating_add(1), instance, ready))
}

/// Starts once the copy of the store shows our claim.
fn alone(instance: &str, own: Readiness, members: &Members) -> Decision {
    let is_own = |entry: &&Entry| entry.record.instance() == Some(instance);
    match members.entries().find(is_own).and_then(RosterMember::of) {
        Some(member) => Decision::Alone(Roster::new(own.after + 1, instance, vec![member])),
        None => Decision::Wait(Waiting::default()),
    }
}

/// The members of `roster` that are not there any more. A copy of the store that is older than the
/// roster does not show those that came last, and says nothing.
pub(super) fn gone<'r>(roster: &'r Roster, members: &Members) -> Vec<&'r RosterMember> {
    if members.revision < roster.newest() {
        return Vec::new();
    }
    let is_gone = |member: &&RosterMember| {
        let there = members.get(member.slot);
        there.is_none_or(|it| it.record.instance() != Some(&member.instance))
    };
    roster.members.iter().filter(is_gone).collect()
}

impl Roster {
    /// The rank of a member at its own slot.
    fn rank_at(&self, member: &RosterMember) -> Option<usize> {
        let found = self
            .members
            .binary_search_by_key(&member.slot, |it| it.slot)
            .ok()?;
        let same = self.members.get(found)?.instance == member.instance;
        same.then_some(found)
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
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

    const FRESH: Readiness = Readiness {
        expect: 2,
        after: 0,
    };

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
            FRESH,
            &members(&[a.clone(), stranger.clone(), other.clone()]),
            None,
        );
        let waiting = Waiting {
            ready: vec![1],
            busy: vec![],
            others: vec![3],
        };
        assert_eq!(decision, Decision::Wait(waiting));
        let all = members(&[a.clone(), stranger, other, b.clone(), c]);
        let expected = |who| Roster::new(1, who, roster(1, &[a.clone(), b.clone()]).members);
        assert_eq!(
            decide("a", FRESH, &all, None),
            Decision::Propose(expected("a"))
        );
        assert_eq!(
            decide("b", FRESH, &all, None),
            Decision::Propose(expected("b"))
        );
        // A third one is a spare.
        assert!(matches!(decide("c", FRESH, &all, None), Decision::Wait(_)));
        let frozen = roster(1, &[a, b]);
        assert_eq!(decide("b", FRESH, &all, Some(&frozen)), Decision::Start);
    }

    /// If this fails, programs that have nothing to do with each other wait for each other.
    #[test]
    fn who_expects_nobody_starts_alone() {
        let a = entry(1, "a", Some("2 after 0"));
        let b = entry(2, "b", None);
        let own = Readiness {
            expect: 1,
            after: 0,
        };
        let running = roster(3, std::slice::from_ref(&a));
        let now = members(&[a, b.clone()]);
        let expected = Roster::new(1, "b", roster(1, &[b]).members);
        assert_eq!(
            decide("b", own, &now, Some(&running)),
            Decision::Alone(expected)
        );
        assert_eq!(
            decide("c", own, &now, None),
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
        let Decision::Wait(waiting) = decide("c", FRESH, &now, Some(&frozen)) else {
            panic!("a runs");
        };
        assert_eq!((waiting.busy, waiting.ready), (vec![1], vec![3, 4]));
        // a has stopped and is ready again.
        let again = entry(1, "a", Some("2 after 4"));
        let now = members(&[again, c, d]);
        let ready = Readiness {
            expect: 2,
            after: 4,
        };
        let Decision::Propose(next) = decide("a", ready, &now, Some(&frozen)) else {
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
        let ready = Readiness {
            expect: 2,
            after: 4,
        };
        let decision = decide("a", ready, &members(&[a, b]), Some(&frozen));
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
        let decision = decide("c", FRESH, &members(&ready), Some(&frozen));
        assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
    }

    /// If this fails, members that have stopped their command wait for ever after somebody has
    /// deleted the roster.
    #[test]
    fn generations_grow_without_the_last_roster_too() {
        let a = entry(1, "a", Some("2 after 3"));
        let b = entry(2, "b", Some("2 after 4"));
        let ready = Readiness {
            expect: 2,
            after: 3,
        };
        let Decision::Propose(next) = decide("a", ready, &members(&[a, b]), None) else {
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
        assert_eq!(part(&a), Some(Part::Runs { rank: 1, of: 3 }));
        assert_eq!(part(&again), Some(Part::Ready { expect: 2 }));
        assert_eq!(part(&other), Some(Part::Ready { expect: 3 }));
        assert_eq!(part(&entry(1, "a", None)), None);
        assert_eq!(Part::of(&a, None), Some(Part::Ready { expect: 2 }));
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
}
