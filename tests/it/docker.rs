//! Containers' names, from an engine's socket to a client's.

use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{Query, Reply, ask, ask_from, ask_until};
use crate::support::engine::{Container, Dialect, Engine, Fault};

const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;

/// A Corefile for an engine, which is asked again soon when it is away.
fn corefile(engine: &Engine) -> String {
    format!(
        ".:{{port}} {{
    docker {{
        endpoint {}
        reconnect 10ms 50ms
    }}
}}",
        engine.url()
    )
}

/// Callsign beside an engine, once it knows what the engine runs.
pub(crate) fn beside(engine: &Engine) -> Callsign {
    let callsign = Callsign::start(&corefile(engine));
    callsign.says("docker: engine ");
    callsign
}

/// The addresses of a reply, in order.
fn addresses(reply: &Reply) -> Vec<String> {
    let data = |record: &String| record.rsplit(' ').next().map(ToOwned::to_owned);
    let mut addresses: Vec<String> = reply.answer.iter().filter_map(data).collect();
    addresses.sort();
    addresses
}

/// Waits until a name has these addresses; without any it must not exist.
pub(crate) fn until(callsign: &Callsign, name: &str, expected: &[&str]) -> Reply {
    ask_until(callsign.address(), name, "A", |reply| {
        is_as_expected(reply, expected)
    })
}

pub(crate) fn is_as_expected(reply: &Reply, expected: &[&str]) -> bool {
    let rcode = if expected.is_empty() { NXDOMAIN } else { 0 };
    reply.rcode == rcode && addresses(reply) == expected
}

/// The same now.
pub(crate) fn now(callsign: &Callsign, name: &str, expected: &[&str]) {
    let reply = ask(callsign.address(), name, "A");
    assert!(is_as_expected(&reply, expected), "{expected:?}: {reply:?}");
}

/// If this fails, a container has no name, a wrong one, or keeps it after its end: the whole story
/// of a container, in every dialect of engines.
#[test]
fn a_container_comes_changes_and_goes() {
    let plain = Dialect::DEBIAN;
    let dialects = [
        Dialect {
            version: 15,
            ..plain
        },
        Dialect {
            version: 24,
            chunk: 7,
            ..plain
        },
        Dialect {
            version: 41,
            twice: true,
            ..plain
        },
        Dialect {
            version: 44,
            podman: true,
            ..plain
        },
        Dialect {
            version: 52,
            separators: true,
            chunk: 64,
            ..plain
        },
        Dialect {
            version: 60,
            ..plain
        },
    ];
    for dialect in dialects {
        let engine = Engine::start(dialect);
        engine.run(Container::new("before").network("bridge", "127.0.1.1", &[]));
        let callsign = beside(&engine);
        now(&callsign, "before.docker", &["127.0.1.1"]);
        now(&callsign, "before", &["127.0.1.1"]);

        let after = Container::new("after").hostname("node_2");
        let id = engine.run(after.network("bridge", "127.0.1.2", &[]));
        until(&callsign, "after.docker", &["127.0.1.2"]);
        until(&callsign, "node_2", &["127.0.1.2"]);
        until(&callsign, &format!("{}.docker", &id[..12]), &["127.0.1.2"]);
        now(&callsign, "AFTER.Docker", &["127.0.1.2"]);

        engine.change(&id, "rename", |it| it.name = "later".into());
        until(&callsign, "later.docker", &["127.0.1.2"]);
        until(&callsign, "after.docker", &[]);

        if dialect.version >= 22 {
            engine.connect(&id, "other", "127.0.2.2", &["alias"]);
            until(&callsign, "alias.docker", &["127.0.2.2"]);
            until(&callsign, "later.docker", &["127.0.1.2", "127.0.2.2"]);
            engine.disconnect(&id, "bridge");
            until(&callsign, "later.docker", &["127.0.2.2"]);
        }
        engine.stop(&id);
        until(&callsign, "later.docker", &[]);
        until(&callsign, "node_2", &[]);
        now(&callsign, "before.docker", &["127.0.1.1"]);
    }
}

/// If this fails, resolvers of containers give up on a name that exists (AAAA), remember for long
/// that one does not, or RabbitMQ does not find who an address is.
#[test]
fn what_is_asked_beside_addresses() {
    let engine = Engine::start(Dialect::DEBIAN);
    let container = Container::new("shop-mq-1").hostname("rabbit_1");
    engine.run(container.network("bridge", "127.0.1.1", &[]));
    let callsign = beside(&engine);
    let server = callsign.address();

    let reply = ask(server, "rabbit_1.docker", "A");
    assert!(reply.authoritative, "{reply:?}");
    assert_eq!(reply.answer, ["rabbit_1.docker. 5 IN A 127.0.1.1"]);
    for (name, rtype) in [
        ("rabbit_1.docker", "AAAA"),
        ("rabbit_1", "AAAA"),
        ("rabbit_1.docker", "MX"),
    ] {
        let reply = ask(server, name, rtype);
        assert_eq!((reply.rcode, reply.answer.len()), (0, 0), "{reply:?}");
        assert!(reply.authority[0].contains(" IN SOA "), "{reply:?}");
    }
    let reply = ask(server, "nobody.docker", "A");
    assert_eq!(reply.rcode, NXDOMAIN, "{reply:?}");
    let soa = &reply.authority[0];
    assert!(
        soa.starts_with("docker. 1 IN SOA ") && soa.ends_with(" 1"),
        "{soa}"
    );

    let reply = ask(server, "1.1.0.127.in-addr.arpa", "PTR");
    assert_eq!(
        reply.answer,
        ["1.1.0.127.in-addr.arpa. 5 IN PTR rabbit_1.docker."]
    );
    let reply = ask(server, "9.9.0.127.in-addr.arpa", "PTR");
    assert_eq!(reply.rcode, NXDOMAIN, "{reply:?}");
}

/// If this fails, stopping an old container takes the name from the one that replaces it, which is
/// what happens at every update.
#[test]
fn a_replacement_keeps_the_hostname() {
    let engine = Engine::start(Dialect::DEBIAN);
    let callsign = beside(&engine);
    let node = |name: &str| Container::new(name).hostname("node");
    let old = engine.run(node("old").network("bridge", "127.0.1.1", &[]));
    until(&callsign, "node", &["127.0.1.1"]);
    engine.run(node("new").network("bridge", "127.0.1.2", &[]));
    until(&callsign, "node", &["127.0.1.1", "127.0.1.2"]);
    engine.stop(&old);
    until(&callsign, "node", &["127.0.1.2"]);
    until(&callsign, "old", &[]);
    now(&callsign, "node", &["127.0.1.2"]);
}

/// If this fails, a service leads to replicas that are gone, frozen or ill although others are
/// well, or replicas have no names of their own.
#[test]
fn a_service_is_all_its_replicas() {
    let engine = Engine::start(Dialect::DEBIAN);
    let text = corefile(&engine).replace("reconnect", "health healthy\n        reconnect");
    let callsign = Callsign::start(&text);
    let ids = [1, 2, 3].map(|number| {
        engine.run(Container::compose(
            "shop",
            "web",
            number,
            &format!("127.0.1.{number}"),
        ))
    });
    let all = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
    for name in [
        "web",
        "web.docker",
        "web.shop.docker",
        "shop.web.docker",
        "tasks.web.docker",
    ] {
        until(&callsign, name, &all);
    }
    until(&callsign, "2.web.shop.docker", &all[1..2]);
    until(&callsign, "web_2", &all[1..2]);

    engine.change(&ids[0], "pause", |it| it.paused = true);
    until(&callsign, "web.docker", &all[1..]);
    now(&callsign, "shop-web-1.docker", &all[..1]);
    engine.change(&ids[1], "health_status", |it| it.health = "unhealthy");
    until(&callsign, "web.docker", &all[2..]);
    engine.change(&ids[0], "unpause", |it| it.paused = false);
    engine.change(&ids[1], "health_status", |it| it.health = "healthy");
    until(&callsign, "web.docker", &all);
    engine.stop(&ids[2]);
    until(&callsign, "web.docker", &all[..2]);
    until(&callsign, "web_3", &[]);
}

/// If this fails, a container of one project is led to another project's service of the same name.
#[test]
fn two_projects_each_see_their_own_service() {
    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::compose("blue", "web", 1, "127.0.1.1"));
    engine.run(Container::compose("green", "web", 1, "127.0.2.1"));
    engine.run(Container::compose("green", "only", 1, "127.0.2.2"));
    let callsign = beside(&engine);
    now(&callsign, "web.docker", &["127.0.1.1", "127.0.2.1"]);
    let seen =
        |client: &str, name: &str| addresses(&ask_from(client, callsign.address(), name, "A"));
    for name in ["web", "web.docker"] {
        assert_eq!(seen("127.0.1.1", name), ["127.0.1.1"]);
        assert_eq!(seen("127.0.2.2", name), ["127.0.2.1"]);
    }
    // What only others have is told to everybody.
    assert_eq!(seen("127.0.1.1", "only.docker"), ["127.0.2.2"]);
}

/// If this fails, names are said not to exist before anybody could know, and resolvers remember it;
/// or an engine that is started after us is never found.
#[test]
fn an_engine_that_comes_late_is_waited_for() {
    let engine = Engine::absent(Dialect::DEBIAN);
    engine.run_silently([Container::new("a").network("bridge", "127.0.1.1", &[])]);
    let callsign = Callsign::start(&corefile(&engine));
    callsign.says("no such file; it is looked for again");
    let reply = Query::new("a.docker", "A")
        .edns(1232, 0)
        .udp(callsign.address());
    assert_eq!(reply.rcode, SERVFAIL, "{reply:?}");
    assert_eq!(reply.extended_errors, [14], "{reply:?}");
    // Somebody has said that there is an engine: it may have these too.
    for (name, rtype) in [("a", "A"), ("2.0.17.172.in-addr.arpa", "PTR")] {
        let reply = ask(callsign.address(), name, rtype);
        assert_eq!(reply.rcode, SERVFAIL, "{reply:?}");
    }

    // It listens, but does not answer yet.
    engine.hang(true);
    engine.appear();
    let reply = ask(callsign.address(), "a.docker", "A");
    assert_eq!(reply.rcode, SERVFAIL, "{reply:?}");
    engine.hang(false);
    until(&callsign, "a.docker", &["127.0.1.1"]);
}

/// If this fails, an update of the engine takes all names away for as long as it lasts, or leaves
/// names of containers that ended meanwhile.
#[test]
fn while_the_engine_is_away_answers_go_on_and_then_all_is_looked_at() {
    let engine = Engine::start(Dialect::DEBIAN);
    let stays = engine.run(Container::new("stays").network("bridge", "127.0.1.1", &[]));
    let goes = engine.run(Container::new("goes").network("bridge", "127.0.1.2", &[]));
    let text = corefile(&engine).replace("reconnect", "ttl 60\n        reconnect");
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    let server = callsign.address();
    assert_eq!(
        ask(server, "stays.docker", "A").answer,
        ["stays.docker. 60 IN A 127.0.1.1"]
    );

    engine.vanish();
    let is_stale = |reply: &Reply| reply.answer == ["stays.docker. 5 IN A 127.0.1.1"];
    ask_until(server, "stays.docker", "A", is_stale);
    let reply = Query::new("stays.docker", "A").edns(1232, 0).udp(server);
    assert_eq!(reply.extended_errors, [3], "{reply:?}");
    // It may have been started since.
    assert_eq!(ask(server, "comes.docker", "A").rcode, SERVFAIL);

    engine.stop(&goes);
    engine.change(&stays, "rename", |it| it.name = "renamed".into());
    engine.run_silently([Container::new("comes").network("bridge", "127.0.1.3", &[])]);
    engine.appear();
    until(&callsign, "comes.docker", &["127.0.1.3"]);
    now(&callsign, "goes.docker", &[]);
    now(&callsign, "renamed.docker", &["127.0.1.1"]);
    let reply = ask(server, "renamed.docker", "A");
    assert_eq!(reply.answer, ["renamed.docker. 60 IN A 127.0.1.1"]);
    callsign.says("is back");
}

/// If this fails, a connection that breaks in the midst of an event, or an engine that is started
/// anew again and again, leaves the program deaf.
#[test]
fn broken_streams_are_opened_anew() {
    let engine = Engine::start(Dialect::DEBIAN);
    let callsign = beside(&engine);
    for round in 1..=5 {
        let name = format!("c{round}");
        let address = format!("127.0.1.{round}");
        match round % 2 {
            0 => engine.restart(),
            _ => engine.cut_next_event(40),
        }
        engine.run(Container::new(&name).network("bridge", &address, &[]));
        until(&callsign, &name, &[&address]);
    }
}

/// If this fails, one container that the engine cannot show costs the others their names, or is
/// forgotten although the engine shows it a moment later; or one that was removed while it was
/// looked at is complained of.
#[test]
fn an_unreadable_container_costs_nobody_else_a_name() {
    let engine = Engine::start(Dialect::DEBIAN);
    for (name, fault) in [("broken", Fault::Broken), ("missing", Fault::Missing)] {
        engine.fault(name, Some(fault));
        engine.run(Container::new(name).network("bridge", "127.0.1.9", &[]));
    }
    engine.fault("removed", Some(Fault::Removed));
    let removed = engine.run(Container::new("removed"));
    engine.run(Container::new("good").network("bridge", "127.0.1.1", &[]));
    let callsign = beside(&engine);
    now(&callsign, "good", &["127.0.1.1"]);
    now(&callsign, "broken", &[]);
    callsign.says("cannot be inspected");
    let said = callsign.said();
    assert!(!said.contains(&removed[..12]), "{said}");
    // Nothing happens to it, it only can be read again.
    engine.fault("broken", None);
    until(&callsign, "broken", &["127.0.1.9"]);

    // One that is slow to be shown keeps nobody waiting.
    engine.fault("slow", Some(Fault::Held));
    engine.run(Container::new("slow").network("bridge", "127.0.1.2", &[]));
    engine.run(Container::new("quick").network("bridge", "127.0.1.3", &[]));
    until(&callsign, "quick", &["127.0.1.3"]);
    now(&callsign, "slow", &[]);
    engine.fault("slow", None);
    until(&callsign, "slow", &["127.0.1.2"]);
}

/// If this fails, nobody can find out why a name leads elsewhere than to their container.
#[test]
fn names_lists_who_has_which_name_and_why_not() {
    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::new("web").network("bridge", "127.0.1.1", &[]));
    let thief = Container::new("thief").hostname("web");
    engine.run(thief.network("bridge", "127.0.1.2", &[]));
    engine.fault("broken", Some(Fault::Broken));
    engine.run(Container::new("broken"));
    let place = Place::new();

    // Without a Corefile it is the engine that `docker ps` asks.
    let mut command = place.command(&["names"]);
    let ended = Place::run_command(command.env("DOCKER_HOST", engine.url()));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let line = |name: &str, container: &str| -> Vec<String> {
        let rows = ended.out.lines().map(|line| line.split_whitespace());
        let rows = rows.map(|row| row.map(ToOwned::to_owned).collect::<Vec<_>>());
        let mut rows = rows.filter(|row| row[..2] == [name, container]);
        rows.next().unwrap_or_else(|| panic!("{ended:?}"))
    };
    assert_eq!(line("web.docker.", "web")[2..], ["name", "127.0.1.1"]);
    let hidden = line("web.docker.", "thief").join(" ");
    assert!(
        hidden.ends_with("hostname 127.0.1.2 hidden: web has it as its name"),
        "{hidden}"
    );
    assert!(ended.errors.contains("cannot show: 1"), "{ended:?}");

    place.write("Corefile", &corefile(&engine));
    let ended = place.run(&["names", "--json"]);
    let claims: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let claims = claims.as_array().expect("an array");
    let hidden =
        |it: &&serde_json::Value| it["name"] == "web.docker." && it["standing"] == "hidden";
    let hidden = claims.iter().find(hidden).expect("a hidden claim");
    assert_eq!(hidden["container"], "thief");
    assert_eq!(hidden["addresses"], serde_json::json!(["127.0.1.2"]));
    assert_eq!(hidden["reason"], "web has it as its name");

    engine.vanish();
    let ended = place.run(&["names"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
    assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
    assert!(
        ended.errors.starts_with("error: no engine at unix:///"),
        "{ended:?}"
    );
    place.write("Corefile", ". {\n    whoami\n}\n");
    let ended = place.run(&["names"]);
    assert_eq!(ended.errors, "error: Corefile has no `docker` directive\n");
}

/// If this fails, a large machine has no names for minutes after a start, or at all.
#[test]
fn ten_thousand_containers() {
    let engine = Engine::start(Dialect::DEBIAN);
    let address = |number: u32| format!("127.1.{}.{}", number / 250, number % 250 + 1);
    engine.run_silently((0..10_000).map(|number| {
        Container::new(&format!("c{number}")).network("bridge", &address(number), &[])
    }));
    let callsign = beside(&engine);
    for number in [0, 4_321, 9_999] {
        now(&callsign, &format!("c{number}.docker"), &[&address(number)]);
    }
    engine.run(Container::new("one-more").network("bridge", "127.0.1.1", &[]));
    until(&callsign, "one-more.docker", &["127.0.1.1"]);
}
