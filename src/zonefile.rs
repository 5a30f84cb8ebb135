//! Records as text: one record, and whole zone files (RFC 1035 §5).
//!
//! What belongs to the form of a file is read here, so that every error has its line: words,
//! quotes, parentheses, directives, owners, times to live with units (`1h30m`), classes. The data
//! of a record is read by the `domain` crate.

mod data;
mod entry;
mod file;
mod sources;

use std::fmt;

use answer::{Class, MAX_TTL, Name, RecordData, RecordType};

pub use file::{Each, Place, ZoneFileError, read, read_text};
pub use sources::Sources;

use entry::{Entry, Word};

/// One record as a zone file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name that it stands at.
    pub owner: Name,
    /// Time to live in seconds, at most [`MAX_TTL`].
    pub ttl: u32,
    /// The class.
    pub class: Class,
    /// The type.
    pub rtype: RecordType,
    /// The data in wire form, names in it uncompressed and in the case in which they were written.
    pub data: RecordData,
}

/// What holds where a record does not say it.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// What follows names without a trailing dot.
    pub origin: Name,
    /// Time to live in seconds; [`None`] makes it an error not to write one.
    pub ttl: Option<u32>,
    /// The class.
    pub class: Class,
}

/// Why text is no record: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord(String);

impl fmt::Display for BadRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadRecord {}

/// Reads one record: `NAME [TTL] [CLASS] TYPE DATA`, TTL and class in either order. It may go over
/// several lines within parentheses.
///
/// # Errors
///
/// When it is no record, or more than one.
pub fn parse_record(text: &str, defaults: &Defaults) -> Result<Record, BadRecord> {
    let mut entry = Entry::default();
    let mut lines = text.split_inclusive('\n');
    let read = |entry: &mut Entry, lines: &mut dyn Iterator<Item = &str>| {
        entry.clear();
        for line in lines {
            if entry.push_line(line.as_bytes())? && !entry.words().is_empty() {
                return Ok(());
            }
        }
        entry.end()
    };
    read(&mut entry, &mut lines).map_err(BadRecord)?;
    let owner = match entry.words().first() {
        None => return Err(BadRecord("there is no record".into())),
        Some(_) if entry.starts_blank() => return Err(BadRecord("the name is missing".into())),
        Some(word) => name(&entry, *word, &defaults.origin).map_err(BadRecord)?,
    };
    let record = record(&entry, 1, owner, defaults).map_err(BadRecord)?;
    read(&mut entry, &mut lines).map_err(BadRecord)?;
    match entry.words().is_empty() {
        true => Ok(record),
        false => Err(BadRecord("there is more than one record".into())),
    }
}

/// Reads a time to live or another number of seconds: digits, or numbers with the units s, m, h, d
/// and w, such as `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    if !text.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let (mut sum, mut number, mut open) = (0_u32, 0_u32, false);
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            number = number.checked_mul(10)?.checked_add(digit)?;
            open = true;
            continue;
        }
        let unit = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        if !open {
            return None;
        }
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        (number, open) = (0, false);
    }
    sum.checked_add(number)
}

/// Reads a name: `@` for the origin, relative to it without a trailing dot.
fn name(entry: &Entry, word: Word, origin: &Name) -> Result<Name, String> {
    let text = entry.text(word);
    if text == "@" && !word.quoted {
        return Ok(origin.clone());
    }
    Name::parse_relative(text, origin).map_err(|error| match Name::parse(text) {
        Ok(_) => {
            format!("{text}: with the origin {origin} behind it the name is longer than 255 octets")
        }
        Err(_) => format!("{text}: {error}"),
    })
}

/// Reads what follows the owner, from word number `first` on.
fn record(entry: &Entry, first: usize, owner: Name, defaults: &Defaults) -> Result<Record, String> {
    let (mut ttl, mut class) = (None, None);
    let mut words = entry.words().iter().enumerate().skip(first);
    let (rtype, at) = loop {
        let Some((place, word)) = words.next() else {
            return Err("the record's type is missing".into());
        };
        let text = entry.text(*word);
        if ttl.is_none() && text.starts_with(|character: char| character.is_ascii_digit()) {
            let read = seconds(text).ok_or_else(|| {
                format!("\"{text}\" is no time to live: seconds, or units such as 1h30m")
            })?;
            ttl = Some(read.min(MAX_TTL));
        } else if class.is_none()
            && let Some(read) = data::class(text)
        {
            class = Some(read);
        } else {
            let rtype = data::rtype(text).ok_or_else(|| {
                format!(
                    "\"{text}\" is no record type; write TYPE and its number if it has no name here"
                )
            })?;
            break (rtype, place + 1);
        }
    };
    if !rtype.is_data() {
        return Err(format!("{rtype} is not a type of records"));
    }
    let words = entry.words().get(at..).unwrap_or_default();
    let data = data::read(entry, words, rtype, &defaults.origin)?;
    let ttl = match ttl.or(defaults.ttl) {
        Some(ttl) => ttl,
        // As servers have done since before $TTL (RFC 1035 §3.3.13, RFC 2308 §4).
        None if rtype == RecordType::SOA => data::soa_minimum(&data).unwrap_or_default(),
        None => return Err("no time to live: write one, or $TTL above the records".into()),
    };
    Ok(Record {
        owner,
        ttl,
        class: class.unwrap_or(defaults.class),
        rtype,
        data,
    })
}

#[cfg(test)]
mod tests;
