//! A name that is held all the time and answered only while its node is well.

use std::net::{Ipv4Addr, TcpListener};

use super::*;

/// If this fails, clients are sent to a node whose service is not up yet or no more, or a node
/// loses its name because its service restarts.
#[test]
fn a_name_is_answered_only_while_its_check_passes() {
    let etcd = Etcd::start();
    let options = "\
        address 10.0.0.1
        port tf {other}
        health tcp 127.0.0.1:{other} {
            interval 100ms
            failures 1
        }";
    let callsign = Callsign::start(&pool(&etcd, options));
    let service = (Ipv4Addr::LOCALHOST, callsign.place().other);
    assert_eq!(held(&callsign), "worker1.tf.local.");
    let (other, _) = node(&pool(&etcd, "address 10.0.0.2"));
    let claim = record(&etcd, &slot_key(1))["inst"].clone();
    let silent = |callsign: &Callsign| {
        let server = callsign.address();
        resolves(server, "worker1.tf.local.", "A", &[]);
        resolves(server, "worker.tf.local.", "A", &["10.0.0.2"]);
        resolves(server, "_tf._tcp.worker.tf.local.", "SRV", &[]);
        resolves(server, "1.0.0.10.in-addr.arpa.", "PTR", &[]);
    };
    for callsign in [&callsign, &other] {
        silent(callsign);
    }
    for _ in 0..2 {
        let listener = TcpListener::bind(service).expect("the port is ours");
        for server in [callsign.address(), other.address()] {
            resolves(server, "worker1.tf.local.", "A", &["10.0.0.1"]);
            resolves(server, "worker.tf.local.", "A", &["10.0.0.1", "10.0.0.2"]);
            resolves(
                server,
                "1.0.0.10.in-addr.arpa.",
                "PTR",
                &["worker1.tf.local."],
            );
        }
        drop(listener);
        for callsign in [&callsign, &other] {
            silent(callsign);
        }
        assert_eq!(
            record(&etcd, &slot_key(1))["inst"],
            claim,
            "held all the time"
        );
    }
    assert!(!callsign.said().contains("is lost"));
}

/// If this fails, a check that is a command or an HTTP request does not decide.
#[test]
fn a_command_can_decide() {
    let etcd = Etcd::start();
    let options = "\
        address 10.0.0.1
        health exec test -e {folder}/well {
            interval 100ms
            failures 1
        }";
    let callsign = Callsign::start(&pool(&etcd, options));
    assert_eq!(held(&callsign), "worker1.tf.local.");
    resolves(callsign.address(), "worker1.tf.local.", "A", &[]);
    let well = callsign.place().write("well", "");
    resolves(callsign.address(), "worker1.tf.local.", "A", &["10.0.0.1"]);
    std::fs::remove_file(well).expect("our own file");
    resolves(callsign.address(), "worker1.tf.local.", "A", &[]);
}
