//! What is told while a job waits for its members.

use std::time::Duration;

use super::expectation::Expectation;
use super::gang::Lost;
use super::gathering::{Readiness, Waiting};
use super::situation::Situation;
use crate::console::complain;
use crate::identity::pool::PoolState;
use crate::progress;
use crate::store::{Slot, Space};

/// How many names a line has.
const MOST_NAMES: usize = 5;

/// How waiting goes.
pub(super) struct Progress {
    space: Space,
    expect: Expectation,
    role: Option<String>,
    lines: progress::Progress,
}

impl Progress {
    pub(super) fn new(space: Space, own: &Readiness) -> Self {
        Self {
            space,
            expect: own.expect.clone(),
            role: own.role.clone(),
            lines: progress::Progress::new(),
        }
    }

    /// Tells how it stands, unless that was told or something else was told just now.
    pub(super) fn tell(&mut self, state: &PoolState, waiting: &Waiting) {
        let text = self.text(state, waiting);
        self.lines.tell(text);
    }

    /// Waits until there is something to tell.
    pub(super) async fn due(&self) {
        self.lines.due().await;
    }

    /// Tells that the time is over.
    pub(super) fn timed_out(&self) {
        self.lines.timed_out();
    }

    fn text(&self, state: &PoolState, waiting: &Waiting) -> String {
        let Some((_, name)) = &state.held else {
            return match (&state.problem, state.full) {
                (Some(problem), _) => format!("waiting for a name: {problem}"),
                (None, true) => {
                    format!("all {} names are taken, waiting for one", self.space.limit)
                }
                (None, false) => "waiting for a name".to_owned(),
            };
        };
        let here = waiting.ready.len();
        let expect = usize::try_from(self.expect.total()).unwrap_or(usize::MAX);
        let mut text = match &self.role {
            None => format!("{name} is here, {here} of {expect}"),
            Some(role) => format!("{name} is here as {role}"),
        };
        if !waiting.busy.is_empty() {
            let busy = self.names(waiting.busy.iter().copied());
            text += &format!(", waiting for the end of the job of {busy}");
        } else if self.role.is_some() {
            let roles = self.expect.roles().iter().zip(&waiting.parts);
            let roles =
                roles.map(|(role, here)| format!("{here} of {} {}", role.members, role.name));
            text += &format!(", {}", roles.collect::<Vec<_>>().join(", "));
        } else if here < expect {
            let free =
                (1..=self.space.limit).filter(|slot| waiting.ready.binary_search(slot).is_err());
            let missing = self.names(free.take(expect - here));
            text += &format!(", missing {missing}");
        }
        if !waiting.others.is_empty() {
            let others = self.names(waiting.others.iter().copied());
            let what = match self.role {
                None => "another number is",
                Some(_) => "other members are",
            };
            text += &format!("; {what} expected by {others}");
        }
        text
    }

    fn names(&self, slots: impl Iterator<Item = Slot>) -> String {
        let slots: Vec<Slot> = slots.collect();
        let names = slots.iter().take(MOST_NAMES);
        let names: Vec<String> = names.map(|slot| self.space.pattern.text(*slot)).collect();
        match slots.len().saturating_sub(MOST_NAMES) {
            0 => names.join(" "),
            more => format!("{} and {more} more", names.join(" ")),
        }
    }
}

/// Tells that the command starts.
pub(super) fn started(situation: &Situation<'_>) {
    let Some(own) = situation.own() else { return };
    let role = situation.role();
    let role = role.map(|it| format!(" as {} {} of {}", it.name, it.rank, it.size));
    complain(&format!(
        "callsign: {} starts{} with rank {} of {} (generation {}, leader {})",
        situation.pattern.text(own.slot),
        role.unwrap_or_default(),
        situation.rank,
        situation.roster.members.len(),
        situation.roster.generation,
        situation.leader(),
    ));
}

/// Tells that the command is ended because the name is lost.
pub(super) fn claim_lost(grace: Duration) {
    complain(&format!(
        "callsign: the claim is lost: the command is ended, within {grace:?}"
    ));
}

/// Tells that the command is ended because others are gone.
pub(super) fn member_lost(lost: &[Lost], again: bool) {
    for Lost { name, status } in lost {
        let what = match status {
            Some(status) => format!("the command of {name} has ended with status {status}"),
            None => format!("{name} is lost"),
        };
        let then = match again {
            true => "the command is ended, and starts again once all members are there",
            false => "the command is ended",
        };
        complain(&format!("callsign: {what}: {then}"));
    }
}
