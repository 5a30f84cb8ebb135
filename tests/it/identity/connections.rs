//! Another way to the same etcd under a running node.

use nix::sys::signal::Signal;

use super::reload::reload;
use super::*;
use crate::support::gate::{Gate, Way};

/// The same etcd by another name.
fn by_name(etcd: &Etcd) -> String {
    etcd.url().replace("127.0.0.1", "localhost")
}

/// [`POOL`] with these endpoints.
fn pool_at(endpoints: &str, options: &str) -> String {
    POOL.replace("{etcd}", endpoints)
        .replace("{options}", options)
        .replace("{beside}", "")
}

/// Checks that the node has claimed once, and that this claim went on.
fn claimed_once(callsign: &Callsign) {
    let said = callsign.said();
    assert_eq!(said.matches("this node is").count(), 1, "{said}");
    for text in ["is lost", "is released", "copied disk"] {
        assert!(!said.contains(text), "{said}");
    }
}

/// If this fails, a node loses its name when the list of etcd's members changes: a member was
/// added, one was replaced, or all have other addresses.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_goes_on_over_other_endpoints() {
    let etcd = Etcd::start();
    let gate = Gate::before(etcd.port()).await;
    let test = move || {
        let (callsign, name) = node(&pool_at(&gate.url(), "address 10.0.0.1"));
        let server = callsign.address();
        let both = format!("{} {}", gate.url(), etcd.url());
        reload(&callsign, &pool_at(&both, "address 10.0.0.2"));
        resolves(server, &name, "A", &["10.0.0.2"]);
        // Nothing in common but the names and the pool.
        let other = by_name(&etcd);
        reload(&callsign, &pool_at(&other, "address 10.0.0.2"));
        gate.set(Way::Closed);
        // It is written under the claim, and heard again.
        reload(&callsign, &pool_at(&other, "address 10.0.0.3"));
        resolves(server, &name, "A", &["10.0.0.3"]);
        assert_eq!(record(&etcd, &slot_key(1))["ipv4"], "10.0.0.3");
        claimed_once(&callsign);
    };
    tokio::task::spawn_blocking(test).await.expect("no panic");
}

/// If this fails, a node loses its name when etcd begins to ask for a password, or for another.
#[test]
fn a_claim_goes_on_with_other_credentials() {
    let etcd = Etcd::start();
    let (callsign, name) = node(&pool(&etcd, "address 10.0.0.1"));
    for line in [
        "user add root:top",
        "user grant-role root root",
        "auth enable",
    ] {
        etcd.control(&line.split(' ').collect::<Vec<_>>());
    }
    let options = "address 10.0.0.2\ncredentials root top";
    reload(&callsign, &pool(&etcd, options));
    resolves(callsign.address(), &name, "A", &["10.0.0.2"]);
    claimed_once(&callsign);
}

/// If this fails, a node that is sent to another cluster goes on with a name that it does not
/// hold there.
#[test]
fn in_another_cluster_a_name_is_claimed_anew() {
    let (old, new) = (Etcd::start(), Etcd::start());
    let (_first, _) = node(&pool(&new, "address 10.0.0.1"));
    let (callsign, name) = node(&pool(&old, "address 10.0.0.2"));
    assert_eq!(name, "worker1.tf.local.");
    reload(&callsign, &pool(&new, "address 10.0.0.2"));
    callsign.says("This node is worker2.tf.local.");
    resolves(callsign.address(), &name, "A", &["10.0.0.1"]);
    let said = callsign.said();
    assert!(!said.contains("copied disk"), "{said}");
}

/// If this fails, a node takes its own record for another node's: it says that its disk was
/// copied, or waits until its own lease is over.
#[test]
fn a_pool_that_replaces_another_knows_its_record() {
    for options in ["address 10.0.0.1", "address 10.0.0.1\nnode web-1"] {
        let etcd = Etcd::start();
        let (callsign, _) = node(&pool(&etcd, options));
        // Under another name and by another way: nothing tells that it is the same pool.
        let renamed = pool_at(&by_name(&etcd), options).replace("identity worker", "identity x");
        reload(&callsign, &renamed);
        callsign.says("This node is worker2.tf.local.");
        callsign.says("worker1.tf.local. is released");
        let said = callsign.said();
        assert!(!said.contains("copied disk"), "{said}");
    }
}

/// If this fails, a node that crashed waits for its lease if its cluster is large, or if a member
/// was added meanwhile.
#[test]
fn a_killed_node_has_its_name_back_by_another_way() {
    let etcd = Etcd::start();
    let members: Vec<String> = (1..40)
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect();
    let (_first, _) = node(&pool(&etcd, ""));
    let many = format!("{} {}", etcd.url(), members.join(" "));
    let (mut second, name) = node(&pool_at(&many, ""));
    second.signal(Signal::SIGKILL);
    second.ended();
    second.rewrite(&pool_at(&by_name(&etcd), ""));
    second.restart(&[]);
    assert_eq!(held(&second), name, "a free slot would be another one");
    let said = second.said();
    assert!(!said.contains("this claim waits"), "{said}");
}
