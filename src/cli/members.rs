//! `callsign members`: who holds which name of a pool.

use std::time::Duration;

use serde_json::Value;

use super::block_on;
use super::flags::Members;
use super::pool::pool;
use crate::cluster::{self, Cluster, Follower, HEADS, Member};
use crate::console::{complain, say, terminal};
use crate::server::{FAILED, OK};
use crate::table;

/// How long the store may take to tell who the members are.
const LONGEST: Duration = Duration::from_secs(5);

/// Shows them; returns the exit status.
pub(super) fn members(flags: &Members) -> u8 {
    let shown = cluster(&flags.pool).and_then(|cluster| block_on(show(flags, &cluster))?);
    match shown {
        Ok(()) => OK,
        Err(message) => {
            complain(message.trim_end());
            FAILED
        }
    }
}

async fn show(flags: &Members, cluster: &Cluster) -> Result<(), String> {
    let mut follower = Follower::new(cluster);
    let error = |message: String| format!("error: {message}");
    follower.heard(LONGEST).await.map_err(error)?;
    match flags.watch {
        true if !flags.json && terminal().is_some() => cluster::screen(cluster, follower).await,
        true => cluster::changes(cluster, follower, flags.json).await,
        false => list(flags, cluster, &follower).await,
    }
    Ok(())
}

async fn list(flags: &Members, cluster: &Cluster, follower: &Follower) {
    let entries = || follower.members.entries();
    let roster = cluster.roster().await;
    let held_by = cluster.held_by(entries()).await.unwrap_or_else(|message| {
        complain(&format!("warning: {message}"));
        Default::default()
    });
    let members: Vec<(&_, Member)> = entries()
        .map(|entry| {
            let member = Member::new(&cluster.space.pattern, entry, roster.as_ref());
            (&entry.slot, member)
        })
        .collect();
    let members = members
        .iter()
        .map(|(slot, member)| (held_by.get(slot), member));
    if flags.json {
        let objects = members.map(|(held_by, member)| member.object(held_by));
        say(&objects.collect::<Value>().to_string());
        return;
    }
    let width = terminal().map(|(width, _)| width);
    let rows = members.map(|(held_by, member)| member.row(held_by));
    for line in table::lines(HEADS, rows, width) {
        say(&line);
    }
}

/// The cluster that flags are about.
pub(super) fn cluster(flags: &super::flags::Pool) -> Result<Cluster, String> {
    crate::log::start_looking_on();
    let (store, pool) = pool(flags)?;
    let (cluster, note) = Cluster::open(&store, pool.pool, pool.space)
        .map_err(|message| format!("error: {message}"))?;
    if let Some(note) = note {
        complain(&format!("note: {note}"));
    }
    Ok(cluster)
}
