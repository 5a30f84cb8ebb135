//! Following a space: first what stands in it, then what changes, told by inotify.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::echo::Echoes;
use super::space::{SpaceFolder, View};
use super::watch::{Watch, blocking};
use crate::reason;
use crate::store::{Change, Entry, Feed, Slot};

/// The pauses between attempts to watch a folder that cannot be watched: doubled up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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
        blocking(move || Watch::begin(&shared.folder, space.path(), SpaceFolder::slot_of)).await?
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
                if events.again || !watch.is_in_place() {
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
                if !watch.is_in_place() {
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
        echoes.keep(|slot| known.entries.contains_key(slot));
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
