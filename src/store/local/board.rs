//! A board in a folder: one file per author, which counts as long as the author keeps its lock.
//!
//! ```text
//! /var/lib/callsign/names/docker/
//!     AUTHOR.alive        locked by the author as long as it lives
//!     AUTHOR.pinned       all that it has pinned, replaced as a whole
//! ```
//!
//! The kernel drops the lock of a process that dies, and inotify tells the others. A file is deleted
//! by nobody but its author; what one that was killed has left is replaced when it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::echo::Echoes;
use super::lock::{self, LockFile, Part};
use super::watch::{Watch, blocking};
use super::{RECONCILE, file, folder};
use crate::reason;
use crate::store::Pending;
use crate::store::board::{KeyAndValue, Pinned, ValueFeed, Values, over};

/// The largest file that is read, in bytes.
const LIMIT: usize = 64 * 1024 * 1024;

/// The most authors that are looked at; there is one for each process of this machine.
const MOST_AUTHORS: usize = 1024;

/// The longest name of an author that is looked at, in bytes.
const LONGEST_AUTHOR: usize = 200;

/// The pauses between attempts to do what has failed: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long the pauses get before a failure is told.
const PATIENCE: Duration = Duration::from_secs(1);

const ALIVE: &str = ".alive";
const PINNED: &str = ".pinned";

/// A board in a folder of this machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalBoard {
    store: Arc<Path>,
    folder: Arc<Path>,
}

/// What one author has pinned, in the order of the keys.
type Sheet = Arc<Vec<KeyAndValue>>;

impl LocalBoard {
    /// The board `name` in the folder of a store, which is made one where it is missing or empty.
    ///
    /// # Errors
    ///
    /// One line that names the folder and says what to do.
    pub fn open(store: &Path, name: &str) -> Result<Self, String> {
        let store = std::path::absolute(store)
            .map_err(|error| format!("{}: {}", store.display(), reason::of(&error)))?;
        folder::prepare(&store)?;
        Ok(Self {
            folder: store.join(name).into(),
            store: store.into(),
        })
    }

    /// See [`Board::describe`](crate::store::board::Board::describe).
    pub(in crate::store) fn describe(&self) -> String {
        format!("folder {}", self.folder.display())
    }

    /// See [`Board::follow`](crate::store::board::Board::follow). What there is is told as a whole
    /// whenever something of it changes.
    pub(in crate::store) fn follow(&self, feed: mpsc::Sender<ValueFeed>) -> Pending<'static, ()> {
        let board = self.clone();
        Box::pin(async move {
            let mut pause = PAUSES.0;
            loop {
                let outcome = tokio::select! {
                    () = feed.closed() => return,
                    outcome = board.watch(&feed) => outcome,
                };
                let rest = match outcome {
                    Ok(()) => {
                        pause = PAUSES.0;
                        // Somebody is exchanging folders: not faster than this.
                        Duration::from_millis(1)
                    }
                    Err(reason) => {
                        let _ = feed.send(ValueFeed::Away { reason }).await;
                        let rest = pause;
                        pause = (pause * 2).min(PAUSES.1);
                        rest
                    }
                };
                tokio::select! {
                    () = feed.closed() => return,
                    () = sleep(rest) => {}
                }
            }
        })
    }

    /// Tells what there is as long as the folder stays where it is.
    async fn watch(&self, feed: &mpsc::Sender<ValueFeed>) -> Result<(), String> {
        let board = self.clone();
        let watch = blocking(move || Watch::begin(&board.store, &board.folder, author_of)).await?;
        let mut sheets: BTreeMap<String, Sheet> = BTreeMap::new();
        let mut some = None;
        let mut first = true;
        let mut echoes = Echoes::default();
        let mut reconcile_at = Instant::now() + RECONCILE;
        loop {
            let everybody = some.is_none();
            let is_new = self.look(some, &mut sheets).await?;
            echoes.keep(|author| sheets.contains_key(author));
            if std::mem::take(&mut first) || is_new {
                let values = sheets.values().flat_map(|sheet| sheet.iter().cloned());
                let _ = feed.send(ValueFeed::Listing(values.collect())).await;
            } else if everybody {
                let _ = feed.send(ValueFeed::Current).await;
            }
            let next = echoes.next();
            some = tokio::select! {
                events = watch.events() => {
                    let events = events?;
                    if events.again {
                        return Ok(());
                    }
                    echoes.closed(&events.closed, Instant::now());
                    Some(events.touched)
                }
                () = sleep_until(next.unwrap_or(reconcile_at)), if next.is_some() => {
                    Some(echoes.due(Instant::now()))
                }
                () = sleep_until(reconcile_at) => None,
            };
            if some.is_none() {
                reconcile_at = Instant::now() + RECONCILE;
            }
            if !watch.is_in_place() {
                return Ok(());
            }
        }
    }

    /// Looks at all authors or at some. Returns whether anything is new.
    async fn look(
        &self,
        some: Option<BTreeSet<String>>,
        sheets: &mut BTreeMap<String, Sheet>,
    ) -> Result<bool, String> {
        let board = self.clone();
        let before = sheets.clone();
        let (after, is_new) = blocking(move || {
            let mut after = before.clone();
            let authors = match some {
                Some(some) => some,
                None => {
                    let there = board.authors()?;
                    after.retain(|author, _| there.contains(author));
                    there
                }
            };
            for author in authors {
                match board.sheet(&author)? {
                    Some(sheet) if after.len() < MOST_AUTHORS || after.contains_key(&author) => {
                        after.insert(author, sheet);
                    }
                    _ => {
                        after.remove(&author);
                    }
                }
            }
            let is_new = after != before;
            Ok((after, is_new))
        })
        .await?;
        *sheets = after;
        Ok(is_new)
    }

    fn authors(&self) -> Result<BTreeSet<String>, String> {
        let failed = |error: io::Error| self.cannot("read", &error);
        let mut authors = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            authors.extend(name.to_str().and_then(author_of));
        }
        Ok(authors)
    }

    /// What an author has pinned; [`None`] for one that does not live, or whose file is none.
    fn sheet(&self, author: &str) -> Result<Option<Sheet>, String> {
        let path = self.path(author, ALIVE);
        let failed = |error: io::Error| self.cannot("read", &error);
        // The lock before the file: who is alive has replaced what was left of an earlier life.
        match lock::look(&path) {
            Ok(locked) if locked.life => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let bytes = match file::read(&self.path(author, PINNED), LIMIT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => {
                let path = self.path(author, PINNED);
                tracing::warn!("{} is skipped: {}", path.display(), reason::of(&error));
                return Ok(None);
            }
        };
        let values: BTreeMap<String, Value> = match serde_json::from_slice(&bytes) {
            Ok(values) => values,
            Err(error) => {
                let path = self.path(author, PINNED);
                tracing::warn!("{} is skipped: {error}", path.display());
                return Ok(None);
            }
        };
        let value = |(key, value): (String, Value)| KeyAndValue {
            key: format!("{author}/{key}").into_bytes().into(),
            value: Some(value.to_string().into_bytes().into()),
            lease: None,
        };
        Ok(Some(Arc::new(values.into_iter().map(value).collect())))
    }

    /// See [`Board::pin`](crate::store::board::Board::pin). Values must be JSON.
    pub(in crate::store) fn pin(&self, mut pinned: Pinned) -> Pending<'static, ()> {
        let board = self.clone();
        Box::pin(async move {
            let mut life: Option<Arc<LockFile>> = None;
            let mut pause = PAUSES.0;
            let mut said: Option<String> = None;
            loop {
                let wanted = pinned.wanted.borrow_and_update().clone();
                let outcome = match wanted {
                    Some(wanted) => board.put(&pinned.author, life.clone(), wanted).await,
                    None => Ok(life.take()),
                };
                let rest = match outcome {
                    Ok(lock) => {
                        life = lock;
                        (pause, said) = (PAUSES.0, None);
                        // Somebody may have taken the folder away.
                        RECONCILE
                    }
                    Err(reason) => {
                        // Another one in this process may be about to end.
                        if pause >= PATIENCE && said.as_ref() != Some(&reason) {
                            tracing::warn!("docker: {reason}; nothing is shared from here");
                            said = Some(reason);
                        }
                        let rest = pause;
                        pause = (pause * 2).min(PAUSES.1);
                        rest
                    }
                };
                tokio::select! {
                    () = over(&mut pinned.end) => break,
                    () = sleep(rest) => {}
                    () = pinned.doubted.notified() => {}
                    changed = pinned.wanted.changed() => {
                        if changed.is_err() {
                            over(&mut pinned.end).await;
                            break;
                        }
                    }
                }
            }
            // The lock goes with its last owner. Who takes over has been waiting for it.
            drop(life);
        })
    }

    /// Writes what an author wants to be there, under its lock.
    async fn put(
        &self,
        author: &str,
        life: Option<Arc<LockFile>>,
        wanted: Values,
    ) -> Result<Option<Arc<LockFile>>, String> {
        let board = self.clone();
        let author = author.to_owned();
        blocking(move || {
            let failed = |error: io::Error| board.cannot("write in", &error);
            let life = life.filter(|lock| lock.is_in_place());
            let is_new = life.is_none();
            let life = match life {
                Some(life) => life,
                None => {
                    if !board.folder.is_dir() {
                        folder::prepare(&board.store)?;
                        file::create_folder(&board.folder).map_err(failed)?;
                    }
                    Arc::new(LockFile::open(&board.path(&author, ALIVE)).map_err(failed)?)
                }
            };
            // The file before the lock: who sees the lock sees its holder's file. But another
            // process of this name that lives still has a say in what stands there.
            if life.is_locked(Part::Life).map_err(failed)? {
                return Err(format!(
                    "{} belongs to another process",
                    board.path(&author, ALIVE).display()
                ));
            }
            board.write(&author, &wanted)?;
            if !life.try_lock(Part::Life).map_err(failed)? {
                return Err("another process was quicker".to_owned());
            }
            if is_new {
                // Locking alone tells nobody.
                life.sign().map_err(failed)?;
            }
            Ok(Some(life))
        })
        .await
    }

    /// Replaces an author's file where it is another one.
    fn write(&self, author: &str, wanted: &Values) -> Result<(), String> {
        let failed = |error: io::Error| self.cannot("write in", &error);
        let values: Result<BTreeMap<&String, Value>, serde_json::Error> = wanted
            .iter()
            .map(|(key, value)| Ok((key, serde_json::from_slice(value)?)))
            .collect();
        let bytes = values.and_then(|values| serde_json::to_vec(&values));
        let bytes = bytes.map_err(|error| format!("no JSON: {error}"))?;
        let path = self.path(author, PINNED);
        if file::read(&path, LIMIT).is_ok_and(|there| there.as_ref() == Some(&bytes)) {
            return Ok(());
        }
        let aside = self.folder.join(format!(".{author}.new"));
        file::replace(&path, &aside, &bytes).map_err(failed)
    }

    fn path(&self, author: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{author}{ending}"))
    }

    fn cannot(&self, what: &str, error: &io::Error) -> String {
        let reason = reason::of(error);
        format!("cannot {what} {}: {reason}", self.folder.display())
    }
}

/// The author that a file belongs to.
fn author_of(name: &str) -> Option<String> {
    let author = name.strip_suffix(ALIVE).or(name.strip_suffix(PINNED))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = (1..=LONGEST_AUTHOR).contains(&author.len());
    (fits && author.bytes().all(is_plain)).then(|| author.to_owned())
}
