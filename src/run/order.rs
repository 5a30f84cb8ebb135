//! What a guard is to start: written into a file in memory, since nobody knows it yet when the guard
//! begins, and since it may be longer than a pipe takes at once.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

/// A command, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// The command and its arguments.
    pub(super) words: Vec<String>,
    /// Variables beside those that the guard has itself.
    pub(super) variables: Vec<(String, String)>,
}

impl Order {
    /// An empty file for an order, which only those can open who are given it.
    pub(super) fn file() -> io::Result<File> {
        Ok(File::from(memfd_create(
            c"callsign",
            MFdFlags::MFD_CLOEXEC,
        )?))
    }

    /// Writes the order into a file that is empty.
    pub(super) fn write(&self, mut file: &File) -> io::Result<()> {
        file.write_all(&serde_json::to_vec(self)?)
    }

    /// Reads an order from the beginning of a file.
    pub(super) fn read(mut file: &File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}
