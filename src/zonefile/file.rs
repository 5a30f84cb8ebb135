//! Whole zone files, with `$ORIGIN`, `$TTL` and `$INCLUDE`.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use answer::{Class, Name};

use super::entry::Entry;
use super::sources::Sources;
use super::{Defaults, Record, name, record, seconds};
use crate::reason;

/// How deep files may include one another.
const MAX_DEPTH: usize = 8;

/// How many files a zone may be made of.
const MAX_FILES: usize = 1000;

/// The longest line, in octets.
const MAX_LINE: u64 = 512 * 1024;

/// Where in which file something stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'f> {
    /// The file.
    pub file: &'f Path,
    /// The line, the first being 1; 0 for the file as a whole.
    pub line: usize,
}

impl Place<'_> {
    /// The mistake at this place.
    #[must_use]
    pub fn mistake(self, reason: impl Into<String>) -> ZoneFileError {
        ZoneFileError {
            file: self.file.into(),
            line: self.line,
            reason: reason.into(),
        }
    }
}

/// Why a zone file cannot be used: one line, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFileError {
    /// The file.
    pub file: PathBuf,
    /// The line, the first being 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Shows `FILE:LINE: reason`.
impl fmt::Display for ZoneFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(formatter, "{file}: {}", self.reason),
            line => write!(formatter, "{file}:{line}: {}", self.reason),
        }
    }
}

impl std::error::Error for ZoneFileError {}

/// Takes the records of a file, each with its place.
pub type Each<'e> = dyn FnMut(Record, Place<'_>) -> Result<(), ZoneFileError> + 'e;

/// Reads the zone file at `path` record by record; names without a trailing dot are relative to
/// `origin`. Files that it includes are looked for in the folder of the file that includes them.
///
/// Each record goes to `each` with its place. The files that were read go to `sources`, also when
/// there is a mistake in them.
///
/// # Errors
///
/// The first mistake. What was given to `each` before is to be thrown away.
pub fn read(
    path: &Path,
    origin: &Name,
    sources: &mut Sources,
    each: &mut Each<'_>,
) -> Result<(), ZoneFileError> {
    Files::new(origin, each, Some(sources)).read_file(path)
}

/// The same from text that is no file: `name` stands for it in errors, and it cannot include any.
///
/// # Errors
///
/// The first mistake.
pub fn read_text(
    name: &Path,
    text: &[u8],
    origin: &Name,
    each: &mut Each<'_>,
) -> Result<(), ZoneFileError> {
    Files::new(origin, each, None).read_from(name, text)
}

struct Files<'e, 'f> {
    each: &'e mut Each<'f>,
    defaults: Defaults,
    /// The owner of the record before.
    owner: Option<Name>,
    /// Whether `$TTL` has been given: then times of single records are no defaults.
    has_ttl: bool,
    /// The files that were read; [`None`] where files cannot be included.
    sources: Option<&'e mut Sources>,
    /// How many files are open within one another.
    depth: usize,
    files: usize,
}

impl<'e, 'f> Files<'e, 'f> {
    fn new(origin: &Name, each: &'e mut Each<'f>, sources: Option<&'e mut Sources>) -> Self {
        Self {
            each,
            defaults: Defaults {
                origin: origin.clone(),
                ttl: None,
                class: Class::IN,
            },
            owner: None,
            has_ttl: false,
            sources,
            depth: 0,
            files: 0,
        }
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ZoneFileError> {
        let whole = |reason: String| {
            let place = Place {
                file: path,
                line: 0,
            };
            place.mistake(reason)
        };
        // A folder can be opened, and a pipe would be waited for.
        let opened = fs::metadata(path).and_then(|metadata| match metadata.is_file() {
            true => File::open(path).map(Some),
            false => Ok(None),
        });
        let metadata = match &opened {
            Ok(Some(file)) => file.metadata().ok(),
            _ => None,
        };
        if let Some(sources) = &mut self.sources {
            sources.push(path, metadata.as_ref());
        }
        let file = opened.map_err(|error| whole(reason::of(&error)))?;
        let file = file.ok_or_else(|| whole("this is no file".into()))?;
        self.read_from(path, BufReader::with_capacity(64 * 1024, file))
    }

    fn read_from(&mut self, path: &Path, mut lines: impl BufRead) -> Result<(), ZoneFileError> {
        let at = |line: usize, reason: String| Place { file: path, line }.mistake(reason);
        let mut entry = Entry::default();
        let mut line = Vec::new();
        let (mut number, mut begins) = (0, 1);
        loop {
            line.clear();
            let read = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line);
            let length = read.map_err(|error| at(number + 1, error.to_string()))?;
            if length == 0 {
                return entry.end().map_err(|reason| at(begins, reason));
            }
            number += 1;
            if length as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                return Err(at(number, format!("a line of more than {MAX_LINE} octets")));
            }
            if entry.words().is_empty() {
                begins = number;
            }
            let ends = entry
                .push_line(&line)
                .map_err(|reason| at(number, reason))?;
            if !ends {
                continue;
            }
            if let Some(first) = entry.words().first() {
                let includes = entry.text(*first).eq_ignore_ascii_case("$INCLUDE");
                if includes && !entry.starts_blank() {
                    self.include(path, &entry, begins)?;
                } else {
                    let record = self.entry(&entry).map_err(|reason| at(begins, reason))?;
                    let place = Place {
                        file: path,
                        line: begins,
                    };
                    record.map_or(Ok(()), |record| (self.each)(record, place))?;
                }
            }
            entry.clear();
        }
    }

    /// The record of an entry; [`None`] for a directive.
    fn entry(&mut self, entry: &Entry) -> Result<Option<Record>, String> {
        let first = entry.words().first().map(|word| entry.text(*word));
        if first.is_some_and(|text| text.starts_with('$')) && !entry.starts_blank() {
            return self.directive(entry).map(|()| None);
        }
        let (owner, first) = match (entry.starts_blank(), entry.words().first()) {
            (false, Some(word)) => {
                let owner = name(entry, *word, &self.defaults.origin)?;
                self.owner = Some(owner.clone());
                (owner, 1)
            }
            _ => {
                let owner = self.owner.clone();
                let missing = "the line begins with a blank, and there is no record above it";
                (owner.ok_or(missing)?, 0)
            }
        };
        let record = record(entry, first, owner, &self.defaults)?;
        if record.class != Class::IN {
            let class = record.class;
            return Err(format!(
                "class {class}: a zone here has records of class IN"
            ));
        }
        // Without $TTL the last time that was written holds (RFC 1035 §5.1); before any is, that of
        // the SOA.
        if !self.has_ttl {
            self.defaults.ttl = Some(record.ttl);
        }
        Ok(Some(record))
    }

    fn directive(&mut self, entry: &Entry) -> Result<(), String> {
        let words = entry.words();
        let directive = words.first().map_or("", |word| entry.text(*word));
        let argument = match words {
            [_, argument] => Some(*argument),
            _ => None,
        };
        match directive.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let argument = argument.ok_or("$ORIGIN takes one name")?;
                self.defaults.origin = name(entry, argument, &self.defaults.origin)?;
            }
            "$TTL" => {
                let argument = argument.ok_or("$TTL takes one time")?;
                let text = entry.text(argument);
                let ttl = seconds(text).ok_or_else(|| {
                    format!("\"{text}\" is no time to live: seconds, or units such as 1h30m")
                })?;
                self.defaults.ttl = Some(ttl.min(answer::MAX_TTL));
                self.has_ttl = true;
            }
            _ => {
                let known = "$ORIGIN, $TTL and $INCLUDE are";
                return Err(format!("{directive} is not known here; {known}"));
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        including: &Path,
        entry: &Entry,
        line: usize,
    ) -> Result<(), ZoneFileError> {
        let place = Place {
            file: including,
            line,
        };
        let at = |reason: String| place.mistake(reason);
        let (file, origin) = match entry.words() {
            [_, file] => (*file, None),
            [_, file, origin] => (*file, Some(*origin)),
            _ => return Err(at("$INCLUDE takes a file and perhaps an origin".into())),
        };
        if self.sources.is_none() {
            return Err(at("files cannot be included here".into()));
        }
        if self.depth == MAX_DEPTH || self.files == MAX_FILES {
            return Err(at(format!(
                "too many files: {MAX_DEPTH} deep and {MAX_FILES} in all can be included"
            )));
        }
        let file = including
            .parent()
            .unwrap_or(Path::new(""))
            .join(entry.text(file));
        let here = self.defaults.origin.clone();
        if let Some(origin) = origin {
            self.defaults.origin = name(entry, origin, &here).map_err(at)?;
        }
        let owner = self.owner.clone();
        self.depth += 1;
        self.files += 1;
        self.read_file(&file).map_err(|error| match error.line {
            // The mistake is the line that names a file that is none.
            0 => at(error.to_string()),
            _ => error,
        })?;
        self.depth -= 1;
        // What the file has changed ends with it (RFC 1035 §5.1).
        self.defaults.origin = here;
        self.owner = owner;
        Ok(())
    }
}
