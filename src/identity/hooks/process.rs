//! A command that somebody configured, run without a shell and with a limit on its time.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::reason;

/// How long output is waited for after the process has ended: a process that it left in the
/// background may keep the pipe open for ever.
const GRACE: Duration = Duration::from_millis(200);

/// The longest line of output that is passed on, in bytes; the rest of it is dropped.
const LINE_LIMIT: usize = 1024;

/// A program and its arguments, as they were given: no shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// A path, or a name that is looked for in `PATH`.
    pub program: String,
    /// What it is given.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// Takes the words of a directive; [`None`] where there are none.
    #[must_use]
    pub fn from_words(words: &[String]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        Some(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }

    /// Runs the command to its end, at most for `limit`: then it and all of its process group are
    /// killed. So they are when the future is dropped before that.
    ///
    /// It gets the environment of this process with `variables` added, without what systemd told
    /// this process alone; nothing to read, and no open file of ours. What it prints goes line by
    /// line to `line`, or nowhere.
    pub(in crate::identity) async fn run(
        &self,
        variables: &[(&str, String)],
        limit: Duration,
        line: Option<impl FnMut(&str)>,
    ) -> Result<(), Failure> {
        let output = || match line {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .process_group(0)
            .kill_on_drop(true);
        for name in OURS {
            command.env_remove(name);
        }
        let end = Instant::now() + limit;
        // Starting takes as long as the disk on which the program lies, and renewals must not wait.
        let starting = spawn_blocking(move || command.spawn().map(Running));
        let started = timeout_at(end, starting).await;
        let started = started.map_err(|_| Failure::TimeLimit(limit))?;
        let started = started.unwrap_or_else(|error| Err(error.into()));
        let mut running = started.map_err(Failure::Start)?;
        match timeout_at(end, finish(&mut running.0, line)).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::Status(status)),
            Ok(Err(error)) => Err(Failure::Start(error)),
            Err(_) => {
                running.kill();
                let _ = running.0.wait().await;
                Err(Failure::TimeLimit(limit))
            }
        }
    }
}

/// A process that leads a group, which is killed when this is dropped before the process ended.
struct Running(Child);

impl Running {
    fn kill(&self) {
        // There is a number only as long as nobody has waited for the process: it is still its own.
        if let Some(group) = self.0.id().and_then(|group| i32::try_from(group).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What systemd tells a service of itself: a child that believed it would speak in our name.
const OURS: [&str; 8] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "FDSTORE",
    "MAINPID",
];

impl fmt::Display for CommandLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.program)?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(formatter, " {argument}"))
    }
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(in crate::identity) enum Failure {
    /// It could not be started, or not be waited for.
    Start(io::Error),
    /// It ended otherwise than with exit status 0.
    Status(ExitStatus),
    /// It took longer than this and was killed.
    TimeLimit(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(formatter, "cannot be run: {}", reason::of(error)),
            Self::Status(status) => write!(formatter, "ended with {status}"),
            Self::TimeLimit(limit) => write!(formatter, "was killed after {limit:?}"),
        }
    }
}

/// Waits for the process, and reads its output meanwhile.
async fn finish(child: &mut Child, line: Option<impl FnMut(&str)>) -> io::Result<ExitStatus> {
    let (Some(stdout), Some(stderr), Some(mut line)) =
        (child.stdout.take(), child.stderr.take(), line)
    else {
        return child.wait().await;
    };
    let reading = read_lines(stdout, stderr, &mut line);
    tokio::pin!(reading);
    tokio::select! {
        () = &mut reading => child.wait().await,
        status = child.wait() => {
            let _ = timeout(GRACE, reading).await;
            status
        }
    }
}

/// Reads lines from both until both are closed.
async fn read_lines(
    mut stdout: impl AsyncRead + Unpin,
    mut stderr: impl AsyncRead + Unpin,
    line: &mut impl FnMut(&str),
) {
    let mut lines = [Lines::default(), Lines::default()];
    let mut open = [true, true];
    let mut buffers = [[0; LINE_LIMIT]; 2];
    while open != [false, false] {
        let [first, second] = &mut buffers;
        let (which, result) = tokio::select! {
            result = stdout.read(first), if open[0] => (0, result),
            result = stderr.read(second), if open[1] => (1, result),
        };
        match result {
            Ok(length @ 1..) => {
                let bytes = buffers[which].get(..length).unwrap_or_default();
                lines[which].push(bytes, line);
            }
            _ => {
                open[which] = false;
                lines[which].end(line);
            }
        }
    }
}

/// Splits output into lines of a bounded length.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], line: &mut impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LIMIT.saturating_sub(self.begun.len());
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.begun.extend(text.iter().take(room));
            if part.ends_with(b"\n") {
                self.end(line);
            }
        }
    }

    /// Passes on what has been read of a line. Control characters could forge lines of a log, or
    /// reach for the terminal that shows it.
    fn end(&mut self, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        let text = text.trim_end().replace(char::is_control, " ");
        if !text.is_empty() {
            line(&text);
        }
        self.begun.clear();
    }
}
