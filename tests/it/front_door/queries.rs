//! What a client is told, and at which addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use super::WHOAMI;
use crate::support::BOUND;
use crate::support::callsign::Callsign;
use crate::support::dns::{NEVER, Query, Stream, ask, ask_until, receive, udp_socket};

const REFUSED: u16 = 5;

/// If this fails, nothing works.
#[test]
fn both_protocols_and_both_families_are_served() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    for reply in [
        Query::new("Foo.eXample.", "A").udp(server),
        Query::new("Foo.eXample.", "A").tcp(server),
    ] {
        assert_eq!(
            (reply.id, reply.rcode, reply.authoritative),
            (0x1234, 0, true)
        );
        assert_eq!(
            reply.question, "Foo.eXample",
            "the client knows its question by its letters"
        );
        assert!(reply.answer.is_empty() && !reply.has_opt);
        assert_eq!(reply.additional[0], "Foo.eXample. 0 IN A 127.0.0.1");
        assert!(
            reply.additional[1].contains(".Foo.eXample. 0 IN SRV 0 0 "),
            "{reply:?}"
        );
    }
    let v6 = (
        "::1".parse::<Ipv6Addr>().expect("an address"),
        server.port(),
    )
        .into();
    assert_eq!(ask(v6, ".", "AAAA").additional[0], ". 0 IN AAAA ::1");
}

/// If this fails, a query reaches the wrong block, or one that no block serves is answered.
#[test]
fn queries_go_to_the_block_of_their_zone() {
    let callsign = Callsign::start(
        "a.example:{port} b.example:{other} {\n    whoami\n}\nempty.example:{port} {\n}\n",
    );
    let first = callsign.address();
    let second = (first.ip(), callsign.place().other).into();
    assert_eq!(ask(first, "x.a.example.", "A").rcode, 0);
    assert_eq!(ask(second, "b.example.", "A").rcode, 0);
    for (server, name) in [
        (first, "b.example."),
        (second, "a.example."),
        (first, "example."),
        (first, "."),
        (first, "empty.example."),
    ] {
        let reply = ask(server, name, "A");
        assert_eq!(
            (reply.rcode, reply.additional.len()),
            (REFUSED, 0),
            "{name} at {server}"
        );
    }
}

/// If this fails, odd queries cost a client its time or make it believe something wrong.
#[test]
fn odd_queries_get_the_codes_of_the_standards() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let query = || Query::new("example.", "A");
    let badvers = query().edns(4096, 1).udp(server);
    assert_eq!((badvers.rcode, badvers.has_opt), (16, true));
    assert_eq!(query().class(3).udp(server).rcode, REFUSED);
    assert_eq!(
        query().flags([0x28, 0]).udp(server).rcode,
        4,
        "UPDATE is not implemented"
    );
    for message in [
        &[0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &query().bytes()[..15],
    ] {
        let socket = udp_socket(server);
        socket.send(message).expect("a datagram");
        let reply = receive(&socket).expect("a reply");
        assert_eq!(
            (reply[3] & 0xf, reply.len()),
            (1, 12),
            "FORMERR, and no more than a header"
        );
    }
}

/// If this fails, a forged packet makes two servers answer each other for ever.
#[test]
fn replies_are_not_answered() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let reply = Query::new("example.", "A").flags([0x81, 0]);
    assert!(reply.udp_within(server, NEVER).is_none());
    let mut stream = Stream::connect(server);
    stream.send(&reply);
    stream.send_bytes(b"scrap");
    stream.send(&Query::new("example.", "A").id(7));
    assert_eq!(stream.receive().id, 7);
}

/// If this fails, a client that asks several things at once over one connection waits for ever or
/// gets replies twice.
#[test]
fn one_connection_takes_many_queries() {
    let callsign = Callsign::start(WHOAMI);
    let mut stream = Stream::connect(callsign.address());
    let mut bytes = Vec::new();
    for id in 0..500 {
        let message = Query::new("example.", "A").id(id).bytes();
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    // In pieces that do not end where messages do.
    for piece in bytes.chunks(777) {
        stream.write(piece);
    }
    stream.finish();
    let mut ids: Vec<u16> = (0..500).map(|_| stream.receive().id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<u16>>());
    assert_eq!(stream.closed(), 0, "the server closes after the last reply");
}

/// If this fails, whoever opens connections and says nothing takes them from everybody else.
#[test]
fn silent_connections_are_closed() {
    let callsign = Callsign::start(WHOAMI);
    let mut silent = Stream::connect(callsign.address());
    let mut slow = Stream::connect(callsign.address());
    slow.write(&[0, 200, 1, 2, 3]);
    assert_eq!((silent.closed(), slow.closed()), (0, 0));
}

/// If this fails, one client can take all connections.
#[test]
fn one_peer_has_a_bounded_number_of_connections() {
    let callsign = Callsign::start(WHOAMI);
    let query = Query::new("example.", "A");
    let mut streams: Vec<Stream> = (0..250)
        .map(|_| {
            let mut stream = Stream::connect(callsign.address());
            // Who has asked something may be silent for longer.
            stream.send(&query);
            stream.receive();
            stream
        })
        .collect();
    let mut last = Stream::connect(callsign.address());
    // It may be closed before this is sent.
    let _ = last.try_send(&query);
    assert_eq!(last.closed(), 0);
    let first = &mut streams[0];
    first.send(&query);
    assert_eq!(first.receive().rcode, 0);
}

/// If this fails, a flood of rubbish ends the server.
#[test]
fn rubbish_is_survived() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let socket = udp_socket(server);
    let mut seed = 1_u32;
    for length in 0..2000 {
        let mut bytes = Query::new("a.b.example.", "A").edns(1232, 0).bytes();
        bytes.truncate(length % (bytes.len() + 1));
        for byte in &mut bytes {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 28 == 0 {
                *byte = (seed >> 16) as u8;
            }
        }
        socket.send(&bytes).expect("a datagram");
    }
    socket.send(&vec![0; 60_000]).expect("a large datagram");
    // As long as the rubbish fills the queue of the socket, the kernel drops what else comes.
    let end = Instant::now() + BOUND;
    let query = Query::new("example.", "A");
    while query.udp_within(server, BOUND / 20).is_none() {
        assert!(Instant::now() < end, "no reply after the rubbish");
    }
    assert!(!callsign.said().contains("panic"), "{}", callsign.said());
}

/// If this fails, a client gets a part of a long answer and takes it for all of it.
#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    let addresses: Vec<String> = (1..=60).map(|number| format!("192.0.2.{number}")).collect();
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\n    identity worker {{\n        pattern worker{{{{.ID}}}}.tf.internal.\n        \
         limit 9\n        store local {{folder}}/names\n        address {}\n    }}\n}}\n",
        addresses.join(" ")
    ));
    let server = callsign.address();
    let name = "worker1.tf.internal.";
    let cut = ask_until(server, name, "A", |reply| reply.rcode == 0);
    assert!(
        cut.truncated && cut.length <= 512 && cut.answer.len() < 60,
        "{cut:?}"
    );
    let whole = Query::new(name, "A").tcp(server);
    assert!(!whole.truncated);
    assert_eq!(whole.answer.len(), 60);
    let large = Query::new(name, "A").edns(1232, 0).udp(server);
    assert_eq!((large.truncated, large.answer.len()), (false, 60));
    let missing = ask(server, "worker2.tf.internal.", "A");
    assert_eq!((missing.rcode, missing.authority.len()), (3, 1));
}

/// If this fails, a Corefile for one address is served on others, or not there.
#[test]
fn bind_is_obeyed() {
    let callsign = Callsign::start(
        ".:{port} {\n    bind 127.0.0.2 127.0.0.3 {\n        except 127.0.0.3\n    }\n    whoami\n}\n\
         example.:{port} {\n    bind lo\n    whoami\n}\n",
    );
    let at = |address: &str| {
        (
            address.parse::<IpAddr>().expect("an address"),
            callsign.place().port,
        )
            .into()
    };
    assert_eq!(ask(at("127.0.0.2"), ".", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.1"), "example.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.1"), ".", "A").rcode, REFUSED);
    assert!(
        Query::new(".", "A")
            .udp_within(at("127.0.0.3"), NEVER)
            .is_none()
    );
    let banner = callsign.said();
    let port = callsign.place().port;
    assert!(
        banner.contains(&format!(".:{port} on 127.0.0.2\n")),
        "{banner}"
    );
}

/// If this fails, a block for all addresses and one for a single address cannot stand in one
/// Corefile, as they can in CoreDNS.
#[test]
fn a_single_address_may_be_served_beside_all_of_them() {
    let callsign = Callsign::start(
        ".:{port} {\n    whoami\n}\nexample.:{port} {\n    bind 127.0.0.2\n    whoami\n}\n",
    );
    let at = |address: &str| {
        (
            address.parse::<IpAddr>().expect("an address"),
            callsign.place().port,
        )
            .into()
    };
    assert_eq!(ask(at("127.0.0.1"), "org.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.2"), "example.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.2"), "org.", "A").rcode, REFUSED);
    assert_eq!(Query::new("example.", "A").tcp(at("127.0.0.2")).rcode, 0);
}
