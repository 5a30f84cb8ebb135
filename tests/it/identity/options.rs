//! What the options of a pool change, as others see it.

use super::*;

/// If this fails, a claim outlives its node for another time than was asked for, or answers are
/// remembered for another time.
#[test]
fn lease_and_answers_live_as_long_as_was_asked_for() {
    let etcd = Etcd::start();
    let (callsign, _) = node(&pool(&etcd, "ttl 33s\nanswer_ttl 77s\naddress 10.0.0.1"));
    let keys = etcd.control(&["get", &slot_key(1), "--write-out", "fields"]);
    let lease = keys
        .split("\"Lease\" : ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let lease: i64 = lease.and_then(|lease| lease.parse().ok()).expect("a lease");
    let granted = etcd.control(&["lease", "timetolive", &format!("{lease:x}")]);
    assert!(granted.contains("granted with TTL(33s)"), "{granted}");
    for (name, rtype) in [
        ("worker1.tf.local.", "A"),
        ("worker.tf.local.", "A"),
        ("worker1.tf.local.", "TXT"),
        ("1.0.0.10.in-addr.arpa.", "PTR"),
    ] {
        let answer = ask(callsign.address(), name, rtype).answer;
        assert!(answer[0].contains(" 77 IN "), "{answer:?}");
    }
    // Without a word the lease is idetcd's, and answers are short-lived.
    let (second, _) = node(&pool(&etcd, "address 10.0.0.2"));
    let answer = ask(second.address(), "worker2.tf.local.", "A").answer;
    assert_eq!(answer, ["worker2.tf.local. 5 IN A 10.0.0.2"]);
    let leases = etcd.control(&["lease", "list"]);
    let granted: Vec<String> = leases
        .lines()
        .skip(1)
        .map(|lease| etcd.control(&["lease", "timetolive", lease]))
        .collect();
    assert!(
        granted.iter().any(|it| it.contains("TTL(20s)")),
        "{granted:?}"
    );
}

/// If this fails, the record does not say who the node is.
#[test]
fn a_node_has_the_key_that_was_configured() {
    let etcd = Etcd::start();
    let (_callsign, _) = node(&pool(&etcd, "node rack7-blade3\nmeta gpu \"8 x A100\""));
    let record = record(&etcd, &slot_key(1));
    assert_eq!(record["node"], "rack7-blade3");
    assert_eq!(record["meta"]["gpu"], "8 x A100");
}

/// If this fails, two nodes that were given one key, as from one image, fight for one name.
#[test]
fn a_key_that_two_nodes_have_blocks_nobody() {
    let etcd = Etcd::start();
    // The second waits for two leases, in case that the first is itself before a crash.
    let (_first, first) = node(&pool(&etcd, "node same\nttl 6s"));
    let (second, name) = node(&pool(&etcd, "node same\nttl 6s"));
    assert_eq!(
        (first.as_str(), name.as_str()),
        ("worker1.tf.local.", "worker2.tf.local.")
    );
    second.says("worker1.tf.local. has this node's key");
}

/// If this fails, a node publishes addresses that others cannot use, or hides the one that they
/// need.
#[test]
fn the_addresses_are_those_that_were_selected() {
    let etcd = Etcd::start();
    for (slot, (selection, v4, v6)) in (1..).zip([
        (
            "192.0.2.7 2001:db8::7",
            vec!["192.0.2.7"],
            vec!["2001:db8::7"],
        ),
        ("127.0.0.0/8", vec!["127.0.0.1"], vec![]),
        ("lo", vec!["127.0.0.1"], vec!["::1"]),
        (
            "10.99.98.97 127.0.0.0/8",
            vec!["10.99.98.97", "127.0.0.1"],
            vec![],
        ),
    ]) {
        let (callsign, _) = node(&pool(&etcd, &format!("address {selection}\nsticky 1h")));
        let name = format!("worker{slot}.tf.local.");
        resolves(callsign.address(), &name, "A", &v4);
        resolves(callsign.address(), &name, "AAAA", &v6);
        let only_loopback = v4 == ["127.0.0.1"];
        if only_loopback {
            callsign.says("only loopback addresses are published");
        }
        assert_eq!(callsign.said().contains("loopback"), only_loopback);
    }
}

/// If this fails, a name that the pool does not have never reaches who has it.
#[test]
fn a_miss_falls_through_where_that_was_asked_for() {
    let etcd = Etcd::start();
    let (everywhere, _) = node(&pool_beside(&etcd, "fallthrough", "whoami"));
    let (elsewhere, _) = node(&pool_beside(&etcd, "fallthrough example.org", "whoami"));
    let (nobody, _) = node(&pool(&etcd, "fallthrough"));
    let miss = |callsign: &Callsign| {
        let reply = ask(callsign.address(), "worker9.tf.local.", "A");
        (reply.rcode, reply.additional.len())
    };
    assert_eq!(miss(&everywhere), (0, 2));
    assert_eq!(miss(&elsewhere), (NXDOMAIN, 0));
    assert_eq!(miss(&nobody), (NXDOMAIN, 0));
    assert_eq!(
        ask(everywhere.address(), "worker1.tf.local.", "MX").rcode,
        0
    );
}

/// If this fails, a number with zeros in front, or the pool's name in the pattern, gives names
/// that are not found.
#[test]
fn patterns_may_be_formatted() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "address 10.0.0.1").replace(
        "worker{{.ID}}.tf.local.",
        "\"{{.Pool}}-{{printf `%03d` .ID}}.Rack.TF.internal\"",
    );
    let (callsign, name) = node(&corefile);
    assert_eq!(name, "worker-001.rack.tf.internal.");
    let server = callsign.address();
    resolves(server, "worker-001.rack.tf.internal.", "A", &["10.0.0.1"]);
    resolves(server, "WORKER-001.rack.tf.INTERNAL.", "A", &["10.0.0.1"]);
    assert_eq!(
        ask(server, "worker-1.rack.tf.internal.", "A").rcode,
        NXDOMAIN
    );
}

/// If this fails, a machine that should only answer takes a name from the nodes, or cannot be
/// given one later.
#[test]
fn a_node_can_answer_without_a_name_of_its_own() {
    let etcd = Etcd::start();
    let (_member, _) = node(&pool(&etcd, "address 10.0.0.1"));
    let watcher = Callsign::start(&pool(&etcd, "claim off\naddress 10.0.0.2"));
    let server = watcher.address();
    resolves(server, "worker.tf.local.", "A", &["10.0.0.1"]);
    assert_eq!(value(&etcd, &slot_key(2)), "");
    for (setting, expected) in [("on", vec!["10.0.0.2"]), ("off", vec![])] {
        watcher.rewrite(&pool(&etcd, &format!("claim {setting}\naddress 10.0.0.2")));
        watcher.signal(nix::sys::signal::Signal::SIGHUP);
        resolves(server, "worker2.tf.local.", "A", &expected);
    }
    watcher.says("worker2.tf.local. is released");
    resolves(server, "worker1.tf.local.", "A", &["10.0.0.1"]);
}
