//! The program itself, as a user starts it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::BOUND;
use super::ports::Port;
pub(crate) use super::run::Ended;
use super::run::{Running, wait};

/// A running program with a folder and ports of its own; killed when it is dropped.
///
/// In the text of a Corefile and in arguments `{port}` stands for its port, `{other}` for a second
/// one, and `{folder}` for its folder.
pub(crate) struct Callsign {
    place: Place,
    child: Child,
    output: Output,
}

/// The commands that do not ask who this node is.
const STATELESS: [&str; 7] = [
    "check",
    "completions",
    "evict",
    "man",
    "members",
    "names",
    "wait",
];

/// A folder and two ports.
pub(crate) struct Place {
    folder: TempDir,
    /// `{port}`.
    pub(crate) port: u16,
    /// `{other}`.
    pub(crate) other: u16,
    _ports: [Port; 2],
}

impl Place {
    pub(crate) fn new() -> Self {
        let ports = [Port::take(), Port::take()];
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: ports[0].number,
            other: ports[1].number,
            _ports: ports,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, self.filled(text)).expect("a file can be written");
        path
    }

    pub(crate) fn filled(&self, text: &str) -> String {
        text.replace("{port}", &self.port.to_string())
            .replace("{other}", &self.other.to_string())
            .replace("{folder}", &self.path().display().to_string())
    }

    /// The program with these arguments, run in the folder, which is its home too.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        command
            .args(arguments.iter().map(|argument| self.filled(argument)))
            .args(
                ["--state", &self.filled("{folder}/state")]
                    .iter()
                    .filter(|_| !arguments.first().is_some_and(|it| STATELESS.contains(it))),
            )
            .current_dir(self.path())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("CALLSIGN_LOG")
            .env_remove("XDG_STATE_HOME")
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end, which must come by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Self::run_command(&mut self.command(arguments))
    }

    /// The same with a command that [`Place::command`] has made.
    pub(crate) fn run_command(command: &mut Command) -> Ended {
        Running::start(command).ended()
    }

    /// The same with something on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut running = Running::start(self.command(arguments).stdin(Stdio::piped()));
        give(&mut running.child, &self.filled(input));
        running.ended()
    }
}

impl Callsign {
    /// Starts it with a Corefile and waits until it serves.
    pub(crate) fn start(corefile: &str) -> Self {
        Self::start_with(corefile, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(corefile: &str, arguments: &[&str]) -> Self {
        let place = Place::new();
        place.write("Corefile", corefile);
        Self::start_in(place, arguments)
    }

    /// Starts it in a place as it is.
    pub(crate) fn start_in(place: Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        Self::spawn(place, &mut command)
    }

    /// Starts it with a Corefile on standard input.
    pub(crate) fn start_with_input(corefile: &str, arguments: &[&str]) -> Self {
        let place = Place::new();
        let mut command = place.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        give(&mut child, &place.filled(corefile));
        Self::serving(place, child)
    }

    /// Starts a command that [`Place::command`] has made.
    pub(crate) fn spawn(place: Place, command: &mut Command) -> Self {
        let child = command.spawn().expect("the program can be started");
        Self::serving(place, child)
    }

    /// Starts it with nothing: no Corefile, no arguments.
    pub(crate) fn spawn_bare(place: Place) -> Self {
        let mut command = place.command(&[]);
        Self::spawn(place, &mut command)
    }

    fn serving(place: Place, mut child: Child) -> Self {
        let output = Output::of(&mut child);
        let callsign = Self {
            place,
            child,
            output,
        };
        // The banner comes when all sockets are served.
        callsign.says("Callsign-");
        callsign
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Where `{port}` is served on this machine.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.place.port).into()
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written this text, on standard output or on standard error, and gives
    /// all that it has written.
    pub(crate) fn says(&self, text: &str) -> String {
        self.output
            .wait_for(|written| written.contains(text))
            .unwrap_or_else(|written| panic!("the program does not say {text:?}, but:\n{written}"))
    }

    /// Waits until it has written this text as often as this.
    pub(crate) fn output_has(&self, text: &str, times: usize) -> String {
        self.output
            .wait_for(|written| written.matches(text).count() >= times)
            .unwrap_or_else(|written| panic!("not {times} times {text:?}, but:\n{written}"))
    }

    /// All that it has written so far.
    pub(crate) fn said(&self) -> String {
        self.output.so_far()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process");
        kill(Pid::from_raw(id), signal).expect("our own child");
    }

    /// Puts another Corefile in the place of the first.
    pub(crate) fn rewrite(&self, corefile: &str) {
        self.place.write("Corefile", corefile);
    }

    /// Starts it again in the same place, after killing it where it runs.
    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut command = self.place.command(arguments);
        self.child = command.spawn().expect("the program can be started");
        self.output = Output::of(&mut self.child);
        self.says("Callsign-");
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Callsign {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn give(child: &mut Child, input: &str) {
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("the program reads");
}

/// What a program writes, line by line as it comes.
#[derive(Clone, Default)]
struct Output(Arc<(Mutex<String>, Condvar)>);

impl Output {
    fn of(child: &mut Child) -> Self {
        let output = Self::default();
        output.follow(child.stdout.take().expect("a pipe"));
        output.follow(child.stderr.take().expect("a pipe"));
        output
    }

    fn follow(&self, from: impl Read + Send + 'static) {
        let Self(shared) = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let (text, changed) = &*shared;
                let mut text = text.lock().expect("no reader panics");
                text.push_str(&line);
                text.push('\n');
                changed.notify_all();
            }
        });
    }

    fn wait_for(&self, enough: impl Fn(&str) -> bool) -> Result<String, String> {
        let (text, changed) = &*self.0;
        let text = text.lock().expect("no reader panics");
        let (text, timeout) = changed
            .wait_timeout_while(text, BOUND, |text| !enough(text))
            .expect("no reader panics");
        if timeout.timed_out() {
            Err(text.clone())
        } else {
            Ok(text.clone())
        }
    }

    fn so_far(&self) -> String {
        self.0.0.lock().expect("no reader panics").clone()
    }
}
