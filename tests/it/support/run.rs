//! Programs that end by themselves.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::BOUND;

/// A program that should end by itself; killed when it is dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: File,
    errors: File,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status, if no signal ended it.
    pub(crate) status: Option<i32>,
    /// What it wrote on standard output.
    pub(crate) out: String,
    /// What it wrote on standard error.
    pub(crate) errors: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        // Into files: a pipe stays open as long as anybody has it whom the program has started.
        let file = || tempfile::tempfile().expect("a temporary file");
        let (out, errors) = (file(), file());
        let copy = |file: &File| file.try_clone().expect("an open file");
        let child = command
            .stdout(copy(&out))
            .stderr(copy(&errors))
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self { child, out, errors }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed());
        kill(id, signal).expect("our own child");
    }

    /// Whether it has written this on standard output.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        all(&self.out).contains(text)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_some()
    }

    /// Waits until it has ended.
    pub(crate) fn ended(self) -> Ended {
        self.ended_within(BOUND)
    }

    /// The same for what takes longer.
    pub(crate) fn ended_within(mut self, bound: Duration) -> Ended {
        let status = wait_within(&mut self.child, bound).code();
        Ended {
            status,
            out: all(&self.out),
            errors: all(&self.errors),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end, which must come by itself and be a success; gives its output.
pub(crate) fn output(command: &mut Command) -> String {
    let ended = Running::start(command).ended();
    assert_eq!(ended.status, Some(0), "{command:?}: {}", ended.errors);
    ended.out
}

/// Waits until a child has ended.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    wait_within(child, BOUND)
}

fn wait_within(child: &mut Child, bound: Duration) -> ExitStatus {
    let end = Instant::now() + bound;
    loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            return status;
        }
        assert!(Instant::now() < end, "the program does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// All that a file has, wherever its writer stands.
fn all(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("a file");
    String::from_utf8_lossy(&bytes).into_owned()
}
