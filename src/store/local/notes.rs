//! Notes in a folder: a file for each, replaced whole behind one lock.

use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::Shared;
use super::error::{cannot_write, refused, unreachable};
use super::file;
use super::lock::{LockFile, Part};
use super::space::SpaceFolder;
use crate::store::{NOTE_LIMIT, Note, NoteName, NoteWrite, StoreError};

/// How often the lock is tried, and how long it is waited for each time. It is held for as long as
/// a small file takes to be written.
const TRIES: u32 = 5000;
const PAUSE: Duration = Duration::from_millis(1);

impl Shared {
    /// Reads a note after writing it, if it is to be written. Blocks for as long as the disk takes.
    pub(super) fn note(
        &self,
        space: &SpaceFolder,
        name: NoteName,
        write: Option<NoteWrite>,
    ) -> Result<Note, StoreError> {
        let path = path(space, name);
        let read = || read(&path).map_err(|error| unreachable(space, &error));
        let Some(NoteWrite { text, after }) = write else {
            return read();
        };
        if text.len() > NOTE_LIMIT {
            return Err(refused(format!(
                "a note of {} bytes is too long",
                text.len()
            )));
        }
        // Dropping it opens the gate.
        let _lock = lock(space).map_err(|error| cannot_write(space, &error))?;
        let old = read()?;
        if after.is_some_and(|revision| revision != old.revision) {
            return Ok(old);
        }
        let revision = self.next_epoch(old.revision);
        let mut bytes = format!("{revision}\n").into_bytes();
        bytes.extend_from_slice(&text);
        file::replace(&path, &path.with_extension("new"), &bytes)
            .map_err(|error| cannot_write(space, &error))?;
        Ok(Note { revision, text })
    }
}

/// None of these is the name of a slot's file.
fn path(space: &SpaceFolder, name: NoteName) -> PathBuf {
    space.path().join(match name {
        NoteName::Roster => "roster.note".to_owned(),
        NoteName::Ended(slot) => format!("ended-{slot:08}.note"),
    })
}

/// A file is the revision on a line of its own, then the text.
fn read(path: &std::path::Path) -> io::Result<Note> {
    let Some(bytes) = file::read(path, NOTE_LIMIT + 32)? else {
        return Ok(Note::default());
    };
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (number, text) = bytes.split_at(end.unwrap_or(bytes.len()));
    let number = std::str::from_utf8(number).ok();
    let revision = number.and_then(|number| number.parse().ok());
    // A damaged one is as good as none: whoever has something to say writes over it.
    Ok(revision.map_or_else(Note::default, |revision| Note {
        revision,
        text: text.get(1..).unwrap_or_default().to_vec(),
    }))
}

fn lock(space: &SpaceFolder) -> io::Result<LockFile> {
    let lock = LockFile::open(&space.path().join("notes.lock"))?;
    for _ in 0..TRIES {
        if lock.try_lock(Part::Gate)? {
            return Ok(lock);
        }
        sleep(PAUSE);
    }
    Err(io::Error::other("its notes are locked by another process"))
}
