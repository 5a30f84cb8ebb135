//! Slots that wait for their nodes.

use nix::sys::signal::Signal;

use super::*;

fn stop(callsign: &mut Callsign) {
    callsign.signal(Signal::SIGTERM);
    assert!(callsign.ended().success());
}

/// If this fails, a node has another name after a restart because others came and went.
#[test]
fn a_slot_waits_while_others_come_and_go() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "sticky 1h");
    let (mut first, name) = node(&corefile);
    assert_eq!(name, "worker1.tf.local.");
    waits_for_its_node(&etcd, 1);
    stop(&mut first);
    for _ in 0..2 {
        // Each has a state folder, and so a key, of its own.
        let (mut other, name) = node(&pool(&etcd, "sticky off"));
        assert_eq!(name, "worker2.tf.local.", "nothing waits where that is off");
        stop(&mut other);
    }
    first.restart(&[]);
    assert_eq!(held(&first), "worker1.tf.local.");
}

/// If this fails, a slot stays empty for a node that is away while another stands without a name.
#[test]
fn a_reservation_gives_way_in_a_full_pool() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "limit 2\nsticky 1h");
    let (mut first, _) = node(&corefile);
    let (_second, name) = node(&corefile);
    assert_eq!(name, "worker2.tf.local.");
    waits_for_its_node(&etcd, 1);
    stop(&mut first);
    let (mut third, name) = node(&corefile);
    assert_eq!(name, "worker1.tf.local.");
    // Now nothing is free for the first one, until somebody goes.
    first.restart(&[]);
    first.says("all 2 slots are taken");
    stop(&mut third);
    assert_eq!(held(&first), "worker1.tf.local.");
}

/// If this fails, a slot waits in vain for a node that cannot know who it was.
#[test]
fn nothing_waits_for_a_node_without_a_state_folder() {
    let etcd = Etcd::start();
    let place = crate::support::callsign::Place::new();
    place.write("Corefile", &pool(&etcd, "sticky 1h"));
    place.write("state", "not a folder");
    let mut callsign = Callsign::start_in(place, &[]);
    assert_eq!(held(&callsign), "worker1.tf.local.");
    callsign.says("this node will not find its name again after a restart");
    // By the time that a later node's slot waits, the first one's would wait too.
    let (_other, _) = node(&pool(&etcd, "sticky 1h"));
    waits_for_its_node(&etcd, 2);
    assert_eq!(value(&etcd, &reservation_key(1)), "");
    stop(&mut callsign);
    let (_next, name) = node(&pool(&etcd, ""));
    assert_eq!(name, "worker1.tf.local.");
}

/// If this fails, a slot waits for a node for longer than it was told to.
#[test]
fn a_slot_does_not_wait_for_longer_than_it_should() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "sticky 8s");
    let (mut first, _) = node(&corefile);
    waits_for_its_node(&etcd, 1);
    stop(&mut first);
    assert_ne!(value(&etcd, &reservation_key(1)), "");
    eventually("the reservation is over", || {
        value(&etcd, &reservation_key(1)).is_empty().then_some(())
    });
    let (_second, name) = node(&corefile);
    assert_eq!(name, "worker1.tf.local.");
}
