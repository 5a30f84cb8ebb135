//! `callsign wait`: until a name resolves, or until so many members are there.

use std::net::SocketAddr;

use answer::Name;

use super::block_on;
use super::flags::Wait;
use super::members::cluster;
use crate::cluster::{until_it_resolves, until_they_are_there};
use crate::config::{RESOLV_CONF, resolv_conf};
use crate::console::{complain, say};
use crate::plugins::forward;
use crate::reason;
use crate::run::TIMED_OUT;
use crate::server::{FAILED, OK};

/// Waits; returns the exit status.
pub(super) fn wait(flags: &Wait) -> u8 {
    let done = match (&flags.name, flags.count) {
        (Some(name), _) => for_name(name, flags),
        (None, count) => for_members(count.unwrap_or(1), flags),
    };
    match done {
        Ok(true) => OK,
        Ok(false) => TIMED_OUT,
        Err(message) => {
            complain(message.trim_end());
            FAILED
        }
    }
}

fn for_name(text: &str, flags: &Wait) -> Result<bool, String> {
    let name: Name = text
        .parse()
        .map_err(|error| format!("error: {text:?} is no name: {error}"))?;
    let servers = match flags.server {
        Some(server) => vec![server],
        None => servers()?,
    };
    let waiting = until_it_resolves((text, &name), &servers, flags.timeout);
    let Some(addresses) = block_on(waiting)? else {
        return Ok(false);
    };
    for address in addresses {
        say(&address.to_string());
    }
    Ok(true)
}

/// Whom this machine asks.
fn servers() -> Result<Vec<SocketAddr>, String> {
    let text = resolv_conf().map_err(|error| {
        let reason = reason::of(&error);
        format!("error: cannot read {RESOLV_CONF}: {reason}: name a server with --server")
    })?;
    match forward::all_servers(&text) {
        servers if servers.is_empty() => Err(format!(
            "error: {RESOLV_CONF} names no server: name one with --server"
        )),
        servers => Ok(servers),
    }
}

fn for_members(count: u32, flags: &Wait) -> Result<bool, String> {
    let cluster = cluster(&flags.pool)?;
    let limit = cluster.space.limit;
    if count > limit {
        return Err(format!(
            "error: --count {count}: the pool has only {limit} names: raise its limit"
        ));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    block_on(until_they_are_there(&cluster, count, flags.timeout))
}
