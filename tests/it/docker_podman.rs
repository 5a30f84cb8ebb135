//! Containers' names, with a real Podman.

use crate::docker::until;
use crate::docker_engine::beside;
use crate::support::real_engine::RealEngine;

/// If this fails, Podman's containers have no names, or keep them after their end: its events and
/// answers are not quite Docker's.
#[test]
fn containers_of_podman_come_change_and_go() {
    let engine = RealEngine::start("podman", &[]);
    let _inside = engine.enter();
    engine.run(&["--name", "before"]);
    let callsign = beside(&engine);
    until(
        &callsign,
        "before.docker",
        &[&engine.address("before", "podman")],
    );

    engine.docker(&["network", "create", "other"]);
    engine.run(&[
        "--name",
        "after",
        "--hostname",
        "node_1",
        "--network",
        "other",
    ]);
    let address = engine.address("after", "other");
    for name in ["after.docker", "node_1", "after.other.docker"] {
        until(&callsign, name, &[&address]);
    }
    engine.docker(&["rename", "after", "later"]);
    until(&callsign, "later", &[&address]);
    until(&callsign, "after", &[]);
    engine.docker(&["kill", "later"]);
    until(&callsign, "later", &[]);
    until(&callsign, "node_1", &[]);
    engine.docker(&["rm", "--force", "before"]);
    until(&callsign, "before", &[]);
}
