//! Processes that are measured: what they have used, and that they end.

use std::process::Child;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Result;

/// The unit of the times in `/proc/PID/stat` (proc(5)): `USER_HZ`, 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A child that is killed when it goes out of sight.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Killed {
    /// `kill -9`, and wait until it is gone.
    pub fn kill(&mut self) {
        // A child that has ended by itself is as dead.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The user and the system time that a living process has used, all its threads together, in
/// steps of 10 ms.
///
/// # Errors
///
/// There is no such process.
pub fn processor_time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name of the program, in parentheses, may have spaces.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_whitespace().skip(11).take(2);
    let ticks: u32 = fields
        .map(|field| field.parse::<u32>().unwrap_or_default())
        .sum();
    Ok(TICK * ticks)
}

/// The resident memory of a living process in MiB.
///
/// # Errors
///
/// There is no such process.
pub fn resident_mebibytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or_default()
        / 1024)
}

/// Lets this process, and those that it starts, open as many files as the kernel permits: each
/// connection is one.
///
/// # Errors
///
/// The kernel does not tell or does not permit.
pub fn raise_open_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(())
}
