//! The command and its guard, from the side of the process that holds the claim.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::{dup, pipe2};
use tokio::process::Child;

use super::descendants::signal_all;
use super::order::Order;
use super::status;
use crate::clock::BootTime;

/// A guard that waits for its command; it ends when this is dropped. See [`super::guard`].
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    control: File,
    order: File,
}

/// A command that runs behind a guard.
#[derive(Debug)]
pub(super) struct Command(Guard);

impl Guard {
    /// Starts a guard. `kept` stays open in it and in its command.
    pub(super) fn start(grace: Duration, kept: Option<OwnedFd>) -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let order = Order::file()?;
        // The guard finds these two open, and closes them.
        let inherited = [dup(&read)?, dup(&order)?];
        let [control_number, order_number] =
            inherited.each_ref().map(|it| it.as_raw_fd().to_string());
        let process = tokio::process::Command::new("/proc/self/exe")
            .arg0("callsign")
            .arg("guard")
            .arg("--control")
            .arg(control_number)
            .arg("--order")
            .arg(order_number)
            .arg("--grace")
            .arg(grace.as_millis().to_string())
            .stdin(Stdio::inherit())
            .spawn()?;
        drop((read, inherited, kept));
        // A guard that is stopped reads nothing, and must not stop us.
        fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            process,
            control: File::from(write),
            order,
        })
    }

    /// Whether it has not been killed while it waited.
    pub(super) fn lives(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Lets the guard start a command, which may run until the claim ends, where that is known.
    pub(super) fn begin(self, order: &Order, until: Option<BootTime>) -> io::Result<Command> {
        order.write(&self.order)?;
        let command = Command(self);
        // First: a guard that hears of the order late does not start it late.
        if let Some(until) = until {
            command.may_run_until(until);
        }
        command.tell("start\n");
        Ok(command)
    }
}

impl Command {
    /// Lets the command run until the claim ends, as far as is known now.
    pub(super) fn may_run_until(&self, until: BootTime) {
        self.tell(&format!("until {}\n", until.nanoseconds()));
    }

    /// Passes a signal on to the command.
    pub(super) fn signal(&self, signal: i32) {
        self.tell(&format!("signal {signal}\n"));
    }

    /// Asks the command to end, and sees to it that it does.
    pub(super) fn stop(&self) {
        self.tell("stop\n");
    }

    /// Kills the command and everything below it, the guard too.
    pub(super) fn kill(&self) {
        signal_all(Signal::SIGKILL);
    }

    fn tell(&self, line: &str) {
        // A guard that has ended needs to be told nothing; one that is stopped has the time that it
        // was told before.
        let _ = (&self.0.control).write(line.as_bytes());
    }

    /// Waits for the end of the command and of everything that it has started; returns its exit
    /// status.
    pub(super) async fn wait(&mut self) -> io::Result<u8> {
        let ended = self.0.process.wait().await?;
        let Some(status) = ended.code() else {
            // The guard itself was killed, so what it guarded is ours to end.
            while signal_all(Signal::SIGKILL) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let signal = ended.signal().unwrap_or_default();
            return Ok(u8::try_from(128 + signal).unwrap_or(status::FAILED));
        };
        Ok(u8::try_from(status).unwrap_or(status::FAILED))
    }
}
