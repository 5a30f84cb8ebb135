//! Carrying out requests.

use std::io;
use std::sync::Arc;

use super::error::{cannot_write, gone, refused, unreachable};
use super::lock::Part;
use super::sessions::Hold;
use super::space::{Kept, SpaceFolder, Written};
use super::{Shared, locked};
use crate::store::{Epoch, Occupancy, Reply, Request, Session, Slot, StoreError};

impl Shared {
    /// Carries out one request. Blocks for as long as the disk takes.
    pub(super) fn carry_out(
        &self,
        space: &SpaceFolder,
        limit: Slot,
        request: Request,
    ) -> Result<Reply, StoreError> {
        match request {
            Request::Open { ttl } => {
                let session = self.sessions.open_session(ttl, None);
                Ok(Reply::Opened { session, ttl })
            }
            Request::Enqueue { session, .. } => {
                self.sessions.ttl(session).ok_or_else(|| gone(session))?;
                self.queued(space, 0)
            }
            Request::Requeue {
                session, arrival, ..
            } => {
                self.sessions.ttl(session).ok_or_else(|| gone(session))?;
                self.queued(space, arrival)
            }
            Request::Claim {
                session,
                slot,
                record,
                guard,
            } => {
                if slot == 0 || slot > limit {
                    return Err(refused(format!("slot {slot} is not among 1 to {limit}")));
                }
                self.claim(space, session, slot, &record, guard)
            }
            Request::KeepAlive { session } => Ok(match self.sessions.ttl(session) {
                Some(ttl) => Reply::Renewed { ttl },
                None => Reply::Gone,
            }),
            Request::Verify {
                session,
                slot,
                epoch,
            } => {
                let hold = self.sessions.hold(space, slot, Some(session));
                self.change(hold, epoch, |_, _| Ok(Reply::Stands))
            }
            Request::Update {
                session,
                slot,
                epoch,
                record,
            } => {
                let hold = self.sessions.hold(space, slot, Some(session));
                self.change(hold, epoch, |hold, written| {
                    let next = Written {
                        epoch: self.next_epoch(written.epoch),
                        record,
                        ..written.clone()
                    };
                    write(&hold.space, slot, &next)?;
                    let epoch = next.epoch;
                    *written = next;
                    Ok(Reply::Claimed { epoch })
                })
            }
            Request::Reserve {
                slot,
                epoch,
                node,
                ttl,
                reservation,
            } => {
                let hold = self.sessions.hold(space, slot, None);
                self.change(hold, epoch, |hold, written| {
                    let next = Written {
                        kept: Some(Kept::from_now(node.clone(), ttl)),
                        ..written.clone()
                    };
                    write(&hold.space, slot, &next)?;
                    *written = next;
                    let target = (space.clone(), slot, node);
                    let reservation = self.sessions.reserve(reservation, ttl, target);
                    Ok(Reply::Reserved { reservation })
                })
            }
            Request::Close { session } => self.close(session),
        }
    }

    fn queued(&self, space: &SpaceFolder, arrival: u64) -> Result<Reply, StoreError> {
        // Nobody needs to queue: an attempt costs no more than a look.
        Ok(Reply::Queued {
            arrival,
            ahead: 0,
            occupancy: self.occupancy(space)?,
        })
    }

    pub(super) fn occupancy(&self, space: &SpaceFolder) -> Result<Occupancy, StoreError> {
        let view = self.view(space, None);
        Ok(view
            .map_err(|error| unreachable(space, &error))?
            .occupancy())
    }

    /// An epoch that is larger than `last` and than everything this process has seen.
    pub(super) fn next_epoch(&self, last: Epoch) -> Epoch {
        self.revisions.see(last);
        self.revisions.draw()
    }

    /// Does something to a claim of ours that stands.
    fn change(
        &self,
        hold: Option<Arc<Hold>>,
        epoch: Epoch,
        action: impl FnOnce(&Hold, &mut Written) -> Result<Reply, StoreError>,
    ) -> Result<Reply, StoreError> {
        let Some(hold) = hold else {
            return Ok(Reply::Gone);
        };
        let mut written = locked(&hold.written);
        match written.as_mut() {
            Some(written) if written.epoch == epoch && hold.stands(written)? => {
                action(&hold, written)
            }
            // Written by an update of ours whose answer nobody has waited for.
            Some(written) if written.epoch > epoch && hold.stands(written)? => Ok(Reply::Moved {
                epoch: written.epoch,
            }),
            _ => Ok(Reply::Gone),
        }
    }

    fn close(&self, session: Session) -> Result<Reply, StoreError> {
        let closed = self.sessions.end(session);
        if let Some(closed) = closed {
            for hold in closed.holds {
                hold.release();
            }
            if let Some((space, slot, node)) = closed.reservation {
                self.forget(&space, slot, &node)?;
            }
        }
        Ok(Reply::Closed)
    }

    /// Ends the reservation of a slot, whether we still hold the slot or not.
    pub(super) fn forget(
        &self,
        space: &SpaceFolder,
        slot: Slot,
        node: &str,
    ) -> Result<(), StoreError> {
        let ours = |written: &Written| written.kept.as_ref().is_some_and(|kept| kept.node == node);
        if let Some(hold) = self.sessions.hold(space, slot, None) {
            let mut written = locked(&hold.written);
            if let Some(written) = written.as_mut() {
                if ours(written) && hold.stands(written)? {
                    written.kept = None;
                    write(space, slot, written)?;
                }
                return Ok(());
            }
        }
        let failed = |error: io::Error| unreachable(space, &error);
        if !space.lock_path(slot).exists() {
            return Ok(());
        }
        let Some(lock) = self.open_lock(space, slot)? else {
            return Ok(());
        };
        if lock.try_lock(Part::Gate).map_err(failed)?
            && !lock.is_locked(Part::Life).map_err(failed)?
            && let Ok(Some(mut written)) = space.read(slot)
            && ours(&written)
        {
            written.kept = None;
            write(space, slot, &written)?;
        }
        Ok(())
    }
}

/// Writes a slot file of a slot that is locked by us.
fn write(space: &SpaceFolder, slot: Slot, written: &Written) -> Result<(), StoreError> {
    space
        .write(slot, written)
        .map_err(|error| cannot_write(space, &error))
}
