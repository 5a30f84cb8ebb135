//! idetcd's own Corefile, and its nodes beside ours.

use nix::sys::signal::Signal;

use super::*;
use crate::support::namespace::Namespace;

/// What users of idetcd have, to the letter.
const COREFILE: &str = "\
. {
    idetcd {
        endpoint http://localhost:2379
        limit 10
        pattern worker{{.ID}}.tf.local.
    }
    whoami
}
";

/// The same against the etcd of a test.
const PRESET: &str = "\
.:{port} {
    idetcd {
        endpoint {etcd}
    }
}
";

fn preset(etcd: &Etcd) -> String {
    PRESET.replace("{etcd}", etcd.url())
}

/// What a node of idetcd writes.
fn old_record(address: &str) -> String {
    format!(r#"{{"ipv4":"{address}","ipv6":"","port":"53"}}"#)
}

/// Writes what a node of idetcd writes, under a lease of its own, without looking.
fn old_node_puts(etcd: &Etcd, name: &str, address: &str) {
    let granted = etcd.control(&["lease", "grant", "60"]);
    let lease = granted.split(' ').nth(1).expect("a lease");
    etcd.control(&["put", name, &old_record(address), "--lease", lease]);
}

/// If this fails, who replaces idetcd has to change the Corefile, or loses names on the way.
#[test]
fn its_own_corefile_works_unchanged() {
    let network = Namespace::new();
    network.run("ip link add one type veth peer name two");
    network.run("ip addr add 10.9.8.7/24 dev one");
    network.run("ip addr add fd09::7/64 dev one nodad");
    network.run("ip link set one up");
    network.run("ip link set two up");
    let _etcd = network.etcd("localhost");
    let nodes = ["53", "1053"].map(|port| {
        let place = network.place();
        place.write("Corefile", COREFILE);
        network.callsign(place, &["-conf", "Corefile", "-dns.port", port])
    });
    let mut names = nodes.each_ref().map(held);
    names.sort();
    assert_eq!(names, ["worker1.tf.local.", "worker2.tf.local."]);
    for server in ["@localhost", "@localhost -p 1053"] {
        for name in ["worker1", "worker2"] {
            let dig = |rtype: &str| format!("dig +short {name}.tf.local {server} {rtype}");
            network.says(&dig("A"), "10.9.8.7\n");
            network.says(&dig("AAAA"), "fd09::7\n");
        }
        // Anything else is for `whoami`, and there is no second packet.
        let other = network.run(&format!("dig foo.tf.local {server}"));
        assert!(
            other.contains("status: NOERROR") && other.contains("_udp.foo.tf.local"),
            "{other}"
        );
    }
    let record = network.run("etcdctl get worker1.tf.local. --print-value-only");
    let start = r#"{"ipv4":"10.9.8.7","ipv6":"fd09::7","port":""#;
    assert!(record.starts_with(start), "old nodes read {record}");
    // Nobody has to say it: idetcd has the same endpoint, pattern and limit by default.
    let bare = |port: &str| {
        let place = network.place();
        place.write("Corefile", ". {\n    idetcd\n}\n");
        network.callsign(place, &["-dns.port", port])
    };
    let third = bare("1054");
    assert_eq!(held(&third), "worker3.tf.local.");
    for slot in 4..=10 {
        network.run(&format!("etcdctl put worker{slot}.tf.local. {{}}"));
    }
    bare("1055").says("pool worker: all 10 slots are taken; waiting for one");
}

/// If this fails, a cluster cannot be moved node by node: old nodes vanish from the new ones'
/// answers, or their renewals look like comings and goings.
#[test]
fn an_old_node_is_resolved_and_its_renewals_are_nothing_new() {
    let etcd = Etcd::start();
    old_node_puts(&etcd, "worker1.tf.local.", "10.0.0.1");
    let corefile = preset(&etcd).replace(
        "endpoint",
        "on member-join sh -c \"echo $CALLSIGN_MEMBER_NAME >> {folder}/joined\"\n        endpoint",
    );
    let (callsign, name) = node(&corefile);
    assert_eq!(name, "worker2.tf.local.");
    let server = callsign.address();
    resolves(server, "worker1.tf.local.", "A", &["10.0.0.1"]);
    assert_eq!(ask(server, "worker1.tf.local.", "AAAA").rcode, 0);
    for _ in 0..3 {
        old_node_puts(&etcd, "worker1.tf.local.", "10.0.0.1");
    }
    old_node_puts(&etcd, "worker3.tf.local.", "10.0.0.3");
    resolves(server, "worker3.tf.local.", "A", &["10.0.0.3"]);
    let joined = eventually("the old node's coming is told", || {
        let joined = std::fs::read_to_string(callsign.place().path().join("joined"));
        joined.ok().filter(|text| text.ends_with('\n'))
    });
    assert_eq!(joined, "worker3.tf.local.\n");
    etcd.control(&["del", "worker3.tf.local."]);
    resolves(server, "worker3.tf.local.", "A", &[]);
}

/// A node whose first claim an old node overwrites, having found the name free before that.
fn overwritten_in_time() -> (Etcd, Callsign) {
    // Two seconds after its claim the node believes in it, and a busy machine may be late for that.
    for _ in 0..5 {
        let etcd = Etcd::start();
        let callsign = Callsign::start(&preset(&etcd));
        eventually("the first name is claimed", || {
            value(&etcd, "worker1.tf.local.")
                .contains("inst")
                .then_some(())
        });
        callsign.signal(Signal::SIGSTOP);
        old_node_puts(&etcd, "worker1.tf.local.", "10.0.0.1");
        callsign.signal(Signal::SIGCONT);
        if held(&callsign) != "worker1.tf.local." {
            return (etcd, callsign);
        }
    }
    panic!("a name that was overwritten is announced");
}

/// If this fails, an old node and a new one answer to one name for ever, or the new one destroys
/// what the old one wrote.
#[test]
fn a_name_that_an_old_node_overwrites_is_yielded() {
    let (etcd, callsign) = overwritten_in_time();
    assert_eq!(held(&callsign), "worker2.tf.local.");
    assert!(!callsign.said().contains("This node is worker1.tf.local."));
    assert_eq!(value(&etcd, "worker1.tf.local."), old_record("10.0.0.1"));
    // The window was far longer than it is thought to be: by now the name is announced.
    old_node_puts(&etcd, "worker2.tf.local.", "10.0.0.2");
    callsign.says("This node is worker3.tf.local.");
    let said = callsign.says("worker2.tf.local. is lost");
    assert!(said.contains("claiming again"), "{said}");
    let server = callsign.address();
    for slot in ["1", "2"] {
        let name = format!("worker{slot}.tf.local.");
        let address = format!("10.0.0.{slot}");
        assert_eq!(value(&etcd, &name), old_record(&address));
        resolves(server, &name, "A", &[&address]);
    }
}
