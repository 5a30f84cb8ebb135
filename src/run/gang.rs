//! Waiting for the others of a job, and noticing that one is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::Job;
use super::gathering::{Decision, GANG, Readiness, decide, gone};
use super::progress::Progress;
use super::roster::{Ended, Roster, RosterMember};
use crate::identity::members::Members;
use crate::identity::pool::{PoolConfig, PoolHandle, PoolState};
use crate::store::{Note, NoteName, NoteWrite, StoreError};

/// How long the store may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The first pause between two looks for the roster that somebody else may be freezing; each is
/// twice as long as the one before. All members see that the job is complete in the same moment;
/// the one with rank 0 freezes, and the one that came last, so that not all of them write.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// After how many looks a member freezes the roster itself: after 0.6 s.
const LOOKS: u32 = 6;

/// The longest pause, and what it is at least for each member: the store is asked by all of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PAUSE_PER_MEMBER: Duration = Duration::from_millis(10);

/// What came of waiting.
pub(super) enum Waited {
    /// This roster starts.
    Complete(Roster),
    /// The time is over.
    TimedOut {
        /// Whether it was for want of a free slot.
        full: bool,
    },
}

/// A member that is gone, or whose command has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Its name.
    pub(super) name: String,
    /// The exit status of its command, if it said so.
    pub(super) status: Option<u8>,
}

/// One member's part in a job.
pub(super) struct Gang {
    handle: PoolHandle,
    pool: PoolConfig,
    own: Readiness,
    timeout: Option<Duration>,
    members: watch::Receiver<Members>,
    state: watch::Receiver<PoolState>,
    /// The roster as it was read last.
    last: Option<Roster>,
    /// The revision of its note, once it was read.
    revision: Option<u64>,
    /// Why it could not be read, as it was told last.
    trouble: Option<String>,
    /// The claim that takes part.
    instance: String,
    /// Who of the roster has ended well.
    done: Vec<String>,
}

/// What is published by who takes part.
pub(super) fn announced(
    meta: &BTreeMap<String, String>,
    readiness: &Readiness,
) -> BTreeMap<String, String> {
    let mut meta = meta.clone();
    if readiness.expect.is_alone() {
        return meta;
    }
    meta.insert(GANG.to_owned(), readiness.to_string());
    meta
}

impl Gang {
    pub(super) fn new(handle: PoolHandle, job: &Job) -> Self {
        Self {
            members: handle.members.clone(),
            state: handle.state.clone(),
            handle,
            pool: job.pool.clone(),
            own: job.readiness(),
            timeout: job.timeout,
            last: None,
            revision: None,
            trouble: None,
            instance: String::new(),
            done: Vec::new(),
        }
    }

    /// The position of this member.
    pub(super) fn rank(&self, roster: &Roster) -> Option<usize> {
        roster.rank(&self.instance)
    }

    /// Is ready again, for a roster later than `generation`.
    pub(super) fn again(&mut self, generation: u64) {
        self.own.after = generation;
        self.done.clear();
        self.handle.configure(PoolConfig {
            meta: announced(&self.pool.meta, &self.own),
            ..self.pool.clone()
        });
    }

    /// Waits until a roster with this member in it is frozen.
    pub(super) async fn wait(&mut self) -> Waited {
        let mut progress = Progress::new(self.handle.space().clone(), &self.own);
        let end = self.timeout.map(|timeout| Instant::now() + timeout);
        let longest = LONGEST_PAUSE.max(PAUSE_PER_MEMBER * self.own.expect.total());
        let (mut looks, mut pause) = (0, FIRST_PAUSE);
        let mut look_at = Instant::now() + pause;
        let mut stretch = self.handle.ownership.stretch();
        loop {
            let is_alone = self.own.expect.is_alone();
            let has_claim = self.state.borrow().instance.is_some();
            if self.revision.is_none() && has_claim && !is_alone {
                self.note(None).await;
            }
            // Nothing is waited for between these and what is decided from them.
            let members = self.members.borrow_and_update().clone();
            let state = self.state.borrow_and_update().clone();
            // A name whose time is over, since this process was stopped for long, is about to be lost or
            // renewed. The pool tells of both.
            stretch.mark_unchanged();
            let is_owned = self.handle.ownership.check().is_some();
            let instance = state.instance.clone().filter(|_| is_owned);
            self.instance = instance.unwrap_or_default();
            let mut tells = false;
            match decide(&self.instance, &self.own, &members, self.last.as_ref()) {
                Decision::Start => {
                    if let Some(roster) = self.last.clone() {
                        return Waited::Complete(roster);
                    }
                }
                Decision::Alone(roster) => return Waited::Complete(roster),
                Decision::Wait(waiting) => {
                    progress.tell(&state, &waiting);
                    tells = true;
                }
                Decision::Propose(roster) => {
                    let turn = begins(&roster, &self.instance) || looks >= LOOKS;
                    if turn && self.revision.is_some() && self.propose(roster).await {
                        continue;
                    }
                }
            }
            tokio::select! {
                result = self.members.changed() => {
                    ended(result).await;
                    (looks, pause) = (0, FIRST_PAUSE);
                    look_at = Instant::now() + pause;
                }
                result = self.state.changed() => ended(result).await,
                Ok(()) = stretch.changed() => {}
                () = sleep_until(look_at), if !self.instance.is_empty() && !is_alone => {
                    self.note(None).await;
                    looks += 1;
                    pause = (pause * 2).min(longest);
                    look_at = Instant::now() + pause;
                }
                () = progress.due(), if tells => {}
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                    progress.timed_out();
                    return Waited::TimedOut { full: state.full };
                }
            }
        }
    }

    /// Freezes a roster, if it still is the one; returns whether another one stands now.
    async fn propose(&mut self, roster: Roster) -> bool {
        // Whoever is in the last roster and lives shows in what is looked at after that was read, and
        // the note is written only while it is still that one.
        let roster = match self.handle.look(ANSWER).await {
            None => Some(roster),
            Some(Ok(now)) => match decide(&self.instance, &self.own, &now, self.last.as_ref()) {
                Decision::Propose(roster) => Some(roster),
                _ => None,
            },
            Some(Err(_)) => None,
        };
        match roster {
            Some(roster) => self.note(Some(&roster)).await,
            None => false,
        }
    }

    /// The members of `roster` that are gone, and not because they are done; an error where that
    /// cannot be found out now.
    async fn gone<'r>(
        &mut self,
        roster: &'r Roster,
        look: bool,
    ) -> Result<Vec<&'r RosterMember>, StoreError> {
        let mut members = self.members.borrow_and_update().clone();
        let (instance, done) = (&self.instance, &self.done);
        let gone = |members: &Members| -> Vec<&'r RosterMember> {
            let gone = gone(roster, members).into_iter();
            gone.filter(|it| it.instance != *instance && !done.contains(&it.instance))
                .collect()
        };
        // Who is in the roster held its name before that was read.
        if (look || !gone(&members).is_empty())
            && let Some(now) = self.handle.look(ANSWER).await
        {
            members = now?;
        }
        Ok(gone(&members))
    }

    /// Waits until members of `roster` are gone otherwise than after their commands have succeeded.
    pub(super) async fn lost(&mut self, roster: &Roster) -> Vec<Lost> {
        // Whoever came and went before we heard of it shows in no change.
        let mut look = true;
        loop {
            let gone = self.gone(roster, look).await;
            let mut unknown = gone.is_err();
            look = unknown;
            let mut lost = Vec::new();
            for member in gone.unwrap_or_default() {
                match self.last_word(roster, member).await {
                    Ok(Some(0)) => self.done.push(member.instance.clone()),
                    Ok(status) => lost.push(Lost {
                        name: self.handle.space().pattern.text(member.slot),
                        status,
                    }),
                    // Whoever writes before it goes may have succeeded.
                    Err(()) => unknown = true,
                }
            }
            if !lost.is_empty() {
                return lost;
            }
            tokio::select! {
                result = self.members.changed() => ended(result).await,
                () = sleep(LONGEST_PAUSE), if unknown => {}
            }
        }
    }

    /// The exit status that a member has left behind for this roster; [`None`] where it has not.
    async fn last_word(&self, roster: &Roster, member: &RosterMember) -> Result<Option<u8>, ()> {
        let note = self.handle.note(NoteName::Ended(member.slot), None, ANSWER);
        let note = note.await.map_err(drop)?;
        let ended = Ended::parse(&note.text);
        let same = |ended: &Ended| {
            ended.instance == member.instance && ended.generation == roster.generation
        };
        Ok(ended.filter(same).map(|ended| ended.status))
    }

    /// Leaves behind how the command has ended, so that the others do not take this member for lost.
    pub(super) async fn ended(&self, roster: &Roster, status: u8) {
        let Some(own) = roster.members.get(self.rank(roster).unwrap_or(usize::MAX)) else {
            return;
        };
        let ended = Ended {
            instance: own.instance.clone(),
            generation: roster.generation,
            status,
        };
        let write = NoteWrite {
            text: ended.to_json(),
            after: None,
        };
        let name = NoteName::Ended(own.slot);
        if let Err(error) = self.handle.note(name, Some(write), ANSWER).await {
            warn!("the other members may take this one for lost: {error}");
        }
    }

    /// Reads the roster, after freezing one if the last is still the one that was read; returns
    /// whether another one stands now.
    async fn note(&mut self, roster: Option<&Roster>) -> bool {
        let write = match roster.map(Roster::to_json) {
            None => None,
            // The number of members is bounded so that it fits.
            Some(None) => return false,
            Some(Some(text)) => Some(NoteWrite {
                text,
                after: self.revision,
            }),
        };
        match self.handle.note(NoteName::Roster, write, ANSWER).await {
            Ok(Note { revision, text }) => {
                let is_new = self.revision != Some(revision);
                if is_new {
                    self.revision = Some(revision);
                    self.last = Roster::parse(&text);
                }
                is_new
            }
            Err(error) => {
                if self.trouble.as_ref() != Some(&error.message) {
                    warn!("the roster cannot be read: {error}");
                    self.trouble = Some(error.message);
                }
                false
            }
        }
    }
}

/// Whether it is this claim's turn to freeze a roster that it would be in: that of the first one,
/// and that of the last one, which is awake already when the others are woken by its coming.
fn begins(roster: &Roster, instance: &str) -> bool {
    let own = roster.rank(instance);
    let last = own.and_then(|own| roster.members.get(own));
    own == Some(0) || last.is_some_and(|it| it.epoch == roster.newest())
}

/// A pool ends only with this process: whoever hears that it has ended is about to end as well.
async fn ended(result: Result<(), RecvError>) {
    if result.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
