//! The commands by which a cluster is seen, with real stores.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::BOUND;
use crate::support::callsign::{Callsign, Place};
use crate::support::etcd::Etcd;
use crate::support::run::{Ended, Running};
use crate::support::wait::until;

mod doctor;
mod members;
mod shell;
mod steer;
mod wait;

/// A pool that several programs share.
struct Pool {
    place: Place,
    /// What `--store` is told.
    store: String,
    /// What `--limit` is told.
    limit: &'static str,
}

impl Pool {
    /// In a folder.
    fn local() -> Self {
        let place = Place::new();
        let store = place.filled("{folder}/names");
        let limit = "8";
        Self {
            place,
            store,
            limit,
        }
    }

    fn etcd(etcd: &Etcd) -> Self {
        Self {
            place: Place::new(),
            store: etcd.url().to_owned(),
            limit: "8",
        }
    }

    /// A command about the pool.
    fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let pool = ["--pool", "worker", "--pattern", "worker{{.ID}}.tf.local."];
        let store = ["--limit", self.limit, "--store", &self.store];
        let words = [&[command], &pool[..], &store, arguments].concat();
        self.place.command(&words)
    }

    /// Runs it to its end.
    fn run(&self, command: &str, arguments: &[&str]) -> Ended {
        Place::run_command(&mut self.command(command, arguments))
    }

    /// Begins to wait for so many others under a name.
    fn member(&self, expect: &str) -> Running {
        let mut command = self.command("run", &["--ttl", "20s", "-n", expect]);
        Running::start(command.args(["sleep", "1000"]))
    }

    /// A server that holds a name.
    fn server(&self, lines: &str) -> Callsign {
        let store = match self.store.starts_with("http") {
            true => format!("etcd {}", self.store),
            false => format!("local {}", self.store),
        };
        let corefile = format!(
            "tf.local:{{port}} {{\n identity worker {{\n pattern worker{{{{.ID}}}}.tf.local.\n \
             limit 8\n store {store}\n address 127.0.0.1\n {lines}\n }}\n }}"
        );
        let server = Callsign::start(&corefile);
        server.says("This node is ");
        server
    }

    /// The members, once they are as they should be.
    fn members(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + BOUND;
        loop {
            let ended = self.run("members", &["--json"]);
            assert_eq!(ended.status, Some(0), "{}", ended.errors);
            let members: Vec<Value> = serde_json::from_str(&ended.out).expect("an array");
            if enough(&members) {
                return members;
            }
            assert!(Instant::now() < end, "still {}", ended.out);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until a program has written this on standard output.
fn says(running: &Running, text: &str) {
    until(text, || running.has_said(text));
}
