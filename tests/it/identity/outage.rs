//! The store is away for a while, or for too long.

use super::reload::reload;
use super::*;

/// Extended errors (RFC 8914 §4).
const STALE_ANSWER: u16 = 3;
const NOT_READY: u16 = 14;
const NETWORK_ERROR: u16 = 23;

/// If this fails, names vanish while etcd restarts, or old answers pass for fresh ones, or stay
/// for ever.
#[test]
fn names_outlive_an_outage_for_a_bounded_time() {
    let mut etcd = Etcd::start();
    let corefile = |stale: &str| {
        // The lease is longer than any outage here.
        let options = format!("address 10.0.0.1\nanswer_ttl 60s\nttl 10m\nstale {stale}");
        pool_beside(&etcd, &options, "whoami")
    };
    let (unbounded, bounded) = (corefile("1h"), corefile("1s"));
    let (callsign, _) = node(&unbounded);
    let (_other, _) = node(&pool(&etcd, "address 10.0.0.2\nttl 10m"));
    let server = callsign.address();
    resolves(server, "worker2.tf.local.", "A", &["10.0.0.2"]);
    let ttl = |reply: &Reply| -> u32 {
        let ttl = reply.answer[0].split(' ').nth(1).expect("a TTL");
        ttl.parse().expect("a number")
    };
    let fresh = with_edns(server, "worker2.tf.local.", "A");
    assert_eq!((ttl(&fresh), fresh.extended_errors.len()), (60, 0));

    etcd.kill();
    eventually("answers say that they are old", || {
        let reply = with_edns(server, "worker2.tf.local.", "A");
        (reply.extended_errors == [STALE_ANSWER]).then_some(())
    });
    for (name, rtype, expected) in [
        ("worker2.tf.local.", "A", vec!["10.0.0.2"]),
        ("worker1.tf.local.", "A", vec!["10.0.0.1"]),
        ("worker.tf.local.", "A", vec!["10.0.0.1", "10.0.0.2"]),
        ("1.0.0.10.in-addr.arpa.", "PTR", vec!["worker1.tf.local."]),
    ] {
        let reply = with_edns(server, name, rtype);
        assert_eq!(data_of(&reply.answer, rtype), expected, "{name}");
        assert_eq!(reply.extended_errors, [STALE_ANSWER], "{name}");
        assert!(ttl(&reply) <= 5, "{reply:?}");
    }
    // Somebody may have claimed it meanwhile.
    let reply = with_edns(server, "worker3.tf.local.", "A");
    assert_eq!(
        (reply.rcode, reply.extended_errors),
        (SERVFAIL, vec![NETWORK_ERROR])
    );

    reload(&callsign, &bounded);
    for (name, rtype) in [
        ("worker1.tf.local.", "A"),
        ("worker.tf.local.", "A"),
        ("worker3.tf.local.", "A"),
        ("1.0.0.10.in-addr.arpa.", "PTR"),
    ] {
        let reply = eventually("old answers come to an end", || {
            let reply = with_edns(server, name, rtype);
            (reply.rcode == SERVFAIL).then_some(reply)
        });
        assert_eq!(reply.extended_errors, [NETWORK_ERROR], "{name}");
    }
    let others = ask(server, "foo.tf.local.", "A");
    assert_eq!(
        (others.rcode, others.additional.len()),
        (0, 2),
        "{others:?}"
    );

    etcd.restart();
    eventually("answers are fresh again", || {
        let reply = with_edns(server, "worker2.tf.local.", "A");
        (reply.rcode == 0 && reply.extended_errors.is_empty()).then_some(())
    });
    let fresh = with_edns(server, "worker1.tf.local.", "A");
    assert_eq!((ttl(&fresh), fresh.extended_errors.len()), (60, 0));
    assert_eq!(ask(server, "worker3.tf.local.", "A").rcode, NXDOMAIN);
    let said = callsign.said();
    assert!(
        !said.contains("is lost"),
        "the lease outlived the outage:\n{said}"
    );
    assert_eq!(
        said.matches("names are answered from memory").count(),
        1,
        "{said}"
    );
}

/// If this fails, a node that starts before etcd denies names that exist, gives up, or fills the
/// log.
#[test]
fn a_node_waits_for_a_store_that_is_not_there_yet() {
    let mut etcd = Etcd::start();
    etcd.kill();
    let callsign = Callsign::start(&pool(&etcd, "address 10.0.0.1"));
    let server = callsign.address();
    for name in ["worker1.tf.local.", "worker.tf.local."] {
        let reply = with_edns(server, name, "A");
        assert_eq!(
            (reply.rcode, reply.extended_errors),
            (SERVFAIL, vec![NOT_READY]),
            "{name}"
        );
    }
    callsign.says("etcd");
    etcd.restart();
    assert_eq!(held(&callsign), "worker1.tf.local.");
    resolves(server, "worker1.tf.local.", "A", &["10.0.0.1"]);
    let said = callsign.said();
    assert!(
        said.matches("WARN").count() <= 4,
        "said once, not per attempt:\n{said}"
    );
}

/// If this fails, a node comes out of an outage that was longer than its lease without its name,
/// or with a log that says nonsense.
#[test]
fn a_name_that_was_lost_in_an_outage_is_claimed_again() {
    let mut etcd = Etcd::start();
    let (callsign, _) = node(&pool(&etcd, "address 10.0.0.1\nttl 3s\nstale 1h"));
    etcd.kill();
    callsign.says("the lease of worker1.tf.local. is not being renewed");
    callsign.says("worker1.tf.local. is lost: the store could not be reached");
    let reply = with_edns(callsign.address(), "worker1.tf.local.", "A");
    assert_eq!(data_of(&reply.answer, "A"), ["10.0.0.1"]);
    etcd.restart();
    let said = callsign.output_has("this node is worker1.tf.local. (epoch", 2);
    assert!(!said.contains("of  is"), "a line without a name:\n{said}");
    assert!(
        !said.contains("os error"),
        "a number that means nothing:\n{said}"
    );
}

/// If this fails, a node whose etcd lost everything goes on with a name that another may take.
#[test]
fn a_node_claims_again_in_an_etcd_that_came_back_empty() {
    let mut etcd = Etcd::start();
    let (callsign, _) = node(&pool(&etcd, "address 10.0.0.1"));
    etcd.restart_empty();
    callsign.output_has("this node is worker1.tf.local. (epoch", 2);
    resolves(callsign.address(), "worker1.tf.local.", "A", &["10.0.0.1"]);
    assert_eq!(record(&etcd, &slot_key(1))["ipv4"], "10.0.0.1");
}
