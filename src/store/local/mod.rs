//! Names in a folder of this machine.
//!
//! ```text
//! /var/lib/callsign/names/
//!     FORMAT                          callsign-local 1
//!     node%d.cluster.internal./       one space
//!         00000001.lock               locked by the holder of slot 1 as long as it lives
//!         00000001.json               what the holder wrote, and for whom the slot is kept
//!         roster.note, ended-*.note   notes, written behind notes.lock
//!     docker/                         a board, see `board.rs`
//! ```
//!
//! The lock alone decides who holds a slot. The kernel keeps it for a process that is stopped, and
//! drops it at once for one that dies, whatever kills it. So there is no lease, no renewal and no
//! clock: a claim ends with its process, and inotify tells the others.
//!
//! A claim is made behind the slot's *gate* (the first byte of the lock file, locked for that
//! moment): look that nobody lives, check the guard, write the file aside and move it into place,
//! lock the *life* (the second byte), open the gate. The file before the lock: who sees the lock
//! sees its holder's file. Files are created when a slot is first wanted and never deleted: the
//! last epoch is in them, and a lock on a deleted file excludes nobody.
//!
//! The folder must be on a local file system. On a network one, locks and notices of other
//! machines are late, lost or missing.

mod board;
mod claim;
mod echo;
mod error;
pub(crate) mod file;
mod folder;
mod follow;
pub(crate) mod lock;
mod notes;
mod requests;
mod revision;
mod sessions;
mod space;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::revision::Revisions;
use self::sessions::Sessions;
use self::space::{SpaceFolder, Standing, View};
use super::{
    Entry, Feed, HeldBy, Listing, Note, NoteName, NoteWrite, Pending, Reply, Request, Reservation,
    Slot, Space, Store, StoreError, StoreErrorKind,
};
use crate::mutex::locked;
use crate::reason;

pub use self::board::LocalBoard;
pub use self::folder::{DefaultFolder, default_folder};
pub(crate) use self::folder::{usable, user_state_folder};

/// How often followers look at everything without having been told to: in case the kernel could
/// not tell (somebody moved a folder further up, or mounted another one over it).
const RECONCILE: Duration = Duration::from_secs(10);

/// How many damaged files are told of, each once.
const COMPLAINTS: usize = 100;

/// The store in a folder that the processes of one machine share.
///
/// Dropping it, and everything it has handed out, releases all claims that were made with it.
#[derive(Debug)]
pub struct LocalStore {
    shared: Arc<Shared>,
}

/// What requests and followers share.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    reconcile: Duration,
    sessions: Sessions,
    revisions: Revisions,
    complaints: Mutex<HashSet<String>>,
}

impl LocalStore {
    /// Opens the store in the folder at `path`, and makes the folder one where it is missing or
    /// empty.
    ///
    /// # Errors
    ///
    /// One line that names the file and says what to do: the folder cannot be created or written,
    /// it is of a newer version or none of ours, or a file in it is damaged. Nothing was claimed
    /// or changed then.
    pub fn open(path: &Path) -> Result<Self, String> {
        Self::open_and_reconcile(path, RECONCILE)
    }

    fn open_and_reconcile(path: &Path, reconcile: Duration) -> Result<Self, String> {
        let path = std::path::absolute(path)
            .map_err(|error| format!("{}: {}", path.display(), reason::of(&error)))?;
        folder::prepare(&path)?;
        folder::check(&path)?;
        Ok(Self {
            shared: Arc::new(Shared {
                folder: path,
                reconcile,
                sessions: Sessions::default(),
                revisions: Revisions::default(),
                complaints: Mutex::default(),
            }),
        })
    }

    fn space_folder(&self, space: &Space) -> SpaceFolder {
        SpaceFolder::new(&self.shared.folder, space.pattern.canonical())
    }

    /// The store's folder, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.folder
    }
}

impl Store for LocalStore {
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, Result<Reply, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let folder = self.space_folder(space);
        let limit = space.limit;
        Box::pin(async move { blocking(move || shared.carry_out(&folder, limit, request)).await })
    }

    fn note(
        &self,
        space: &Space,
        name: NoteName,
        write: Option<NoteWrite>,
    ) -> Pending<'static, Result<Note, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let folder = self.space_folder(space);
        Box::pin(async move { blocking(move || shared.note(&folder, name, write)).await })
    }

    fn look(&self, space: &Space) -> Option<Pending<'static, Result<Listing, StoreError>>> {
        let shared = Arc::clone(&self.shared);
        let folder = self.space_folder(space);
        Some(Box::pin(async move {
            blocking(move || {
                let view = shared.view(&folder, None);
                let view = view.map_err(|error| error::unreachable(&folder, &error))?;
                Ok(view.listing())
            })
            .await
        }))
    }

    fn held_by(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<HeldBy, StoreError>> {
        let folder = self.space_folder(space);
        let (slot, epoch) = (entry.slot, entry.epoch);
        Box::pin(async move {
            blocking(move || {
                let path = folder.lock_path(slot);
                match folder.look(slot) {
                    Standing::Held(written) if written.epoch >= epoch => {
                        let id = lock::signed(&path);
                        id.map_err(|error| error::unreachable(&folder, &error))
                    }
                    _ => Ok(HeldBy::Ended),
                }
            })
            .await
        })
    }

    fn unreserve(
        &self,
        space: &Space,
        reservation: &Reservation,
    ) -> Pending<'static, Result<(), StoreError>> {
        let shared = Arc::clone(&self.shared);
        let folder = self.space_folder(space);
        let Reservation { slot, node, .. } = reservation.clone();
        Box::pin(async move { blocking(move || shared.forget(&folder, slot, &node)).await })
    }

    fn inheritable(&self, space: &Space, slot: Slot) -> Option<OwnedFd> {
        let folder = self.space_folder(space);
        let hold = self.shared.sessions.hold(&folder, slot, None)?;
        hold.lock.inheritable().ok()
    }

    fn follow(&self, space: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()> {
        let folder = self.space_folder(space);
        Box::pin(follow::follow(Arc::clone(&self.shared), folder, feed))
    }

    fn has_leases(&self) -> bool {
        false
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn describe(&self) -> String {
        format!("local store {}", self.shared.folder.display())
    }
}

/// Files are written to the disk before a claim counts, which may take a while.
async fn blocking<T: Send + 'static>(
    request: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(request).await.unwrap_or_else(|error| {
        Err(StoreError {
            kind: StoreErrorKind::Unreachable,
            message: format!("a request to the local store was cut off: {error}"),
        })
    })
}

impl Shared {
    /// Looks how it stands with all slots of a space, or with some.
    fn view(&self, space: &SpaceFolder, some: Option<&BTreeSet<Slot>>) -> io::Result<View> {
        let slots = match some {
            Some(slots) => slots.iter().copied().collect(),
            None => space.slots()?,
        };
        let mut view = View::default();
        // The revision must not be smaller than an epoch that it covers. A second look is needed
        // only where a process with another idea of the time has just claimed.
        for _ in 0..3 {
            view.revision = self.revisions.draw();
            view.slots = slots.iter().map(|&slot| (slot, space.look(slot))).collect();
            self.revisions.see(view.newest());
            if view.newest() <= view.revision {
                break;
            }
        }
        for standing in view.slots.values() {
            if let Standing::Unreadable(reason) = standing {
                self.complain(reason);
            }
        }
        Ok(view)
    }

    /// Tells of a file that is skipped, once.
    fn complain(&self, reason: &str) {
        let mut complaints = locked(&self.complaints);
        if complaints.len() < COMPLAINTS && complaints.insert(reason.to_owned()) {
            tracing::warn!("local store: a slot is left alone: {reason}");
        }
    }
}

#[cfg(test)]
mod tests;
