//! Small files that are read whole, within a bound, and replaced whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

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
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
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
    let mut file = create(aside)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(aside, path)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// An error in words, without the number that std adds.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
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

    #[test]
    fn names_of_files_stay_readable_distinct_and_inside_their_folder() {
        assert_eq!(escape("worker%d.tf.local."), "worker%d.tf.local.");
        assert_eq!(escape(".."), "=2e.");
        assert_eq!(escape("a/b=c\0"), "a=2fb=3dc=00");
        let texts = ["a/b", "a=2fb", "a=3d2fb", ".a", "=2ea", "ä"];
        let names: HashSet<String> = texts.iter().map(|text| escape(text)).collect();
        assert_eq!(names.len(), texts.len());
    }

    #[test]
    fn an_error_is_told_in_words() {
        let error = std::fs::read("/none").unwrap_err();
        assert_eq!(reason(&error), "No such file or directory");
    }
}
