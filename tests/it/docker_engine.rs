//! Containers' names, with a real Docker Engine.
//!
//! The tests share one engine, so each has names of its own for containers and networks.

mod life;
mod names;
mod networks;

use std::net::SocketAddr;

use crate::docker::{is_as_expected, now, until};
use crate::support::callsign::Callsign;
use crate::support::dns::{ask, ask_until};
use crate::support::real_engine::RealEngine;
use crate::support::run::output;

/// A Corefile for an engine with these keys of the block and these lines.
pub(crate) fn corefile(engine: &RealEngine, keys: &str, lines: &str) -> String {
    let endpoint = engine.url();
    format!(
        "{keys} {{
    {lines}
    docker {{
        endpoint {endpoint}
        reconnect 10ms 50ms
    }}
}}"
    )
}

/// Callsign on the engine's host, once it knows what the engine runs. The thread must be inside.
pub(crate) fn beside(engine: &RealEngine) -> Callsign {
    let callsign = Callsign::start(&corefile(engine, ".:{port}", ""));
    callsign.says("docker: engine ");
    callsign
}

/// If this fails, a container has no name although it runs, lacks one of its names, or keeps one
/// that it no longer has.
#[test]
fn a_container_comes_changes_and_goes() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    engine.run(&["--name", "life-before"]);
    let callsign = beside(engine);
    now(
        &callsign,
        "life-before.docker",
        &[&engine.address("life-before", "bridge")],
    );

    let options = ["--name", "life-after", "--hostname", "life_node"];
    let id = engine.run(&options);
    let address = engine.address(&id, "bridge");
    let short = format!("{}.docker", &id[..12]);
    for name in [
        "life-after",
        "life-after.docker",
        "life_after.docker",
        "life_node",
        "life-node",
        &short,
    ] {
        until(&callsign, name, &[&address]);
    }
    let reverse: Vec<&str> = address.rsplit('.').collect();
    let reply = ask(
        callsign.address(),
        &format!("{}.in-addr.arpa", reverse.join(".")),
        "PTR",
    );
    assert!(
        reply.answer[0].ends_with(" PTR life_node.docker."),
        "{reply:?}"
    );

    engine.docker(&["rename", "life-after", "life-later"]);
    until(&callsign, "life-later", &[&address]);
    until(&callsign, "life-after", &[]);

    engine.docker(&["network", "create", "life"]);
    engine.docker(&["network", "connect", "--alias", "life-alias", "life", &id]);
    let other = engine.address(&id, "life");
    until(&callsign, "life-alias", &[&other]);
    until(&callsign, "life-later.life.docker", &[&other]);
    engine.docker(&["network", "disconnect", "bridge", &id]);
    until(&callsign, "life-later", &[&other]);

    engine.docker(&["stop", &id]);
    for name in ["life-later", "life_node", "life-alias"] {
        until(&callsign, name, &[]);
    }
    engine.docker(&["start", &id]);
    until(&callsign, "life-later", &[&engine.address(&id, "life")]);
}

/// If this fails, a container that does not end in an orderly way keeps its name, which leads to
/// nobody or to whoever has its address next.
#[test]
fn however_a_container_ends_its_name_goes() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    let run = |name: &str, options: &[&str]| {
        engine.run(&[&["--name", name], options].concat());
        until(&callsign, name, &[&engine.address(name, "bridge")]);
    };
    run("end-crash", &[]);
    output(&mut engine.killer("end-crash"));
    until(&callsign, "end-crash", &[]);
    run("end-kill", &[]);
    engine.docker(&["kill", "end-kill"]);
    until(&callsign, "end-kill", &[]);
    run("end-remove", &[]);
    engine.docker(&["rm", "--force", "end-remove"]);
    until(&callsign, "end-remove", &[]);
    run("end-itself", &["--rm"]);
    output(&mut engine.killer("end-itself"));
    until(&callsign, "end-itself", &[]);

    // A signal is no end.
    run("end-not", &[]);
    engine.docker(&["kill", "--signal", "CONT", "end-not"]);
    run("end-last", &[]);
    now(
        &callsign,
        "end-not",
        &[&engine.address("end-not", "bridge")],
    );
}

/// If this fails, containers do not find each other by the way that the documentation shows:
/// `--dns` with the address of the bridge.
#[test]
fn a_container_asks_by_its_own_resolver() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let text = corefile(engine, ".", "bind 172.17.0.1");
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    engine.run(&[
        "--name",
        "ask-first",
        "--hostname",
        "ask_1",
        "--dns",
        "172.17.0.1",
    ]);
    // What starts later than who asks.
    engine.run(&[
        "--name",
        "ask-second",
        "--hostname",
        "ask_2",
        "--dns",
        "172.17.0.1",
    ]);
    let address = engine.address("ask-second", "bridge");
    let server = "172.17.0.1:53".parse().expect("an address");
    ask_until(server, "ask_2", "A", |reply| reply.rcode == 0);
    for name in ["ask_2", "ask_2.docker"] {
        let said = engine.docker(&["exec", "ask-first", "nslookup", name]);
        assert!(said.contains(&format!("Address: {address}")), "{said}");
    }
    let said = engine.docker(&["exec", "ask-first", "ping", "-c", "1", "-W", "20", "ask_2"]);
    assert!(said.contains(&address), "{said}");
    let said = engine.docker(&["exec", "ask-first", "nslookup", &address]);
    assert!(said.contains("name = ask_2.docker"), "{said}");
}

/// If this fails, an update of the engine takes the names of containers that go on away, or one
/// that ended meanwhile keeps its name.
#[test]
fn while_the_engine_is_dead_names_stay_and_then_all_is_looked_at() {
    // Containers outlive this engine.
    let engine = RealEngine::start("docker", &["--live-restore"]);
    let _inside = engine.enter();
    engine.run(&["--name", "stays"]);
    engine.run(&["--name", "goes"]);
    let text = corefile(&engine, ".:{port}", "").replace("reconnect", "ttl 60\n        reconnect");
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    let server = callsign.address();
    let stays = engine.address("stays", "bridge");
    let fresh = format!("stays.docker. 60 IN A {stays}");
    ask_until(server, "stays.docker", "A", |reply| {
        reply.answer == [&*fresh]
    });
    let mut killer = engine.killer("goes");

    engine.kill();
    let stale = format!("stays.docker. 5 IN A {stays}");
    ask_until(server, "stays.docker", "A", |reply| {
        reply.answer == [&*stale]
    });
    output(&mut killer);
    assert_eq!(ask(server, "comes.docker", "A").rcode, 2);

    engine.start_again();
    ask_until(server, "stays.docker", "A", |reply| {
        reply.answer == [&*fresh]
    });
    until(&callsign, "goes.docker", &[]);
    engine.run(&["--name", "comes"]);
    until(
        &callsign,
        "comes.docker",
        &[&engine.address("comes", "bridge")],
    );
}

/// If this fails, a container of one project is led to another project's service of the same name.
#[test]
fn two_projects_each_see_their_own_service() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    for project in ["blue", "green"] {
        engine.docker(&["network", "create", &format!("view-{project}")]);
        for (name, service) in [("web", "view-web"), ("client", "view-client")] {
            let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
            engine.run(&[
                "--name",
                &format!("view-{project}-{name}"),
                "--network",
                &format!("view-{project}"),
                "--label",
                &label("project", project),
                "--label",
                &label("service", service),
                "--label",
                &label("container-number", "1"),
            ]);
        }
    }
    let addresses = ["blue", "green"]
        .map(|project| engine.address(&format!("view-{project}-web"), &format!("view-{project}")));
    let all = addresses.each_ref().map(String::as_str);
    until(&callsign, "view-web.docker", &all);
    for (project, own) in ["blue", "green"].iter().zip(all) {
        let gateway = engine.docker(&[
            "network",
            "inspect",
            "--format",
            "{{(index .IPAM.Config 0).Gateway}}",
            &format!("view-{project}"),
        ]);
        let server = SocketAddr::new(
            gateway.parse().expect("an address"),
            callsign.address().port(),
        );
        let _container = engine.enter_container(&format!("view-{project}-client"));
        for name in ["view-web", "view-web.docker"] {
            ask_until(server, name, "A", |reply| is_as_expected(reply, &[own]));
        }
    }
}
