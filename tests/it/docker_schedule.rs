//! Containers' names after random histories, beside a model that says what they must be.

use std::collections::{BTreeMap, BTreeSet};

use crate::docker::{beside, until};
use crate::support::engine::{Container, Dialect, Engine};

/// If this fails, some order of events, losses and restarts leaves a name that nobody has, or
/// takes one away from a container that runs.
#[test]
fn after_any_schedule_the_names_are_those_of_a_fresh_listing() {
    for seed in 1..=3 {
        schedule(seed);
    }
}

const NAMES: usize = 12;

/// A short random history, then a look at every name that there may be.
fn schedule(seed: u64) {
    let mut random = Random(seed);
    let dialect = Dialect {
        twice: seed.is_multiple_of(2),
        podman: seed.is_multiple_of(3),
        chunk: 13,
        ..Dialect::DEBIAN
    };
    let engine = Engine::start(dialect);
    let callsign = beside(&engine);
    let mut holds = false;
    for step in 0..200 {
        let running = engine.running();
        let name = format!("c{}", random.below(NAMES));
        let address = format!("127.3.{}.{}", seed, step + 1);
        let known = running.iter().find(|it| it.name == name);
        match (known, random.below(12)) {
            (None, _) => {
                let hostname = format!("h{}", random.below(4));
                let alias = format!("a{}", random.below(3));
                let container = Container::new(&name).hostname(&hostname);
                engine.run(container.network("one", &address, &[&alias]));
            }
            (Some(known), 0..=3) => engine.stop(&known.id),
            (Some(known), 4) => {
                let free = |name: &String| !running.iter().any(|it| it.name == *name);
                if let Some(name) = (0..NAMES).map(|it| format!("c{it}")).find(free) {
                    engine.change(&known.id, "rename", |it| it.name = name);
                }
            }
            (Some(known), 5) if known.networks.contains_key("two") => {
                engine.disconnect(&known.id, "two");
            }
            (Some(known), 5) => engine.connect(&known.id, "two", &address, &["a0"]),
            (Some(known), 6 | 7) => {
                let action = if known.paused { "unpause" } else { "pause" };
                engine.change(&known.id, action, |it| it.paused = !it.paused);
            }
            (Some(_), 8) if !holds => {
                engine.hold_events();
                holds = true;
            }
            (Some(_), 8 | 9) if holds => {
                engine.release_events_reversed();
                holds = false;
            }
            (Some(_), 10) if holds => {
                // What a stream loses is found out after the next start.
                engine.lose_events();
                engine.restart();
                holds = false;
            }
            (Some(_), 11) => engine.cut_next_event(random.below(100)),
            _ => {}
        }
    }
    if holds {
        engine.release_events_reversed();
    }
    let last = Container::new("last").hostname("last");
    engine.run(last.network("one", "127.3.0.1", &[]));
    until(&callsign, "last.docker", &["127.3.0.1"]);

    let running = engine.running();
    let names = (0..NAMES).map(|it| format!("c{it}"));
    let hostnames = (0..4).map(|it| format!("h{it}"));
    let aliases = (0..3).map(|it| format!("a{it}"));
    for name in names.chain(hostnames).chain(aliases) {
        let expected = expected(&running, &name);
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        println!("seed {seed}, {name}: {expected:?}");
        until(&callsign, &format!("{name}.docker"), &expected);
    }
}

/// Where a name leads by what the documentation says.
fn expected(running: &[Container], name: &str) -> BTreeSet<String> {
    let named = running
        .iter()
        .filter(|it| it.name == name || it.hostname == name);
    let own = named.flat_map(|it| it.networks.values().map(|it| it.address.clone()));
    let own: BTreeSet<String> = own.collect();
    if !own.is_empty() {
        return own;
    }
    let mut by_pause: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    for container in running {
        let attached = container.networks.values();
        let with_alias = attached.filter(|it| it.aliases.iter().any(|it| it == name));
        let addresses = with_alias.map(|it| it.address.clone());
        by_pause
            .entry(container.paused)
            .or_default()
            .extend(addresses);
    }
    let well = by_pause.remove(&false).unwrap_or_default();
    if well.is_empty() {
        by_pause.remove(&true).unwrap_or_default()
    } else {
        well
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let Self(state) = self;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state % bound as u64) as usize
    }
}
