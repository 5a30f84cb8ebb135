//! Names of containers between hosts: two programs, two engines, one store.

use nix::sys::signal::Signal;

use crate::docker::until;
use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{Query, Reply, ask, ask_until};
use crate::support::engine::{Container, Dialect, Engine};
use crate::support::etcd::Etcd;
use crate::support::wait::eventually;

const SERVFAIL: u16 = 2;

/// A Corefile for a host with this address, whose engine shares so.
fn corefile(engine: &Engine, address: &str, share: &str) -> String {
    format!(
        ".:{{port}} {{
    docker {{
        endpoint {}
        reconnect 10ms 50ms
        ttl 60
        host_address {address}
        share {share} {{
            ttl 2s
        }}
        routed lan
    }}
}}",
        engine.url()
    )
}

struct Hosts {
    engines: [Engine; 2],
    callsigns: [Callsign; 2],
}

impl Hosts {
    /// Two hosts with addresses of their own.
    fn start(share: &str) -> Self {
        let engines = [0, 1].map(|_| Engine::start(Dialect::DEBIAN));
        let host = |number: usize| {
            let address = format!("192.0.2.{}", number + 1);
            Callsign::start(&corefile(&engines[number], &address, share))
        };
        let callsigns = [host(0), host(1)];
        Self { engines, callsigns }
    }
}

fn etcd_at(etcd: &Etcd) -> String {
    format!("etcd {}", etcd.url())
}

/// A container that is reached at its host's port.
fn web(name: &str, host_port: u16) -> Container {
    Container::new(name)
        .network("bridge", "172.17.0.2", &[])
        .published(80, host_port)
}

fn edns(callsign: &Callsign, name: &str) -> Reply {
    Query::new(name, "A").edns(1232, 0).udp(callsign.address())
}

/// All keys of etcd with their values.
fn everything(etcd: &Etcd) -> String {
    etcd.control(&["get", "", "--prefix"])
}

/// If this fails, a host does not know the containers of another, learns of none that comes or goes,
/// or is told addresses that lead nowhere from there.
#[test]
fn each_host_answers_for_both() {
    let etcd = Etcd::start();
    let hosts = Hosts::start(&etcd_at(&etcd));
    let [a, b] = &hosts.engines;
    let [at_a, at_b] = &hosts.callsigns;
    let mut on_a = web("web", 8080);
    on_a.environment = vec!["PASSWORD=geheim-in-variable".into()];
    on_a.labels = [
        ("secret.label".into(), "geheim-in-label".into()),
        ("dns.name".into(), "shop".into()),
    ]
    .into();
    let id = a.run(on_a);
    a.run(Container::new("routed").network("lan", "10.1.2.3", &[]));
    a.run(Container::new("hidden").network("bridge", "172.17.0.3", &[]));
    let mut on_host = Container::new("on-host");
    on_host.mode = "host";
    a.run(on_host);
    b.run(web("db", 5432));

    // At home the bridge is what is reached.
    until(at_a, "web.docker", &["172.17.0.2"]);
    for name in ["web.docker", "shop.docker", "web"] {
        until(at_b, name, &["192.0.2.1"]);
    }
    until(at_b, "routed.docker", &["10.1.2.3"]);
    until(at_b, "on-host.docker", &["192.0.2.1"]);
    until(at_a, "db.docker", &["192.0.2.2"]);
    until(at_b, "hidden.docker", &[]);
    until(at_a, "hidden.docker", &["172.17.0.3"]);
    let reply = ask(at_b.address(), "_80._tcp.web.docker", "SRV");
    assert_eq!(
        reply.answer,
        ["_80._tcp.web.docker. 60 IN SRV 0 0 8080 web.docker"]
    );
    let reply = ask(at_b.address(), "3.2.1.10.in-addr.arpa", "PTR");
    assert_eq!(
        reply.answer,
        ["3.2.1.10.in-addr.arpa. 60 IN PTR routed.docker."]
    );

    let all = everything(&etcd);
    assert!(all.contains("/callsign/docker/"), "{all}");
    for secret in ["geheim", "secret", "PASSWORD", "172.17."] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }

    // Equal claims are one name, whatever the host; a weaker one gives way.
    let other = b.run(web("web", 8081));
    until(at_a, "web.docker", &["172.17.0.2", "192.0.2.2"]);
    until(at_b, "web.docker", &["172.17.0.2", "192.0.2.1"]);
    b.stop(&other);
    until(at_a, "web.docker", &["172.17.0.2"]);
    until(at_b, "web.docker", &["192.0.2.1"]);
    a.stop(&id);
    until(at_b, "web.docker", &[]);

    // Who has which name, and who is hidden from others.
    let ended = at_b.place().run(&["names"]);
    let table = &ended.out;
    assert!(table.contains("HOST"), "{table}");
    assert!(table.contains("10.1.2.3"), "{table}");
    let ended = at_a.place().run(&["names"]);
    let reason = "hidden from other hosts: it publishes no port and is in no `routed` network";
    let table = &ended.out;
    let line = table.lines().find(|line| line.starts_with("hidden.docker"));
    assert!(line.is_some_and(|line| line.contains(reason)), "{table}");
}

/// If this fails, the names of a host that has died stay for ever, or those of one that was told to
/// end stay until its lease does.
#[test]
fn a_host_that_is_gone_has_no_names() {
    let etcd = Etcd::start();
    let mut hosts = Hosts::start(&etcd_at(&etcd));
    hosts.engines[0].run(web("web", 8080));
    hosts.engines[1].run(web("db", 5432));
    until(&hosts.callsigns[1], "web.docker", &["192.0.2.1"]);
    until(&hosts.callsigns[0], "db.docker", &["192.0.2.2"]);
    let [at_a, at_b] = &mut hosts.callsigns;
    at_a.signal(Signal::SIGKILL);
    at_a.ended();
    until(at_b, "web.docker", &[]);

    // What is told to end takes its keys along before it has ended.
    at_b.signal(Signal::SIGTERM);
    at_b.ended();
    let all = everything(&etcd);
    assert!(!all.contains("/docker/"), "{all}");
}

/// If this fails, an outage of etcd takes names away, its end does not bring them up to date, or
/// what a loss of its data takes with it never comes back.
#[test]
fn etcd_may_go_and_may_lose_everything() {
    let mut etcd = Etcd::start();
    let hosts = Hosts::start(&etcd_at(&etcd));
    let [a, b] = &hosts.engines;
    let [_, at_b] = &hosts.callsigns;
    a.run(web("web", 8080));
    b.run(Container::new("db").network("bridge", "172.17.0.9", &[]));
    until(at_b, "web.docker", &["192.0.2.1"]);
    until(at_b, "db.docker", &["172.17.0.9"]);
    etcd.kill();
    let stale = |reply: &Reply| reply.answer == ["web.docker. 5 IN A 192.0.2.1"];
    ask_until(at_b.address(), "web.docker", "A", stale);
    assert_eq!(edns(at_b, "web.docker").extended_errors, [3]);
    let reply = edns(at_b, "db.docker");
    assert_eq!(reply.answer, ["db.docker. 60 IN A 172.17.0.9"]);
    assert_eq!(reply.extended_errors, [0_u16; 0]);
    assert_eq!(edns(at_b, "nobody.docker").rcode, SERVFAIL);
    // Local names come and go meanwhile.
    b.run(Container::new("new").network("bridge", "172.17.0.8", &[]));
    until(at_b, "new.docker", &["172.17.0.8"]);

    etcd.restart_empty();
    let fresh = |reply: &Reply| reply.answer == ["web.docker. 60 IN A 192.0.2.1"];
    ask_until(at_b.address(), "web.docker", "A", fresh);
    // A key that somebody deletes is there again.
    eventually("the container is in etcd again", || {
        (everything(&etcd).contains("192.0.2.1")).then_some(())
    });
    etcd.control(&["del", "/callsign/docker/", "--prefix"]);
    eventually("what was deleted is written again", || {
        (everything(&etcd).contains("192.0.2.1")).then_some(())
    });
    until(at_b, "web.docker", &["192.0.2.1"]);
}

/// If this fails, two programs beside one engine answer with the same container twice, or with an
/// address of the host beside its own.
#[test]
fn an_engine_with_two_programs_has_each_container_once() {
    let etcd = Etcd::start();
    let engine = Engine::start(Dialect::DEBIAN);
    let share = etcd_at(&etcd);
    let callsigns = [1, 2]
        .map(|number| Callsign::start(&corefile(&engine, &format!("192.0.2.{number}"), &share)));
    let id = engine.run(web("web", 8080));
    for callsign in &callsigns {
        until(callsign, "web.docker", &["172.17.0.2"]);
    }
    eventually("both have written it", || {
        (everything(&etcd).matches(&id).count() == 2).then_some(())
    });
    for callsign in &callsigns {
        until(callsign, "web.docker", &["172.17.0.2"]);
    }
    engine.stop(&id);
    for callsign in &callsigns {
        until(callsign, "web.docker", &[]);
    }
}

/// If this fails, somebody who can write into etcd stops names from being answered, or brings in a
/// value that is none.
#[test]
fn values_that_are_none_are_skipped() {
    let etcd = Etcd::start();
    let hosts = Hosts::start(&etcd_at(&etcd));
    hosts.engines[0].run(web("web", 8080));
    let id = "0123456789abcdef".repeat(4);
    let put = |key: &str, value: &str| {
        etcd.control(&["put", &format!("/callsign/docker/{key}"), value]);
    };
    put("x", "1");
    put("evil/short", r#"{"v":1,"name":"a"}"#);
    put(&format!("evil/{id}"), "no JSON");
    put(&format!("later/{id}"), r#"{"v":2,"name":"later"}"#);
    put(
        &format!("good/{id}"),
        r#"{"v":1,"name":"good","through":["192.0.2.9"],"more":1}"#,
    );
    let at_b = &hosts.callsigns[1];
    until(at_b, "good.docker", &["192.0.2.9"]);
    until(at_b, "web.docker", &["192.0.2.1"]);
    until(at_b, "later.docker", &[]);
    at_b.output_has("is skipped: version 2", 1);
}

/// If this fails, a rootless engine's containers are not known to the program beside the other
/// engine of the machine, or stay known when theirs has died.
#[test]
fn programs_of_one_machine_share_in_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let share = format!("local {}", folder.path().join("names").display());
    let mut hosts = Hosts::start(&share);
    let [a, b] = &hosts.engines;
    let id = a.run(web("web", 8080));
    b.run(web("db", 5432));
    until(&hosts.callsigns[1], "web.docker", &["192.0.2.1"]);
    until(&hosts.callsigns[0], "db.docker", &["192.0.2.2"]);
    a.stop(&id);
    until(&hosts.callsigns[1], "web.docker", &[]);
    a.run(web("again", 8080));
    until(&hosts.callsigns[1], "again.docker", &["192.0.2.1"]);
    hosts.callsigns[0].signal(Signal::SIGKILL);
    hosts.callsigns[0].ended();
    until(&hosts.callsigns[1], "again.docker", &[]);
}

/// If this fails, a mistake is found when the program runs, or not at all.
#[test]
fn mistakes_are_shown_at_the_word() {
    for (options, message, word) in [
        ("share redis http://x", "redis", "redis"),
        ("share etcd", "etcd needs the URLs", "etcd"),
        ("share etcd ftp://x", "http://", "ftp://x"),
        ("share local /a /b", "one folder", "/b"),
        ("routed lan", "about other hosts", "lan"),
        (
            "share local\nrouted 10.0.0.0/99",
            "no network",
            "10.0.0.0/99",
        ),
        ("share local\nrouted !lan", "no network", "!lan"),
        (
            "share local {\nlayout native\n}",
            "unknown option",
            "layout",
        ),
        ("share local {\nprefix /x\n}", "without etcd", "prefix"),
        ("share etcd http://x {\nttl 1ms\n}", "1ms", "1ms"),
    ] {
        let place = Place::new();
        place.write("Corefile", &format!(". {{\ndocker {{\n{options}\n}}\n}}\n"));
        let ended = place.run(&["check"]);
        let said = format!("{}{}", ended.out, ended.errors);
        assert!(
            said.contains(message) && said.contains(word),
            "{options}: {said}"
        );
        assert!(said.contains("^"), "{options}: {said}");
    }
}
