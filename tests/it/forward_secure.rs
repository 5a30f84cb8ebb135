//! Forwarding over TLS and HTTPS, and to upstreams that are known by name.

use hyper::{Method, Version};

use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{Query, Reply, ask};
use crate::support::etcd::make_certificates;
use crate::support::https::HttpsUpstream;
use crate::support::upstream::{Act, Asked, Over, Upstream};

/// A place with certificates in it.
fn place() -> Place {
    let place = Place::new();
    make_certificates(place.path());
    place
}

/// A server there that forwards everything to this.
fn forwarding(place: Place, to: &str, options: &str) -> Callsign {
    let text = format!(".:{{port}} {{\nforward . {to} {{\n{options}\n}}\n}}\n");
    place.write("Corefile", &text);
    Callsign::start_in(place, &[])
}

fn address(reply: &Reply) -> &str {
    assert_eq!(reply.answer.len(), 1, "{reply:?}");
    reply.answer[0].rsplit(' ').next().expect("an address")
}

/// If this fails, queries over TLS are not answered, or read by whoever can get between.
#[test]
fn over_tls() {
    let place = place();
    let manner = |asked: &Asked| match asked.name.as_str() {
        "held.example" => vec![Act::Hold(asked.answer(1))],
        _ => vec![Act::Send(asked.answer(2))],
    };
    let upstream = Upstream::secure(place.path(), manner);
    let to = format!("tls://{}", upstream.address);
    let callsign = forwarding(place, &to, "tls {folder}/ca.pem\nread_timeout 5s");
    let server = callsign.address();
    let held = std::thread::spawn(move || ask(server, "held.example", "A"));
    upstream.asked_times("held.example", 1);
    assert_eq!(address(&ask(server, "other.example", "A")), "192.0.2.2");
    assert_eq!(address(&held.join().expect("a reply")), "192.0.2.1");
    assert_eq!(upstream.connections(), 1);
    assert!(
        upstream
            .asked("other.example")
            .iter()
            .all(|it| it.over == Over::Tcp)
    );

    let other = self::place();
    let callsign = forwarding(other, &to, "tls {folder}/ca.pem");
    let reply = Query::new("a.example", "A")
        .edns(1232, 0)
        .udp(callsign.address());
    assert_eq!((reply.rcode, &*reply.extended_errors), (2, &[23][..]));
    callsign.says("invalid peer certificate");
    let other = self::place();
    let upstream = Upstream::secure(other.path(), manner);
    let to = format!("tls://127.0.0.1%dns.example:{}", upstream.address.port());
    let callsign = forwarding(other, &to, "tls {folder}/ca.pem");
    assert_eq!(ask(callsign.address(), "a.example", "A").rcode, 2);
    callsign.says("invalid peer certificate");
}

/// If this fails, a wrong path to a certificate is found out by clients.
#[test]
fn certificates_that_cannot_be_read_are_named() {
    let place = Place::new();
    let text = ".:{port} {\nforward . tls://127.0.0.1 {\ntls {folder}/none.pem\n}\n}\n";
    place.write("Corefile", text);
    let ended = place.run(&[]);
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.errors.contains("none.pem: no such file"),
        "{}",
        ended.errors
    );
}

/// If this fails, queries over HTTPS are not answered by servers of one version or method.
#[test]
fn over_https() {
    let answer = |asked: &Asked| match asked.name.as_str() {
        "status.example" => (503, Vec::new()),
        "other.example" => {
            let mut reply = asked.answer(66);
            reply[13] = b'#';
            (200, reply)
        }
        _ => (200, asked.answer(1)),
    };
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        for method in [Method::GET, Method::POST] {
            let place = place();
            let upstream = HttpsUpstream::start(place.path(), &[protocol], answer);
            let to = format!("https://{}/q", upstream.address);
            let options = format!("tls {{folder}}/ca.pem\ndoh_method {method}");
            let callsign = forwarding(place, &to, &options);
            for name in ["a.example", "b.example"] {
                let reply = ask(callsign.address(), name, "A");
                assert_eq!(address(&reply), "192.0.2.1", "{protocol} {method}");
            }
            let seen = upstream.seen();
            assert!(
                seen.iter()
                    .all(|it| it.version == version && it.method == method)
            );
            assert!(seen.iter().all(|it| it.path == "/q"), "{seen:?}");
            for name in ["status.example", "other.example"] {
                let query = Query::new(name, "A").edns(1232, 0);
                let reply = query.udp(callsign.address());
                assert_eq!(
                    (reply.rcode, &*reply.extended_errors),
                    (2, &[23][..]),
                    "{name}"
                );
            }
        }
    }
}

/// If this fails, an upstream that is known by name is not found, or not where it is said to be.
#[test]
fn hosts_are_looked_up_by_the_resolvers() {
    let upstream = Upstream::good(1);
    let port = upstream.address.port();
    let resolver = Upstream::start(|asked| match asked.name.as_str() {
        "dns.example" => {
            let mut reply = asked.answer(1);
            let opt = if asked.has_opt() { 11 } else { 0 };
            let at = reply.len() - opt - 4;
            reply[at..at + 4].copy_from_slice(&[127, 0, 0, 1]);
            vec![Act::Send(reply)]
        }
        _ => vec![Act::Send(asked.code(3))],
    });
    let options = format!("resolver {}", resolver.address);
    let callsign = forwarding(Place::new(), &format!("dns.example:{port}"), &options);
    assert_eq!(
        address(&ask(callsign.address(), "a.example", "A")),
        "192.0.2.1"
    );
    let callsign = forwarding(Place::new(), "none.example", &options);
    let reply = Query::new("a.example", "A")
        .edns(1232, 0)
        .udp(callsign.address());
    assert_eq!((reply.rcode, &*reply.extended_errors), (2, &[23][..]));
    // The system's own look-up.
    let callsign = forwarding(Place::new(), &format!("localhost:{port}"), "");
    assert_eq!(
        address(&ask(callsign.address(), "a.example", "A")),
        "192.0.2.1"
    );
}
