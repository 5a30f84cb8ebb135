//! Several pools: in one block, in several, and in two blocks at once.

use super::*;

/// Two pools under one domain, in one block or in two.
const IN_ONE_BLOCK: &str = "\
tf.local:{port} in-addr.arpa:{port} {
    identity worker {
        pattern worker{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
    }
    identity ps {
        pattern ps{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
        port grpc 2223
    }
}
";

const IN_TWO_BLOCKS: &str = "\
tf.local:{port} {
    identity worker {
        pattern worker{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
    }
}
tf.local:{other} {
    identity ps {
        pattern ps{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
    }
    whoami
}
";

/// The same pool in both blocks, the second time with another pool.
const SHARED: &str = "\
(worker) {
    identity worker {
        pattern worker{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
    }
}
tf.local:{port} {
    import worker
}
.:{other} {
    import worker
    identity ps {
        pattern ps{{.ID}}.tf.local.
        store etcd {etcd}
        address 10.0.0.1
    }
}
";

/// Starts a node with two pools and waits until it holds a name in both.
fn start(etcd: &Etcd, corefile: &str) -> (Callsign, SocketAddr, SocketAddr) {
    let callsign = Callsign::start(&corefile.replace("{etcd}", etcd.url()));
    callsign.says("This node is worker1.tf.local.");
    callsign.says("This node is ps1.tf.local.");
    let first = callsign.address();
    let second = (first.ip(), callsign.place().other).into();
    (callsign, first, second)
}

/// If this fails, a node cannot have two roles.
#[test]
fn one_block_has_the_names_of_both_pools() {
    let etcd = Etcd::start();
    let (_callsign, server, _) = start(&etcd, IN_ONE_BLOCK);
    for name in ["worker1", "worker", "ps1", "ps"] {
        let name = format!("{name}.tf.local.");
        resolves(server, &name, "A", &["10.0.0.1"]);
    }
    let both = ["ps1.tf.local.", "worker1.tf.local."];
    resolves(server, "1.0.0.10.in-addr.arpa.", "PTR", &both);
    let reply = with_edns(server, "_grpc._tcp.ps.tf.local.", "SRV");
    assert_eq!(data_of(&reply.answer, "SRV"), ["0 0 2223 ps1.tf.local."]);
    assert_eq!(data_of(&reply.additional, "A"), ["10.0.0.1"]);
    for name in [
        "ps2.tf.local.",
        "worker2.tf.local.",
        "tf.local.",
        "x.tf.local.",
    ] {
        let reply = ask(server, name, "A");
        let nothing = if name == "tf.local." { 0 } else { NXDOMAIN };
        assert_eq!((reply.rcode, reply.answer.len()), (nothing, 0), "{name}");
    }
}

/// If this fails, a block answers for a pool that is another block's.
#[test]
fn a_block_answers_for_its_own_pools() {
    let etcd = Etcd::start();
    let (_callsign, workers, servers) = start(&etcd, IN_TWO_BLOCKS);
    resolves(workers, "worker1.tf.local.", "A", &["10.0.0.1"]);
    resolves(servers, "ps1.tf.local.", "A", &["10.0.0.1"]);
    assert_eq!(ask(workers, "ps1.tf.local.", "A").rcode, NXDOMAIN);
    let reply = ask(servers, "worker1.tf.local.", "A");
    assert_eq!(reply.additional.len(), 2, "whoami answers: {reply:?}");
}

/// If this fails, a pool that two blocks show claims two names, or one of them does not show it.
#[test]
fn a_pool_of_two_blocks_claims_once() {
    let etcd = Etcd::start();
    let (_callsign, first, second) = start(&etcd, SHARED);
    for server in [first, second] {
        resolves(server, "worker.tf.local.", "A", &["10.0.0.1"]);
        assert_eq!(data(server, "worker2.tf.local.", "A").len(), 0);
    }
    resolves(second, "ps1.tf.local.", "A", &["10.0.0.1"]);
    assert_eq!(
        etcd.control(&[
            "get",
            "--prefix",
            "--keys-only",
            "/callsign/v1/worker%d.tf.local./slots/"
        ])
        .trim(),
        slot_key(1)
    );
}
