//! Claiming a slot: behind its gate, the file first, then the lock.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;

use super::error::{cannot_write, gone, refused, unreachable};
use super::lock::{LockFile, Part};
use super::sessions::Hold;
use super::space::{SpaceFolder, Standing, Written};
use super::{Shared, file, folder};
use crate::identity::record::Record;
use crate::store::{Epoch, Guard, Reply, Session, Slot, StoreError};

/// How often somebody else's decision about a slot is waited for, a millisecond each time.
const GATE_TRIES: u32 = 100;

/// What became of an attempt to claim a slot.
enum Attempt {
    Claimed(Arc<Hold>, Epoch),
    /// The guard does not hold.
    Taken,
    /// Somebody else has been about to decide on it for too long.
    Blocked,
    /// The files changed places meanwhile.
    Moved,
}

impl Shared {
    /// Takes a slot where nobody holds it and the guard holds.
    pub(super) fn claim(
        &self,
        space: &SpaceFolder,
        session: Session,
        slot: Slot,
        record: &Record,
        guard: Guard,
    ) -> Result<Reply, StoreError> {
        self.sessions.ttl(session).ok_or_else(|| gone(session))?;
        let mut blocked = None;
        // Somebody may be exchanging the folder; not for ever.
        for _ in 0..3 {
            match self.attempt(space, session, slot, record, guard)? {
                Attempt::Claimed(hold, epoch) => {
                    self.sessions.keep(session, hold)?;
                    return Ok(Reply::Claimed { epoch });
                }
                Attempt::Moved => continue,
                Attempt::Blocked => blocked = Some(slot),
                Attempt::Taken => {}
            }
            break;
        }
        let mut occupancy = self.occupancy(space)?;
        if let Some(slot) = blocked
            && let Err(place) = occupancy.held.binary_search(&slot)
        {
            occupancy.held.insert(place, slot);
        }
        let ahead = 0;
        Ok(Reply::Taken { ahead, occupancy })
    }

    fn attempt(
        &self,
        space: &SpaceFolder,
        session: Session,
        slot: Slot,
        record: &Record,
        guard: Guard,
    ) -> Result<Attempt, StoreError> {
        // Most attempts in a herd end here, without a trace that the others would have to look at.
        match space.look(slot) {
            Standing::Free(last, _) if guard_holds(guard, last.as_ref(), slot, record) => {}
            _ => return Ok(Attempt::Taken),
        }
        let Some(lock) = self.open_lock(space, slot)? else {
            return Ok(Attempt::Blocked);
        };
        let failed = |error: io::Error| unreachable(space, &error);
        if !pass_gate(&lock, guard).map_err(failed)? {
            return Ok(Attempt::Blocked);
        }
        if lock.is_locked(Part::Life).map_err(failed)? {
            return Ok(Attempt::Taken);
        }
        let last = match space.read(slot) {
            Ok(last) if guard_holds(guard, last.as_ref(), slot, record) => last,
            Ok(_) => return Ok(Attempt::Taken),
            Err(reason) => {
                self.complain(&reason);
                return Ok(Attempt::Taken);
            }
        };
        if !lock.is_in_place() {
            return Ok(Attempt::Moved);
        }
        let epoch = self.next_epoch(last.as_ref().map_or(0, |last| last.epoch));
        let kept = last.and_then(|last| last.kept);
        let written = Written {
            epoch,
            session,
            record: record.clone(),
            // A stranger's reservation ends here.
            kept: kept.filter(|kept| record.node() == Some(&kept.node)),
        };
        match space.write(slot, &written) {
            // In a folder with the sticky bit only its owner may replace a file.
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => {
                self.complain(&space.cannot_open(&space.file_path(slot), &error));
                return Ok(Attempt::Blocked);
            }
            done => done.map_err(|error| cannot_write(space, &error))?,
        }
        if !lock.try_lock(Part::Life).map_err(failed)? {
            return Ok(Attempt::Taken);
        }
        if !lock.is_in_place() {
            return Ok(Attempt::Moved);
        }
        lock.sign().map_err(|error| cannot_write(space, &error))?;
        lock.unlock(Part::Gate).map_err(failed)?;
        let hold = Hold {
            space: space.clone(),
            slot,
            lock,
            written: Mutex::new(Some(written)),
        };
        Ok(Attempt::Claimed(Arc::new(hold), epoch))
    }

    /// Opens a slot's lock file, in a folder that may have to be made first. [`None`] where the
    /// file is there and not for us, which is said once.
    pub(super) fn open_lock(
        &self,
        space: &SpaceFolder,
        slot: Slot,
    ) -> Result<Option<LockFile>, StoreError> {
        let path = space.lock_path(slot);
        let opened = match space.open_lock(slot) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder::prepare(&self.folder).map_err(refused)?;
                file::create_folder(space.path()).and_then(|()| space.open_lock(slot))
            }
            opened => opened,
        };
        match opened {
            Err(error) if is_of_file(&error) && path.symlink_metadata().is_ok() => {
                self.complain(&space.cannot_open(&path, &error));
                Ok(None)
            }
            opened => opened
                .map(Some)
                .map_err(|error| cannot_write(space, &error)),
        }
    }
}

/// Whether what was opened may be the trouble, and not this process or its machine.
fn is_of_file(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, PermissionDenied};
    matches!(error.kind(), PermissionDenied | IsADirectory)
        || error.raw_os_error() == Some(Errno::ELOOP as i32)
}

/// Whether a claim may be made on a slot that nobody holds.
fn guard_holds(guard: Guard, last: Option<&Written>, slot: Slot, record: &Record) -> bool {
    match guard {
        Guard::Free => {
            let waiting = last.and_then(|last| last.reservation(slot));
            waiting.is_none_or(|waiting| record.node() == Some(&waiting.node))
        }
        Guard::Reserved { revision } => last.is_some_and(|last| last.epoch == revision),
        // The dead claim's lock has gone with its process: its file is all that is left to compare.
        Guard::Takeover { epoch, session } => {
            last.is_some_and(|last| last.epoch == epoch && last.session == session)
        }
    }
}

/// Locks the gate. Who just looks for a free slot does not wait: whoever has the gate will most
/// likely have the slot. Who wants this very slot waits a moment.
fn pass_gate(lock: &LockFile, guard: Guard) -> io::Result<bool> {
    let tries = if guard == Guard::Free { 1 } else { GATE_TRIES };
    for attempt in 0..tries {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if lock.try_lock(Part::Gate)? {
            return Ok(true);
        }
    }
    Ok(false)
}
