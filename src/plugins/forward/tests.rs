//! What a Corefile may say of `forward`, and where queries go.

use answer::{LookupName, Message, Name, Rcode, RecordType, Request};

use super::{Passing, Scope};
use crate::plugins::harness::Server;

fn mistakes(directive: &str) -> String {
    Server::mistakes(directive)
}

/// If this fails, a Corefile that works with CoreDNS is refused.
#[test]
fn every_option_of_coredns_is_accepted() {
    let all = "forward . 198.51.100.1 198.51.100.2:1053 tls://198.51.100.3%dns.example https://dns.example {
        except a.example 10.0.0.0/8
        except b.example
        force_tcp
        expire 20s
        max_age 1m
        max_idle_conns 4
        read_timeout 1s
        max_fails 3
        max_connect_attempts 2
        max_concurrent 1000
        policy sequential
        health_check 1s no_rec domain example.org
        failfast_all_unhealthy_upstreams
        failover SERVFAIL REFUSED
        next NXDOMAIN
        next_on_nodata
        tls_servername dns.example
        doh_method GET
        source_address 198.51.100.9
        resolver 198.51.100.10 [2001:db8::1]:53
    }";
    assert_eq!(mistakes(all), "");
    assert_eq!(mistakes("forward . 198.51.100.1 {\nprefer_udp\n}"), "");
    assert_eq!(
        mistakes("forward . 198.51.100.1\nforward a 198.51.100.2"),
        ""
    );
}

/// If this fails, a mistake in a Corefile is found out by clients instead of its author.
#[test]
fn mistakes_are_shown_where_they_are() {
    for (directive, shown) in [
        ("forward", "syntax: forward FROM TO..."),
        ("forward .", "syntax: forward FROM TO..."),
        (
            "forward . quic://198.51.100.1",
            "upstreams over quic:// are not available",
        ),
        (
            "forward . grpc://198.51.100.1",
            "upstreams over grpc:// are not available",
        ),
        ("forward . tsl://198.51.100.1", "did you mean `tls://`?"),
        (
            "forward . 192.0.2.300",
            "neither an address nor a host name",
        ),
        ("forward a..b 198.51.100.1", "is not a zone"),
        (
            "forward . 198.51.100.1 {\npolice random\n}",
            "did you mean `policy`?",
        ),
        (
            "forward . 198.51.100.1 {\npolicy randm\n}",
            "did you mean `random`?",
        ),
        (
            "forward . 198.51.100.1 {\nexpire 10\n}",
            "a duration needs a unit",
        ),
        (
            "forward . 198.51.100.1 {\nexpire 1s\nexpire 2s\n}",
            "given twice",
        ),
        (
            "forward . 198.51.100.1 {\nnext NXDOMIAN\n}",
            "did you mean `NXDOMAIN`?",
        ),
        (
            "forward . 198.51.100.1 {\nhealth_check 1s domain\n}",
            "expected a name after this",
        ),
        (
            "forward . 198.51.100.1 {\nforce_tcp\nprefer_udp\n}",
            "exclude each other",
        ),
        (
            "forward . 198.51.100.1 {\nsource_address eth0\n}",
            "is no IP address",
        ),
        (
            "forward . 198.51.100.1 {\ntls_servername a_b!\n}",
            "is no name for a server",
        ),
        ("forward . 198.51.100.1 {\nforce_tcp { }\n}", ""),
    ] {
        let found = mistakes(directive);
        assert!(
            found.contains("error") && found.contains(shown),
            "{directive}:\n{found}"
        );
    }
    let many = "198.51.100.1 ".repeat(16);
    assert!(mistakes(&format!("forward . {many}")).contains("more than 15"));
    let two = mistakes("forward . 192.0.2.300 {\npolice random\n}");
    assert_eq!(two.matches("error").count(), 2, "{two}");
}

/// If this fails, a server in a container of Docker does not start: the engine's resolver is all
/// that its resolv.conf names.
#[test]
fn the_resolver_of_docker_is_another_server() {
    assert_eq!(mistakes("forward . 127.0.0.11"), "");
    assert_eq!(mistakes("bind 0.0.0.0\nforward . 127.0.0.11"), "");
    let bound = mistakes("bind 127.0.0.11\nforward . 127.0.0.11");
    assert!(bound.contains("is this server itself"), "{bound}");
}

/// If this fails, a query goes round between this server and itself until everything is busy.
#[test]
fn this_server_is_not_its_own_upstream() {
    let found = mistakes("forward . 127.0.0.1");
    assert!(
        found.contains("no upstream is left to forward to"),
        "{found}"
    );
    assert!(found.contains("is this server itself"), "{found}");
    assert_eq!(
        mistakes("forward . 127.0.0.1 198.51.100.1"),
        "",
        "a warning"
    );
    assert_eq!(mistakes("forward . 127.0.0.1:1053"), "", "another port");
    assert_eq!(
        mistakes("bind 127.0.0.1\nforward . 127.0.0.2"),
        "",
        "not served"
    );
    assert!(mistakes("bind 127.0.0.1\nforward . 127.0.0.1").contains("error"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\nsearch example\n").unwrap();
    let found = mistakes(&format!("forward . {}", file.display()));
    assert!(
        found.contains("no upstream is left to forward to"),
        "{found}"
    );
    std::fs::write(&file, "nameserver 127.0.0.1\nnameserver 198.51.100.1\n").unwrap();
    assert_eq!(mistakes(&format!("forward . {}", file.display())), "");
    std::fs::write(&file, "# none\n").unwrap();
    assert!(mistakes(&format!("forward . {}", file.display())).contains("no `nameserver` line"));
    assert!(mistakes("forward . /nowhere/resolv.conf").contains("cannot read"));
}

fn scope(from: &[&str], except: &[&str]) -> Scope {
    let names = |texts: &[&str]| texts.iter().map(|it| Name::parse(it).unwrap()).collect();
    Scope {
        from: names(from),
        except: names(except),
    }
}

fn name(text: &str) -> LookupName {
    LookupName::from(&Name::parse(text).unwrap())
}

/// If this fails, names of an inner zone are asked of strangers.
#[test]
fn names_are_for_a_forward_or_not() {
    let scope = scope(&["example."], &["inner.example."]);
    for (text, expected) in [
        ("example.", true),
        ("a.example.", true),
        ("inner.example.", false),
        ("a.inner.example.", false),
        ("notinner.example.", true),
        ("other.", false),
    ] {
        assert_eq!(scope.has(&name(text)), expected, "{text}");
    }
}

/// If this fails, a reply that is to be passed over reaches the client, or one is thrown away
/// though nobody else can be asked.
#[test]
fn replies_are_passed_over_only_for_somebody_else() {
    let passing = |later| Passing {
        codes: vec![Rcode::NXDOMAIN],
        no_data: true,
        later,
    };
    let request = Request::new(b"\x01a\x07example\0", RecordType::A);
    let (missing, empty) = (
        Message::empty(&request, Rcode::NXDOMAIN),
        Message::empty(&request, Rcode::NOERROR),
    );
    let name = name("a.example.");
    let others = passing(vec![scope(&["."], &[])]);
    assert!(others.applies(&missing, &name) && others.applies(&empty, &name));
    assert!(!others.applies(&Message::empty(&request, Rcode::REFUSED), &name));
    assert!(!passing(Vec::new()).applies(&missing, &name));
    assert!(!passing(vec![scope(&["other."], &[])]).applies(&missing, &name));
}
