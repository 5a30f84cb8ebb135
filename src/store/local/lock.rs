//! Locks that the kernel holds for a process and drops when it dies.
//!
//! They are open-file-description locks (`F_OFD_SETLK` in fcntl(2)): a lock belongs to one opening
//! of the file, not to the process as a POSIX lock does, so that opening and closing the same file
//! elsewhere in the process cannot lose it and two claims of one process exclude each other too.
//!
//! An opening outlives its process when a child has inherited it. std opens every file with
//! `O_CLOEXEC`, so a child has it from fork to exec and no longer: a hook never keeps the node's
//! name alive. Only what is made with [`LockFile::inheritable`] does, for commands under a name.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::AccessFlags;

use super::file;
use crate::store::HeldBy;

/// One of the two bytes of a lock file that are locked, each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Held for the moment in which it is decided who gets the file's [`Part::Life`].
    Gate,
    /// Held as long as the owner lives.
    Life,
}

impl Part {
    fn range(self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: match self {
                Self::Gate => 0,
                Self::Life => 1,
            },
            l_len: 1,
            // Must be zero for open-file-description locks.
            l_pid: 0,
        }
    }
}

/// A lock file that is open for locking. Dropping it drops its locks at once, also where a child
/// that was forked has not come to its exec yet and still has the file open.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    /// Opens the file at `path` and creates it where it is missing, for whom its folder is for.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: open(path)?,
            path: path.to_owned(),
        })
    }

    /// Locks a part, without waiting; `false` where another opening has it.
    pub(crate) fn try_lock(&self, part: Part) -> io::Result<bool> {
        lock(&self.file, part)
    }

    /// Unlocks a part.
    pub(crate) fn unlock(&self, part: Part) -> io::Result<()> {
        fcntl(
            &self.file,
            FcntlArg::F_OFD_SETLK(&part.range(libc::F_UNLCK)),
        )?;
        Ok(())
    }

    /// Whether another opening of this file holds a part.
    pub(crate) fn is_locked(&self, part: Part) -> io::Result<bool> {
        test(&self.file, part)
    }

    /// Whether the path still leads to this file, which somebody may have deleted or replaced
    /// together with its folder. A lock on a file that nobody finds excludes nobody.
    pub(crate) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), self.path.symlink_metadata()) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    /// The numbers of the device and of the inode: what tells this file from a copy of it.
    pub(crate) fn place(&self) -> io::Result<(u64, u64)> {
        let metadata = self.file.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// The same opening once more, which programs that this process starts find open: its locks
    /// stay until all of them have closed it.
    pub(crate) fn inheritable(&self) -> io::Result<OwnedFd> {
        Ok(nix::unistd::dup(&self.file)?)
    }

    /// Writes the number of this process into the file, for people who look for the holder, and
    /// so that whoever watches the folder hears of a change: locking alone tells nobody.
    pub(crate) fn sign(&self) -> io::Result<()> {
        let text = format!("{}\n", std::process::id());
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Where this fails, closing does it.
        let _ = self.unlock(Part::Life);
        let _ = self.unlock(Part::Gate);
    }
}

fn open(path: &Path) -> io::Result<File> {
    match file::create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path),
        created => created,
    }
}

/// Checks that this process may lock the file at `path`, or that there is none.
pub(crate) fn may_open(path: &Path) -> io::Result<()> {
    match file::access(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn lock(file: &File, part: Part) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&part.range(libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Which parts of a lock file somebody holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Locked {
    /// It is being decided right now who gets it.
    pub(crate) gate: bool,
    /// Its owner lives.
    pub(crate) life: bool,
}

/// Which parts of the lock file at `path` somebody holds; a missing file is not locked.
///
/// The file is opened for reading only: that changes nothing, and watchers of the folder are not
/// told of it as of a change.
pub(crate) fn look(path: &Path) -> io::Result<Locked> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    match file {
        Ok(file) => Ok(Locked {
            gate: test(&file, Part::Gate)?,
            life: test(&file, Part::Life)?,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Locked::default()),
        Err(error) => Err(error),
    }
}

/// The process that has signed the lock file at `path`: whoever had it locked last.
pub(crate) fn signed(path: &Path) -> io::Result<HeldBy> {
    let text = file::read(path, 32)?.unwrap_or_default();
    let number = str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().parse().ok());
    let id: u32 = number.ok_or_else(|| io::Error::other("a lock file is not signed"))?;
    let lives = Path::new("/proc").join(id.to_string()).exists();
    Ok(HeldBy::Process { id, lives })
}

fn test(file: &File, part: Part) -> io::Result<bool> {
    let mut range = part.range(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut range))?;
    Ok(libc::c_int::from(range.l_type) != libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_openings_in_one_process_exclude_each_other_part_by_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!look(&path).unwrap().life);
        let (first, second) = (
            LockFile::open(&path).unwrap(),
            LockFile::open(&path).unwrap(),
        );
        assert!(first.try_lock(Part::Life).unwrap());
        assert!(!second.try_lock(Part::Life).unwrap());
        assert!(second.try_lock(Part::Gate).unwrap());
        assert!(second.is_locked(Part::Life).unwrap());
        assert!(
            !first.is_locked(Part::Life).unwrap(),
            "its own is no other's"
        );
        // A POSIX lock would be lost here: the process closes a descriptor of the file.
        assert!(look(&path).unwrap().life);
        assert!(look(&path).unwrap().life);
        first.unlock(Part::Life).unwrap();
        assert!(second.try_lock(Part::Life).unwrap());
        drop(second);
        assert!(!look(&path).unwrap().life);
        assert!(!look(&path).unwrap().gate);
    }

    #[test]
    fn a_file_that_was_replaced_is_no_longer_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = LockFile::open(&path).unwrap();
        assert!(lock.is_in_place());
        std::fs::rename(&path, folder.path().join("aside")).unwrap();
        assert!(!lock.is_in_place());
        std::fs::write(&path, "").unwrap();
        assert!(!lock.is_in_place());
    }

    #[test]
    fn a_child_that_outlives_its_parents_lock_does_not_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = open(&path).unwrap();
        assert!(lock(&file, Part::Life).unwrap());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // Closed without unlocking, as at a sudden death. The child may still be on its way through
        // exec; it would hold an inherited lock for a minute.
        drop(file);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while look(&path).unwrap().life && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let free = !look(&path).unwrap().life;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(free, "the child inherited the lock");
    }
}
