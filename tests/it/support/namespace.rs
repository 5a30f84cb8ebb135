//! A machine within the machine: network interfaces and ports of its own, and a `/var/lib` of its
//! own, so that a test can take port 53 and the machine's folder. A container engine of the real machine
//! is not seen in it.

use std::process::{Command, Stdio};

use std::time::Instant;

use super::BOUND;
use super::callsign::{Callsign, Place};
use super::run::{Running, output};
use super::wait::eventually;

/// It lives as long as the process that it was made for, and so no longer than the test.
pub(crate) struct Namespace {
    keeper: Running,
}

/// An etcd that runs in a namespace and ends with the test.
pub(crate) struct Server {
    _process: Running,
    _folder: tempfile::TempDir,
}

impl Namespace {
    /// One with nothing but loopback. Needs root.
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c"]).arg(
            "mount -t tmpfs -o mode=755 none /var/lib && ip link set lo up && \
             if [ -e /run/docker.sock ] || [ -e /run/podman ]; \
             then mount -t tmpfs -o mode=755 none /run; fi && \
             echo ready && exec sleep 3600",
        );
        let keeper = Running::start(&mut command);
        eventually("namespaces can be made by root", || {
            keeper.has_said("ready").then_some(())
        });
        Self { keeper }
    }

    /// What names it to `ip link`.
    pub(crate) fn id(&self) -> u32 {
        self.keeper.child.id()
    }

    /// A command that runs in it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "--target", &self.id().to_string(), "--"])
            .args(words);
        command
    }

    /// Runs a command and gives what it prints; it must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        output(self.command(&words).env("ETCDCTL_API", "3"))
    }

    /// Waits until a command prints this.
    pub(crate) fn says(&self, line: &str, expected: &str) {
        let mut last = String::new();
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            last = self.run(line);
            if last == expected {
                return;
            }
        }
        panic!("{line} says {last:?} and not {expected:?}");
    }

    /// A place for the program.
    pub(crate) fn place(&self) -> Place {
        Place::new()
    }

    /// Starts the program in it, with a state folder in its place.
    pub(crate) fn callsign(&self, place: Place, arguments: &[&str]) -> Callsign {
        let state = place.filled("{folder}/state");
        let arguments = [arguments, &["--state", &state]].concat();
        self.bare_callsign(place, &[], &arguments)
    }

    /// Starts the program in it as it is, with `before` in front of it.
    pub(crate) fn bare_callsign(
        &self,
        place: Place,
        before: &[&str],
        arguments: &[&str],
    ) -> Callsign {
        let words = [before, &[env!("CARGO_BIN_EXE_callsign")], arguments].concat();
        // nsenter changes to the folder of the namespace's keeper otherwise.
        let folder = place.path().display().to_string();
        let mut command = self.command(&[&["env", "--chdir", &folder], &words[..]].concat());
        command
            .env_remove("NOTIFY_SOCKET")
            .env_remove("CALLSIGN_LOG")
            .env_remove("XDG_STATE_HOME")
            .env_remove("STATE_DIRECTORY")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_CONFIG")
            .env("HOME", place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Callsign::spawn(place, &mut command)
    }

    /// Starts an etcd in it, at port 2379 of this address.
    pub(crate) fn etcd(&self, address: &str) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data").display().to_string();
        let url = format!("http://{address}:2379");
        let listen = url.replace("localhost", "127.0.0.1");
        let mut command = self.command(&["etcd", "--data-dir", &data, "--log-level", "error"]);
        command
            .args([
                "--listen-client-urls",
                &listen,
                "--advertise-client-urls",
                &url,
            ])
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdin(Stdio::null());
        let server = Server {
            _process: Running::start(&mut command),
            _folder: folder,
        };
        eventually("etcd is healthy", || {
            let health = ["etcdctl", "--endpoints", &url, "endpoint", "health"];
            let mut health = self.command(&health);
            let health = Running::start(health.env("ETCDCTL_API", "3")).ended();
            (health.status == Some(0)).then_some(())
        });
        server
    }
}
