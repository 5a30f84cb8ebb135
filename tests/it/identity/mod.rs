//! Names that nodes claim and answer for: the program itself, against a real etcd or a folder,
//! asked over real sockets.

mod built_in;
mod connections;
mod examples;
mod foreign;
mod full;
mod health;
mod hold;
mod hooks;
mod idetcd;
mod local;
mod lookups;
mod many;
mod mistakes;
mod network;
mod options;
mod outage;
mod pools;
mod reload;
mod restart;
mod stop;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::callsign::Callsign;
use crate::support::dns::{Query, Reply, ask};
use crate::support::etcd::{BOUND, Etcd};
use crate::support::wait::eventually;

const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;

/// What all nodes of a test have in common unless it says otherwise: one pool in etcd, and
/// leases that end soon after their node.
const POOL: &str = "\
.:{port} {
    identity worker {
        pattern worker{{.ID}}.tf.local.
        store etcd {etcd}
        {options}
    }
    {beside}
}
";

/// [`POOL`] in this etcd, with more lines in the pool.
fn pool(etcd: &Etcd, options: &str) -> String {
    pool_beside(etcd, options, "")
}

/// The same with more lines in the server block.
fn pool_beside(etcd: &Etcd, options: &str, beside: &str) -> String {
    POOL.replace("{etcd}", etcd.url())
        .replace("{options}", options)
        .replace("{beside}", beside)
}

/// Starts a node and waits until it holds a name, which is given too, and answers for it.
fn node(corefile: &str) -> (Callsign, String) {
    let callsign = Callsign::start(corefile);
    let name = held(&callsign);
    eventually("the node answers for itself", || {
        let text = data(callsign.address(), &name, "TXT");
        (!text.is_empty()).then_some(())
    });
    (callsign, name)
}

/// Waits until a node has said which name it is, and gives the last one that it said.
fn held(callsign: &Callsign) -> String {
    let said = callsign.says("This node is ");
    let (_, name) = said.rsplit_once("This node is ").expect("it was said");
    name.lines().next().unwrap_or_default().to_owned()
}

/// The data of the records in the answer to a query over UDP, sorted.
fn data(server: SocketAddr, name: &str, rtype: &str) -> Vec<String> {
    data_of(&ask(server, name, rtype).answer, rtype)
}

/// The data of records of one type, sorted.
fn data_of(records: &[String], rtype: &str) -> Vec<String> {
    let marker = format!(" IN {rtype} ");
    let data = |record: &String| {
        let data = record.split_once(&marker)?.1;
        // The reader shows targets without the dot at their end.
        let target = matches!(rtype, "SRV" | "PTR") && !data.ends_with('.');
        Some(format!("{data}{}", if target { "." } else { "" }))
    };
    let mut data: Vec<String> = records.iter().filter_map(data).collect();
    data.sort();
    data
}

/// Waits until a name has exactly these records.
fn resolves(server: SocketAddr, name: &str, rtype: &str, expected: &[&str]) {
    let mut last = Vec::new();
    let end = Instant::now() + BOUND;
    while Instant::now() < end {
        last = data(server, name, rtype);
        if last == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{name} {rtype} at {server} is {last:?} and not {expected:?}");
}

/// The reply to a query with EDNS.
fn with_edns(server: SocketAddr, name: &str, rtype: &str) -> Reply {
    Query::new(name, rtype).edns(1232, 0).udp(server)
}

/// The value of a key; empty where there is none.
fn value(etcd: &Etcd, key: &str) -> String {
    let value = etcd.control(&["get", key, "--print-value-only"]);
    value.trim_end().to_owned()
}

/// What a record says, by field.
fn record(etcd: &Etcd, key: &str) -> serde_json::Value {
    serde_json::from_str(&value(etcd, key)).expect("a record")
}

/// The key of a slot of [`POOL`].
fn slot_key(slot: u32) -> String {
    format!("/callsign/v1/worker%d.tf.local./slots/{slot:08}")
}

/// The key of a reservation of [`POOL`].
fn reservation_key(slot: u32) -> String {
    format!("/callsign/v1/worker%d.tf.local./resv/{slot:08}")
}

/// Waits until a slot waits for its node, which is written soon after the claim.
fn waits_for_its_node(etcd: &Etcd, slot: u32) {
    eventually("the slot waits for its node", || {
        (!value(etcd, &reservation_key(slot)).is_empty()).then_some(())
    });
}
