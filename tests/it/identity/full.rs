//! More nodes than names.

use nix::sys::signal::Signal;

use super::*;

/// If this fails, a node without a name answers nobody, fills the log, or never takes the name
/// that gets free.
#[test]
fn a_node_without_a_name_serves_and_waits() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "limit 1\nsticky off\naddress 10.0.0.1");
    let (mut first, _) = node(&corefile);
    let second = Callsign::start(&corefile);
    second.says("pool worker: all 1 slots are taken; waiting for one");
    resolves(second.address(), "worker1.tf.local.", "A", &["10.0.0.1"]);
    let epoch = stop::epoch(&first);
    // Somebody else's comings and goings are no reason to say it again.
    etcd.control(&[
        "put",
        "/callsign/v1/worker%d.tf.local./slots/00000009",
        &foreign("10.0.0.9"),
    ]);
    resolves(second.address(), "worker9.tf.local.", "A", &["10.0.0.9"]);
    first.signal(Signal::SIGTERM);
    assert!(first.ended().success());
    assert_eq!(held(&second), "worker1.tf.local.");
    assert!(stop::epoch(&second) > epoch);
    let said = second.said();
    assert_eq!(said.matches("slots are taken").count(), 1, "{said}");
}

fn foreign(address: &str) -> String {
    format!(r#"{{"ipv4":"{address}","ipv6":"","port":"53"}}"#)
}

/// If this fails, a service manager takes a node for well that has no name, though it was told
/// that this matters.
#[test]
fn a_full_pool_ends_only_who_must_have_a_name() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "limit 1");
    let must = ["--require-claim"];
    let mut first = Callsign::start_with(&corefile, &must);
    assert_eq!(held(&first), "worker1.tf.local.");
    let mut second = Callsign::start_with(&corefile, &must);
    assert_eq!(second.ended().code(), Some(1));
    second.says(
        "error: pool worker is full: no name of worker%d.tf.local. is free in etcd http://127.0.0.1",
    );
    first.signal(Signal::SIGTERM);
    assert!(first.ended().success());
}

/// If this fails, a node must be restarted to get the name that was freed by a larger limit.
#[test]
fn a_larger_limit_gives_a_name_to_who_waits() {
    let etcd = Etcd::start();
    let (_first, _) = node(&pool(&etcd, "limit 1"));
    let second = Callsign::start(&pool(&etcd, "limit 1"));
    second.says("slots are taken");
    second.rewrite(&pool(&etcd, "limit 2"));
    second.signal(Signal::SIGHUP);
    assert_eq!(held(&second), "worker2.tf.local.");
}
