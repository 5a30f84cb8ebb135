//! The machine on which something is measured.

use std::fmt::Write as _;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::utsname::uname;
use nix::unistd::Pid;

use crate::Result;
use crate::peers::Peer;

/// Keeps this thread, and those that it starts, on a processor.
///
/// # Errors
///
/// There is no such processor.
pub fn stay_on(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| format!("processor {processor}, which the client needs: {error}"))?;
    Ok(())
}

/// The first lines of the page: when, where and what.
///
/// # Errors
///
/// The kernel does not tell.
pub fn heading(seconds: f64, rounds: usize) -> Result<String> {
    let system = uname()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("?", |(_, name)| name);
    let processors = information.matches("model name").count();
    let load = read("/proc/loadavg");
    let mut text = format!(
        "# What answers cost\n\nWritten by `make bench`; bench/README.md says what the numbers mean.\n\n\
         * {processors} processors, {model}; {} {}\n\
         * load before the run: {}\n\
         * {rounds} rounds of {seconds} s at full load and half as long at half load for each server in \
         turn; medians\n",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        load.split(' ').next().unwrap_or_default(),
    );
    for peer in Peer::ALL {
        let _ = writeln!(text, "* {}", peer.version());
    }
    Ok(text)
}
