//! What a seat writes down about its claims in one space.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::reason;
use crate::store::Slot;
use crate::store::local::file;

/// The largest file that is read.
const FILE_LIMIT: usize = 64 * 1024;

/// How many instances are written down. More than one, because a process may die between writing
/// an instance down and claiming with it: then an earlier one is still in the store.
const INSTANCES: usize = 8;

/// The claims of one seat in one space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Which space: the file's name may be that of several.
    space: String,
    /// The slot wanted last.
    pub(super) slot: Slot,
    /// The instances, newest first.
    instances: Vec<String>,
    /// The boot id of the machine.
    boot: String,
    /// The device of the seat's lock file.
    device: u64,
    /// The inode of the seat's lock file.
    inode: u64,
}

impl Memory {
    /// What to write down when `instance` is about to claim `slot`.
    ///
    /// Earlier instances stay if they were claimed under the same lock file and since the machine
    /// started: others cannot be taken over any more.
    pub(super) fn after(
        last: Option<&Self>,
        space: &str,
        instance: &str,
        slot: Slot,
        boot: &str,
        place: (u64, u64),
    ) -> Self {
        let mut instances = vec![instance.to_owned()];
        if let Some(last) = last.filter(|last| last.is_of(boot, place)) {
            let earlier = last.instances.iter().filter(|it| *it != instance);
            instances.extend(earlier.take(INSTANCES - 1).cloned());
        }
        Self {
            space: space.to_owned(),
            slot,
            instances,
            boot: boot.to_owned(),
            device: place.0,
            inode: place.1,
        }
    }

    /// Whether it was written since the machine started, beside the lock file at this place.
    pub(super) fn is_of(&self, boot: &str, place: (u64, u64)) -> bool {
        self.boot == boot && (self.device, self.inode) == place
    }

    /// Whether an instance is written down.
    pub(super) fn has(&self, instance: &str) -> bool {
        !instance.is_empty() && self.instances.iter().any(|it| it == instance)
    }

    /// Reads the file of a space; [`None`] where there is none.
    ///
    /// # Errors
    ///
    /// Why the file cannot be used, in a few words.
    pub(super) fn read(path: &Path, space: &str) -> Result<Option<Self>, String> {
        let bytes = file::read(path, FILE_LIMIT).map_err(|error| reason::of(&error))?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let memory: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if memory.space != space {
            return Err(format!("it is about {:?}", memory.space));
        }
        if memory.slot == 0 {
            return Err("slot 0".to_owned());
        }
        Ok(Some(memory))
    }

    /// Replaces a file.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        file::replace(path, &path.with_extension("json.new"), &bytes)
    }
}
