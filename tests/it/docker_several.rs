//! Names of several engines, of which some are away.

use crate::docker::until;
use crate::support::callsign::Callsign;
use crate::support::dns::{Query, Reply, ask, ask_until};
use crate::support::engine::{Container, Dialect, Engine};

const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;

/// Callsign beside two engines, which are asked again soon when they are away.
fn beside(engines: [&Engine; 2], option: &str) -> Callsign {
    let [one, two] = engines.map(Engine::url);
    Callsign::start(&format!(
        ".:{{port}} {{
    docker {{
        endpoint {one} {two}
        reconnect 10ms 50ms
        ttl 60
        {option}
    }}
}}"
    ))
}

fn edns(callsign: &Callsign, name: &str, rtype: &str) -> Reply {
    Query::new(name, rtype)
        .edns(1232, 0)
        .udp(callsign.address())
}

/// If this fails, one engine that is not there takes the names of all others away, or names that it
/// may have are said not to exist.
#[test]
fn an_engine_that_is_absent_costs_the_others_nothing() {
    let (here, absent) = (
        Engine::start(Dialect::DEBIAN),
        Engine::absent(Dialect::DEBIAN),
    );
    here.run(Container::compose("shop", "web", 1, "127.0.1.1"));
    absent.run_silently([Container::new("late").network("bridge", "127.0.1.9", &[])]);
    let callsign = beside([&here, &absent], "");
    callsign.says("no such file; it is looked for again");
    until(&callsign, "web.docker", &["127.0.1.1"]);
    let reply = edns(&callsign, "web.docker", "A");
    assert_eq!(reply.answer, ["web.docker. 60 IN A 127.0.1.1"]);
    assert_eq!(reply.extended_errors, [0_u16; 0], "{reply:?}");
    // It has no such address, and that is known.
    assert_eq!(edns(&callsign, "web.docker", "AAAA").rcode, 0);
    // Nobody has these now; the other engine may.
    for (name, rtype) in [
        ("late.docker", "A"),
        ("late", "A"),
        ("shop.docker", "A"),
        ("9.1.0.127.in-addr.arpa", "PTR"),
    ] {
        let reply = edns(&callsign, name, rtype);
        assert_eq!(
            (reply.rcode, reply.extended_errors),
            (SERVFAIL, vec![14]),
            "{name}"
        );
    }
    absent.appear();
    until(&callsign, "late.docker", &["127.0.1.9"]);
    assert_eq!(edns(&callsign, "nobody.docker", "A").rcode, NXDOMAIN);
    assert_eq!(edns(&callsign, "shop.docker", "A").rcode, 0);
}

/// If this fails, an engine that is being updated spoils the answers of the others, its own are not
/// marked, or they stand for ever.
#[test]
fn only_answers_of_the_engine_that_is_away_are_stale_until_they_expire() {
    let (stays, goes) = (
        Engine::start(Dialect::DEBIAN),
        Engine::start(Dialect::DEBIAN),
    );
    stays.run(Container::new("here").network("bridge", "127.0.1.1", &[]));
    goes.run(Container::compose("shop", "web", 1, "127.0.1.2"));
    let mut other = Container::new("other").network("bridge", "127.0.1.3", &[]);
    other.labels = [("dns.srv._mqtt._tcp".into(), "1883".into())].into();
    other.labels.insert("dns.name".into(), "some".into());
    other.labels.insert("dns.wildcard".into(), "true".into());
    goes.run(other);
    let callsign = beside([&stays, &goes], "");
    let impatient = beside([&stays, &goes], "stale 1s");
    for callsign in [&callsign, &impatient] {
        until(callsign, "here.docker", &["127.0.1.1"]);
        until(callsign, "web.docker", &["127.0.1.2"]);
        until(callsign, "other.docker", &["127.0.1.3"]);
    }
    goes.vanish();
    for (name, rtype) in [
        ("web.docker", "A"),
        ("any.some.docker", "A"),
        ("_mqtt._tcp.other.docker", "SRV"),
        ("3.1.0.127.in-addr.arpa", "PTR"),
    ] {
        let reply = ask_until(callsign.address(), name, rtype, |reply| {
            reply.answer.iter().all(|it| it.contains(" 5 IN ")) && !reply.answer.is_empty()
        });
        assert_eq!(reply.rcode, 0, "{reply:?}");
    }
    let reply = edns(&callsign, "here.docker", "A");
    assert_eq!(reply.answer, ["here.docker. 60 IN A 127.0.1.1"]);
    assert_eq!(reply.extended_errors, [0_u16; 0], "{reply:?}");
    // What it had is nobody's after a second; nobody knows whether it has them still.
    ask_until(impatient.address(), "web.docker", "A", |reply| {
        reply.rcode == SERVFAIL
    });
    let reply = edns(&impatient, "web.docker", "A");
    assert_eq!((reply.rcode, reply.extended_errors), (SERVFAIL, vec![23]));
    let reply = ask(impatient.address(), "here.docker", "A");
    assert_eq!(reply.answer, ["here.docker. 60 IN A 127.0.1.1"]);
    goes.appear();
    until(&impatient, "web.docker", &["127.0.1.2"]);
    until(&callsign, "web.docker", &["127.0.1.2"]);
}
