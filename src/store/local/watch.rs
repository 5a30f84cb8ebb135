//! Hearing from inotify whose files in a folder were touched.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;

use super::{file, folder};
use crate::reason;

/// How often events are read before they are dealt with, 4 KiB each time.
const READS: u32 = 64;

/// An inotify instance that watches a folder of a store and the store's own.
pub(super) struct Watch<K> {
    inotify: AsyncFd<Descriptor>,
    path: PathBuf,
    place: (u64, u64),
    meant: fn(&str) -> Option<K>,
}

/// What happened since the last look.
pub(super) struct Events<K> {
    /// Whose files were touched.
    pub(super) touched: BTreeSet<K>,
    /// Whose files among them were closed, lock files perhaps.
    pub(super) closed: BTreeSet<K>,
    /// Whether events were lost or a folder was.
    pub(super) again: bool,
}

impl<K: Clone + Ord> Watch<K> {
    /// Begins to watch the folder at `path` in that of a store; makes them where they are missing
    /// and may be made. `meant` says to whom a file belongs.
    ///
    /// Must be called inside a tokio runtime.
    pub(super) fn begin(
        store: &Path,
        path: &Path,
        meant: fn(&str) -> Option<K>,
    ) -> Result<Self, String> {
        if !path.is_dir() {
            folder::prepare(store)?;
            file::create_folder(path).map_err(|error| cannot_watch(path, &error))?;
        }
        let failed = |error: Errno| cannot_watch(path, &error.into());
        let inotify =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(failed)?;
        let place = place_of(path).map_err(|error| cannot_watch(path, &error))?;
        let lost =
            AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR;
        let files = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        // A deleted folder does not tell of itself as long as a file that was in it is open, as the
        // holders' lock files are; the folder around it tells at once.
        let folders = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
        inotify.add_watch(store, lost | folders).map_err(failed)?;
        inotify.add_watch(path, lost | files).map_err(failed)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; this descriptor is open as long as its owner lives"
        )]
        let inotify = AsyncFd::with_interest(Descriptor(inotify), Interest::READABLE)
            .map_err(|error| cannot_watch(path, &error))?;
        let watch = Self {
            inotify,
            path: path.to_owned(),
            place,
            meant,
        };
        if watch.is_in_place() {
            Ok(watch)
        } else {
            Err(format!("{} was exchanged at this moment", path.display()))
        }
    }

    /// Whether the path still leads to the folder that is watched.
    pub(super) fn is_in_place(&self) -> bool {
        place_of(&self.path).is_ok_and(|place| place == self.place)
    }

    /// Waits for events and takes all that are there.
    pub(super) async fn events(&self) -> Result<Events<K>, String> {
        let failed = |error: io::Error| format!("inotify: {}", reason::of(&error));
        let mut events = Events::default();
        let mut ready = self.inotify.readable().await.map_err(failed)?;
        for _ in 0..READS {
            match ready.try_io(|inotify| Ok(inotify.get_ref().0.read_events()?)) {
                Ok(Ok(new)) => {
                    for event in new {
                        let name = event.name.as_deref().and_then(OsStr::to_str);
                        events.add(event.mask, name.and_then(self.meant));
                    }
                }
                Ok(Err(error)) => return Err(failed(error)),
                // All read: the kernel will wake us for the next.
                Err(_would_block) => break,
            }
        }
        Ok(events)
    }
}

impl<K> Default for Events<K> {
    fn default() -> Self {
        Self {
            touched: BTreeSet::new(),
            closed: BTreeSet::new(),
            again: false,
        }
    }
}

impl<K: Clone + Ord> Events<K> {
    pub(super) fn add(&mut self, mask: AddWatchFlags, whose: Option<K>) {
        let lost = AddWatchFlags::IN_Q_OVERFLOW
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT
            | AddWatchFlags::IN_IGNORED;
        self.again |= mask.intersects(lost);
        if let Some(whose) = whose {
            if mask.contains(AddWatchFlags::IN_CLOSE_WRITE) {
                self.closed.insert(whose.clone());
            }
            self.touched.insert(whose);
        }
    }
}

/// What tokio asks of a descriptor that it waits for.
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

fn place_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn cannot_watch(path: &Path, error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(code) if code == Errno::EMFILE as i32 => " (see fs.inotify.max_user_instances)",
        Some(code) if code == Errno::ENOSPC as i32 => " (see fs.inotify.max_user_watches)",
        _ => "",
    };
    format!(
        "cannot watch {}: {}{hint}",
        path.display(),
        reason::of(error)
    )
}

/// Does something that may take as long as the disk does.
pub(super) async fn blocking<T: Send + 'static>(
    action: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(action)
        .await
        .unwrap_or_else(|error| Err(format!("cut off: {error}")))
}
