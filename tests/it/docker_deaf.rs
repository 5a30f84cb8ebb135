//! What an engine does that could leave the program deaf for good.

use crate::docker::until;
use crate::support::callsign::Callsign;
use crate::support::engine::{Container, Dialect, Engine};

/// Callsign beside an engine, with these pauses between attempts.
fn beside(engine: &Engine, pauses: &str) -> Callsign {
    Callsign::start(&format!(
        ".:{{port}} {{
    docker {{
        endpoint {}
        reconnect {pauses}
    }}
}}",
        engine.url()
    ))
}

/// If this fails, an engine that refuses to tell what happens, and is stuck while it says so, is
/// waited for until the program is started anew.
#[test]
fn a_refusal_without_an_end_is_given_up() {
    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::new("a").network("bridge", "127.0.1.1", &[]));
    engine.refuse_events(true);
    let callsign = beside(&engine, "10ms 50ms");
    callsign.says("does not answer within 10s");
    engine.refuse_events(false);
    until(&callsign, "a.docker", &["127.0.1.1"]);
}

/// If this fails, after an update of the engine names lead for half a minute to addresses that
/// containers had before it.
#[test]
fn an_engine_of_this_machine_is_found_soon_however_long_it_was_away() {
    let engine = Engine::start(Dialect::DEBIAN);
    let callsign = beside(&engine, "1h 1h");
    callsign.says("docker: engine ");
    engine.restart();
    engine.run(Container::new("new").network("bridge", "127.0.1.1", &[]));
    until(&callsign, "new.docker", &["127.0.1.1"]);
}
