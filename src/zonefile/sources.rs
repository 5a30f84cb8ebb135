//! Whether files have changed since they were read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files that something was read from, each in the state in which it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Vec<(PathBuf, Option<Stamp>)>);

/// What tells one state of a file from another: which file it is, its size, and when it was
/// changed, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Sources {
    /// Adds a file as it is opened; without metadata, one that could not be.
    pub(super) fn push(&mut self, path: &Path, metadata: Option<&Metadata>) {
        self.0.push((path.into(), metadata.map(Stamp::of)));
    }

    /// Whether any of the files is another than the one that was read, has been changed, has gone
    /// or has come.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        let mut sources = self.0.iter();
        sources.any(|(path, stamp)| std::fs::metadata(path).ok().as_ref().map(Stamp::of) != *stamp)
    }
}
