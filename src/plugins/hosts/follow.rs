//! Reading the file, and reading it again when it has changed.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::table::{Table, Terms, table};
use crate::current::Current;
use crate::reason;
use crate::task::Task;

/// The largest file that is read, in octets: ten million names.
const LARGEST: u64 = 256 << 20;

/// Where the names come from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The lines in the Corefile.
    pub(super) inline: String,
    pub(super) terms: Terms,
    /// How often the file is looked at; [`None`] for never again.
    pub(super) reload: Option<Duration>,
}

/// What tells one state of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            inode: metadata.ino(),
        }
    }
}

/// Reads the names, and keeps them up to date for as long as the task lives. A file that cannot be
/// read may come later.
pub(super) fn follow(source: Source, runtime: &Handle) -> (Arc<Current<Table>>, Option<Task>) {
    let mut follower = Follower {
        source,
        stamp: None,
        complained: false,
    };
    let first = follower.read().unwrap_or_else(|| follower.table(b""));
    let current = Arc::new(Current::new(first));
    let task = follower.source.reload.map(|interval| {
        let current = Arc::clone(&current);
        Task::start(runtime, async move {
            // Ends with the task; or if reading panics, which leaves the names as they are.
            while let Some(next) = later(follower, interval, &current).await {
                follower = next;
            }
        })
    });
    (current, task)
}

/// Waits, looks at the file, and takes over what it has.
async fn later(
    mut follower: Follower,
    interval: Duration,
    current: &Current<Table>,
) -> Option<Follower> {
    sleep(interval).await;
    // Files wait for disks, and a large one takes a while to be read.
    let look = tokio::task::spawn_blocking(move || {
        let table = follower.read();
        (follower, table)
    });
    let (follower, table) = look.await.ok()?;
    if let Some(table) = table {
        current.replace(table);
    }
    Some(follower)
}

struct Follower {
    source: Source,
    /// The state of the file that was taken over.
    stamp: Option<Stamp>,
    /// Whether it was said that the file cannot be read.
    complained: bool,
}

impl Follower {
    /// The names, where the file has changed and can be read.
    fn read(&mut self) -> Option<Table> {
        match self.text() {
            Ok(None) => {
                self.complained = false;
                None
            }
            Ok(Some((stamp, text))) => {
                let table = self.table(&text);
                if self.complained || self.stamp.is_some() {
                    let path = self.source.path.display();
                    tracing::info!("hosts: {path} was read again");
                }
                self.complained = false;
                self.stamp = Some(stamp);
                Some(table)
            }
            Err(reason) => {
                if !self.complained {
                    let path = self.source.path.display();
                    let kept = match self.stamp {
                        Some(_) => "; its last content stays in use",
                        None => "",
                    };
                    tracing::warn!("hosts: cannot read {path}: {reason}{kept}");
                }
                self.complained = true;
                None
            }
        }
    }

    /// What stands in the file, if that is news.
    fn text(&self) -> Result<Option<(Stamp, Vec<u8>)>, String> {
        let io = |error| reason::of(&error);
        let file = File::open(&self.source.path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let before = Stamp::of(&metadata);
        if self.stamp == Some(before) {
            return Ok(None);
        }
        if before.size > LARGEST {
            return Err(format!("it has more than {} MiB", LARGEST >> 20));
        }
        let mut text = Vec::new();
        (&file).take(LARGEST).read_to_end(&mut text).map_err(io)?;
        // Somebody may be writing it just now. The first time there is nothing better.
        let after = Stamp::of(&file.metadata().map_err(io)?);
        if before != after && self.stamp.is_some() {
            return Ok(None);
        }
        Ok(Some((before, text)))
    }

    fn table(&self, text: &[u8]) -> Table {
        table(&[text, self.source.inline.as_bytes()], &self.source.terms)
    }
}
