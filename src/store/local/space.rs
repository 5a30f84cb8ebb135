//! The files of one space: which slots are held, and what is written in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::unistd::AccessFlags;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file;
use super::lock::{self, LockFile};
use super::revision::LARGEST;
use crate::identity::record::{RECORD_LIMIT, Record};
use crate::reason;
use crate::store::{Entry, Epoch, Listing, Occupancy, Reservation, Session, Slot};

/// The largest slot file that is read: a record and what stands around it.
const FILE_LIMIT: usize = RECORD_LIMIT + 8 * 1024;

/// The sub-folder of one space: `00000001.lock` and `00000001.json` for its first slot, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpaceFolder {
    path: PathBuf,
}

/// What stands in a slot file: who claimed the slot last, dead or alive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    pub(super) epoch: Epoch,
    pub(super) session: Session,
    pub(super) record: Record,
    pub(super) kept: Option<Kept>,
}

/// For whom a slot is kept after its holder's death, and until when.
///
/// The time is the wall clock's, because it must survive a restart of the machine. A jump of the
/// clock ends a reservation early or late; it never makes two owners, because only the lock
/// decides about those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The node key.
    pub(super) node: String,
    /// Until when, in seconds since 1970.
    pub(super) until: u64,
}

impl Kept {
    /// Keeps a slot for `node` for some time from now on.
    pub(super) fn from_now(node: String, ttl: Duration) -> Self {
        let until = since_1970().saturating_add(ttl).as_secs();
        Self { node, until }
    }

    fn waits(&self) -> bool {
        self.until > since_1970().as_secs()
    }
}

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// A slot file as JSON. The record is inside as it is in etcd.
#[derive(Serialize, Deserialize)]
struct Text {
    epoch: Epoch,
    session: i64,
    record: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

impl Written {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text: Text = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if text.epoch == 0 || text.epoch > LARGEST {
            return Err(format!("no epoch: {}", text.epoch));
        }
        Ok(Self {
            epoch: text.epoch,
            session: Session(text.session),
            record: Record::parse(text.record.to_string().as_bytes())?,
            kept: text.kept,
        })
    }

    fn to_json(&self) -> Result<Vec<u8>, String> {
        let record = serde_json::to_value(&self.record).map_err(|error| error.to_string())?;
        let text = Text {
            epoch: self.epoch,
            session: self.session.0,
            record,
            kept: self.kept.clone(),
        };
        let bytes = serde_json::to_vec(&text).map_err(|error| error.to_string())?;
        // What is written must be readable by everybody else.
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    /// The reservation that still waits, if there is one.
    pub(super) fn reservation(&self, slot: Slot) -> Option<Reservation> {
        let kept = self.kept.as_ref().filter(|kept| kept.waits())?;
        Some(Reservation {
            slot,
            node: kept.node.clone(),
            revision: self.epoch,
        })
    }
}

/// How it stands with one slot.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Nobody holds it; who did last, and whether somebody is about to.
    Free(Option<Written>, bool),
    /// Its holder lives.
    Held(Written),
    /// Its files cannot be read, or not written by us, for the reason given. It counts as held.
    Unreadable(String),
}

impl SpaceFolder {
    /// The sub-folder of `store` for a pattern in its canonical spelling.
    pub(super) fn new(store: &Path, canonical: &str) -> Self {
        Self {
            path: store.join(file::escape(canonical)),
        }
    }

    /// A sub-folder that exists.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file_path(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot:08}.json"))
    }

    pub(super) fn lock_path(&self, slot: Slot) -> PathBuf {
        self.path.join(format!("{slot:08}.lock"))
    }

    /// The slot that a file of this folder belongs to.
    pub(super) fn slot_of(name: &str) -> Option<Slot> {
        let digits = name
            .strip_suffix(".json")
            .or_else(|| name.strip_suffix(".lock"))?;
        let slot = digits.parse().ok()?;
        (slot != 0 && digits == format!("{slot:08}")).then_some(slot)
    }

    /// The slots that have files, ascending. None where there is no folder.
    pub(super) fn slots(&self) -> io::Result<Vec<Slot>> {
        let mut slots = Vec::new();
        let folder = match std::fs::read_dir(&self.path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(slots),
            Err(error) => return Err(error),
        };
        for entry in folder {
            slots.extend(entry?.file_name().to_str().and_then(Self::slot_of));
        }
        slots.sort_unstable();
        slots.dedup();
        Ok(slots)
    }

    /// Reads what stands in a slot file.
    ///
    /// # Errors
    ///
    /// One line that names the file and says what to do about it.
    pub(super) fn read(&self, slot: Slot) -> Result<Option<Written>, String> {
        let path = self.file_path(slot);
        let bytes =
            file::read(&path, FILE_LIMIT).map_err(|error| self.cannot_open(&path, &error))?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let written = Written::parse(&bytes).map_err(|reason| {
            format!(
                "{} is damaged ({reason}): move it away, and its name can be claimed again",
                path.display()
            )
        })?;
        Ok(Some(written))
    }

    /// Writes a slot file. Only who holds a part of the slot's lock may do so.
    pub(super) fn write(&self, slot: Slot, written: &Written) -> io::Result<()> {
        let bytes = written.to_json().map_err(io::Error::other)?;
        let path = self.file_path(slot);
        file::replace(&path, &path.with_extension("json.new"), &bytes)
    }

    /// Opens a slot's lock file.
    pub(super) fn open_lock(&self, slot: Slot) -> io::Result<LockFile> {
        LockFile::open(&self.lock_path(slot))
    }

    /// Whether a slot's file is another user's and not for us.
    pub(super) fn is_closed(&self, slot: Slot) -> bool {
        file::access(&self.file_path(slot), AccessFlags::R_OK) == Err(Errno::EACCES)
    }

    /// Why a file of a slot cannot be opened. One line for all files of another user.
    pub(super) fn cannot_open(&self, path: &Path, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::PermissionDenied => format!(
                "{} has files that this user may not write; the names behind them count as held \
                 (to share a folder, let its group write in it)",
                self.path.display()
            ),
            _ => format!("cannot read {}: {}", path.display(), reason::of(error)),
        }
    }

    /// Looks how it stands with a slot.
    pub(super) fn look(&self, slot: Slot) -> Standing {
        let path = self.lock_path(slot);
        // The lock before the file: a claim writes its file first and is locked then, so that
        // behind a lock there is never the file of an earlier holder.
        let locked = match lock::look(&path) {
            Ok(locked) => locked,
            Err(error) => return Standing::Unreadable(self.cannot_open(&path, &error)),
        };
        match (locked.life, self.read(slot)) {
            (_, Err(reason)) => Standing::Unreadable(reason),
            (false, Ok(last)) => match lock::may_open(&path) {
                Ok(()) => Standing::Free(last, locked.gate),
                Err(error) => Standing::Unreadable(self.cannot_open(&path, &error)),
            },
            (true, Ok(Some(written))) => Standing::Held(written),
            (true, Ok(None)) => Standing::Unreadable(format!(
                "{} is missing though its slot is held",
                self.file_path(slot).display()
            )),
        }
    }
}

/// How it stood with some slots at one moment.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) revision: u64,
    pub(super) slots: BTreeMap<Slot, Standing>,
}

impl View {
    /// The largest epoch in the view.
    pub(super) fn newest(&self) -> Epoch {
        let epochs = self.slots.values().map(|standing| match standing {
            Standing::Held(written) | Standing::Free(Some(written), _) => written.epoch,
            Standing::Free(None, _) | Standing::Unreadable(_) => 0,
        });
        epochs.max().unwrap_or_default()
    }

    /// Which slots are occupied.
    ///
    /// Whoever looks for a slot should leave alone those that cannot be read, and those that
    /// somebody else is about to take. A reserved slot does not count as about to be taken: a
    /// stranger's attempt on it, which fails, must not turn its own node away.
    pub(super) fn occupancy(&self) -> Occupancy {
        let mut occupancy = Occupancy {
            revision: self.revision,
            ..Occupancy::default()
        };
        for (&slot, standing) in &self.slots {
            let (held, reservation) = match standing {
                Standing::Held(written) => (true, written.reservation(slot)),
                Standing::Unreadable(_) => (true, None),
                Standing::Free(last, deciding) => {
                    let reservation = last.as_ref().and_then(|last| last.reservation(slot));
                    (*deciding && reservation.is_none(), reservation)
                }
            };
            if held {
                occupancy.held.push(slot);
            }
            occupancy.reserved.extend(reservation);
        }
        occupancy
    }

    /// Everything that stands in the space.
    pub(super) fn listing(&self) -> Listing {
        Listing {
            revision: self.revision,
            entries: self.entries().collect(),
            reservations: self.occupancy().reserved,
        }
    }

    /// The claims, by slot ascending.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.slots.iter().filter_map(|(&slot, standing)| {
            let Standing::Held(written) = standing else {
                return None;
            };
            Some(Entry {
                slot,
                epoch: written.epoch,
                session: Some(written.session),
                record: written.record.clone(),
            })
        })
    }
}
