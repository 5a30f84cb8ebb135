//! From a zone file to a zone.

use std::path::{Path, PathBuf};

use answer::{Edit, Name, RecordData, RecordType, Rrset, Soa, Zone};

use crate::zonefile::{self, Place, Record, Sources, ZoneFileError};

/// How many octets of a file are about one name, in files of many short lines: to make room for
/// the names at once.
const OCTETS_PER_NAME: u64 = 32;

/// A zone as its file has it.
pub(super) struct Loaded {
    /// The zone.
    pub(super) zone: Zone,
    /// The serial number of its SOA record.
    pub(super) serial: u32,
    /// The first record that was left out since it does not lie in the zone, and how many.
    pub(super) outside: Option<(ZoneFileError, usize)>,
}

/// Reads a zone from its file. The files that were read go to `sources`, whatever comes of it.
///
/// # Errors
///
/// The first mistake in the file. There is no zone then.
pub(super) fn load(
    path: &Path,
    apex: &Name,
    sources: &mut Sources,
) -> Result<Loaded, ZoneFileError> {
    let mut loader = Loader::new(apex);
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let names = usize::try_from(size / OCTETS_PER_NAME).unwrap_or_default();
    loader.edit.reserve(names);
    zonefile::read(path, apex, sources, &mut |record, place| {
        loader.take(record, place)
    })?;
    loader.finish(path)
}

struct Loader {
    edit: Edit,
    /// Records of one type at one name that stand one after another: they are put in together.
    /// Without any there is nothing to put in.
    together: Together,
    serial: Option<u32>,
    outside: Option<(ZoneFileError, usize)>,
}

struct Together {
    owner: Name,
    rrset: Rrset,
    /// Where the first of them stands.
    file: PathBuf,
    line: usize,
}

impl Loader {
    fn new(apex: &Name) -> Self {
        // The file's own SOA takes the place of this one.
        let soa = Soa::new(Name::root(), Name::root(), 0);
        Self {
            edit: Zone::new(apex.clone(), 0, &soa).edit(),
            together: Together {
                owner: Name::root(),
                rrset: Rrset::new(RecordType::SOA, 0, []),
                file: PathBuf::new(),
                line: 0,
            },
            serial: None,
            outside: None,
        }
    }

    fn take(&mut self, record: Record, place: Place<'_>) -> Result<(), ZoneFileError> {
        let Record {
            owner,
            ttl,
            rtype,
            data,
            ..
        } = record;
        if !owner.is_at_or_below(self.edit.apex()) {
            let apex = self.edit.apex();
            let first = || place.mistake(format!("{owner} is not in the zone {apex}"));
            self.outside.get_or_insert_with(|| (first(), 0)).1 += 1;
            return Ok(());
        }
        if matches!(rtype, RecordType::NSEC3 | RecordType::NSEC3PARAM) {
            let advice = "sign the zone with NSEC instead";
            return Err(place.mistake(format!(
                "{rtype}: zones with hashed denial of existence are not served; {advice}"
            )));
        }
        let together = &mut self.together;
        let first = together.rrset.data.is_empty();
        if !first && together.rrset.rtype == rtype && together.owner == owner {
            // All records of a set have one TTL (RFC 2181 §5.2); the shortest is right for all.
            together.rrset.ttl = together.rrset.ttl.min(ttl);
        } else {
            self.put()?;
            let together = &mut self.together;
            together.owner = owner;
            (together.rrset.rtype, together.rrset.ttl) = (rtype, ttl);
            // A million records of one file need not have its name a million times.
            if together.file.as_os_str() != place.file.as_os_str() {
                together.file = place.file.into();
            }
            together.line = place.line;
        }
        self.together.rrset.data.push(data);
        Ok(())
    }

    /// Puts the records that stood together into the zone, with those of the same set that came
    /// before.
    fn put(&mut self) -> Result<(), ZoneFileError> {
        let Together {
            owner,
            rrset,
            file,
            line,
        } = &mut self.together;
        if rrset.data.is_empty() {
            return Ok(());
        }
        let is_soa = rrset.rtype == RecordType::SOA;
        if (!is_soa || self.serial.is_some())
            && let Some(before) = self.edit.rrset(owner, rrset.rtype)
        {
            rrset.ttl = rrset.ttl.min(before.ttl);
            rrset.data.splice(0..0, before.data);
        }
        self.edit.set(owner, rrset).map_err(|error| {
            let place = Place { file, line: *line };
            place.mistake(error.to_string())
        })?;
        if is_soa {
            self.serial = rrset.data.first().and_then(serial);
        }
        rrset.data.clear();
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<Loaded, ZoneFileError> {
        self.put()?;
        let apex = self.edit.apex();
        let Some(serial) = self.serial else {
            let place = Place {
                file: path,
                line: 0,
            };
            return Err(place.mistake(format!("there is no SOA record at {apex}")));
        };
        Ok(Loaded {
            serial,
            outside: self.outside,
            zone: self.edit.finish(),
        })
    }
}

/// The serial number in a SOA's data: the first of the five numbers at its end (RFC 1035 §3.3.13).
fn serial(soa: &RecordData) -> Option<u32> {
    let numbers: &[u8; 20] = soa.as_bytes().last_chunk()?;
    numbers
        .first_chunk()
        .map(|serial| u32::from_be_bytes(*serial))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOA: &str = "$TTL 60\n@ SOA ns host 7 1 1 1 1\n";

    fn loaded(text: &str) -> Result<Loaded, String> {
        loaded_as("example.", text)
    }

    fn loaded_as(apex: &str, text: &str) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, text).unwrap();
        let apex = Name::parse(apex).unwrap();
        let shown = |error: ZoneFileError| {
            let line = error.line;
            format!("{line}: {}", error.reason)
        };
        load(&path, &apex, &mut Sources::default()).map_err(shown)
    }

    /// If this fails, records of a set that do not stand together in the file are lost.
    #[test]
    fn sets_are_gathered_from_all_over_the_file() {
        let loaded = loaded(&format!(
            "a 9 A 192.0.2.1\n{SOA}a 5 A 192.0.2.2\nb A 192.0.2.3\na A 192.0.2.1\nx.test. A 192.0.2.9\n"
        ));
        let loaded = loaded.unwrap();
        let name = Name::parse("a.example").unwrap();
        let set = loaded.zone.rrsets(&name).next().unwrap();
        assert_eq!((set.count(), set.ttl()), (2, 5));
        assert_eq!(loaded.serial, 7);
        let (outside, count) = loaded.outside.unwrap();
        assert_eq!((outside.line, count), (7, 1));
        assert!(
            outside
                .reason
                .contains("x.test. is not in the zone example.")
        );
    }

    /// If this fails, the root's own SOA is lost or loses its TTL, since nothing stands before it.
    #[test]
    fn the_first_record_of_the_root_is_taken_as_it_is() {
        let loaded = loaded_as(".", SOA).unwrap();
        let soa = loaded.zone.rrsets(&Name::root()).next().unwrap();
        assert_eq!((soa.count(), soa.ttl(), loaded.serial), (1, 60, 7));
    }

    /// If this fails, a zone that is wrong is served, or its editor is not told what is wrong where.
    #[test]
    fn what_is_no_zone_is_refused_with_its_line() {
        for (text, mistake) in [
            ("a 5 A 192.0.2.1\n".to_owned(), "0: there is no SOA record"),
            (
                format!("{SOA}a A 192.0.2.1\na CNAME b\n"),
                "4: a.example.: CNAME cannot stand beside A",
            ),
            (
                format!("{SOA}a CNAME b\nb A 192.0.2.1\na CNAME c\n"),
                "5: a.example.: a name has one CNAME",
            ),
            (
                format!("{SOA}a SOA ns host 8 1 1 1 1\n"),
                "3: a.example.: a zone has one SOA",
            ),
            (
                format!("{SOA}@ SOA ns host 8 1 1 1 1\n"),
                "2: example.: a zone has one SOA",
            ),
            (
                format!("{SOA}@ NSEC3PARAM 1 0 0 -\n"),
                "3: NSEC3PARAM: zones with hashed denial",
            ),
            (format!("{SOA}a A x\n"), "3: A: \"x\" is no IPv4 address"),
        ] {
            let error = loaded(&text).err().unwrap();
            assert!(error.starts_with(mistake), "{text}: {error}");
        }
    }
}
