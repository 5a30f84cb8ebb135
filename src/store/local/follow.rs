//! Following a space: first what stands in it, then what changes, told by inotify.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::echo::Echoes;
use super::space::{SpaceFolder, View};
use super::{Shared, file, folder};
use crate::reason;
use crate::store::{Change, Entry, Feed, Slot};

/// The pauses between attempts to watch a folder that cannot be watched: doubled up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often events are read before they are dealt with, 4 KiB each time.
const READS: u32 = 64;

/// Why a watch is over.
enum End {
    /// Nobody listens any more.
    Closed,
    /// Another folder may be there now, or something was missed.
    Again,
}

/// Tells the state of a space and its changes until `feed` is closed.
pub(super) async fn follow(shared: Arc<Shared>, space: SpaceFolder, feed: mpsc::Sender<Feed>) {
    let mut pause = PAUSES.0;
    let mut said = None;
    loop {
        match watch(&shared, &space, &feed).await {
            Ok(End::Closed) => return,
            Ok(End::Again) => {
                said = None;
                pause = PAUSES.0;
                // Somebody is exchanging folders: not faster than this.
                sleep(Duration::from_millis(1)).await;
            }
            Err(reason) => {
                if said.as_ref() != Some(&reason) {
                    said = Some(reason.clone());
                    if feed.send(Feed::Away { reason }).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = feed.closed() => return,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Watches a space for as long as its folder stays where it is.
async fn watch(
    shared: &Arc<Shared>,
    space: &SpaceFolder,
    feed: &mpsc::Sender<Feed>,
) -> Result<End, String> {
    let watch = {
        let (shared, space) = (Arc::clone(shared), space.clone());
        blocking(move || Watch::begin(&shared, &space)).await?
    };
    let view = look(shared, space, None).await?;
    let mut known = Known::default();
    known.take(&view, None);
    if feed.send(Feed::Listing(view.listing())).await.is_err() {
        return Ok(End::Closed);
    }
    let mut echoes = Echoes::default();
    let mut reconcile = Instant::now() + shared.reconcile;
    loop {
        let next = echoes.next();
        let some = tokio::select! {
            () = feed.closed() => return Ok(End::Closed),
            events = watch.events() => {
                let events = events?;
                if events.again || !watch.is_in_place(space) {
                    return Ok(End::Again);
                }
                echoes.closed(&events.closed, Instant::now());
                Some(events.touched)
            }
            () = sleep_until(next.unwrap_or(reconcile)), if next.is_some() => {
                Some(echoes.due(Instant::now()))
            }
            () = sleep_until(reconcile) => {
                reconcile = Instant::now() + shared.reconcile;
                if !watch.is_in_place(space) {
                    return Ok(End::Again);
                }
                None
            }
        };
        if some.as_ref().is_some_and(BTreeSet::is_empty) {
            continue;
        }
        let view = look(shared, space, some.clone()).await?;
        let changes = known.take(&view, some.as_ref());
        let message = match (changes.is_empty(), &some) {
            (false, _) => Some(Feed::Changes {
                revision: view.revision,
                changes,
            }),
            (true, None) => Some(Feed::Current),
            (true, Some(_)) => None,
        };
        if let Some(message) = message
            && feed.send(message).await.is_err()
        {
            return Ok(End::Closed);
        }
        echoes.keep(|slot| known.entries.contains_key(&slot));
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Known {
    entries: BTreeMap<Slot, Entry>,
}

impl Known {
    /// Takes over what a view of all slots, or of `some`, shows, and says what is new in it.
    fn take(&mut self, view: &View, some: Option<&BTreeSet<Slot>>) -> Vec<Change> {
        let seen: BTreeMap<Slot, Entry> = view.entries().map(|entry| (entry.slot, entry)).collect();
        let in_view = |slot: &Slot| some.is_none_or(|some| some.contains(slot));
        let freed = self.entries.keys().copied();
        let freed: Vec<Slot> = freed
            .filter(|slot| in_view(slot) && !seen.contains_key(slot))
            .collect();
        let mut changes = Vec::new();
        for slot in freed {
            self.entries.remove(&slot);
            let revision = view.revision;
            changes.push(Change::Freed { slot, revision });
        }
        for (slot, entry) in seen {
            if self.entries.get(&slot) != Some(&entry) {
                self.entries.insert(slot, entry.clone());
                changes.push(Change::Held(entry));
            }
        }
        changes
    }
}

/// An inotify instance that watches the folder of a space and the folder of the store.
struct Watch {
    inotify: AsyncFd<Descriptor>,
    place: (u64, u64),
}

/// What happened since the last look.
#[derive(Default)]
pub(super) struct Events {
    /// The slots whose files were touched.
    touched: BTreeSet<Slot>,
    /// The slots among them whose lock files were closed.
    closed: BTreeSet<Slot>,
    /// Whether events were lost or a folder was.
    pub(super) again: bool,
}

impl Watch {
    /// Begins to watch; makes the folders where they are missing and may be made.
    ///
    /// Must be called inside a tokio runtime.
    fn begin(shared: &Shared, space: &SpaceFolder) -> Result<Self, String> {
        let path = space.path();
        if !path.is_dir() {
            folder::prepare(&shared.folder)?;
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
        inotify
            .add_watch(&shared.folder, lost | folders)
            .map_err(failed)?;
        inotify.add_watch(path, lost | files).map_err(failed)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; this descriptor is open as long as its owner lives"
        )]
        let inotify = AsyncFd::with_interest(Descriptor(inotify), Interest::READABLE)
            .map_err(|error| cannot_watch(path, &error))?;
        let watch = Self { inotify, place };
        if watch.is_in_place(space) {
            Ok(watch)
        } else {
            Err(format!("{} was exchanged at this moment", path.display()))
        }
    }

    /// Whether the path still leads to the folder that is watched.
    fn is_in_place(&self, space: &SpaceFolder) -> bool {
        place_of(space.path()).is_ok_and(|place| place == self.place)
    }

    /// Waits for events and takes all that are there.
    async fn events(&self) -> Result<Events, String> {
        let failed = |error: io::Error| format!("inotify: {}", reason::of(&error));
        let mut events = Events::default();
        let mut ready = self.inotify.readable().await.map_err(failed)?;
        for _ in 0..READS {
            match ready.try_io(|inotify| Ok(inotify.get_ref().0.read_events()?)) {
                Ok(Ok(new)) => {
                    for event in new {
                        events.add(event.mask, event.name.as_deref().and_then(OsStr::to_str));
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

impl Events {
    pub(super) fn add(&mut self, mask: AddWatchFlags, name: Option<&str>) {
        let lost = AddWatchFlags::IN_Q_OVERFLOW
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT
            | AddWatchFlags::IN_IGNORED;
        self.again |= mask.intersects(lost);
        if let Some(name) = name
            && let Some(slot) = SpaceFolder::slot_of(name)
        {
            self.touched.insert(slot);
            if mask.contains(AddWatchFlags::IN_CLOSE_WRITE) {
                self.closed.insert(slot);
            }
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

/// Looks at all slots of a space, or at some.
async fn look(
    shared: &Arc<Shared>,
    space: &SpaceFolder,
    some: Option<BTreeSet<Slot>>,
) -> Result<View, String> {
    let (shared, space) = (Arc::clone(shared), space.clone());
    blocking(move || {
        shared.view(&space, some.as_ref()).map_err(|error| {
            format!(
                "cannot read {}: {}",
                space.path().display(),
                reason::of(&error)
            )
        })
    })
    .await
}

async fn blocking<T: Send + 'static>(
    action: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(action)
        .await
        .unwrap_or_else(|error| Err(format!("cut off: {error}")))
}
