//! Mistakes in the lines of a pool, as their author is told of them.

use super::*;
use crate::support::callsign::{Ended, Place};

/// What `callsign check` and a start say of a Corefile; both must say the same.
fn refused(corefile: &str) -> String {
    let place = Place::new();
    place.write("Corefile", corefile);
    let check = place.run(&["check"]);
    let start = place.run(&["-dns.port", &place.port.to_string()]);
    assert_eq!(
        (check.status, start.status),
        (Some(1), Some(1)),
        "{}",
        start.errors
    );
    assert_eq!(check.errors, start.errors);
    assert_eq!(start.out, "");
    start.errors
}

/// A Corefile with one pool of these lines.
fn lines(lines: &str) -> String {
    format!(". {{\n    identity worker {{\n{lines}\n    }}\n}}\n")
}

/// If this fails, the author of a mistake does not see where it is and what would be right.
#[test]
fn a_mistake_is_shown_where_it_is() {
    let errors = refused(&lines(
        "        patern worker{{.ID}}.tf.local.\n        limit 0\n        store etcd etcd1:2379 http://etcd2:2379 htp://etcd3\n        address 10.0.0.300 10.0.0.0/33",
    ));
    assert_eq!(
        errors,
        r#"error: unknown option `patern`
 --> Corefile:3:9
  |
3 |         patern worker{{.ID}}.tf.local.
  |         ^^^^^^ did you mean `pattern`?
  |
  = help: accepted here: pattern, limit, store, credentials, tls, prefix, layout, claim, ttl, answer_ttl, node, sticky, address, port, meta, health, on, stale, hold, fallthrough

error: `0` is out of range
 --> Corefile:4:15
  |
4 |         limit 0
  |               ^ expected a whole number from 1 to 100000

error: endpoint "etcd1:2379" does not begin with http:// or https://; it looks like http://localhost:2379
 --> Corefile:5:20
  |
5 |         store etcd etcd1:2379 http://etcd2:2379 htp://etcd3
  |                    ^^^^^^^^^^

error: endpoint "htp://etcd3" does not begin with http:// or https://; it looks like http://localhost:2379
 --> Corefile:5:49
  |
5 |         store etcd etcd1:2379 http://etcd2:2379 htp://etcd3
  |                                                 ^^^^^^^^^^^

error: "10.0.0.300" is neither an address nor a network nor an interface: accepted are auto, eth0, 10.0.0.0/8, 10.0.0.5
 --> Corefile:6:17
  |
6 |         address 10.0.0.300 10.0.0.0/33
  |                 ^^^^^^^^^^

error: "10.0.0.0/33" is no network: the prefix has at most 32 bits
 --> Corefile:6:28
  |
6 |         address 10.0.0.300 10.0.0.0/33
  |                            ^^^^^^^^^^^
"#
    );
    let errors = refused(". {\n    idetcd {\n        pattern worker.tf.local.\n    }\n}\n");
    assert_eq!(
        errors,
        r"error: this pattern has no number: all nodes would have the same name
 --> Corefile:3:17
  |
3 |         pattern worker.tf.local.
  |                 ^^^^^^^^^^^^^^^^ in this pattern
  |
  = help: write {{.ID}} where the number belongs: worker{{.ID}}.cluster.internal.
"
    );
}

/// If this fails, a node runs with an option that its author did not mean.
#[test]
fn every_option_is_checked() {
    for (line, message) in [
        ("limit -1", "`-1` is out of range"),
        ("limit 99999999999999999999", "is out of range"),
        ("limit many", "`many` is not a whole number"),
        ("limit", "limit N"),
        ("pattern worker{{.IDD}}.tf.local.", "there is no field .IDD"),
        ("pattern worker{{.IDD}}.tf.local.", "did you mean `.ID`?"),
        ("pattern worker{{.ID}.tf.local.", "'}' has no meaning here"),
        (
            "pattern wor_k!{{.ID}}.tf.local.",
            "no host name may have a '!'",
        ),
        ("pattern worker{{.ID}}..local.", "this label is empty"),
        ("store etcdd http://x", "unknown store `etcdd`"),
        ("store etcd", "etcd needs the URLs of its members"),
        ("store etcd http://x:99999", "has no valid port"),
        ("prefix /x", "`prefix` is only for a pool in etcd"),
        ("ttl 0s", "`0s` is out of range"),
        ("ttl soon", "`soon` is not a duration"),
        ("answer_ttl 2h", "`2h` is out of range"),
        ("sticky never", "`never` is not a duration"),
        ("stale -1s", "is not a duration"),
        ("node \"\"", "is no node key"),
        ("port tf", "port NAME NUMBER[/udp]"),
        ("port tf 70000", "no port"),
        ("port tf 22/sctp", "no port"),
        ("meta a=b c", "is no key"),
        ("health tpc 127.0.0.1:1", "there is no check \"tpc\""),
        ("on clamed echo", "unknown event `clamed`"),
        ("on claimed", "on EVENT COMMAND..."),
        ("fallthrough a..b", "is not a zone"),
        ("address 169.254.1.1", "link-local"),
        ("address fe80::1", "link-local"),
        ("ttl 20s\nttl 30s", "`ttl` is given twice"),
    ] {
        let errors = refused(&lines(line));
        assert!(errors.contains(message), "{line}: {errors}");
        assert!(
            errors.contains("Corefile:3") || errors.contains("Corefile:4"),
            "{line}: {errors}"
        );
        assert!(errors.contains('^'), "{line} is pointed at: {errors}");
    }
    let long = format!("pattern {}{{{{.ID}}}}.tf.local.", "a".repeat(63));
    assert!(refused(&lines(&long)).contains("this label has 64 characters"));
    let long = format!("pattern {}x{{{{.ID}}}}.tf.local.", "abcdefg.".repeat(31));
    assert!(refused(&lines(&long)).contains("a name"));
}

/// If this fails, a password stands on a terminal or in a log.
#[test]
fn a_password_is_never_shown() {
    let errors = refused(&lines(
        "        store etcd http://etcd1:2379\n        credentials root hunter2 twice",
    ));
    assert_eq!(
        errors,
        r"error: `credentials` takes 2 arguments, but has 3
 --> Corefile:4:35
  |
4 |         credentials root ******** ********
  |                                   ^^^^^^^^ not expected
  |
  = help: syntax: credentials USER PASSWORD
"
    );
    for line in [
        "credentials hunter2",
        "credentials root \"hunter2",
        "credentials root hunter2 {\n}",
        "credentials root hunter2 }",
        "credentials root hun#hunter2",
        "credentials root hunter2\nlimit 0",
        "limit 5\ncredentials root hunter2\nlimit 6",
        "credentials root hunter2\nstore local",
        "credential root hunter2",
        "Credentials root hunter2",
        "credentials root\nhunter2",
        "credentials {\nuser root\npassword hunter2\n}",
        "store etcd http://x {\ncredentials root hunter2 x\n}",
        "store etcd http://root:hunter2@x",
        "store http://root:hunter2@x",
        "store etcd root:hunter2@x",
        "health http http://root:hunter2@x/",
        "prefix \"x\ncredentials root hunter2\n",
        "prefix \"x\ncredentials root \"hunter2\"\n",
    ] {
        let errors = refused(&lines(line));
        assert!(!errors.contains("hunter2"), "{line}:\n{errors}");
    }
    // A server that runs says the same in its log.
    let callsign = Callsign::start(".:{port} {\n    whoami\n}\n");
    callsign.rewrite(&lines("credentials root hunter2 twice"));
    callsign.signal(nix::sys::signal::Signal::SIGHUP);
    let said = callsign.says("credentials root ******** ********");
    assert!(!said.contains("hunter2"), "{said}");
}

/// Starts with a store in this folder, which must not work.
fn store_refused(folder: &str) -> Ended {
    let place = Place::new();
    place.write("Corefile", &lines(&format!("        store local {folder}")));
    let ended = place.run(&["-dns.port", &place.port.to_string()]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (Some(1), ""),
        "{}",
        ended.errors
    );
    let shown = " --> Corefile:2:5\n  |\n2 |     identity worker {\n";
    assert!(ended.errors.contains(shown), "{}", ended.errors);
    ended
}

/// If this fails, a node claims names where they are not kept, or in a store that it does not
/// understand.
#[test]
fn a_store_that_cannot_be_used_ends_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let newer = folder.path().join("newer");
    std::fs::create_dir(&newer).expect("a folder");
    std::fs::write(newer.join("FORMAT"), "callsign-local 99\n").expect("a file");
    let ended = store_refused(&newer.display().to_string());
    assert!(
        ended.errors.contains("99") && ended.errors.contains("newer"),
        "{}",
        ended.errors
    );

    std::fs::write(newer.join("FORMAT"), "\0\0\0\0").expect("a file");
    let ended = store_refused(&newer.display().to_string());
    assert!(ended.errors.contains("FORMAT"), "{}", ended.errors);

    std::fs::write(folder.path().join("file"), "no folder").expect("a file");
    let ended = store_refused(&format!("{path}/file"));
    assert!(
        ended.errors.contains("cannot keep names in"),
        "{}",
        ended.errors
    );

    // A file system that nobody can write to, root neither.
    let ended = store_refused("/proc/callsign");
    assert!(
        ended.errors.contains("cannot keep names in /proc/callsign")
            && ended.errors.contains("store local PATH"),
        "{}",
        ended.errors
    );
}

/// If this fails, a mistake in one block is found only after the other has claimed a name.
#[test]
fn nothing_is_claimed_before_all_is_right() {
    let etcd = Etcd::start();
    let broken = pool_beside(
        &etcd,
        "",
        "identity ps {\n        store local /proc/names\n    }",
    );
    let place = Place::new();
    place.write("Corefile", &broken);
    let ended = place.run(&[]);
    assert_eq!(ended.status, Some(1));
    assert_eq!(etcd.control(&["get", "--prefix", "/", "--keys-only"]), "");
}
