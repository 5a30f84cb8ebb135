//! The sessions of this process and the slots that it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::error::{gone, unreachable};
use super::lock::{self, LockFile, Part};
use super::locked;
use super::space::{SpaceFolder, Written};
use crate::store::{Session, Slot, StoreError};

/// The open sessions of this process.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Session, OpenSession>>,
}

#[derive(Debug)]
pub(super) struct OpenSession {
    ttl: Duration,
    /// The slots that are held under it.
    pub(super) holds: Vec<Arc<Hold>>,
    /// The reservation that hangs on it.
    pub(super) reservation: Option<(SpaceFolder, Slot, String)>,
}

/// A slot that this process holds.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) space: SpaceFolder,
    pub(super) slot: Slot,
    pub(super) lock: LockFile,
    /// What stands in the slot file; [`None`] when the slot is released. Whoever changes the file
    /// keeps this locked meanwhile.
    pub(super) written: Mutex<Option<Written>>,
}

impl Hold {
    /// Gives the slot up. The file stays: its epoch is the last one, and it may be kept for us.
    pub(super) fn release(&self) {
        let mut written = locked(&self.written);
        if written.take().is_some() {
            // Somebody may be about to look whether it stands, and keeps the file open for that
            // moment. Where this fails, closing does it.
            let _ = self.lock.unlock(Part::Life);
        }
    }

    /// Whether the claim is still the one that everybody else sees in the folder.
    pub(super) fn stands(&self, written: &Written) -> Result<bool, StoreError> {
        if !self.lock.is_in_place() {
            return Ok(false);
        }
        let seen = lock::look(&self.space.lock_path(self.slot))
            .map_err(|error| unreachable(&self.space, &error))?;
        let there = self.space.read(self.slot);
        Ok(seen.life && there.is_ok_and(|there| there.is_some_and(|it| it.epoch == written.epoch)))
    }
}

impl Sessions {
    pub(super) fn open_session(
        &self,
        ttl: Duration,
        reservation: Option<(SpaceFolder, Slot, String)>,
    ) -> Session {
        let mut open = locked(&self.open);
        let mut session = random_session();
        while open.contains_key(&session) {
            session = random_session();
        }
        let new = OpenSession {
            ttl,
            holds: Vec::new(),
            reservation,
        };
        open.insert(session, new);
        session
    }

    /// Ends a session; [`None`] where it is not open.
    pub(super) fn end(&self, session: Session) -> Option<OpenSession> {
        locked(&self.open).remove(&session)
    }

    /// How long an open session lives; [`None`] where it is not open.
    pub(super) fn ttl(&self, session: Session) -> Option<Duration> {
        Some(locked(&self.open).get(&session)?.ttl)
    }

    /// The slot as this process holds it, under a certain session or under any.
    pub(super) fn hold(
        &self,
        space: &SpaceFolder,
        slot: Slot,
        session: Option<Session>,
    ) -> Option<Arc<Hold>> {
        let open = locked(&self.open);
        let asked = open
            .iter()
            .filter(|(number, _)| session.is_none_or(|it| it == **number));
        asked
            .flat_map(|(_, session)| &session.holds)
            .find(|hold| hold.slot == slot && hold.space == *space)
            .cloned()
    }

    /// Hangs a claim on its session, which may have been closed meanwhile.
    pub(super) fn keep(&self, session: Session, hold: Arc<Hold>) -> Result<(), StoreError> {
        let mut open = locked(&self.open);
        match open.get_mut(&session) {
            Some(open) => {
                open.holds.push(hold);
                Ok(())
            }
            None => {
                hold.release();
                Err(gone(session))
            }
        }
    }

    /// The session of a reservation: the one it had, or a new one.
    pub(super) fn reserve(
        &self,
        last: Option<Session>,
        ttl: Duration,
        target: (SpaceFolder, Slot, String),
    ) -> Session {
        if let Some(last) = last
            && let Some(open) = locked(&self.open).get_mut(&last)
            && open.reservation.is_some()
        {
            open.ttl = ttl;
            open.reservation = Some(target);
            return last;
        }
        self.open_session(ttl, Some(target))
    }
}

/// A positive number that no other process of the machine is likely to have drawn, exact in JSON.
fn random_session() -> Session {
    let text = crate::identity::node::random_hex();
    let number = text
        .get(..13)
        .and_then(|digits| i64::from_str_radix(digits, 16).ok());
    Session(number.unwrap_or_default() + 1)
}
