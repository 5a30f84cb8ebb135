//! Which files of a folder are which zones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use answer::{LookupName, Name};
use regex::Regex;

use crate::plugins::zones::Zones;
use crate::reason;

/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 16;

/// How many files and folders are looked at.
const MAX_ENTRIES: usize = 1_000_000;

/// How the name of a file says which zone it is.
#[derive(Debug)]
pub(super) struct Naming {
    /// What the name of a file must match.
    pub(super) pattern: Regex,
    /// What becomes of it: a name in which `${1}` stands for the first group.
    pub(super) template: String,
}

impl Naming {
    /// The zone of a file with this name, if it is one.
    fn zone(&self, file: &str) -> Option<Name> {
        let captures = self.pattern.captures(file)?;
        let mut name = String::new();
        captures.expand(&self.template, &mut name);
        Name::parse(&name).ok()
    }
}

/// The files of a folder, and of those in it, that are zones below one of `zones`. Of several files
/// for one zone the first counts, in the order of their paths.
///
/// # Errors
///
/// What cannot be read, as one line.
pub(super) fn files(
    folder: &Path,
    naming: &Naming,
    zones: &Zones,
) -> Result<BTreeMap<Name, PathBuf>, String> {
    let mut walk = Walk {
        naming,
        zones,
        entries: 0,
        found: BTreeMap::new(),
    };
    walk.folder(folder, 0)?;
    Ok(walk.found)
}

struct Walk<'w> {
    naming: &'w Naming,
    zones: &'w Zones,
    entries: usize,
    found: BTreeMap<Name, PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), String> {
        let failed = |error| format!("{}: {}", folder.display(), reason::of(&error));
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(format!(
                    "{}: there are more than {MAX_ENTRIES} files and folders",
                    folder.display()
                ));
            }
        }
        paths.sort_unstable();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            // A link to a folder is not followed: it could lead in a circle. Kubernetes keeps the
            // files of a mounted map in folders like `..data`, and beside them links to the files.
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            if is_folder {
                if depth < MAX_DEPTH && !name.starts_with("..") {
                    self.folder(&path, depth + 1)?;
                }
                continue;
            }
            if let Some(zone) = self.naming.zone(name)
                && self.zones.find(&LookupName::from(&zone)).is_some()
                && path.is_file()
            {
                self.found.entry(zone).or_insert(path);
            }
        }
        Ok(())
    }
}
