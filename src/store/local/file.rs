//! Small files that are read whole, within a bound, and replaced whole; and who may use what is
//! created.
//!
//! Files take the permissions of their folder: where its group may write, the group may use them;
//! else nobody but their owner may. Who can open a lock file can lock it, and so hold up or
//! pretend to be a holder.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::unistd::{AccessFlags, faccessat};

/// Reads a regular file of at most `limit` bytes; [`None`] where there is none.
///
/// Symbolic links, pipes and devices are refused: reading one could lead elsewhere or wait for
/// ever.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // Room for all of it and a little more: then it is read at once.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size.min(limit).saturating_add(32));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Writes `bytes` to `aside` and moves that to `path`, so that readers see the old text or the
/// new one and nothing between, also after a power cut.
///
/// Both are in one folder, and nobody else may write `aside` at the same time.
pub(crate) fn replace(path: &Path, aside: &Path, bytes: &[u8]) -> io::Result<()> {
    // What an earlier attempt left there may belong to another user.
    match std::fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(aside)?;
    let replaced = file
        .write_all(bytes)
        .and_then(|()| file.sync_data())
        .and_then(|()| std::fs::rename(aside, path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(aside);
    }
    replaced
}

/// Creates a file that is not there yet and opens it for reading and writing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    if is_shared(path.parent())? {
        // Not when it is created: the umask would have its say.
        file.set_permissions(Permissions::from_mode(0o660))?;
    }
    Ok(file)
}

/// Creates a folder inside one that exists, for whoever may use that. It may be there already.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Ok(()) if is_shared(path.parent())? => {
            // The bit that hands the group on came from the folder around it.
            let mode = path.metadata()?.mode() & 0o7777;
            std::fs::set_permissions(path, Permissions::from_mode(mode | 0o770))
        }
        created => created,
    }
}

/// What the kernel says of this process and a file, by the identity that opening it would use.
/// eaccess(3) asks for the process's first one where that is the same as far as it can see.
pub(super) fn access(path: &Path, how: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, path, how, AtFlags::AT_EACCESS)
}

/// Whether a folder's group may write in it.
fn is_shared(folder: Option<&Path>) -> io::Result<bool> {
    match folder {
        Some(folder) => Ok(folder.metadata()?.mode() & 0o020 != 0),
        None => Ok(false),
    }
}

/// `text` as the name of one file: letters, digits and `. _ - %` stay, all else becomes `=` and
/// two hexadecimal digits, also a dot at the start.
pub(crate) fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (position, byte) in text.bytes().enumerate() {
        let stays = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'%')
            || (byte == b'.' && position > 0);
        if stays {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("={byte:02x}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reading_is_bounded_and_never_follows_a_link_or_waits_for_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(read(&path("none"), 4).unwrap(), None);
        std::fs::write(path("four"), "four").unwrap();
        assert_eq!(read(&path("four"), 4).unwrap().unwrap(), b"four");
        assert!(read(&path("four"), 3).is_err());
        std::os::unix::fs::symlink(path("four"), path("link")).unwrap();
        assert!(read(&path("link"), 4).is_err());
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status()
            .unwrap();
        assert!(made.success());
        assert!(read(&path("pipe"), 4).is_err());
        assert!(read(folder.path(), 4).is_err());
    }

    /// If this fails, any user of the machine can lock what is another's, or users who are meant
    /// to share a folder cannot.
    #[test]
    fn files_are_for_whom_their_folder_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        for (outer, inner, file) in [
            (0o755, 0o700, 0o600),
            (0o700, 0o700, 0o600),
            (0o2770, 0o2770, 0o660),
        ] {
            let around = folder.path().join(format!("{outer:o}"));
            std::fs::create_dir(&around).unwrap();
            std::fs::set_permissions(&around, Permissions::from_mode(outer)).unwrap();
            let within = around.join("space");
            for _ in 0..2 {
                create_folder(&within).unwrap();
                assert_eq!(mode(&within), inner, "in {outer:o}");
            }
            let path = within.join("file");
            std::fs::write(within.join("aside"), "left behind").unwrap();
            replace(&path, &within.join("aside"), b"text").unwrap();
            assert_eq!(mode(&path), file, "in {outer:o}");
            assert_eq!(std::fs::read_dir(&within).unwrap().count(), 1);
            let lock = within.join("lock");
            super::super::lock::LockFile::open(&lock).unwrap();
            assert_eq!(mode(&lock), file, "in {outer:o}");
        }
    }

    #[test]
    fn names_of_files_stay_readable_distinct_and_inside_their_folder() {
        assert_eq!(escape("worker%d.tf.local."), "worker%d.tf.local.");
        assert_eq!(escape(".."), "=2e.");
        assert_eq!(escape("a/b=c\0"), "a=2fb=3dc=00");
        let texts = ["a/b", "a=2fb", "a=3d2fb", ".a", "=2ea", "ä"];
        let names: HashSet<String> = texts.iter().map(|text| escape(text)).collect();
        assert_eq!(names.len(), texts.len());
    }
}
