//! A start without a Corefile also answers for names of others, where the machine has name servers.

use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::network::machines;
use super::*;
use crate::support::engine::{Container, Dialect, Engine};
use crate::support::namespace::Namespace;

/// A name server that knows an address for every name, also for those that are none of its business.
const EVERYTHING: &str = "\
. {
    bind {address}
    template IN A {
        answer \"{{.Name}} 60 IN A 192.0.2.7\"
    }
    template IN PTR {
        answer \"{{.Name}} 60 IN PTR elsewhere.example.\"
    }
}
";

/// Starts such a server in a machine.
fn name_server(network: &Namespace, address: &str) -> Callsign {
    let place = network.place();
    place.write("Corefile", &EVERYTHING.replace("{address}", address));
    network.callsign(place, &[])
}

/// Gives a machine an `/etc/resolv.conf` of its own, which lies in this folder.
fn with_name_servers(network: &Namespace, folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, text).expect("a file can be written");
    network.run(&format!("mount --bind {} /etc/resolv.conf", file.display()));
    file
}

/// The reply's header as `dig` shows it.
fn header(network: &Namespace, question: &str) -> String {
    network.run(&format!("dig +noall +comments {question}"))
}

/// If this fails, a machine whose only resolver is this one cannot look up anything else, or a
/// stranger can use it to flood others, or names of nodes are told to the servers of others.
#[test]
fn other_names_are_asked_of_the_machines_name_servers() {
    let machines = machines();
    let _upstream = name_server(&machines[0], "10.9.0.1");
    let network = &machines[1];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = "nameserver 127.0.0.1\nnameserver 10.9.0.2\n";
    let file = with_name_servers(network, &folder, own);
    let callsign = network.bare_callsign(network.place(), &[], &[]);
    callsign.says("Forwarding nothing: /etc/resolv.conf names no server other than this one\n");
    assert_eq!(held(&callsign), "node1.cluster.internal.");
    let refused = header(network, "www.example.org @127.0.0.1");
    assert!(refused.contains("REFUSED"), "{refused}");

    std::fs::write(&file, format!("{own}nameserver 10.9.0.1\n")).expect("a file can be written");
    callsign.signal(Signal::SIGHUP);
    callsign.says("reloaded");
    network.says("dig +short www.example.org @127.0.0.1", "192.0.2.7\n");
    network.says("dig +short node1.cluster.internal @127.0.0.1", "10.9.0.2\n");
    for name in ["node2.cluster.internal", "elsewhere.cluster.internal"] {
        let missing = header(network, &format!("{name} @127.0.0.1"));
        assert!(missing.contains("NXDOMAIN"), "{name}: {missing}");
    }

    // The neighbour may ask too; whoever comes from the Internet gets nothing but our own names.
    machines[0].says("dig +short ftp.example.org @10.9.0.2", "192.0.2.7\n");
    network.run("ip addr add 198.51.100.9/32 dev lo");
    let outside = "-b 198.51.100.9 @198.51.100.9";
    for name in ["www.example.org", "new.example.org"] {
        let refused = header(network, &format!("{name} {outside}"));
        assert!(refused.contains("REFUSED"), "{name}: {refused}");
    }
    let text = network.run(&format!("dig +short node1.cluster.internal TXT {outside}"));
    assert!(text.contains("slot=1"), "{text}");
}

/// If this fails, a machine without containers is disturbed by the search for them: other names are not
/// answered, or the log fills. Or an engine that is installed later needs a restart, or strangers are
/// told what runs here.
#[test]
fn containers_have_names_as_soon_as_there_is_an_engine() {
    let machines = machines();
    let _upstream = name_server(&machines[0], "10.9.0.1");
    let network = &machines[1];
    let folder = tempfile::tempdir().expect("a temporary folder");
    with_name_servers(network, &folder, "nameserver 10.9.0.1\n");
    let engine = Engine::absent(Dialect::DEBIAN);
    let rabbit = Container::new("shop-mq-1").hostname("rabbit_1");
    engine.run_silently([rabbit.network("bridge", "127.0.1.1", &[])]);
    let sockets = engine.socket();
    let sockets = sockets.parent().expect("a folder").display();
    let sockets = format!("XDG_RUNTIME_DIR={sockets}");
    let callsign = network.bare_callsign(network.place(), &["env", &sockets], &[]);
    assert_eq!(held(&callsign), "node1.cluster.internal.");
    callsign.says("docker: no engine at unix:///var/run/docker.sock");
    let here = "@127.0.0.1";
    for name in ["rabbit_1", "www.example.org"] {
        network.says(&format!("dig +short {name} {here}"), "192.0.2.7\n");
    }
    let unknown = header(network, &format!("rabbit_1.docker {here}"));
    assert!(unknown.contains("SERVFAIL"), "{unknown}");
    network.says(
        &format!("dig +short -x 172.17.0.2 {here}"),
        "elsewhere.example.\n",
    );

    engine.appear();
    callsign.says("docker: engine ");
    for name in ["rabbit_1", "rabbit_1.docker", "shop-mq-1.docker"] {
        network.says(&format!("dig +short {name} {here}"), "127.0.1.1\n");
    }
    machines[0].says("dig +short rabbit_1.docker @10.9.0.2", "127.0.1.1\n");
    let reverse = format!("dig +short -x 127.0.1.1 {here}");
    network.says(&reverse, "rabbit_1.docker.\n");
    let nobody = header(network, &format!("rabbit_2 {here}"));
    assert!(nobody.contains("NXDOMAIN"), "{nobody}");
    network.run("ip addr add 198.51.100.9/32 dev lo");
    for name in ["rabbit_1.docker", "rabbit_1"] {
        let refused = header(network, &format!("{name} -b 198.51.100.9 @198.51.100.9"));
        assert!(refused.contains("REFUSED"), "{refused}");
    }
    let said = callsign.said();
    let before = said.split("docker: engine ").next().unwrap_or_default();
    assert_eq!(before.matches("docker: ").count(), 1, "{said}");
}

/// If this fails, who has systemd-resolved or another resolver on port 53 of a loopback address gets
/// no answer for names of others.
#[test]
fn a_resolver_of_the_same_machine_is_no_loop() {
    let network = Namespace::new();
    let _resolved = name_server(&network, "127.0.0.53");
    let folder = tempfile::tempdir().expect("a temporary folder");
    with_name_servers(&network, &folder, "nameserver 127.0.0.53\n");
    let callsign = network.bare_callsign(network.place(), &[], &[]);
    callsign.says(
        "No Corefile here, and port 53 is in use at 127.0.0.53 (callsign): serving 127.0.0.1, ::1 on \
         port 53 (UDP and TCP)\n",
    );
    callsign.says("Forwarding other names to 127.0.0.53, for clients in private networks\n");
    network.says("dig +short www.example.org @127.0.0.1", "192.0.2.7\n");
    assert_eq!(held(&callsign), "node1.cluster.internal.");
    let missing = header(&network, "node2.cluster.internal @127.0.0.1");
    assert!(missing.contains("NXDOMAIN"), "{missing}");
}

/// If this fails, containers on a machine with systemd-resolved or the like have no server to ask: an
/// engine makes its bridge after Callsign was started, and containers ask no other port than 53.
#[test]
fn addresses_that_come_later_are_served_too() {
    let network = Namespace::new();
    let _resolved = name_server(&network, "127.0.0.53");
    let folder = tempfile::tempdir().expect("a temporary folder");
    with_name_servers(&network, &folder, "nameserver 127.0.0.53\n");
    let engine = Engine::absent(Dialect::DEBIAN);
    engine.gateway("172.17.0.1");
    engine.run_silently([Container::new("web").network("bridge", "172.17.0.2", &[])]);
    let sockets = engine.socket();
    let sockets = sockets.parent().expect("a folder").display();
    let sockets = format!("XDG_RUNTIME_DIR={sockets}");
    let callsign = network.bare_callsign(network.place(), &["env", &sockets], &[]);
    callsign.says("serving 127.0.0.1, ::1 on port 53");
    // Whoever makes such a bridge starts a resolver of its own there.
    for (bridge, address) in [("virbr7", "192.168.122.1"), ("docker0", "172.17.0.1")] {
        network.run(&format!("ip link add {bridge} type bridge"));
        network.run(&format!("ip addr add {address}/24 dev {bridge}"));
        network.run(&format!("ip link set {bridge} up"));
    }
    callsign.says("172.17.0.1:53 is served too");
    engine.appear();
    callsign.says("containers use these names with \"dns\": [\"172.17.0.1\"]");
    network.says("dig +short web @172.17.0.1", "172.17.0.2\n");
    network.says("dig +short +tcp web.docker @172.17.0.1", "172.17.0.2\n");

    // What runs goes on over a reload, also where an address has gone.
    callsign.signal(Signal::SIGHUP);
    callsign.says("reloaded");
    network.says("dig +short web @172.17.0.1", "172.17.0.2\n");
    network.run("ip link del docker0");
    callsign.says("172.17.0.1:53 is served no more");
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", 2);
    network.says("dig +short web @127.0.0.1", "172.17.0.2\n");
    let said = callsign.said();
    assert!(!said.contains("192.168.122.1"), "{said}");
}
