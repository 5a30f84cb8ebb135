//! What others have written where our records are.

use nix::sys::signal::Signal;

use super::*;

/// If this fails, one broken value hides the members, fills the log, or is destroyed although it
/// is somebody else's.
#[test]
fn foreign_values_are_skipped_and_left_alone() {
    let etcd = Etcd::start();
    let root = "/callsign/v1/worker%d.tf.local./";
    let foreign = [
        ("slots/00000001", "not JSON at all"),
        (
            "slots/00000002",
            r#"{"ipv4":"10.0.0.300","ipv6":"","port":"53"}"#,
        ),
        (
            "slots/00000003",
            r#"{"ipv4":"10.0.0.3","ipv6":"","port":"53","v":99,"inst":"x"}"#,
        ),
        ("slots/seven", "a key of nobody"),
        ("slots/00000000", "no slot"),
        ("resv/00000004", "another-node"),
        ("elsewhere", "nobody looks here"),
    ];
    for (key, value) in foreign {
        etcd.control(&["put", &format!("{root}{key}"), value]);
    }
    let (mut callsign, name) = node(&pool(&etcd, "address 10.0.0.1"));
    assert_eq!(name, "worker5.tf.local.", "what is occupied is not taken");
    let server = callsign.address();
    for slot in 1..=4 {
        let name = format!("worker{slot}.tf.local.");
        assert_eq!(ask(server, &name, "A").rcode, NXDOMAIN, "{name}");
    }
    // The same values again, and a changed one, are no news.
    etcd.control(&["put", &format!("{root}slots/00000001"), "not JSON at all"]);
    etcd.control(&[
        "put",
        &format!("{root}slots/00000008"),
        r#"{"ipv4":"10.0.0.8"}"#,
    ]);
    resolves(server, "worker8.tf.local.", "A", &["10.0.0.8"]);
    let said = callsign.said();
    for (key, _) in &foreign[..5] {
        assert_eq!(said.matches(key).count(), 1, "{key} is said once:\n{said}");
    }
    callsign.signal(Signal::SIGTERM);
    assert!(callsign.ended().success());
    for (key, expected) in foreign {
        assert_eq!(value(&etcd, &format!("{root}{key}")), expected, "{key}");
    }
}

/// If this fails, a repaired record needs a restart of every node that saw it broken.
#[test]
fn a_repaired_value_is_a_member() {
    let etcd = Etcd::start();
    etcd.control(&["put", &slot_key(7), "broken"]);
    let (callsign, _) = node(&pool(&etcd, "address 10.0.0.1"));
    let server = callsign.address();
    assert_eq!(ask(server, "worker7.tf.local.", "A").rcode, NXDOMAIN);
    etcd.control(&["put", &slot_key(7), r#"{"ipv4":"10.0.0.7"}"#]);
    resolves(server, "worker7.tf.local.", "A", &["10.0.0.7"]);
    etcd.control(&["put", &slot_key(7), "broken again"]);
    resolves(server, "worker7.tf.local.", "A", &[]);
}
