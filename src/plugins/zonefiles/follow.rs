//! A zone whose file may change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use answer::{Name, Zone};

use super::load::{Loaded, load};
use crate::zonefile::{Sources, ZoneFileError};

/// A file that was changed more recently than this may not be complete yet.
const SETTLED: Duration = Duration::from_secs(2);

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
    /// The last look was put off since somebody may have been writing the file.
    put_off: bool,
}

impl ZoneFollower {
    pub(in crate::plugins) fn new(directive: &'static str, apex: Name, by_content: bool) -> Self {
        Self {
            directive,
            apex,
            by_content,
            read: None,
            serial: None,
            put_off: false,
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
        // Half a file can be a whole zone, and would be kept: the rest has the same serial number.
        // Once only, for a file that changes all the time is to be read too.
        self.put_off = self.serial.is_some() && !self.put_off && !is_settled(path);
        if self.put_off {
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

/// Whether nobody seems to be writing a file just now.
fn is_settled(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.map_or(true, |at| at.elapsed().is_ok_and(|age| age >= SETTLED))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use answer::{Lookup, LookupName, RecordType};

    use super::*;

    /// Writes a file as if somebody was not done with it; without a time limit for the test.
    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        let later = SystemTime::now() + Duration::from_secs(3600);
        file.set_modified(later).unwrap();
    }

    fn has(zone: &Zone, name: &str) -> bool {
        let name = LookupName::from(&Name::parse(name).unwrap());
        zone.lookup(&name, RecordType::A) != Lookup::NoSuchName
    }

    /// If this fails, half of a zone is served for as long as its serial number stays, since the
    /// file was looked at while it was written.
    #[test]
    fn a_file_that_is_being_written_is_read_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let text = |serial: u32| format!("$TTL 60\n@ SOA ns host {serial} 2 3 4 30\n@ NS ns\n");
        write(&path, &text(1));
        let mut zone = ZoneFollower::new("file", Name::parse("example.").unwrap(), false);
        assert!(
            zone.look(&path).is_some(),
            "at first there is nothing better"
        );
        assert!(zone.look(&path).is_none());

        write(&path, &text(2));
        assert!(zone.look(&path).is_none());
        write(&path, &format!("{}www A 192.0.2.1\n", text(2)));
        let whole = zone.look(&path).unwrap();
        assert!(has(&whole, "www.example."));

        for serial in 3..7 {
            write(&path, &text(serial));
            assert_eq!(zone.look(&path).is_some(), serial % 2 == 0, "{serial}");
        }
    }
}
