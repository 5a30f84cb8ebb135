//! The guard that is started while others are waited for, so that the command itself is all that is
//! left to start when they have come.

use std::io;
use std::time::Duration;

use super::command::Guard;
use crate::console::complain;
use crate::identity::ownership::Stamp;
use crate::identity::pool::PoolHandle;
use crate::reason;
use crate::store::{Epoch, Slot};

/// A guard for the claim that is held, or none.
pub(super) struct Standby {
    handle: PoolHandle,
    grace: Duration,
    guard: Option<(Slot, Epoch, Guard)>,
}

impl Standby {
    /// Nothing is held yet.
    pub(super) fn new(handle: PoolHandle, grace: Duration) -> Self {
        Self {
            handle,
            grace,
            guard: None,
        }
    }

    /// The pool whose claim it is.
    pub(super) fn handle(&self) -> &PoolHandle {
        &self.handle
    }

    /// Has a guard ready for every claim that is held from now on; does not end.
    pub(super) async fn stand_by(&mut self) {
        let mut state = self.handle.state.clone();
        let mut stretch = self.handle.ownership.stretch();
        loop {
            if let Some(stamp) = self.handle.ownership.check()
                && !self.is_for(stamp)
            {
                // The one for an earlier claim keeps that one's lock open.
                self.guard = None;
                match self.start(stamp) {
                    Ok(guard) => self.guard = Some((stamp.slot, stamp.epoch, guard)),
                    // It is tried again when it is needed.
                    Err(error) => complain(&format!(
                        "callsign: no guard can be started yet: {}",
                        reason::of(&error)
                    )),
                }
            }
            let changed = tokio::select! {
                changed = state.changed() => changed,
                changed = stretch.changed() => changed,
            };
            if changed.is_err() {
                // The pool ends only with this process.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The guard for the claim that is held, from now on nobody else's.
    pub(super) fn take(&mut self, stamp: Stamp) -> io::Result<Guard> {
        let is_for = self.is_for(stamp);
        if let Some((_, _, mut guard)) = self.guard.take().filter(|_| is_for)
            && guard.lives()
        {
            return Ok(guard);
        }
        self.start(stamp)
    }

    fn is_for(&self, stamp: Stamp) -> bool {
        let guard = self.guard.as_ref();
        guard.is_some_and(|(slot, epoch, _)| (*slot, *epoch) == (stamp.slot, stamp.epoch))
    }

    fn start(&self, stamp: Stamp) -> io::Result<Guard> {
        Guard::start(self.grace, self.handle.inheritable(stamp.slot))
    }
}
