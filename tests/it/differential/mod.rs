//! Zones answered by Callsign as by other servers: NSD and Knot get the same zone files and the
//! same questions, and what they say must be the same.
//!
//! | file | what it does |
//! |---|---|
//! | `servers.rs` | starts NSD and Knot |
//! | `zones.rs` | the zones: one written by hand, some made by chance, each also signed |
//! | `questions.rs` | what is asked: names in, around and outside of a zone |
//! | `compare.rs` | what must be the same, and what need not be and why |
//!
//! `CALLSIGN_QUESTIONS` is how many questions are asked, `CALLSIGN_SEED` what they and the zones are
//! made from; `make test-differential` asks many.

mod compare;
mod questions;
mod servers;
mod zones;

use std::fmt::Write as _;

use crate::support::callsign::{Callsign, Place};
use compare::difference;
use questions::Questions;
use servers::{Oracle, Server};
use zones::{Chance, ZoneFile};

/// How many differences are shown.
const MOST_SHOWN: usize = 20;

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    }
}

/// If this fails, resolvers get other answers from Callsign than from the servers that they have
/// been tried with; validators may take them for forged.
#[test]
fn zones_are_answered_as_other_servers_do() {
    let seed = number("CALLSIGN_SEED", 1);
    let place = Place::new();
    let zones = zones::write(place.path(), &mut Chance::new(seed));
    let oracles = [
        Server::start(Oracle::Nsd, &zones),
        Server::start(Oracle::Knot, &zones),
    ];
    let callsign = start_callsign(place, &zones);
    let mut questions = Questions::new(&zones, Chance::new(seed));
    let mut found: Vec<String> = Vec::new();
    let mut asked = 0;
    for question in questions
        .by_ref()
        .take(number("CALLSIGN_QUESTIONS", 3000) as usize)
    {
        let ours = question.query.udp(callsign.address());
        for oracle in &oracles {
            let theirs = question.query.udp(oracle.address);
            if let Some(difference) = difference(&question, &ours, oracle.kind, &theirs) {
                let kind = oracle.kind;
                found.push(format!("{question}: {kind:?}: {difference}\n"));
            }
        }
        asked += 1;
    }
    let mut shown = String::new();
    for difference in found.iter().take(MOST_SHOWN) {
        shown.push_str(difference);
    }
    let count = found.len();
    let _ = write!(
        shown,
        "{count} differences in {asked} questions, seed {seed}"
    );
    println!("{count} differences in {asked} questions, seed {seed}");
    assert!(found.is_empty(), "{shown}");
}

fn start_callsign(place: Place, zones: &[ZoneFile]) -> Callsign {
    let mut corefile = String::new();
    for zone in zones {
        let (apex, path) = (&zone.apex, zone.path.display());
        let _ = writeln!(corefile, "{apex}:{{port}} {{\n file {path}\n}}");
    }
    place.write("Corefile", &corefile);
    Callsign::start_in(place, &[])
}
