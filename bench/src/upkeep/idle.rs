//! Servers that nobody asks anything.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Bench, ours, peer};
use crate::Result;
use crate::etcd::Etcd;
use crate::peers::Peer;
use crate::questions::{Kind, questions};
use crate::rows::{corefile, write_files};

/// How many names the zone has.
const NAMES: u32 = 100;

/// How long they are watched.
const LONG: Duration = Duration::from_secs(60);

/// How long they have to come to rest.
const REST: Duration = Duration::from_secs(3);

pub(super) fn measure(bench: &Bench) -> Result<String> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [zone, pool] = folders.each_ref().map(tempfile::TempDir::path);
    write_files(zone, NAMES)?;
    let questions = questions(Kind::Address, NAMES)?;
    let first = questions.last().ok_or("no names")?;
    let text = corefile(&bench.examples, "benchmark-zone.Corefile", &[])?;
    let own = ours(bench, zone, &text, first)?;

    // A node that holds the first name of an empty pool: its address is this machine's own.
    let etcd = Etcd::start()?;
    let changes = [("http://localhost:2379", etcd.url.clone())];
    let text = corefile(&bench.examples, "benchmark-pool.Corefile", &changes)?;
    let node = super::any(bench, pool, &text, first)?;

    let servers = [
        ("Callsign, a zone", own),
        ("Callsign, a node of a pool in etcd", node),
        ("Knot", peer(Peer::Knot, zone, first)?),
        ("NSD", peer(Peer::Nsd, zone, first)?),
    ];
    std::thread::sleep(REST);
    let mut before = Vec::new();
    for (_, server) in &servers {
        before.push(server.usage()?);
    }
    std::thread::sleep(LONG);
    let seconds = LONG.as_secs_f64();
    let mut text = format!(
        "\n### idle: nobody asks for {seconds} s\n\n\
         The aim: at most one context switch of any thread in a second, and 15 MiB.\n\n\
         | | context switches/s | ms CPU / minute | MiB |\n|---|---|---|---|\n"
    );
    for ((name, server), before) in servers.iter().zip(before) {
        let now = server.usage()?;
        writeln!(
            text,
            "| {name} | {:.2} | {:.1} | {:.1} |",
            (now.switches - before.switches) as f64 / seconds,
            (now.processor - before.processor).as_secs_f64() * 1e3 * 60.0 / seconds,
            now.resident as f64 / 1024.0,
        )?;
    }
    Ok(text)
}
