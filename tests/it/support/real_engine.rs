//! A real engine with networks, processes and mounts of its own; `scripts/sandboxed-engine` runs it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::BOUND;
use super::run::{output, wait};

/// An engine that this process has started. Whatever it runs ends when it is dropped, and when this
/// process ends.
pub(crate) struct RealEngine {
    process: Child,
    /// Where it is told what to do, and says that it is done.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    folder: PathBuf,
    /// Its first process.
    first: String,
}

/// As long as this lives, the thread that has it and what that thread starts are in other networks
/// than the machine's: they reach containers, and containers reach them.
pub(crate) struct Inside {
    outside: File,
}

impl RealEngine {
    /// The Docker Engine that tests share. Each calls its containers and networks as no other does.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<RealEngine> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("docker", &[]))
    }

    /// Starts `docker` or `podman` with these options.
    ///
    /// It is the tests' own, so who is not root fails here and reads why.
    pub(crate) fn start(engine: &str, options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sandboxed-engine");
        let mut process = Command::new(script)
            .arg(engine)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script can be started");
        let commands = process.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("text");
        let mut words = line.split_whitespace();
        let (Some("ready"), Some(first), Some(folder)) = (words.next(), words.next(), words.next())
        else {
            panic!("no {engine} for the tests; standard error says why");
        };
        Self {
            process,
            talk: Mutex::new(Some((commands, answers))),
            folder: folder.into(),
            first: first.to_owned(),
        }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}/engine.sock", self.folder.display())
    }

    /// `kill -9`; its containers go on.
    pub(crate) fn kill(&self) {
        self.tell("kill");
    }

    /// Starts it again after that, and waits until it answers.
    pub(crate) fn start_again(&self) {
        self.tell("start");
    }

    fn tell(&self, command: &str) {
        let mut talk = self
            .talk
            .lock()
            .expect("no other test panics while it tells");
        let (commands, answers) = talk.as_mut().expect("it lives");
        writeln!(commands, "{command}").expect("it reads");
        let mut line = String::new();
        answers.read_line(&mut line).expect("text");
        assert_eq!(line, "done\n", "the engine did not {command}");
    }

    /// Docker's command line, for this engine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_HOST", self.url()).args(arguments);
        docker
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY");
        docker
    }

    /// Runs it to its end, which must be a good one, and gives what it prints.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments)).trim().to_owned()
    }

    /// `docker run` with these options: a container that lives until it is told to end.
    pub(crate) fn run(&self, options: &[&str]) -> String {
        self.docker(&[&["run", "--detach"], options, &["busybox"]].concat())
    }

    /// A part of what `docker inspect` says, as a Go template asks for it.
    pub(crate) fn inspect(&self, container: &str, template: &str) -> String {
        self.docker(&["inspect", "--format", template, container])
    }

    /// Waits until `docker inspect` says so, which may take a moment.
    pub(crate) fn inspect_until(&self, container: &str, template: &str, expected: &str) {
        let end = Instant::now() + BOUND;
        loop {
            let said = self.inspect(container, template);
            if said == expected {
                return;
            }
            assert!(Instant::now() < end, "{container} is still {said}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address of a container in a network.
    pub(crate) fn address(&self, container: &str, network: &str) -> String {
        let template = format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}");
        self.inspect(container, &template)
    }

    /// The number of a container's first process, as the engine counts them: from its own first one.
    fn process(&self, container: &str) -> String {
        self.inspect(container, "{{.State.Pid}}")
    }

    /// What kills a container without the engine, which may be away then.
    pub(crate) fn killer(&self, container: &str) -> Command {
        let mut kill = Command::new("nsenter");
        kill.args(["--target", &self.first, "--pid", "--", "kill", "-KILL"]);
        kill.arg(self.process(container));
        kill
    }

    /// Goes where the engine's host is.
    pub(crate) fn enter(&self) -> Inside {
        Inside::of(&format!("/proc/{}/ns/net", self.first))
    }

    /// Goes where a container is.
    pub(crate) fn enter_container(&self, container: &str) -> Inside {
        let process = self.process(container);
        Inside::of(&format!("/proc/{}/root/proc/{process}/ns/net", self.first))
    }
}

impl Drop for RealEngine {
    fn drop(&mut self) {
        // It ends with its input.
        if let Ok(mut talk) = self.talk.lock() {
            *talk = None;
        }
        wait(&mut self.process);
    }
}

impl Inside {
    fn of(path: &str) -> Self {
        let outside = File::open("/proc/thread-self/ns/net").expect("a network namespace");
        let there = File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        setns(there, CloneFlags::CLONE_NEWNET).expect("root may");
        Self { outside }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        setns(&self.outside, CloneFlags::CLONE_NEWNET).expect("root may");
    }
}
