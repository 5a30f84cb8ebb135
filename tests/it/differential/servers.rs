//! NSD and Knot, as Debian has them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::differential::zones::ZoneFile;
use crate::support::callsign::Place;
use crate::support::dns::Query;

/// How long a server may take to start.
const BOUND: Duration = Duration::from_secs(30);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oracle {
    Nsd,
    Knot,
}

/// A server that runs; killed when it is dropped.
pub(super) struct Server {
    pub(super) kind: Oracle,
    pub(super) address: SocketAddr,
    child: Child,
    _place: Place,
}

impl Server {
    /// Starts it with these zones and waits until it has all of them.
    pub(super) fn start(kind: Oracle, zones: &[ZoneFile]) -> Self {
        let place = Place::new();
        let (program, configuration) = match kind {
            Oracle::Nsd => ("nsd", nsd(&place, zones)),
            Oracle::Knot => ("knotd", knot(&place, zones)),
        };
        let path = place.write("configuration", &configuration);
        let log = std::fs::File::create(place.path().join("log")).expect("a file");
        let mut command = Command::new(find(program));
        command.arg("-c").arg(path).stdin(Stdio::null());
        if kind == Oracle::Nsd {
            command.arg("-d");
        }
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{program}: {error}: scripts/install-test-servers installs it")
        });
        let server = Self {
            kind,
            address: (Ipv4Addr::LOCALHOST, place.port).into(),
            child,
            _place: place,
        };
        for zone in zones {
            server.wait_for(&zone.apex);
        }
        server
    }

    fn wait_for(&self, apex: &str) {
        let query = Query::new(apex, "SOA");
        let end = Instant::now() + BOUND;
        loop {
            let reply = query.udp_within(self.address, Duration::from_millis(200));
            if reply.is_some_and(|reply| reply.rcode == 0 && reply.authoritative) {
                return;
            }
            if Instant::now() > end {
                let log = std::fs::read_to_string(self._place.path().join("log"));
                panic!("{:?} does not serve {apex}: {log:?}", self.kind);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // NSD's first process ends its children when it is told to end.
        let id = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian has servers where users do not look.
fn find(program: &str) -> std::path::PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    match path.exists() {
        true => path,
        false => program.into(),
    }
}

fn nsd(place: &Place, zones: &[ZoneFile]) -> String {
    // Neither limits of rate nor minimal answers, and everything in a folder of its own.
    let mut text = "\
server:
    ip-address: 127.0.0.1@{port}
    username: \"\"
    chroot: \"\"
    zonesdir: \"{folder}\"
    pidfile: \"{folder}/pid\"
    xfrdfile: \"{folder}/xfrd\"
    zonelistfile: \"{folder}/zones\"
    database: \"\"
    server-count: 1
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    minimal-responses: no
    refuse-any: no
    round-robin: no
remote-control:
    control-enable: no
"
    .to_owned();
    for zone in zones {
        let (apex, path) = (&zone.apex, zone.path.display());
        let _ = writeln!(text, "zone:\n    name: {apex}\n    zonefile: \"{path}\"");
    }
    place.filled(&text)
}

fn knot(place: &Place, zones: &[ZoneFile]) -> String {
    let mut text = "\
server:
    listen: 127.0.0.1@{port}
    rundir: \"{folder}\"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: \"{folder}\"
log:
  - target: stdout
    any: info
template:
  - id: default
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
"
    .to_owned();
    for zone in zones {
        let (apex, path) = (&zone.apex, zone.path.display());
        let _ = writeln!(text, "  - domain: {apex}\n    file: \"{path}\"");
    }
    place.filled(&text)
}
