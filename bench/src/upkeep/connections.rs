//! Answers over TCP connections that are kept open.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Bench, ours, peer};
use crate::Result;
use crate::peers::Peer;
use crate::questions::{Kind, questions};
use crate::rows::{corefile, write_files};
use crate::stream::Client;
use crate::table::median;

/// How many connections there are.
const CONNECTIONS: usize = 100;

/// How many names.
const NAMES: u32 = 10_000;

/// How often each server is asked.
const ROUNDS: usize = 3;

/// How long a server is asked before a measurement begins.
const WARM: Duration = Duration::from_millis(300);

pub(super) fn measure(bench: &Bench) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    write_files(folder, NAMES)?;
    let questions = questions(Kind::Address, NAMES)?;
    let first = questions.last().ok_or("no names")?;
    let text = corefile(&bench.examples, "benchmark-zone.Corefile", &[])?;
    let servers = [
        ours(bench, folder, &text, first)?,
        peer(Peer::Knot, folder, first)?,
        peer(Peer::Nsd, folder, first)?,
    ];
    let mut text = format!(
        "\n### tcp: {CONNECTIONS} connections that are kept open, 16 queries under way on each\n\n\
         The aim: more answers in a second of processor time than Knot.\n\n\
         | | answers / CPU second | answers/s | wrong |\n|---|---|---|---|\n"
    );
    let mut samples = servers.each_ref().map(|_| (Vec::new(), Vec::new(), 0));
    for _ in 0..ROUNDS {
        for (server, (of_processor, of_clock, wrong)) in servers.iter().zip(&mut samples) {
            let mut client = Client::new(server.address, &questions, CONNECTIONS)?;
            client.run(WARM)?;
            let before = server.usage()?.processor;
            let outcome = client.run(Duration::from_secs_f64(bench.seconds))?;
            let used = server.usage()?.processor.saturating_sub(before);
            of_processor.push(outcome.answered as f64 / used.as_secs_f64());
            of_clock.push(outcome.answered as f64 / bench.seconds);
            *wrong += outcome.wrong;
        }
    }
    for (server, (of_processor, of_clock, wrong)) in servers.iter().zip(samples) {
        let (of_processor, of_clock) = (median(of_processor), median(of_clock));
        let name = &server.name;
        writeln!(
            text,
            "| {name} | {of_processor:.0} | {of_clock:.0} | {wrong} |"
        )?;
    }
    Ok(text)
}
