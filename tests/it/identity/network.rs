//! Two machines.

use super::*;
use crate::support::namespace::Namespace;

const COREFILE: &str = "\
. {
    identity worker {
        pattern worker{{.ID}}.tf.internal.
        store etcd http://10.9.0.1:2379
        address 10.0.0.0/8 fd00::/8
        on lost echo never
    }
}
";

/// Two namespaces with a cable between them.
pub(super) fn machines() -> [Namespace; 2] {
    let machines = [Namespace::new(), Namespace::new()];
    let [first, second] = machines.each_ref().map(Namespace::id);
    machines[0].run("ip link add cable type veth peer name other");
    machines[0].run(&format!("ip link set other netns {second} name cable"));
    assert_ne!(first, second);
    for (number, machine) in (1..).zip(&machines) {
        machine.run(&format!("ip addr add 10.9.0.{number}/24 dev cable"));
        machine.run("ip link set cable up");
    }
    machines
}

/// If this fails, nodes of two machines do not find each other, or a node whose address changes
/// is lost to the others or loses its name.
#[test]
fn two_machines_find_each_other_and_follow_their_addresses() {
    let machines = machines();
    let _etcd = machines[0].etcd("10.9.0.1");
    let nodes: Vec<Callsign> = machines
        .iter()
        .map(|machine| {
            let place = machine.place();
            place.write("Corefile", COREFILE);
            let callsign = machine.callsign(place, &[]);
            held(&callsign);
            callsign
        })
        .collect();
    assert_eq!(held(&nodes[1]), "worker2.tf.internal.");
    for machine in &machines {
        machine.says("dig +short worker1.tf.internal @127.0.0.1", "10.9.0.1\n");
        machine.says("dig +short worker2.tf.internal @127.0.0.1", "10.9.0.2\n");
        machine.says(
            "dig +short -x 10.9.0.2 @127.0.0.1",
            "worker2.tf.internal.\n",
        );
    }
    // Also across the cable.
    machines[0].says("dig +short worker2.tf.internal @10.9.0.2", "10.9.0.2\n");

    let everywhere = |expected: &str| {
        for machine in &machines {
            machine.says("dig +short worker2.tf.internal @127.0.0.1 AAAA", expected);
        }
    };
    machines[1].run("ip addr add fd00::2/64 dev cable nodad");
    everywhere("fd00::2\n");
    machines[1].run("ip addr del fd00::2/64 dev cable");
    everywhere("");
    machines[1].run("ip addr add 10.9.0.22/24 dev cable");
    eventually("both addresses are published", || {
        let answer = machines[0].run("dig +short worker2.tf.internal @127.0.0.1");
        (answer.lines().count() == 2 && answer.contains("10.9.0.22")).then_some(())
    });
    let said = nodes[1].said();
    assert_eq!(
        said.matches("This node is").count(),
        1,
        "under the same claim:\n{said}"
    );
    assert!(!said.contains("is lost"), "{said}");
}
