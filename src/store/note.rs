//! Notes: small texts beside the slots of a space, which several nodes write.
//!
//! A claim says who is there. A note says what they have agreed on: who starts a job together, and
//! how each of them ended. Notes hang on no session: they outlive who wrote them, and the next one
//! who has something to say writes over them.

use crate::store::Slot;

/// The longest note that is read or written, in bytes. etcd takes requests of 1.5 MiB.
pub const NOTE_LIMIT: usize = 1 << 20;

/// Which note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoteName {
    /// Who started a job together last.
    Roster,
    /// How the job of a slot's last holder ended.
    Ended(Slot),
}

/// A note as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Grows with every write; 0 where there never was one.
    pub revision: u64,
    /// What was written.
    pub text: Vec<u8>,
}

/// What to write into a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteWrite {
    /// The text, at most [`NOTE_LIMIT`] bytes.
    pub text: Vec<u8>,
    /// Write only while the note is still the one of this revision; [`None`] for whatever stands.
    pub after: Option<u64>,
}
