//! `etcd`, with a real one: what is written there is answered.

use std::net::SocketAddr;

use crate::support::callsign::Callsign;
use crate::support::dns::{Query, ask, ask_until};
use crate::support::etcd::Etcd;

const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;

/// A Corefile for the zone `skydns.local` with these lines in the directive's block.
fn corefile(etcd: &Etcd, lines: &str) -> String {
    format!(
        "skydns.local:{{port}} {{\nbind 127.0.0.1\netcd {{\nendpoint {}\n{lines}\n}}\n}}\n",
        etcd.url()
    )
}

fn put(etcd: &Etcd, key: &str, value: &str) {
    etcd.control(&["put", &format!("/skydns/local/skydns/{key}"), value]);
}

/// Waits until a name has this address, or none.
fn becomes(server: SocketAddr, name: &str, address: Option<&str>) {
    ask_until(server, name, "A", |reply| match address {
        Some(address) => matches!(&*reply.answer, [one] if one.ends_with(address)),
        None => reply.rcode == NXDOMAIN,
    });
}

/// If this fails, records that are written, changed or deleted in etcd are not seen, or a bad one
/// hides others.
#[test]
fn records_are_followed() {
    let etcd = Etcd::start();
    // More than one page, so that the listing has to be put together.
    for from in (0..1100).step_by(100) {
        let value = r#""{\"host\":\"10.1.0.1\"}""#;
        let put = |number| format!("put /skydns/local/skydns/many/{number} {value}\n");
        let puts: String = (from..from + 100).map(put).collect();
        etcd.control_with(&["txn"], &format!("\n{puts}\n\n"));
    }
    put(&etcd, "a", r#"{"host":"10.0.0.1"}"#);
    let server = Callsign::start(&corefile(&etcd, ""));
    let address = server.address();
    becomes(address, "a.skydns.local", Some("A 10.0.0.1"));
    becomes(address, "1099.many.skydns.local", Some("A 10.1.0.1"));
    becomes(address, "0.many.skydns.local", Some("A 10.1.0.1"));

    put(&etcd, "a", r#"{"host":"10.0.0.2","ttl":7}"#);
    becomes(address, "a.skydns.local", Some("7 IN A 10.0.0.2"));
    put(&etcd, "b/c", r#"{"host":"10.0.0.3"}"#);
    becomes(address, "b.skydns.local", Some("A 10.0.0.3"));
    put(&etcd, "b/bad", "{");
    server.says("etcd: the value of \"/skydns/local/skydns/b/bad\" is skipped");
    becomes(address, "b.skydns.local", Some("A 10.0.0.3"));
    etcd.control(&["del", "/skydns/local/skydns/b/c"]);
    ask_until(address, "b.skydns.local", "A", |it| it.rcode == SERVFAIL);
    etcd.control(&["del", "--prefix", "/skydns/local/skydns/b/"]);
    becomes(address, "b.skydns.local", None);
    let missing = ask(address, "nobody.skydns.local", "A");
    assert!(missing.authoritative && missing.authority[0].contains("SOA ns.dns.skydns.local."));
}

/// If this fails, a record that hangs on a lease is cached for longer than the lease lives, or etcd
/// is asked for the lease again and again.
#[test]
fn leases_are_looked_up_once() {
    let etcd = Etcd::start();
    let granted = etcd.control(&["lease", "grant", "1000"]);
    let lease = granted.split_whitespace().nth(1).expect("a lease");
    let value = r#"{"host":"10.0.0.1"}"#;
    for name in ["a", "b"] {
        let key = format!("/skydns/local/skydns/{name}");
        etcd.control(&["put", "--lease", lease, &key, value]);
    }
    let server = Callsign::start(&corefile(&etcd, "max-lease-ttl 90s"));
    for name in ["a.skydns.local", "b.skydns.local"] {
        becomes(server.address(), name, Some("90 IN A 10.0.0.1"));
    }
    let requests = etcd.requests();
    assert_eq!(requests.get("LeaseTimeToLive"), Some(&1), "{requests:?}");
}

/// If this fails, an outage of etcd is felt in DNS, or is never noticed; or names that come back
/// with it are not seen.
#[test]
fn an_outage_is_bridged_for_a_while() {
    let mut etcd = Etcd::start();
    put(&etcd, "a", r#"{"host":"10.0.0.1"}"#);
    let server = Callsign::start(&corefile(&etcd, "stale 6s"));
    let address = server.address();
    becomes(address, "a.skydns.local", Some("300 IN A 10.0.0.1"));
    etcd.kill();
    becomes(address, "a.skydns.local", Some("5 IN A 10.0.0.1"));
    let query = |name: &str| Query::new(name, "A").edns(1232, 0).udp(address);
    let stale = query("a.skydns.local");
    if stale.rcode == 0 {
        assert_eq!(stale.extended_errors, [3]);
        assert_ne!(query("b.skydns.local").rcode, NXDOMAIN);
    }
    ask_until(address, "a.skydns.local", "A", |it| it.rcode == SERVFAIL);
    etcd.restart();
    becomes(address, "a.skydns.local", Some("300 IN A 10.0.0.1"));
    becomes(address, "b.skydns.local", None);
    assert_eq!(server.said().matches("answered from memory").count(), 1);
    server.says("it is back");
}

/// If this fails, the server does not start while etcd is away, or says that names do not exist
/// which it has never been told of.
#[test]
fn nothing_is_said_before_the_first_listing() {
    let mut etcd = Etcd::start();
    put(&etcd, "a", r#"{"host":"10.0.0.1"}"#);
    etcd.kill();
    let server = Callsign::start(&corefile(&etcd, "fallthrough"));
    let address = server.address();
    let early = Query::new("b.skydns.local", "A").edns(1232, 0).udp(address);
    assert_eq!(
        (early.rcode, &*early.extended_errors),
        (SERVFAIL, &[14][..])
    );
    etcd.restart();
    becomes(address, "a.skydns.local", Some("A 10.0.0.1"));
}

/// If this fails, names of an etcd that was emptied and filled anew live on, or new ones are missed.
#[test]
fn an_emptied_etcd_is_noticed() {
    let mut etcd = Etcd::start();
    for number in 0..5 {
        put(&etcd, &format!("old{number}"), r#"{"host":"10.0.0.1"}"#);
    }
    let server = Callsign::start(&corefile(&etcd, ""));
    let address = server.address();
    becomes(address, "old4.skydns.local", Some("A 10.0.0.1"));
    etcd.restart_empty();
    becomes(address, "old4.skydns.local", None);
    put(&etcd, "new", r#"{"host":"10.0.0.2"}"#);
    becomes(address, "new.skydns.local", Some("A 10.0.0.2"));
}

/// If this fails, an etcd with users is of no use, or a wrong password is not told.
#[test]
fn users_with_the_right_password_read() {
    let etcd = Etcd::start();
    put(&etcd, "a", r#"{"host":"10.0.0.1"}"#);
    for command in [
        "user add root:root",
        "user grant-role root root",
        "user add reader:secret",
        "role add names",
        "role grant-permission names --prefix=true read /skydns/",
        "user grant-role reader names",
        "auth enable",
    ] {
        etcd.control(&command.split(' ').collect::<Vec<_>>());
    }
    let server = Callsign::start(&corefile(&etcd, "credentials reader secret"));
    becomes(server.address(), "a.skydns.local", Some("A 10.0.0.1"));
    etcd.control(&[
        "--user",
        "root:root",
        "put",
        "/skydns/local/skydns/b",
        r#"{"host":"10.0.0.2"}"#,
    ]);
    becomes(server.address(), "b.skydns.local", Some("A 10.0.0.2"));
    let wrong = Callsign::start(&corefile(&etcd, "credentials reader wrong"));
    let said = wrong.says("no record is known yet");
    assert!(!said.contains("wrong"), "{said}");
    assert_eq!(ask(wrong.address(), "a.skydns.local", "A").rcode, SERVFAIL);
}
