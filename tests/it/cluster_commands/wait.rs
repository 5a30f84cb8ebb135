//! `callsign wait`.

use super::*;

/// If this fails, a script goes on before the machine that it needs has its name, or never.
#[test]
fn until_a_name_resolves() {
    let pool = Pool::local();
    let first = pool.server("");
    let server = first.address().to_string();
    let wait = |name: &str, limit: &str| {
        let words = ["wait", name, "--server", &server, "--timeout", limit];
        Running::start(&mut pool.place.command(&words))
    };
    let late = wait("worker3.tf.local", "4s").ended();
    assert_eq!((late.status, &*late.out), (Some(124), ""));
    let told = format!("waiting for worker3.tf.local: {server} does not know it");
    assert!(late.errors.contains(&told), "{}", late.errors);
    assert!(late.errors.contains("gave up after"), "{}", late.errors);
    let waits = wait("worker2.tf.local", "1m");
    let _second = pool.server("");
    let ended = waits.ended();
    assert_eq!((ended.status, &*ended.out), (Some(0), "127.0.0.1\n"));
    // A server that nobody runs is waited for too.
    let nobody = ["wait", "a.b", "--server", "127.0.0.1:{other}"];
    let ended = pool
        .place
        .run(&[&nobody[..], &["--timeout", "1s"]].concat());
    assert_eq!(ended.status, Some(124), "{}", ended.errors);
}

/// If this fails, a script goes on before enough members are there, or never.
#[test]
fn until_enough_members_are_there() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let waits = Running::start(&mut pool.command("wait", &["--count", "2"]));
    let _first = pool.server("");
    let late = pool.run("wait", &["--count", "2", "--timeout", "4s"]);
    assert_eq!((late.status, &*late.out), (Some(124), ""));
    let told = "waiting for 2 of worker, 1 are here";
    assert!(late.errors.contains(told), "{}", late.errors);
    let _second = pool.server("");
    assert_eq!(waits.ended().status, Some(0));
    let many = pool.run("wait", &["--count", "9"]);
    assert_eq!(many.status, Some(1));
    assert!(many.errors.contains("only 8 names"), "{}", many.errors);
}
