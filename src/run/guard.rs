//! The process between `callsign run` and its command.
//!
//! Whoever holds the claim may be stopped, killed or kept from running while the command goes on.
//! So a second process, which does nothing else, knows until when the command may run, and ends it
//! and everything that it has started: when that time comes without a later one, when it is told
//! to, and when the first process is no more. Should the guard be killed, the first process does
//! the same.
//!
//! It is there before its command: it waits for that while the first process waits for other
//! members, so that nothing else is to be started once they have come.
//!
//! It is told in lines, through a pipe: `until NANOSECONDS` (`CLOCK_BOOTTIME`), `start` once what is
//! to be started stands in a file ([`Order`]), `signal NUMBER`, `stop`. The end of the pipe means
//! `stop`.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::process::Command;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::descendants::{reap, signal_all};
use super::order::Order;
use super::signals::listen;
use super::status;
use crate::clock::{Alarm, BootTime};
use crate::console::complain;
use crate::reason;

/// How long before the end of the claim everything is killed.
pub(super) const KILL_MARGIN: Duration = Duration::from_millis(500);

/// These reach the command as well where they come from a terminal; it decides what they mean. The
/// guard goes on: also a command that was stopped with Ctrl-Z ends in time.
const LEFT_TO_THE_COMMAND: [i32; 6] = [
    nix::libc::SIGHUP,
    nix::libc::SIGINT,
    nix::libc::SIGQUIT,
    nix::libc::SIGTERM,
    nix::libc::SIGTSTP,
    nix::libc::SIGTTIN,
];

/// How often what does not want to end is killed again.
const AGAIN: Duration = Duration::from_millis(20);

/// What a guard is to do.
#[derive(Debug)]
pub(crate) struct GuardOptions {
    /// The number under which the pipe is open.
    pub(crate) control: RawFd,
    /// The number under which the file with the command is open.
    pub(crate) order: RawFd,
    /// How long the command may take to end after `SIGTERM`.
    pub(crate) grace: Duration,
}

/// Runs the command to its end; returns its exit status.
pub(crate) fn guard(options: &GuardOptions) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime.and_then(|runtime| runtime.block_on(run(options)));
    result.unwrap_or_else(|error| {
        complain(&format!("callsign: cannot guard: {}", reason::of(&error)));
        status::FAILED
    })
}

async fn run(options: &GuardOptions) -> io::Result<u8> {
    prctl::set_child_subreaper(true)?;
    // Else ps shows what it was started as: `exe`.
    prctl::set_name(c"callsign")?;
    let control = Receiver::from_file(open_anew(options.control)?)?;
    let mut control = BufReader::new(control).lines();
    let order = open_anew(options.order)?;
    drop(listen(&LEFT_TO_THE_COMMAND)?);
    let mut children = signal(SignalKind::child())?;
    let mut alarm = Alarm::new();
    let Some(until) = told_to_start(&mut control).await else {
        return Ok(status::FAILED);
    };
    if until.is_some_and(|until| until.before(KILL_MARGIN) <= BootTime::now()) {
        complain("callsign: the claim is about to end: the command is not started");
        return Ok(status::CLAIM_LOST);
    }
    let Order { words, variables } = Order::read(&order)?;
    drop(order);
    let Some((program, arguments)) = words.split_first() else {
        return Ok(status::FAILED);
    };
    let mut command = Command::new(program);
    let command = match command.args(arguments).envs(variables).spawn() {
        Ok(child) => Pid::from_raw(child.id().cast_signed()),
        Err(error) => {
            complain(&format!(
                "callsign: cannot run {program}: {}",
                reason::of(&error)
            ));
            return Ok(status::of_start(&error));
        }
    };
    let mut guard = Guard {
        command,
        ended: None,
        grace: options.grace,
        until,
        is_late: false,
        kill_at: None,
    };
    let mut control = Some(control);
    loop {
        guard.reap();
        if guard.is_done() {
            return Ok(guard.status());
        }
        let kill_at = guard.kill_at;
        tokio::select! {
            _ = children.recv() => {}
            line = next(&mut control) => match line {
                Some(line) => guard.obey(&line),
                None => {
                    control = None;
                    guard.stop(options.grace);
                }
            },
            () = alarm.wait_until(guard.term_at()) => guard.come_to_the_end(),
            () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                signal_all(Signal::SIGKILL);
                guard.kill_at = Some(Instant::now() + AGAIN);
            }
        }
    }
}

/// Opens what was inherited anew, so that the command does not inherit it as well.
fn open_anew(number: RawFd) -> io::Result<File> {
    let file = File::open(format!("/proc/self/fd/{number}"))?;
    nix::unistd::close(number)?;
    Ok(file)
}

/// Waits until the command is to be started, and gives the end of the claim, if it was told;
/// [`None`] where there will be no command.
async fn told_to_start(control: &mut Control) -> Option<Option<BootTime>> {
    let mut until = None;
    loop {
        let line = control.next_line().await.ok().flatten()?;
        match line.split_once(' ') {
            Some(("until", text)) => until = text.parse().ok().map(BootTime::from_nanoseconds),
            _ if line == "start" => return Some(until),
            _ => {}
        }
    }
}

/// The next line; never where the pipe has ended before, [`None`] where it ends now.
async fn next(control: &mut Option<Control>) -> Option<String> {
    match control {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// What the guard is told.
type Control = Lines<BufReader<Receiver>>;

struct Guard {
    command: Pid,
    /// The exit status of the command, once it has ended.
    ended: Option<u8>,
    grace: Duration,
    /// The end of the claim.
    until: Option<BootTime>,
    /// Whether the claim has ended before the command.
    is_late: bool,
    /// When everything is killed; set once the command is to end.
    kill_at: Option<Instant>,
}

impl Guard {
    /// Takes note of what has ended. What the command leaves behind ends after it.
    fn reap(&mut self) {
        while let Ok(Some((process, status))) = reap() {
            if process == self.command {
                self.ended = Some(status);
                self.kill_at = None;
                self.stop(self.grace);
            }
        }
    }

    /// What this process exits with.
    fn status(&self) -> u8 {
        match self.ended {
            _ if self.is_late => status::CLAIM_LOST,
            Some(status) => status,
            None => status::FAILED,
        }
    }

    /// Whether the command has ended, and all that it has started.
    fn is_done(&self) -> bool {
        // Children are told apart from their absence by waiting for them.
        self.ended.is_some() && matches!(reap(), Err(nix::errno::Errno::ECHILD))
    }

    fn obey(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("until", text)) => {
                if let Ok(until) = text.parse() {
                    self.until = Some(BootTime::from_nanoseconds(until));
                }
            }
            Some(("signal", text)) => {
                let signal = text.parse::<i32>().ok().map(Signal::try_from);
                if let Some(Ok(signal)) = signal
                    && self.ended.is_none()
                {
                    // Nobody else waits for it, so the number is still its own.
                    let _ = kill(self.command, signal);
                }
            }
            _ if line == "stop" => self.stop(self.grace),
            _ => {}
        }
    }

    /// The moment at which the command must be told to end.
    fn term_at(&self) -> Option<BootTime> {
        self.until
            .map(|until| until.before(KILL_MARGIN).before(self.grace))
    }

    /// Ends the command because the claim is about to end.
    fn come_to_the_end(&mut self) {
        let Some(until) = self.until.take() else {
            return;
        };
        self.is_late = self.ended.is_none();
        let left = until.before(KILL_MARGIN).since(BootTime::now());
        self.stop(left.min(self.grace));
        // Nobody may be reading it, and the command must be killed all the same.
        std::thread::spawn(|| {
            complain("callsign: the claim could not be kept: the command is ended");
        });
    }

    /// Asks the command to end, or what is left of it, and kills it after `grace`.
    fn stop(&mut self, grace: Duration) {
        let kill_at = Instant::now() + grace;
        if let Some(earlier) = self.kill_at {
            self.kill_at = Some(earlier.min(kill_at));
            return;
        }
        self.kill_at = Some(kill_at);
        // What is stopped hears nothing until it goes on.
        for signal in [Signal::SIGTERM, Signal::SIGCONT] {
            if self.ended.is_none() {
                let _ = kill(self.command, signal);
            } else {
                signal_all(signal);
            }
        }
    }
}
