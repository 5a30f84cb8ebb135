//! A node that ends.

use nix::sys::signal::Signal;

use super::*;

/// A lease that does not end within any test: what is free before was given back.
const LONG: &str = "ttl 10m";

/// If this fails, clients are sent to a node that was stopped, for as long as its lease lasts.
#[test]
fn a_stopped_node_is_gone_at_once() {
    let etcd = Etcd::start();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (watcher, _) = node(&pool(&etcd, "address 10.0.0.1"));
        let (mut leaver, name) = node(&pool(&etcd, &format!("address 10.0.0.2\n{LONG}")));
        resolves(watcher.address(), &name, "A", &["10.0.0.2"]);
        let start = Instant::now();
        leaver.signal(signal);
        resolves(watcher.address(), &name, "A", &[]);
        let gone = start.elapsed();
        println!("{signal}: gone from the other node's answers after {gone:?}");
        assert_eq!(ask(watcher.address(), &name, "A").rcode, NXDOMAIN);
        assert!(leaver.ended().success());
        let said = leaver.says("is released");
        assert!(!said.contains("WARN pool"), "{said}");
    }
}

/// If this fails, a name that is given back is lost to the node that comes back for it.
#[test]
fn a_node_that_was_stopped_gets_its_name_back() {
    let etcd = Etcd::start();
    let (mut first, _) = node(&pool(&etcd, ""));
    let (mut second, name) = node(&pool(&etcd, ""));
    assert_eq!(name, "worker2.tf.local.");
    for slot in [1, 2] {
        waits_for_its_node(&etcd, slot);
    }
    for callsign in [&mut first, &mut second] {
        callsign.signal(Signal::SIGTERM);
        assert!(callsign.ended().success());
    }
    // The first is away and its slot waits for it, so others take the ones behind.
    let (_third, name) = node(&pool(&etcd, ""));
    assert_eq!(name, "worker3.tf.local.");
    for (callsign, name) in [
        (&mut second, "worker2.tf.local."),
        (&mut first, "worker1.tf.local."),
    ] {
        callsign.restart(&[]);
        assert_eq!(held(callsign), name);
    }
}

/// If this fails, a process that crashed is without its name until its lease is over.
#[test]
fn a_killed_node_has_its_name_back_at_once() {
    let etcd = Etcd::start();
    let (_first, _) = node(&pool(&etcd, LONG));
    let (mut second, _) = node(&pool(&etcd, LONG));
    let epoch = epoch(&second);
    second.signal(Signal::SIGKILL);
    second.ended();
    let start = Instant::now();
    second.restart(&[]);
    assert_eq!(held(&second), "worker2.tf.local.");
    println!("back after {:?}", start.elapsed());
    assert!(
        self::epoch(&second) > epoch,
        "a later owner has a larger epoch"
    );
}

/// The epoch that a node has logged last.
pub(super) fn epoch(callsign: &Callsign) -> u64 {
    let said = callsign.says("(epoch ");
    let (_, epoch) = said.rsplit_once("(epoch ").expect("it was said");
    let (epoch, _) = epoch.split_once(')').expect("a bracket");
    epoch.parse().expect("a number")
}

/// If this fails, a second interrupt does not end a node that cannot reach its store.
#[test]
fn stopping_is_bounded_while_the_store_is_away() {
    let mut etcd = Etcd::start();
    let (mut callsign, _) = node(&pool(&etcd, ""));
    etcd.kill();
    callsign.says("names are answered from memory");
    let start = Instant::now();
    callsign.signal(Signal::SIGTERM);
    assert!(callsign.ended().success());
    println!("stopped without its store after {:?}", start.elapsed());
}
