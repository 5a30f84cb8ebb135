//! The Corefiles that users copy, asked what their comments say that they answer.
//!
//! Each is started as it is, but for ports and for the servers that it asks.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{Reply, ask, ask_until};
use crate::support::engine::{Container, Dialect, Engine};
use crate::support::etcd::{Etcd, make_certificates};
use crate::support::http::{get, get_until};
use crate::support::ports::Port;
use crate::support::upstream::{Act, Over, Upstream};

const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;

/// What most examples forward to.
const PUBLIC: &str = "9.9.9.9 149.112.112.112";

/// Starts an example with these words of it changed.
fn started(place: Place, name: &str, changes: &[(&str, &str)]) -> Callsign {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut text = fs::read_to_string(examples.join(name)).expect("an example");
    for (from, to) in changes {
        assert!(text.contains(from), "{name}: no {from}");
        text = text.replace(from, to);
    }
    fs::create_dir(place.path().join("zones")).expect("a folder");
    for file in fs::read_dir(examples.join("zones")).expect("zones") {
        let file = file.expect("a zone");
        let copy = place.path().join("zones").join(file.file_name());
        fs::copy(file.path(), copy).expect("a file can be copied");
    }
    place.write("Corefile", &text);
    Callsign::start_in(place, &["-p", "{port}"])
}

/// Starts an example that forwards to this upstream.
fn forwarding(upstream: &Upstream, name: &str, changes: &[(&str, &str)]) -> Callsign {
    let address = upstream.address.to_string();
    let all = [&[(PUBLIC, address.as_str())], changes].concat();
    started(Place::new(), name, &all)
}

/// The data of the records of this type in the answer.
fn data(reply: &Reply, rtype: &str) -> Vec<String> {
    let marker = format!(" IN {rtype} ");
    let data = |record: &String| {
        let data = record.split_once(&marker)?.1;
        Some(data.trim_end_matches('.').to_owned())
    };
    reply.answer.iter().filter_map(data).collect()
}

/// Asks for what must be answered with one record, and with this.
fn has(server: SocketAddr, name: &str, rtype: &str, expected: &str) {
    let reply = ask(server, name, rtype);
    assert_eq!(data(&reply, rtype), [expected], "{name}: {reply:?}");
    assert_eq!(reply.rcode, 0, "{name}");
}

/// The code of a reply.
fn code(server: SocketAddr, name: &str) -> u16 {
    ask(server, name, "A").rcode
}

/// If this fails, who copies the first Corefile for forwarding sends queries to the wrong servers.
#[test]
fn forward() {
    let (public, company) = (Upstream::good(1), Upstream::good(2));
    let company_at = company.address.to_string();
    let to_company = [("10.0.0.53 10.0.1.53", company_at.as_str())];
    let callsign = forwarding(&public, "forward.Corefile", &to_company);
    let server = callsign.address();
    has(server, "www.example.org", "A", "192.0.2.1");
    has(server, "www.corp.example", "A", "192.0.2.2");
    has(server, "public.corp.example", "A", "192.0.2.1");
}

/// If this fails, the resolver that keeps others from reading what is asked does not answer, asks in
/// the clear, or keeps nothing.
#[test]
fn forward_over_tls() {
    let place = Place::new();
    make_certificates(place.path());
    let upstream = Upstream::secure(place.path(), |asked| vec![Act::Send(asked.answer(1))]);
    let to = format!("tls://{}", upstream.address);
    let changes = [
        ("tls://9.9.9.9 tls://149.112.112.112", to.as_str()),
        (
            "tls_servername dns.quad9.net",
            "tls_servername 127.0.0.1\ntls {folder}/ca.pem",
        ),
    ];
    let callsign = started(place, "forward-tls.Corefile", &changes);
    for _ in 0..2 {
        has(callsign.address(), "www.example.org", "A", "192.0.2.1");
    }
    let asked = upstream.asked("www.example.org");
    assert_eq!(asked.len(), 1, "the second time it is kept");
    assert_eq!(asked[0].over, Over::Tcp);
}

/// If this fails, the office sees what is outside, or the world sees what is in the office.
#[test]
fn split_by_view() {
    let upstream = Upstream::good(7);
    let inside = [("10.0.0.0/8", "127.0.0.0/8")];
    let callsign = forwarding(&upstream, "split.Corefile", &inside);
    let server = callsign.address();
    has(server, "www.example.org", "A", "10.0.0.10");
    has(server, "wiki.example.org", "A", "10.0.0.20");
    has(server, "mail.example.org", "A", "192.0.2.3");
    has(server, "www.example.net", "A", "192.0.2.7");
    assert_eq!(code(server, "none.example.org"), NXDOMAIN);

    let callsign = forwarding(&upstream, "split.Corefile", &[]);
    let server = callsign.address();
    has(server, "www.example.org", "A", "192.0.2.10");
    has(server, "mail.example.org", "A", "192.0.2.3");
    assert_eq!(code(server, "wiki.example.org"), NXDOMAIN);
    assert_eq!(code(server, "www.example.net"), REFUSED);
    assert_eq!(upstream.asked("www.example.net").len(), 1);
}

/// If this fails, names of a network that stand in its resolver's Corefile are not found, or asked of
/// strangers.
#[test]
fn static_hosts() {
    let upstream = Upstream::good(7);
    let callsign = forwarding(&upstream, "hosts.Corefile", &[]);
    let server = callsign.address();
    has(server, "printer.home.arpa", "A", "192.168.1.9");
    has(server, "photos.apps.home.arpa", "A", "192.168.1.2");
    has(server, "ads.example.net", "A", "0.0.0.0");
    let printer = "9.1.168.192.in-addr.arpa";
    has(server, printer, "PTR", "printer.home.arpa");
    has(server, "www.example.org", "A", "192.0.2.7");
    for unknown in ["none.home.arpa", "77.1.168.192.in-addr.arpa"] {
        assert_eq!(code(server, unknown), SERVFAIL);
        assert!(upstream.asked(unknown).is_empty());
    }
}

/// If this fails, a zone from a file is not served, or addresses do not lead back.
#[test]
fn zone_files() {
    let callsign = started(Place::new(), "zone-files.Corefile", &[]);
    let server = callsign.address();
    has(server, "www.example.org", "A", "192.0.2.10");
    has(server, "a.dev.example.org", "A", "192.0.2.10");
    has(server, "10.2.0.192.in-addr.arpa", "PTR", "www.example.org");
    assert_eq!(code(server, "none.example.org"), NXDOMAIN);
    assert!(ask(server, "www.example.org", "A").authoritative);
}

/// If this fails, who opens the page of the example sees nothing of its pool.
#[test]
fn page() {
    let port = Port::take();
    let page = format!("localhost:{}", port.number);
    let changes = [
        ("admin localhost:8053", format!("admin {page}")),
        ("store local", "store local {folder}/names".to_owned()),
    ];
    let changes = changes.each_ref().map(|(from, to)| (*from, to.as_str()));
    let callsign = started(Place::new(), "page.Corefile", &changes);
    let server = (std::net::Ipv4Addr::LOCALHOST, port.number).into();
    get_until(server, "/api/v1/pools", |(status, text)| {
        *status == 200 && text.contains("\"name\":\"app1.dev.internal.\"")
    });
    assert!(
        get(server, "/")
            .expect("a page")
            .1
            .contains("<h2 id=\"pools-heading\">")
    );
    ask_until(callsign.address(), "app1.dev.internal", "TXT", |reply| {
        reply.rcode == 0
    });
}

/// If this fails, what is measured is not what anybody can run.
#[test]
fn benchmarks() {
    let has_address = |callsign: &Callsign, name, address| {
        let server = callsign.address();
        ask_until(server, name, "A", |reply| reply.rcode == 0);
        has(server, name, "A", address);
    };
    let zone = started(Place::new(), "benchmark-zone.Corefile", &[]);
    has_address(&zone, "www.example.org", "192.0.2.10");
    let port = Port::take();
    let page = format!("localhost:{}", port.number);
    let anywhere = [("localhost:9153", page.as_str())];
    let plugins = started(Place::new(), "benchmark-plugins.Corefile", &anywhere);
    has_address(&plugins, "www.example.org", "192.0.2.10");
    let hosts = started(Place::new(), "benchmark-hosts.Corefile", &[]);
    has_address(&hosts, "mail.example.org", "192.0.2.3");

    let upstream = Upstream::good(7);
    let address = upstream.address.to_string();
    let to_upstream = [("9.9.9.9", address.as_str())];
    let cache = started(Place::new(), "benchmark-cache.Corefile", &to_upstream);
    for _ in 0..2 {
        has_address(&cache, "www.example.org", "192.0.2.7");
    }
    assert_eq!(upstream.asked("www.example.org").len(), 1);

    let etcd = Etcd::start();
    let to_etcd = [("http://localhost:2379", etcd.url())];
    let pool = started(Place::new(), "benchmark-pool.Corefile", &to_etcd);
    ask_until(pool.address(), "worker1.example.org", "A", |reply| {
        !reply.answer.is_empty()
    });

    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::new("worker1").network("bridge", "172.17.0.2", &[]));
    let endpoint = engine.url();
    let to_engine = [("unix:///var/run/docker.sock", &*endpoint)];
    let docker = started(Place::new(), "benchmark-docker.Corefile", &to_engine);
    has_address(&docker, "worker1.example.org", "172.17.0.2");
}

/// If this fails, what external-dns has written is not found.
#[test]
fn skydns() {
    let etcd = Etcd::start();
    let record = r#"{"host":"10.0.0.1","port":8080}"#;
    etcd.control(&["put", "/skydns/local/skydns/web/a", record]);
    let to_etcd = [("http://localhost:2379", etcd.url())];
    let callsign = started(Place::new(), "skydns.Corefile", &to_etcd);
    let server = callsign.address();
    ask_until(server, "web.skydns.local", "A", |reply| reply.rcode == 0);
    has(server, "web.skydns.local", "A", "10.0.0.1");
    let target = "10 100 8080 a.web.skydns.local";
    has(server, "web.skydns.local", "SRV", target);
    assert_eq!(code(server, "none.skydns.local"), NXDOMAIN);
}

/// If this fails, an address is not found in a name, or whoever still asks for an old name gets
/// records of another one.
#[test]
fn template_and_rewrite() {
    let callsign = started(Place::new(), "tricks.Corefile", &[]);
    let server = callsign.address();
    has(server, "ip-10-0-0-5.example.org", "A", "10.0.0.5");
    let back = "5.0.0.10.in-addr.arpa";
    has(server, back, "PTR", "ip-10-0-0-5.example.org");
    has(server, "x.localdev.example.org", "A", "127.0.0.1");
    for name in ["ip-10-0-0-5.example.org", "x.localdev.example.org"] {
        let nothing = ask(server, name, "AAAA");
        assert_eq!((nothing.rcode, nothing.answer.len()), (0, 0), "{nothing:?}");
        assert!(nothing.authority[0].contains(" SOA "), "{nothing:?}");
    }
    for name in ["old.example.org", "www.legacy.example.org"] {
        let reply = ask(server, name, "A");
        let expected = format!("{name}. 3600 IN A 192.0.2.10");
        assert_eq!(reply.answer, [expected], "{name}");
    }
    has(server, "mail.example.org", "A", "192.0.2.3");
    assert_eq!(code(server, "none.example.org"), NXDOMAIN);
}

/// If this fails, a node's own resolver does not know the other nodes or nothing else, or tells
/// strangers what the cluster asks for.
#[test]
fn nodes_in_front_of_forwarding() {
    let (etcd, upstream) = (Etcd::start(), Upstream::good(7));
    let to_etcd = [("http://localhost:2379", etcd.url())];
    let nodes = [(); 2].map(|()| forwarding(&upstream, "nodes.Corefile", &to_etcd));
    for node in &nodes {
        let server = node.address();
        for name in ["worker1.tf.internal", "worker2.tf.internal"] {
            ask_until(server, name, "TXT", |reply| reply.rcode == 0);
        }
        has(server, "www.example.org", "A", "192.0.2.7");
        for name in ["worker3.tf.internal", "none.tf.internal"] {
            assert_eq!(code(server, name), NXDOMAIN);
            assert!(upstream.asked(name).is_empty());
        }
    }
}

/// If this fails, containers are not found by their names, or are asked of strangers.
#[test]
fn docker() {
    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::new("web").network("bridge", "172.17.0.2", &[]));
    let upstream = Upstream::good(7);
    let endpoint = format!("endpoint {}", engine.url());
    let to_engine = [("# endpoint unix:///var/run/docker.sock", endpoint.as_str())];
    let callsign = forwarding(&upstream, "docker.Corefile", &to_engine);
    let server = callsign.address();
    ask_until(server, "web.docker", "A", |reply| reply.rcode == 0);
    has(server, "web.docker", "A", "172.17.0.2");
    has(server, "web", "A", "172.17.0.2");
    assert_eq!(code(server, "none.docker"), NXDOMAIN);
    assert!(upstream.asked("none.docker").is_empty());
    has(server, "www.example.org", "A", "192.0.2.7");
}

/// If this fails, who copies the example for compose gets other names than its page shows, or its
/// containers ask nobody.
#[test]
fn compose() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compose");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    let (service, page) = (read("compose.yaml"), read("README.md"));
    let setting = |key: &str| {
        let mut lines = service.lines().filter_map(|line| line.strip_prefix("    "));
        let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    assert!(service.contains("\nservices:\n  node:\n"), "{service}");
    let dns: std::net::Ipv4Addr = setting("dns").parse().expect("an address, not a name");
    assert!(page.contains(&format!("`{dns}`")), "{page}");

    let engine = Engine::start(Dialect::DEBIAN);
    for number in 1..=3 {
        let address = format!("172.18.0.{}", number + 1);
        let node = Container::compose("shop", "node", number, &address);
        engine.run(node.hostname(&setting("hostname")));
    }
    let text = format!(
        ".:{{port}} {{\n    docker {{\n        endpoint {}\n    }}\n}}",
        engine.url()
    );
    let callsign = Callsign::start(&text);
    callsign.says("containers: 3");
    let shown: Vec<&str> = page
        .lines()
        .filter_map(|it| it.strip_prefix("    "))
        .collect();
    let asked = |line: &&str| line.starts_with("$ dig ");
    assert_eq!(shown.iter().copied().filter(|line| asked(line)).count(), 5);
    for (number, line) in shown.iter().enumerate().filter(|(_, line)| asked(line)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rtype) = match words.get(3..) {
            Some(["-x", address, _]) => {
                let address: std::net::Ipv4Addr = address.parse().expect("an address");
                let [a, b, c, d] = address.octets();
                (format!("{d}.{c}.{b}.{a}.in-addr.arpa"), "PTR")
            }
            Some([name, _]) => ((*name).to_owned(), "A"),
            _ => panic!("{line}"),
        };
        let expected = shown[number + 1..].iter();
        let expected: Vec<&str> = expected
            .map(|line| line.trim_end_matches('.'))
            .take_while(|line| !line.starts_with(['$', 'd']))
            .collect();
        let mut found = data(&ask(callsign.address(), &name, rtype), rtype);
        found.sort();
        assert_eq!(found, expected, "{line}");
    }
}
