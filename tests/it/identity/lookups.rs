//! What can be asked of a pool.

use std::net::SocketAddr;

use super::*;

/// Two nodes of one pool that share an address, as processes of one machine do.
fn two_nodes(etcd: &Etcd) -> [Callsign; 2] {
    let (first, name) = node(&pool_beside(
        etcd,
        "address 10.0.0.1 fd00::1 10.0.0.9\nport tf 2222\nport log 514/udp\nmeta zone eu-1",
        "whoami",
    ));
    assert_eq!(name, "worker1.tf.local.");
    let (second, name) = node(&pool(etcd, "address 10.0.0.2 10.0.0.9\nport tf 2223"));
    assert_eq!(name, "worker2.tf.local.");
    for server in [first.address(), second.address()] {
        resolves(server, &name, "A", &["10.0.0.2", "10.0.0.9"]);
    }
    [first, second]
}

/// If this fails, a node does not find another by its name, or finds where it is not.
#[test]
fn every_node_answers_for_every_member() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    for server in nodes.iter().map(Callsign::address) {
        let expect = |name: &str, rtype: &str, expected: &[&str]| {
            assert_eq!(
                data(server, name, rtype),
                expected,
                "{name} {rtype} at {server}"
            );
        };
        expect("worker1.tf.local.", "A", &["10.0.0.1", "10.0.0.9"]);
        expect("worker1.tf.local.", "AAAA", &["fd00::1"]);
        expect("worker2.tf.local.", "A", &["10.0.0.2", "10.0.0.9"]);
        expect(
            "worker.tf.local.",
            "A",
            &["10.0.0.1", "10.0.0.2", "10.0.0.9"],
        );
        expect("worker.tf.local.", "AAAA", &["fd00::1"]);
        let text = data(server, "worker1.tf.local.", "TXT");
        assert_eq!(text.len(), 3, "{text:?}");
        assert!(text[0].starts_with("\"epoch="), "{text:?}");
        assert_eq!(text[1..], ["\"slot=1\"", "\"zone=eu-1\""]);
    }
}

/// If this fails, a client that looks for a service gets the wrong port, or needs a second query
/// for the addresses.
#[test]
fn services_are_found_with_their_addresses() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    let server = nodes[1].address();
    let first = "0 0 2222 worker1.tf.local.";
    let second = "0 0 2223 worker2.tf.local.";
    let log = "0 0 514 worker1.tf.local.";
    for (name, expected) in [
        ("_tf._tcp.worker.tf.local.", vec![first, second]),
        ("_tf._tcp.worker1.tf.local.", vec![first]),
        ("_tf._tcp.worker2.tf.local.", vec![second]),
        ("_log._udp.worker.tf.local.", vec![log]),
        ("_log._udp.worker1.tf.local.", vec![log]),
        ("worker2.tf.local.", vec![second]),
        ("worker1.tf.local.", vec![first, log]),
        ("worker.tf.local.", vec![first, second, log]),
    ] {
        let reply = with_edns(server, name, "SRV");
        assert_eq!(data_of(&reply.answer, "SRV"), expected, "{name}");
        let addresses = data_of(&reply.additional, "A");
        for (target, address) in [("worker1", "10.0.0.1"), ("worker2", "10.0.0.2")] {
            let wanted = expected.iter().any(|service| service.contains(target));
            let given = addresses.iter().any(|it| it == address);
            assert_eq!(given, wanted, "{name}: {:?}", reply.additional);
        }
    }
    for name in ["_tf._udp.worker.tf.local.", "_log._udp.worker2.tf.local."] {
        assert_eq!(ask(server, name, "SRV").rcode, NXDOMAIN, "{name}");
    }
}

/// If this fails, the log of another program shows the wrong name for an address, or none.
#[test]
fn addresses_lead_back_to_every_name() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    for server in nodes.iter().map(Callsign::address) {
        let expect = |name: &str, expected: &[&str]| {
            assert_eq!(data(server, name, "PTR"), expected, "{name}");
        };
        expect("1.0.0.10.in-addr.arpa.", &["worker1.tf.local."]);
        expect("2.0.0.10.in-addr.arpa.", &["worker2.tf.local."]);
        expect(
            "9.0.0.10.in-addr.arpa.",
            &["worker1.tf.local.", "worker2.tf.local."],
        );
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.";
        expect(v6, &["worker1.tf.local."]);
        expect("3.0.0.10.in-addr.arpa.", &[]);
    }
}

/// If this fails, whoever waits for a node to come remembers for long that it is not there, or
/// takes a name that is held for one that is not.
#[test]
fn a_name_that_nobody_holds_is_denied_for_one_second() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    let server = nodes[1].address();
    let soa = |reply: &Reply| {
        let soa = data_of(&reply.authority, "SOA");
        let soa = soa.first().cloned().unwrap_or_default();
        let ttl = reply.authority[0].split(' ').nth(1).map(str::to_owned);
        (soa.rsplit(' ').next().unwrap_or_default().to_owned(), ttl)
    };
    for (name, rtype, rcode) in [
        ("worker3.tf.local.", "A", NXDOMAIN),
        ("worker3.tf.local.", "TXT", NXDOMAIN),
        ("worker77777.tf.local.", "A", NXDOMAIN),
        ("x.worker1.tf.local.", "A", NXDOMAIN),
        ("other.tf.local.", "A", NXDOMAIN),
        ("worker1.tf.local.", "MX", 0),
        ("worker2.tf.local.", "AAAA", 0),
        ("_tcp.worker1.tf.local.", "SRV", 0),
        ("worker.tf.local.", "TXT", 0),
    ] {
        let reply = ask(server, name, rtype);
        let shown = format!("{name} {rtype}: {reply:?}");
        assert_eq!((reply.rcode, reply.authoritative), (rcode, true), "{shown}");
        assert!(reply.answer.is_empty(), "{shown}");
        assert_eq!(
            soa(&reply),
            ("1".to_owned(), Some("1".to_owned())),
            "{shown}"
        );
    }
}

/// If this fails, clients that hide a number in the case of their letters drop our replies.
#[test]
fn letters_come_back_as_they_were_asked() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    for (name, count) in [
        ("WorKeR1.tF.LoCaL", 2),
        ("WORKER.TF.LOCAL", 3),
        ("wORKER3.tf.local", 0),
    ] {
        for reply in [
            Query::new(name, "A").udp(nodes[1].address()),
            Query::new(name, "A").tcp(nodes[1].address()),
        ] {
            assert_eq!(reply.question, name);
            assert_eq!(reply.answer.len(), count, "{reply:?}");
        }
    }
}

/// If this fails, a pool takes names away that other plugins of its block answer for.
#[test]
fn a_pool_answers_only_for_its_own_names() {
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    // The first node has `whoami` behind its pool, which answers with who asks.
    for name in [
        "foo.tf.local.",
        "tf.local.",
        "workers.tf.local.",
        "3.0.0.10.in-addr.arpa.",
    ] {
        let reply = ask(nodes[0].address(), name, "A");
        assert_eq!(
            (reply.rcode, reply.additional.len()),
            (0, 2),
            "{name}: {reply:?}"
        );
    }
    for name in ["worker7.tf.local.", "x.worker.tf.local."] {
        let reply = ask(nodes[0].address(), name, "A");
        assert_eq!(
            (reply.rcode, reply.additional.len()),
            (NXDOMAIN, 0),
            "{name}"
        );
    }
}

/// If this fails, a client takes the second packet for the answer to its next query.
#[test]
fn every_query_gets_exactly_one_packet() {
    use crate::support::dns::{NEVER, receive, udp_socket};
    let etcd = Etcd::start();
    let nodes = two_nodes(&etcd);
    let server: SocketAddr = nodes[0].address();
    let socket = udp_socket(server);
    let names = [
        "worker1.tf.local.",
        "worker3.tf.local.",
        "worker.tf.local.",
        "other.tf.local.",
        "9.0.0.10.in-addr.arpa.",
    ];
    let mut asked = Vec::new();
    for (index, name) in names.iter().enumerate() {
        for (offset, rtype) in ["A", "TXT", "MX", "SRV", "PTR"].iter().enumerate() {
            let id = (index * 10 + offset) as u16;
            let query = Query::new(name, rtype).id(id);
            socket.send(&query.bytes()).expect("a datagram");
            asked.push(id.to_be_bytes());
        }
    }
    let mut answered: Vec<[u8; 2]> = asked
        .iter()
        .map(|_| receive(&socket).expect("a reply"))
        .map(|reply| [reply[0], reply[1]])
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, asked);
    socket.set_read_timeout(Some(NEVER)).expect("a timeout");
    assert!(receive(&socket).is_err(), "nothing comes after that");
}
