//! Which names a container has.

use super::beside;
use crate::docker::until;
use crate::support::dns::ask_until;
use crate::support::real_engine::RealEngine;

/// If this fails, a container is not found by one of the names that the documentation lists.
#[test]
fn every_name_of_a_replica_leads_to_it() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    engine.docker(&["network", "create", "replica-net"]);
    let run = |number: &str| {
        let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
        let name = format!("replica-shop-web-{number}");
        let id = engine.run(&[
            "--name",
            &name,
            "--hostname",
            "replica-node",
            "--network",
            "replica-net",
            "--network-alias",
            "replica-alias",
            "--expose",
            "80",
            "--label",
            &label("project", "replica-shop"),
            "--label",
            &label("service", "replica-web"),
            "--label",
            &label("container-number", number),
        ]);
        (id, engine.address(&name, "replica-net"))
    };
    let (_, first) = run("1");
    let (id, second) = run("2");
    let short = &id[..12];
    for name in [
        "replica-shop-web-2",
        "replica-shop-web-2.docker",
        "replica_shop_web_2.docker",
        "replica-node-2",
        "replica-node_2.docker",
        "replica-web-2",
        "replica-web_2",
        "replica-web_2.docker",
        "2.replica-web.replica-shop.docker",
        &format!("{short}.docker"),
        "replica-shop-web-2.replica-net.docker",
    ] {
        until(&callsign, name, &[&second]);
    }
    let mut both = [&*first, &*second];
    both.sort_unstable();
    for name in [
        "replica-node",
        "replica-web",
        "replica-web.docker",
        "replica-web.replica-shop.docker",
        "replica-shop.replica-web.docker",
        "tasks.replica-web.docker",
        "replica-alias",
        "replica-alias.docker",
    ] {
        until(&callsign, name, &both);
    }
    let service = "_http._tcp.replica-shop-web-2.docker";
    ask_until(callsign.address(), service, "SRV", |reply| {
        reply.answer
            == [format!(
                "{service}. 5 IN SRV 0 0 80 replica-shop-web-2.docker"
            )]
    });
}
