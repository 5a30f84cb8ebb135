//! The folder of a store: where it is, and whether it is one.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess, geteuid};

use super::file;
use super::space::SpaceFolder;
use crate::reason;

/// The one folder that all processes of a machine share.
const MACHINE_FOLDER: &str = "/var/lib/callsign/names";

/// The version of the folder's layout that this program reads and writes.
const FORMAT: u32 = 1;

/// The first word of the file `FORMAT`.
const FORMAT_NAME: &str = "callsign-local";

/// Where names are kept when nobody says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultFolder {
    /// The folder; it need not exist yet.
    pub path: PathBuf,
    /// Where it is not the one that all processes of the machine share: one sentence for the
    /// program's output that names both.
    pub note: Option<String>,
}

/// The folder for names when none is configured.
///
/// `/var/lib/callsign/names` is the one for the machine. Who may not write there (not root, no
/// systemd unit with `StateDirectory=callsign`) gets `$XDG_STATE_HOME/callsign/names` or
/// `~/.local/state/callsign/names`, and at last a folder of the user's own in the folder for
/// temporary files. Creates the machine's folder where it can.
///
/// # Errors
///
/// One line where the folder for temporary files is all that is left and somebody else owns what
/// should be ours in it.
pub fn default_folder() -> Result<DefaultFolder, String> {
    choose(Path::new(MACHINE_FOLDER), |name| std::env::var_os(name))
}

fn choose(
    machine: &Path,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<DefaultFolder, String> {
    let Err(error) = usable(machine) else {
        return Ok(DefaultFolder {
            path: machine.to_owned(),
            note: None,
        });
    };
    let own = user_state_folder(&variable).map(|state| state.join("callsign/names"));
    let path = match own.filter(|path| usable(path).is_ok()) {
        Some(path) => path,
        None => temporary(&variable)?,
    };
    let note = format!(
        "names are kept in {}, because {} cannot be used ({}): a process that uses the other \
         folder does not see them and may take the same ones",
        path.display(),
        machine.display(),
        reason::of(&error)
    );
    Ok(DefaultFolder {
        path,
        note: Some(note),
    })
}

/// `$XDG_STATE_HOME`, or `~/.local/state`: where a user's programs keep their state
/// (XDG Base Directory Specification 0.8). Relative paths are ignored, as it says.
pub(crate) fn user_state_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// Creates a folder where it is missing, for this user alone, and says whether files can be
/// created in it.
pub(crate) fn usable(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Ok(eaccess(
        path,
        AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK,
    )?)
}

/// How another folder is named.
const HOW: &str = "`store local PATH` in a Corefile, or `--store PATH` for a command";

/// A folder that only this user can enter, in a place where everybody can create one.
fn temporary(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let parent = variable("TMPDIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    let user = geteuid().as_raw();
    let path = parent.join(format!("callsign-{user}"));
    let failed = |error: io::Error| {
        let reason = reason::of(&error);
        format!(
            "no folder for names: cannot create {}: {reason}; name one with {HOW}",
            path.display()
        )
    };
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let found = path.symlink_metadata().map_err(failed)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        return Err(format!(
            "no folder for names: {} is not a folder that belongs to user {user} alone; \
             name another with {HOW}",
            path.display()
        ));
    }
    Ok(path.join("names"))
}

/// Checks the folder of a store and makes it one where it is empty or missing.
///
/// # Errors
///
/// One line that names the file and says what to do. Nothing of a store was changed then.
pub(super) fn prepare(folder: &Path) -> Result<(), String> {
    let name = folder.display();
    usable(folder).map_err(|error| {
        let reason = reason::of(&error);
        format!("cannot keep names in {name}: {reason}; name another folder with {HOW}")
    })?;
    if read_format(folder)?.is_some() {
        return Ok(());
    }
    if let Some(stranger) = first_file(folder)? {
        // Unless another process has just made it one.
        if read_format(folder)?.is_some() {
            return Ok(());
        }
        return Err(format!(
            "{name} is no store: it has {stranger} but no file FORMAT; name an empty folder with \
             {HOW}"
        ));
    }
    // A name of its own: another process may do the same at this moment, and whoever is last
    // replaces the other's file by the same text.
    let aside = folder.join(format!(".FORMAT.{}", crate::identity::node::random_hex()));
    let text = format!("{FORMAT_NAME} {FORMAT}\n");
    file::replace(&folder.join("FORMAT"), &aside, text.as_bytes())
        .map_err(|error| format!("cannot write {name}/FORMAT: {}", reason::of(&error)))
}

/// Reads all slot files of a store once, so that a damaged one is told of at the start. Files of
/// other users that are not for us are none of our business: their slots count as held.
///
/// # Errors
///
/// One line that names the first file that cannot be read, or is none of ours.
pub(super) fn check(folder: &Path) -> Result<(), String> {
    let failed =
        |error: io::Error| format!("cannot read {}: {}", folder.display(), reason::of(&error));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            let space = SpaceFolder::at(entry.path());
            let slots = match space.slots() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                slots => slots.map_err(failed)?,
            };
            for slot in slots.into_iter().filter(|slot| !space.is_closed(*slot)) {
                space.read(slot)?;
            }
        }
    }
    Ok(())
}

/// Reads the file `FORMAT`; [`None`] where there is none.
fn read_format(folder: &Path) -> Result<Option<()>, String> {
    let path = folder.join("FORMAT");
    let bytes = file::read(&path, 256).map_err(|error| {
        format!(
            "cannot read {}: {}; name another folder with {HOW}",
            path.display(),
            reason::of(&error)
        )
    })?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let version = text.strip_prefix(FORMAT_NAME).map(str::trim);
    match version.and_then(|version| version.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(Some(())),
        Some(version) if version > FORMAT => Err(format!(
            "{} says version {version}, and this program knows version {FORMAT}: use a newer \
             program, or another folder with {HOW}",
            path.display()
        )),
        _ => Err(format!(
            "{} is damaged: it should read {FORMAT_NAME:?} and a version; move the folder away, or \
             name another with {HOW}",
            path.display()
        )),
    }
}

/// The name of a file that is in a folder already, hidden ones and a file system's own aside.
fn first_file(folder: &Path) -> Result<Option<String>, String> {
    let failed =
        |error: io::Error| format!("cannot read {}: {}", folder.display(), reason::of(&error));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && name != "lost+found" {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn error(folder: &Path) -> String {
        let error = prepare(folder).and_then(|()| check(folder)).unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn a_missing_or_empty_folder_becomes_a_store_once() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("var/names");
        for _ in 0..2 {
            prepare(&folder).unwrap();
            assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
            let text = fs::read_to_string(folder.join("FORMAT")).unwrap();
            assert_eq!(text, "callsign-local 1\n");
        }
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "something was left behind"
        );
    }

    #[test]
    fn a_folder_that_is_no_store_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        fs::write(folder.path().join("photo.jpg"), "").unwrap();
        let error = error(folder.path());
        assert!(error.contains("is no store: it has photo.jpg"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::remove_file(folder.path().join("photo.jpg")).unwrap();
        prepare(folder.path()).unwrap();
    }

    #[test]
    fn another_version_and_a_damaged_file_are_named_with_what_to_do() {
        for (text, reason) in [
            (
                "callsign-local 2\n",
                "FORMAT says version 2, and this program knows version 1",
            ),
            ("callsign-local 0\n", "FORMAT is damaged"),
            ("callsign-local one\n", "FORMAT is damaged"),
            ("", "FORMAT is damaged"),
            ("\u{0}\u{0}", "FORMAT is damaged"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("FORMAT"), text).unwrap();
            let error = error(folder.path());
            assert!(error.contains(reason), "{error:?} should say {reason:?}");
            assert_eq!(
                fs::read_to_string(folder.path().join("FORMAT")).unwrap(),
                text
            );
        }
    }

    #[test]
    fn a_damaged_slot_is_found_at_the_start_in_any_space() {
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "invalid"),
            (r#"{"epoch":1,"session":1,"record":7}"#, "not a JSON object"),
            (r#"{"epoch":0,"session":1,"record":{}}"#, "no epoch"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path()).unwrap();
            let space = folder.path().join("other%d.");
            fs::create_dir(&space).unwrap();
            fs::write(space.join("00000001.lock"), "").unwrap();
            fs::write(space.join("00000001.json.new"), "{").unwrap();
            check(folder.path()).unwrap();
            fs::write(space.join("00000001.json"), text).unwrap();
            let error = error(folder.path());
            assert!(
                error.contains("other%d./00000001.json is damaged"),
                "{error}"
            );
            assert!(error.contains(reason), "{error:?} should say {reason:?}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = error(&folder.path().join("file/names"));
        assert!(
            error.ends_with(&format!("not a directory; name another folder with {HOW}")),
            "{error}"
        );
        let error = prepare(Path::new("/proc/names")).unwrap_err();
        assert!(
            error.starts_with("cannot keep names in /proc/names: "),
            "{error}"
        );
    }

    #[test]
    fn who_cannot_use_the_machines_folder_is_told_of_both() {
        let home = tempfile::tempdir().unwrap();
        let variable = |name: &str| match name {
            "HOME" | "TMPDIR" => Some(home.path().as_os_str().to_owned()),
            // Not absolute: ignored.
            "XDG_STATE_HOME" => Some("state".into()),
            _ => None,
        };
        let machine = home.path().join("machine");
        let chosen = choose(&machine, variable).unwrap();
        assert_eq!((chosen.path, chosen.note), (machine, None));

        let broken = Path::new("/proc/none");
        let chosen = choose(broken, variable).unwrap();
        assert_eq!(chosen.path, home.path().join(".local/state/callsign/names"));
        let note = chosen.note.unwrap();
        assert!(
            note.contains("/proc/none cannot be used (no such file"),
            "{note}"
        );
        assert!(note.contains(&*chosen.path.to_string_lossy()), "{note}");
    }

    #[test]
    fn a_folder_for_temporary_files_must_be_ours_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let variable =
            |name: &str| (name == "TMPDIR").then(|| parent.path().as_os_str().to_owned());
        let chosen = choose(Path::new("/proc/none"), variable).unwrap();
        let own = parent
            .path()
            .join(format!("callsign-{}", geteuid().as_raw()));
        assert_eq!(chosen.path, own.join("names"));
        assert_eq!(own.metadata().unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        let error = choose(Path::new("/proc/none"), variable).unwrap_err();
        assert!(
            error.contains("is not a folder that belongs to user"),
            "{error}"
        );
        fs::remove_dir(&own).unwrap();
        std::os::unix::fs::symlink("/etc", &own).unwrap();
        assert!(
            choose(Path::new("/proc/none"), variable).is_err(),
            "somebody's link was followed"
        );
    }
}
