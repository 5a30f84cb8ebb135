//! When is a job complete, and who is in it: decided from what the store shows, without IO.
//!
//! A claimant that takes part says so in its record (`gang = EXPECT after GENERATION`, with roles
//! `gang = EXPECT as ROLE after GENERATION`): how many it waits for, which of these it is, and for a
//! roster later than which it is ready. So a member of the last roster counts
//! as busy until it says otherwise, without having to write anything when its job starts.
//!
//! Who expects nobody else starts alone: nothing is said and nothing written down. Otherwise a
//! roster is frozen once nobody of the last one is busy any more and as many are ready as are
//! expected, in each role. Whoever sees that may propose one: the first that is written counts, and all others
//! read it.

use std::fmt;

use super::expectation::Expectation;
use super::roster::{Roster, RosterMember};
use crate::identity::members::Members;
use crate::store::{Entry, Slot};

/// The key in a record's free text that says who takes part.
pub(crate) const GANG: &str = "gang";

/// What a claimant says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Readiness {
    /// How many it waits for, itself among them.
    pub(super) expect: Expectation,
    /// Its role, one of those that are expected; [`None`] where there are none.
    pub(super) role: Option<String>,
    /// It is ready for any roster later than this.
    pub(super) after: u64,
}

impl fmt::Display for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.expect)?;
        if let Some(role) = &self.role {
            write!(formatter, " as {role}")?;
        }
        write!(formatter, " after {}", self.after)
    }
}

impl Readiness {
    fn of(entry: &Entry) -> Option<Self> {
        let text = entry.record.member.as_ref()?.meta.get(GANG)?;
        let (expect, after) = text.split_once(" after ")?;
        let (expect, role) = match expect.split_once(" as ") {
            Some((expect, role)) => (expect, Some(role)),
            None => (expect, None),
        };
        let expect: Expectation = expect.parse().ok()?;
        expect.part(role)?;
        Some(Self {
            expect,
            role: role.map(str::to_owned),
            after: after.parse().ok()?,
        })
    }

    /// The place of its role among the parts of what it expects.
    fn part(&self) -> Option<usize> {
        self.expect.part(self.role.as_deref())
    }
}

/// Where a member stands in its job, for people who look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It waits for others.
    Ready {
        /// For how many, itself among them.
        expect: u32,
        /// As what.
        role: Option<String>,
    },
    /// Its command runs, as far as the last roster says.
    Runs {
        /// Its position, from 0.
        rank: usize,
        /// Of how many.
        of: usize,
        /// As what.
        role: Option<String>,
    },
}

impl Part {
    /// The part of a member, after the last roster; [`None`] for who takes part in no job.
    pub(crate) fn of(entry: &Entry, last: Option<&Roster>) -> Option<Self> {
        let member = RosterMember::of(entry)?;
        let readiness = Readiness::of(entry)?;
        let roster = last.filter(|roster| readiness.after < roster.generation);
        let rank = roster.and_then(|roster| Some((roster.rank_at(&member)?, roster.members.len())));
        let (expect, role) = (readiness.expect.total(), readiness.role);
        Some(match rank {
            None => Self::Ready { expect, role },
            Some((rank, of)) => Self::Runs { rank, of, role },
        })
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
    /// How many of them each role has, or all together where there are no roles.
    pub(super) parts: Vec<usize>,
    /// Those of the last roster that are still busy.
    pub(super) busy: Vec<Slot>,
    /// Those that expect another number of members than we do, or other roles.
    pub(super) others: Vec<Slot>,
}

/// Decides for the claim `instance`, which has said `own` of itself, whether the copy of the store
/// shows that already or not.
///
/// Of a copy that lags behind no more follows than that one waits: whoever is busy shows in it
/// sooner than that it is ready again.
pub(super) fn decide(
    instance: &str,
    own: &Readiness,
    members: &Members,
    last: Option<&Roster>,
) -> Decision {
    if own.expect.is_alone() {
        return alone(instance, own, members);
    }
    let generation = last.map_or(0, |roster| roster.generation);
    // What comes after it: somebody may have deleted the last roster, or damaged it.
    let mut newest = generation.max(own.after);
    let mut waiting = Waiting::default();
    let wanted = own.expect.parts();
    let wanted: Vec<usize> = wanted.filter_map(|it| usize::try_from(it).ok()).collect();
    let mut ready = vec![Vec::new(); wanted.len()];
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
            continue;
        }
        let is_same = readiness.expect == own.expect;
        let part = readiness.part().filter(|_| is_same);
        let Some(part) = part.and_then(|part| ready.get_mut(part)) else {
            waiting.others.push(entry.slot);
            continue;
        };
        is_ready |= member.instance == instance;
        newest = newest.max(readiness.after);
        waiting.ready.push(entry.slot);
        part.push(member);
    }
    waiting.parts = ready.iter().map(Vec::len).collect();
    // Whether everybody is still there shows afterwards.
    let is_in = last.is_some_and(|roster| roster.rank(instance).is_some());
    if is_in && generation > own.after {
        return Decision::Start;
    }
    // A copy that is older than the last roster does not show who of that is busy.
    let lags = last.is_some_and(|roster| members.revision < roster.newest());
    let enough = |(ready, wanted): (&Vec<_>, &usize)| ready.len() >= *wanted;
    let complete = ready.iter().zip(&wanted).all(enough);
    if lags || !is_ready || !waiting.busy.is_empty() || !complete {
        return Decision::Wait(waiting);
    }
    let chosen = ready.into_iter().zip(wanted);
    let ready: Vec<RosterMember> = chosen
        .flat_map(|(ready, wanted)| ready.into_iter().take(wanted))
        .collect();
    if !ready.iter().any(|member| member.instance == instance) {
        // Enough others have lower slots: it is theirs to begin.
        return Decision::Wait(waiting);
    }
    let roster = Roster::new(newest.saturating_add(1), instance, ready);
    Decision::Propose(roster.in_roles(own.expect.roles()))
}

/// Starts once the copy of the store shows our claim.
fn alone(instance: &str, own: &Readiness, members: &Members) -> Decision {
    let is_own = |entry: &&Entry| entry.record.instance() == Some(instance);
    match members.entries().find(is_own).and_then(RosterMember::of) {
        Some(member) => {
            let roster = Roster::new(own.after + 1, instance, vec![member]);
            Decision::Alone(roster.in_roles(own.expect.roles()))
        }
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

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests;
