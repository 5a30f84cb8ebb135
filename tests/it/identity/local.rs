//! A start with nothing: no Corefile, no etcd, no privilege.

use nix::sys::signal::Signal;

use super::*;
use crate::support::namespace::Namespace;

/// Runs the line that the program tells its user to try.
fn try_line(network: &Namespace, callsign: &Callsign) -> String {
    let said = callsign.says("Try: ");
    let line = said.lines().find_map(|line| line.strip_prefix("Try: "));
    network.run(line.expect("a line"))
}

/// If this fails, the first thing that a new user does with Callsign does not work.
#[test]
fn it_starts_with_nothing() {
    let network = Namespace::new();
    let start = || network.bare_callsign(network.place(), &[], &[]);
    let mut first = start();
    let said = first.says("Try: ");
    for line in [
        "No Corefile here: serving every address on port 53 (UDP and TCP)",
        "This node is node1.cluster.internal.",
        "Try: dig +short node1.cluster.internal @127.0.0.1",
    ] {
        assert!(
            said.lines().any(|it| it == line),
            "{line} is not in\n{said}"
        );
    }
    assert_eq!(try_line(&network, &first), "127.0.0.1\n");

    let second = start();
    let said = second.says("Try: ");
    for line in [
        "No Corefile here, and port 53 is in use by another program (TCP): serving every address \
         on port 1053 (UDP and TCP)",
        "This node is node2.cluster.internal.",
        "Try: dig +short node2.cluster.internal @127.0.0.1 -p 1053",
    ] {
        assert!(
            said.lines().any(|it| it == line),
            "{line} is not in\n{said}"
        );
    }
    assert_eq!(try_line(&network, &second), "127.0.0.1\n");
    for port in ["53", "1053"] {
        for name in ["node1", "node2"] {
            let line = format!("dig +short {name}.cluster.internal @127.0.0.1 -p {port}");
            network.says(&line, "127.0.0.1\n");
        }
    }

    let third = start();
    third.says("serving every address on port 1054 (UDP and TCP)");
    assert_eq!(held(&third), "node3.cluster.internal.");
    assert_eq!(try_line(&network, &third), "127.0.0.1\n");

    // A dead process loses its name at once; one that is started again has it back.
    let missing = "dig +noall +comments node2.cluster.internal @127.0.0.1";
    second.signal(Signal::SIGKILL);
    eventually("the killed one is gone", || {
        network.run(missing).contains("NXDOMAIN").then_some(())
    });
    let again = start();
    assert_eq!(held(&again), "node2.cluster.internal.");
    first.signal(Signal::SIGTERM);
    assert!(first.ended().success());
    let gone = "dig +noall +comments node1.cluster.internal @127.0.0.1 -p 1054";
    eventually("the stopped one is gone", || {
        network.run(gone).contains("NXDOMAIN").then_some(())
    });
}

/// If this fails, it needs root, or does not say why it is somewhere else.
#[test]
fn it_starts_without_privilege() {
    let network = Namespace::new();
    let place = network.place();
    let user = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
    ];
    let own = |path: &std::path::Path| {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("root may");
    };
    own(place.path());
    let folder = place.path().display().to_string();
    let callsign = network.bare_callsign(place, &user, &[]);
    let said = callsign.says("Try: ");
    for line in [
        "No Corefile here, and port 53 is not permitted without privilege: serving every address \
         on port 1053 (UDP and TCP)",
        "This node is node1.cluster.internal.",
        "Try: dig +short node1.cluster.internal @127.0.0.1 -p 1053",
    ] {
        assert!(
            said.lines().any(|it| it == line),
            "{line} is not in\n{said}"
        );
    }
    assert_eq!(try_line(&network, &callsign), "127.0.0.1\n");
    let note = callsign.says("names are kept in");
    assert!(
        note.contains(&format!(
            "{folder}/.local/state/callsign/names, because /var/lib/callsign"
        )),
        "{note}"
    );
    let place = network.place();
    own(place.path());
    let home = format!("HOME={folder}");
    let second = network.bare_callsign(place, &[&["env", &home], &user[..]].concat(), &[]);
    assert_eq!(held(&second), "node2.cluster.internal.");
}
