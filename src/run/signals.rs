//! Signals to the process that runs a command.

use std::io;

use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is passed on to the command.
const PASSED_ON: [i32; 7] = [
    nix::libc::SIGHUP,
    nix::libc::SIGINT,
    nix::libc::SIGQUIT,
    nix::libc::SIGTERM,
    nix::libc::SIGUSR1,
    nix::libc::SIGUSR2,
    nix::libc::SIGWINCH,
];

/// The signals that this process is sent.
pub(super) struct Signals(Vec<(i32, Signal)>);

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(listen(&PASSED_ON)?))
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// The next one that is meant for somebody who only waits: a window that is resized ends nothing.
    pub(super) async fn next_that_matters(&mut self) -> i32 {
        loop {
            let signal = self.next().await;
            if signal != nix::libc::SIGWINCH {
                return signal;
            }
        }
    }
}

/// Listens to signals, except for those that whoever has started this process wants ignored
/// (`nohup`, a shell's `&`): whoever listens takes that from the command as well, which has the
/// default instead.
pub(super) fn listen(signals: &[i32]) -> io::Result<Vec<(i32, Signal)>> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status")?);
    let heard = signals
        .iter()
        .filter(|&&number| ignored & (1 << (number - 1)) == 0);
    heard
        .map(|&number| Ok((number, signal(SignalKind::from_raw(number))?)))
        .collect()
}

/// The signals that a process ignores, a bit for each, by its `/proc/PID/status`.
fn ignored(status: &str) -> u64 {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

/// Whether a signal asks to end.
pub(super) fn ends(signal: i32) -> bool {
    use nix::libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(&signal)
}

/// The exit status that means a signal, as shells have it.
pub(super) fn status(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Whether the command has had a signal already: what is typed at a terminal reaches everybody in
/// the foreground.
pub(super) fn reached_the_command(signal: i32) -> bool {
    use nix::libc::{SIGINT, SIGQUIT, SIGWINCH};
    let typed = [SIGINT, SIGQUIT, SIGWINCH].contains(&signal);
    let terminal = std::fs::File::open("/dev/tty");
    typed && terminal.is_ok_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}
