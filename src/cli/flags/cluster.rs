//! The flags of the commands by which a cluster is seen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

use super::{Pool, duration};
use crate::plugins::forward;

/// The flags of `members`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Members {
    #[command(flatten)]
    pub(in crate::cli) pool: Pool,

    /// Go on: draw them again at every change, or write a line for each where that is no terminal
    #[arg(long)]
    pub(in crate::cli) watch: bool,

    /// Write an array of JSON objects, or with --watch an object for each change
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The flags of `wait`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Wait {
    /// The name in DNS that should have an address; all of them are printed
    #[arg(required_unless_present = "count", conflicts_with = "count")]
    pub(in crate::cli) name: Option<String>,

    /// Whom to ask for it [default: the servers in /etc/resolv.conf]
    #[arg(long, value_name = "ADDRESS[:PORT]", requires = "name", value_parser = server)]
    pub(in crate::cli) server: Option<SocketAddr>,

    /// How many members should hold names of a pool
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub(in crate::cli) count: Option<u32>,

    /// How long to wait: 90s, 10m ...; then the exit status is 124 [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) timeout: Option<Duration>,

    #[command(flatten)]
    pub(in crate::cli) pool: Pool,
}

/// The flags of `doctor`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Doctor {
    #[command(flatten)]
    pub(in crate::cli) pool: Pool,

    /// How long names outlive their last renewal in etcd [default: as in the Corefile, else 20s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) ttl: Option<Duration>,

    /// Folder that says who this node is across restarts
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) state: Option<PathBuf>,

    /// Write an array of JSON objects
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The flags of `release`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    pub(in crate::cli) pool: Pool,

    /// Folder that says who this node is across restarts
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) state: Option<PathBuf>,
}

/// The flags of `evict`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Evict {
    /// The number of the slot, or its name
    pub(in crate::cli) slot: String,

    #[command(flatten)]
    pub(in crate::cli) pool: Pool,
}

/// The flags of `completions`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Completions {
    /// Which shell
    pub(in crate::cli) shell: clap_complete::Shell,
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let server = forward::name_server(text);
    server.ok_or_else(|| "a server is an address: 192.0.2.1, 192.0.2.1:53, [2001:db8::1]:53".into())
}
