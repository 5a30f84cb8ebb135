//! Containers in networks of other kinds than the default one.

use super::corefile;
use crate::docker::until;
use crate::support::callsign::Callsign;
use crate::support::dns::ask_until;
use crate::support::real_engine::RealEngine;

/// Callsign beside the engine with these lines in the block of `docker`.
fn with(engine: &RealEngine, lines: &str) -> Callsign {
    let text = corefile(engine, ".:{port}", "");
    let text = text.replace("reconnect", &format!("{lines}\n        reconnect"));
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    callsign
}

/// If this fails, a container without networks of its own has no name, or one that leads nowhere.
#[test]
fn who_borrows_networks_is_where_they_are() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = with(engine, "host_address 172.17.0.1");
    engine.run(&["--name", "borrow-host", "--network", "host"]);
    until(&callsign, "borrow-host", &["172.17.0.1"]);

    engine.run(&["--name", "borrow-owner"]);
    engine.run(&[
        "--name",
        "borrow-side",
        "--network",
        "container:borrow-owner",
    ]);
    let address = engine.address("borrow-owner", "bridge");
    until(&callsign, "borrow-side", &[&address]);
    engine.docker(&["stop", "borrow-owner"]);
    until(&callsign, "borrow-owner", &[]);
    ask_until(callsign.address(), "borrow-side", "A", |reply| {
        reply.answer.is_empty()
    });
    engine.docker(&["stop", "borrow-host"]);
    until(&callsign, "borrow-host", &[]);
}

/// If this fails, who is not on the machine is told of addresses and ports that are reached from
/// there only.
#[test]
fn published_ports_are_those_of_the_host() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = with(engine, "host_address 172.17.0.1\n        published");
    engine.run(&[
        "--name",
        "publish",
        "--publish",
        "15672:5672",
        "--publish",
        "172.17.0.1:15353:53/udp",
    ]);
    until(&callsign, "publish.docker", &["172.17.0.1"]);
    for (service, port) in [
        ("_5672._tcp", 15672),
        ("_amqp._tcp", 15672),
        ("_domain._udp", 15353),
    ] {
        let name = format!("{service}.publish.docker");
        let expected = format!("{name}. 5 IN SRV 0 0 {port} publish.docker");
        ask_until(callsign.address(), &name, "SRV", |reply| {
            reply.answer == [&*expected]
        });
    }
}

/// If this fails, a container in a network of compose does not find by `--dns` what the resolver of
/// the engine does not know: replicas by number, other projects, whole names.
#[test]
fn the_engines_resolver_passes_on_what_it_does_not_know() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let network = |name: &str| {
        engine.docker(&["network", "create", name]);
        let template = "{{(index .IPAM.Config 0).Gateway}}";
        engine.docker(&["network", "inspect", "--format", template, name])
    };
    let gateway = network("pass-own");
    network("pass-other");
    let callsign = Callsign::start(&corefile(engine, ".", &format!("bind {gateway}")));
    callsign.says("docker: engine ");
    let run = |name: &str, network: &str, service: &str, number: &str| {
        let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
        engine.run(&[
            "--name",
            name,
            "--network",
            network,
            "--dns",
            &gateway,
            "--label",
            &label("project", network),
            "--label",
            &label("service", service),
            "--label",
            &label("container-number", number),
        ]);
        engine.address(name, network)
    };
    run("pass-client", "pass-own", "pass-client", "1");
    let replica = run("pass-own-node-2", "pass-own", "pass-node", "2");
    let other = run("pass-other-web-1", "pass-other", "pass-web", "1");

    let server = format!("{gateway}:53").parse().expect("an address");
    ask_until(server, "pass-web.docker", "A", |reply| reply.rcode == 0);
    let resolver = engine.docker(&["exec", "pass-client", "cat", "/etc/resolv.conf"]);
    assert!(resolver.contains("nameserver 127.0.0.11"), "{resolver}");
    for (name, address) in [
        ("pass-node_2", &replica),
        ("pass-own-node-2.docker", &replica),
        ("pass-other-web-1", &other),
        ("pass-web.pass-other.docker", &other),
    ] {
        let said = engine.docker(&["exec", "pass-client", "nslookup", name]);
        assert!(said.contains(&format!("Address: {address}")), "{said}");
    }
}
