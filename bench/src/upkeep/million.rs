//! A zone of a million names: loaded, and loaded again while it is asked.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Bench, ours, peer};
use crate::Result;
use crate::client::{Client, Content, Load};
use crate::contestant::Contestant;
use crate::expected::Expected;
use crate::peers::Peer;
use crate::questions::{Kind, Question, ZONE, query, questions, zone_file};

/// How many names there are.
const NAMES: u32 = 1_000_000;

/// Of how many of them the client knows the answers.
const ASKED: u32 = 10_000;

/// Queries in a second while the zone is loaded again.
const RATE: f64 = 2000.0;

/// How long loading may take.
const LOADING: Duration = Duration::from_secs(60);

/// Between two looks whether the new zone is there.
const STEP: Duration = Duration::from_millis(100);

pub(super) fn measure(bench: &Bench) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let zone = zone_file(NAMES);
    let questions = questions(Kind::Address, ASKED)?;
    let corefile = format!(
        "{ZONE} {{\n    bind 127.0.0.1\n    file {}/zone\n}}\n",
        folder.display()
    );
    let mut text = "\n### million: a zone of 1,000,000 addresses\n\n\
         `reload`: from the signal to the first new answer, with 2,000 queries in a second. `peak`: the \
         most that the largest process had until then. The aim: 200 MiB, 350 MiB at the peak, ready no \
         later than Knot, nothing lost.\n\n\
         | | ready s | MiB | reload s | peak MiB | lost | wrong |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for name in ["Callsign", "Knot", "NSD"] {
        std::fs::write(folder.join("zone"), &zone)?;
        let first = server_address(1)?;
        let server = match name {
            "Callsign" => ours(bench, folder, &corefile, &first)?,
            "Knot" => peer(Peer::Knot, folder, &first)?,
            _ => peer(Peer::Nsd, folder, &first)?,
        };
        let loaded = server.usage()?;
        let signal = match name {
            "Callsign" => Signal::SIGUSR1,
            _ => Signal::SIGHUP,
        };
        let (reload, failed) = reload(&server, signal, folder, &zone, &questions)?;
        writeln!(
            text,
            "| {name} | {:.2} | {:.0} | {:.2} | {:.0} | {} | {} |",
            server.loaded.as_secs_f64(),
            loaded.resident as f64 / 1024.0,
            reload.as_secs_f64(),
            server.usage()?.peak as f64 / 1024.0,
            failed[0],
            failed[1],
        )?;
    }
    Ok(text)
}

/// Changes the zone and waits for the new one, asking all the time. Gives how long it took, and how
/// many queries were lost or answered wrongly.
fn reload(
    server: &Contestant,
    signal: Signal,
    folder: &Path,
    zone: &str,
    questions: &[Question],
) -> Result<(Duration, [u64; 2])> {
    let new = zone.replacen("hostmaster 1 ", "hostmaster 2 ", 1).replacen(
        "ns1 A 192.0.2.1\n",
        "ns1 A 192.0.2.2\n",
        1,
    );
    std::fs::write(folder.join("new"), new)?;
    std::fs::rename(folder.join("new"), folder.join("zone"))?;
    let load = Load {
        sockets: 8,
        window: 256,
        rate: Some(RATE),
    };
    let mut client = Client::new(server.address, questions, Content::Names, load)?;
    let wanted = [server_address(2)?];
    let begin = Instant::now();
    server.signal(signal)?;
    let mut failed = [0; 2];
    loop {
        let outcome = client.run(STEP)?;
        failed[0] += outcome.lost;
        failed[1] += outcome.wrong;
        if super::says(server.address, &wanted[0])? {
            break;
        }
        if begin.elapsed() > LOADING {
            return Err(format!("{}: the new zone never comes", server.name).into());
        }
    }
    let took = begin.elapsed();
    let outcome = client.run(Duration::from_secs(1))?;
    let rest = client.drain()?;
    failed[0] += outcome.lost + rest.lost;
    failed[1] += outcome.wrong + rest.wrong;
    Ok((took, failed))
}

/// The question for the address that says which zone is served.
fn server_address(last: u8) -> Result<Question> {
    let name = format!("ns1.{ZONE}");
    let expected = Expected {
        answer: vec![format!("{name} a 192.0.2.{last}")],
        ..Expected::default()
    };
    query(&name, 1, false, expected)
}
