//! A zone whose file may change.

use std::path::{Path, PathBuf};

use answer::{Name, Zone};

use super::load::{Loaded, load};
use crate::zonefile::{Sources, ZoneFileError};

/// A zone whose file is looked at now and then.
pub(in crate::plugins) struct ZoneFollower {
    /// On whose behalf, for the log.
    directive: &'static str,
    apex: Name,
    /// Whether a file that has changed is read again though its serial number is the same.
    by_content: bool,
    /// What was read last, whatever came of it.
    read: Option<(PathBuf, Sources)>,
    /// The serial number of the zone that is served.
    serial: Option<u32>,
}

impl ZoneFollower {
    pub(in crate::plugins) fn new(directive: &'static str, apex: Name, by_content: bool) -> Self {
        Self {
            directive,
            apex,
            by_content,
            read: None,
            serial: None,
        }
    }

    /// The zone's name.
    pub(in crate::plugins) fn apex(&self) -> &Name {
        &self.apex
    }

    /// The zone, if the file has changed, is right, and has another serial number than the one that
    /// is served. What is wrong is said in the log, once for each change.
    pub(in crate::plugins) fn look(&mut self, path: &Path) -> Option<Zone> {
        if let Some((read, sources)) = &self.read
            && read == path
            && !sources.have_changed()
        {
            return None;
        }
        self.read(path).unwrap_or_else(|error| {
            let kept = match self.serial {
                Some(_) => "the zone stays as it was",
                None => "queries for the zone fail",
            };
            tracing::warn!("{}: {error}; {kept}", self.directive);
            None
        })
    }

    /// The zone as the file has it; [`None`] if that is the one that is served.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub(in crate::plugins) fn read(&mut self, path: &Path) -> Result<Option<Zone>, ZoneFileError> {
        let mut sources = Sources::default();
        let loaded = load(path, &self.apex, &mut sources);
        // Whatever came of it, this state of the files needs no second look.
        self.read = Some((path.into(), sources));
        let Self {
            directive, apex, ..
        } = self;
        let loaded = loaded?;
        let serial = loaded.serial;
        if self.serial == Some(serial) && !self.by_content {
            let path = path.display();
            tracing::warn!(
                "{directive}: {path} has changed, but its serial number still is {serial}: the \
                 zone stays as it was"
            );
            return Ok(None);
        }
        if self.serial.is_some() {
            tracing::info!("{directive}: {apex} was read again, serial number {serial}");
        }
        let Loaded { zone, outside, .. } = loaded;
        if let Some((first, count)) = outside {
            let others = match count {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            tracing::warn!("{directive}: {first}: it is left out{others}");
        }
        self.serial = Some(serial);
        Ok(Some(zone))
    }
}
