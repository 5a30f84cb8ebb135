//! The rows of the table: what is served, and what is asked.

use std::path::Path;

use crate::Result;
use crate::questions::{Kind, hosts_file, zone_file};

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is called on the command line and in the table.
    pub name: &'static str,
    /// What is measured.
    pub about: &'static str,
    /// The file in `examples/` that Callsign runs.
    pub corefile: &'static str,
    /// What is asked.
    pub kind: Kind,
    /// What Callsign may cost, in processor time of an echo with replies of the same size.
    pub aim: f64,
    /// Whether other servers serve the same.
    pub peers: bool,
    /// Sockets and threads for UDP, and processors under them: 1 or 2.
    pub workers: usize,
    /// What has to run beside the server.
    pub beside: Beside,
}

/// What has to run beside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// A server to forward to, at the address that the Corefile names.
    Upstream,
    /// An etcd that knows all names.
    Etcd,
    /// A container engine that has a container for each name.
    Engine,
}

const ZONE: Row = Row {
    name: "zone",
    about: "an address from a zone file",
    corefile: "benchmark-zone.Corefile",
    kind: Kind::Address,
    aim: 1.10,
    peers: true,
    workers: 1,
    beside: Beside::Nothing,
};

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    ZONE,
    Row {
        name: "hosts",
        about: "an address from a hosts file",
        corefile: "benchmark-hosts.Corefile",
        peers: false,
        ..ZONE
    },
    Row {
        name: "pool",
        about: "an address of a node, from etcd",
        corefile: "benchmark-pool.Corefile",
        peers: false,
        beside: Beside::Etcd,
        ..ZONE
    },
    Row {
        name: "docker",
        about: "an address of a container",
        corefile: "benchmark-docker.Corefile",
        peers: false,
        beside: Beside::Engine,
        ..ZONE
    },
    Row {
        name: "plugins",
        about: "zone, with errors, prometheus, cache and loadbalance",
        corefile: "benchmark-plugins.Corefile",
        aim: 1.15,
        peers: false,
        ..ZONE
    },
    Row {
        name: "cache",
        about: "an address of another server's, kept",
        corefile: "benchmark-cache.Corefile",
        aim: 1.25,
        peers: false,
        beside: Beside::Upstream,
        ..ZONE
    },
    Row {
        name: "no-name",
        about: "a name that does not exist",
        kind: Kind::NoName,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "no-data",
        about: "a type that a name does not have",
        kind: Kind::NoData,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "wildcard",
        about: "a name that a wildcard stands for",
        kind: Kind::Wildcard,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "signatures",
        about: "an address, asked for with EDNS and DO",
        kind: Kind::Signatures,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "service",
        about: "SRV, with the target's address",
        kind: Kind::Service,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "list",
        about: "50 addresses",
        kind: Kind::List,
        aim: 1.3,
        ..ZONE
    },
    Row {
        name: "two-workers",
        about: "zone, two workers on two processors, which the client shares",
        workers: 2,
        ..ZONE
    },
];

/// Puts the files of all servers into a folder.
///
/// # Errors
///
/// One cannot be written.
pub fn write_files(folder: &Path, names: u32) -> Result<()> {
    let zone = zone_file(names);
    let hosts = hosts_file(names);
    std::fs::write(folder.join("zone"), &zone)?;
    std::fs::write(folder.join("hosts"), &hosts)?;
    // Where the examples have theirs.
    let zones = folder.join("zones");
    std::fs::create_dir_all(&zones)?;
    std::fs::write(zones.join("db.example.org"), zone)?;
    std::fs::write(zones.join("example.hosts"), hosts)?;
    Ok(())
}

/// The text of an example, with each of these words changed.
///
/// # Errors
///
/// There is no such file, or no such word in it.
pub fn corefile(examples: &Path, name: &str, changes: &[(&str, String)]) -> Result<String> {
    let path = examples.join(name);
    let text = std::fs::read_to_string(&path);
    let mut text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    for (from, to) in changes {
        if !text.contains(from) {
            return Err(format!("{name}: there is no {from:?} in it").into());
        }
        text = text.replace(from, to);
    }
    Ok(text)
}
