//! A claimant in a process of its own, and what it writes down.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use callsign::store::{Epoch, Slot};
use history::{Event, What};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// How to start a claimant.
pub(super) struct Launch {
    command: Command,
    name: String,
    history: PathBuf,
    log: PathBuf,
    folder: PathBuf,
    endpoints: Vec<String>,
    ttl: Duration,
    limit: Slot,
    state: String,
}

impl Launch {
    /// A claimant whose files lie in `folder` and whose state is its own.
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        let tests = std::env::current_exe().expect("the tests are a program");
        let profile = tests.ancestors().nth(2).expect("target/PROFILE/deps");
        let program = profile.join("examples/claimant");
        assert!(
            program.exists(),
            "{} is missing; `cargo test` builds it, as does `cargo build --example claimant`",
            program.display()
        );
        Self {
            command: Command::new(program),
            name: name.to_owned(),
            history: folder.join(format!("{name}.history")),
            log: folder.join(format!("{name}.log")),
            folder: folder.to_owned(),
            endpoints: Vec::new(),
            ttl: SHORT,
            limit: 10,
            state: format!("{name}.state"),
        }
    }

    pub(super) fn at(mut self, endpoints: &[String]) -> Self {
        self.endpoints = endpoints.to_vec();
        self
    }

    pub(super) fn behind(self, gate: &Gate) -> Self {
        self.at(&[gate.url()])
    }

    pub(super) fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    pub(super) fn limit(mut self, limit: Slot) -> Self {
        self.limit = limit;
        self
    }

    /// The state folder, by its name in the scene's.
    pub(super) fn state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.state);
        self
    }

    /// Any other argument of the claimant's.
    pub(super) fn with(mut self, argument: &str, value: &str) -> Self {
        self.command.args([argument, value]);
        self
    }

    pub(super) fn start(mut self) -> Claimant {
        for endpoint in &self.endpoints {
            self.command.args(["--endpoint", endpoint]);
        }
        let ready = self.log.with_extension("ready");
        let process = self
            .command
            .args(["--name", &self.name])
            .args(["--ttl", &self.ttl.as_millis().to_string()])
            .args(["--limit", &self.limit.to_string()])
            .arg("--state")
            .arg(self.folder.join(&self.state))
            .arg("--history")
            .arg(&self.history)
            .stdin(Stdio::null())
            .stdout(File::create(&ready).expect("a file"))
            .stderr(File::create(&self.log).expect("a file"))
            .spawn()
            .expect("the claimant can be started");
        Claimant {
            process,
            name: self.name,
            history: self.history,
            log: self.log,
            ready,
        }
    }
}

/// A claimant that was started. Dropping it kills it.
pub(super) struct Claimant {
    process: Child,
    pub(super) name: String,
    history: PathBuf,
    log: PathBuf,
    ready: PathBuf,
}

impl Claimant {
    /// SIGSTOP: it stands still in the middle of whatever it does.
    pub(super) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has it go on.
    pub(super) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        // One that has ended already cannot be killed, which is just as well.
        let _ = self.process.kill();
        self.process.wait().expect("our own child can be awaited");
    }

    /// Has it give its slot back, and waits for its end.
    pub(super) async fn release(&mut self) {
        self.signal(Signal::SIGTERM);
        let process = &mut self.process;
        let what = format!("{} ends after SIGTERM", self.name);
        let status = until(&what, || process.try_wait().expect("our own child")).await;
        assert!(status.success(), "{}: {status}", self.name);
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.process.id().cast_signed());
        kill(id, signal).expect("our own child");
    }

    /// What it has written down so far.
    pub(super) fn events(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(&self.history).unwrap_or_default();
        history::read(&text).unwrap_or_else(|reason| panic!("{}: {reason}", self.name))
    }

    /// What it holds by its own word.
    pub(super) fn held(&self) -> Option<(Slot, Epoch)> {
        let events = self.events();
        let last = events.iter().rev().find_map(|event| match event.what {
            What::Claimed { slot, epoch } => Some(Some((slot, epoch))),
            What::Ended { .. } => Some(None),
            _ => None,
        });
        last.flatten()
    }

    /// How often it lost or gave back a slot.
    pub(super) fn ends(&self) -> usize {
        let ended = |event: &&Event| matches!(event.what, What::Ended { .. });
        self.events().iter().filter(ended).count()
    }

    /// Waits until it holds a slot.
    pub(super) async fn claims(&self) -> Slot {
        let what = format!("{} holds a slot", self.name);
        until(&what, || self.held()).await.0
    }

    /// Waits until its own copy of the store shows its claim.
    pub(super) async fn sees(&self) {
        let what = format!("{} sees its claim", self.name);
        let seen = |event: &Event| matches!(event.what, What::Seen { .. });
        until(&what, || self.events().iter().any(seen).then_some(())).await;
    }

    /// Waits until it has lost a slot as often as this.
    pub(super) async fn loses(&self, times: usize) {
        let what = format!("{} loses its slot", self.name);
        until(&what, || (self.ends() >= times).then_some(())).await;
    }

    /// Waits until its log has this text.
    pub(super) async fn says(&self, text: &str) {
        let what = format!("{} says {text:?}", self.name);
        until(&what, || self.log().contains(text).then_some(())).await;
    }

    /// Waits until it stands at the barrier.
    pub(super) async fn is_ready(&self) {
        let what = format!("{} is ready", self.name);
        let ready = || std::fs::read_to_string(&self.ready).unwrap_or_default();
        until(&what, || ready().contains("ready").then_some(())).await;
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        self.kill();
    }
}
