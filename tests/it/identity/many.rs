//! A pool that is too large for one datagram.

use etcd_client::{Client, Txn, TxnOp};

use super::*;

/// The members that are written.
const MEMBERS: u32 = 100;

/// Writes the records of idetcd nodes, each with an address of its own.
fn write_members(etcd: &Etcd) {
    let record = |slot: u32| {
        let name = format!("worker{slot}.tf.local.");
        TxnOp::put(
            name,
            format!(r#"{{"ipv4":"10.0.0.{slot}","ipv6":"","port":"53"}}"#),
            None,
        )
    };
    let operations: Vec<TxnOp> = (1..=MEMBERS).map(record).collect();
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            let mut client = Client::connect([etcd.url()], None).await?;
            client.txn(Txn::new().and_then(operations)).await
        })
        .expect("etcd takes the records");
}

/// If this fails, clients of a large pool see a part of it, or nothing.
#[test]
fn a_long_list_is_cut_over_udp_and_whole_over_tcp() {
    let etcd = Etcd::start();
    write_members(&etcd);
    let options = "layout idetcd\nlimit 200\naddress 10.0.0.101";
    let (callsign, name) = node(&pool(&etcd, options));
    assert_eq!(name, "worker101.tf.local.", "the lowest that is free");
    let server = callsign.address();
    let all: Vec<String> = {
        let mut all: Vec<String> = (1..=MEMBERS + 1).map(|it| format!("10.0.0.{it}")).collect();
        all.sort();
        all
    };
    let query = Query::new("worker.tf.local.", "A");
    let reply = query.udp(server);
    assert!(reply.truncated && reply.length <= 512, "{reply:?}");
    let reply = query.clone().edns(1232, 0).udp(server);
    assert!(reply.truncated && reply.length <= 1232, "{reply:?}");
    let reply = query.tcp(server);
    assert!(!reply.truncated);
    assert_eq!(data_of(&reply.answer, "A"), all);
    let reply = Query::new("worker.tf.local.", "AAAA").udp(server);
    assert!(!reply.truncated && reply.answer.is_empty(), "{reply:?}");
    for slot in [1, 50, 100] {
        let name = format!("worker{slot}.tf.local.");
        assert_eq!(data(server, &name, "A"), [format!("10.0.0.{slot}")]);
    }
}
