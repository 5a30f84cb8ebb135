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
        let listen = |number: i32| Ok((number, signal(SignalKind::from_raw(number))?));
        Ok(Self(
            PASSED_ON
                .into_iter()
                .map(listen)
                .collect::<io::Result<_>>()?,
        ))
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
