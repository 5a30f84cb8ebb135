//! The processes that a process has started, directly or not.

use std::collections::HashMap;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Sends a signal to everything below this process. Returns to how many.
///
/// What has lost its parent counts as well, since this process takes it over
/// (`PR_SET_CHILD_SUBREAPER`). What is started in the same moment can be missed, so whoever wants
/// all of them calls again until there are none.
pub(super) fn signal_all(signal: Signal) -> usize {
    let below = below(std::process::id().cast_signed());
    for &process in &below {
        // It may have ended meanwhile.
        let _ = kill(Pid::from_raw(process), signal);
    }
    below.len()
}

/// Takes note of one child that has ended, if there is one: its number and exit status, 128 and
/// the signal's number where a signal ended it.
///
/// # Errors
///
/// `ECHILD` where there are no children at all.
pub(super) fn reap() -> Result<Option<(Pid, u8)>, Errno> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
        WaitStatus::Exited(process, status) => Ok(Some((
            process,
            u8::try_from(status & 0xff).unwrap_or(u8::MAX),
        ))),
        WaitStatus::Signaled(process, signal, _) => {
            let status = 128 + (signal as i32);
            Ok(Some((process, u8::try_from(status).unwrap_or(u8::MAX))))
        }
        _ => Ok(None),
    }
}

/// The processes below `root` that live, in no order.
fn below(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            && let Some(parent) = parent(&stat)
        {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut below = Vec::new();
    let mut next = vec![root];
    while let Some(process) = next.pop() {
        // Each is removed when it is looked at, so a torn picture with a circle ends as well.
        for child in children.remove(&process).unwrap_or_default() {
            below.push(child);
            next.push(child);
        }
    }
    below
}

/// The parent in a line of `/proc/PID/stat`, [`None`] for a process that has ended already. The
/// name before it is in parentheses and may have any characters.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, processes of a job outlive it, or others are killed instead of them.
    #[test]
    fn the_parent_is_read_behind_any_name() {
        assert_eq!(parent("7 (a) b) (c) S 5 7 7 0 -1"), Some(5));
        assert_eq!(parent("7 (x) Z 5 7"), None);
        assert_eq!(parent("7 (x"), None);
        assert_eq!(parent(""), None);
    }

    /// If this fails, the grandchildren of a job outlive it.
    #[test]
    fn grandchildren_are_found() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60; true"])
            .spawn()
            .unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let root = child.id().cast_signed();
        while below(root).len() < 2 && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let found = below(root);
        for process in &found {
            kill(Pid::from_raw(*process), Signal::SIGKILL).unwrap();
        }
        child.wait().unwrap();
        assert_eq!(found.len(), 2);
    }
}
