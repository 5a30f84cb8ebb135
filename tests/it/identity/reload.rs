//! Another configuration under a running node.

use nix::sys::signal::Signal;

use super::stop::epoch;
use super::*;

/// Gives the node another Corefile and waits until it runs.
pub(super) fn reload(callsign: &Callsign, corefile: &str) {
    let before = callsign.said().matches("reloaded").count();
    callsign.rewrite(corefile);
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", before + 1);
}

/// If this fails, every reload of a cluster makes all nodes lose their names for a moment.
#[test]
fn what_stays_keeps_its_claim() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "address 10.0.0.1\nanswer_ttl 5s\nport tf 2222");
    let (callsign, name) = node(&corefile);
    let server = callsign.address();
    let epoch = epoch(&callsign);
    let revision = || {
        let fields = etcd.control(&["get", &slot_key(1), "--write-out", "fields"]);
        let revision = fields
            .lines()
            .find(|line| line.starts_with("\"ModRevision\""));
        revision.expect("the record is there").to_owned()
    };
    let before = revision();
    callsign.signal(Signal::SIGUSR1);
    callsign.output_has("reloaded", 1);
    reload(&callsign, &corefile);
    reload(
        &callsign,
        &pool(&etcd, "address 10.0.0.1\nanswer_ttl 42s\nport tf 2222"),
    );
    eventually("answers have the new TTL", || {
        let answer = ask(server, &name, "A").answer;
        answer.first()?.contains(" 42 IN ").then_some(())
    });
    assert_eq!(revision(), before, "nothing was written");
    // What is published changes under the same claim.
    reload(
        &callsign,
        &pool(&etcd, "address 10.0.0.7\nport grpc 2224\nmeta a b"),
    );
    resolves(server, &name, "A", &["10.0.0.7"]);
    resolves(
        server,
        "_grpc._tcp.worker.tf.local.",
        "SRV",
        &["0 0 2224 worker1.tf.local."],
    );
    let said = callsign.said();
    assert_eq!(said.matches("This node is").count(), 1, "{said}");
    assert!(!said.contains("is released"), "{said}");
    assert_eq!(stop::epoch(&callsign), epoch);
}

/// Watches two keys and gives whether at any moment, in etcd's own order, there was neither.
struct NeverWithout {
    history: std::thread::JoinHandle<Vec<(String, bool)>>,
}

impl NeverWithout {
    /// Begins to watch all names, until `last` is deleted.
    fn watch(etcd: &Etcd, last: &str) -> Self {
        let (url, last) = (etcd.url().to_owned(), last.to_owned());
        let (ready, started) = std::sync::mpsc::channel();
        let history = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async move {
                let mut client = etcd_client::Client::connect([url], None)
                    .await
                    .expect("etcd");
                let options = etcd_client::WatchOptions::new().with_prefix();
                let mut watch = client.watch("/", Some(options)).await.expect("a watch");
                ready.send(()).expect("the test waits");
                let mut history = Vec::new();
                while let Ok(Some(response)) = watch.message().await {
                    for event in response.events() {
                        let key = event
                            .kv()
                            .and_then(|it| it.key_str().ok())
                            .unwrap_or_default();
                        if !key.contains("/slots/") {
                            continue;
                        }
                        let put = event.event_type() == etcd_client::EventType::Put;
                        history.push((key.to_owned(), put));
                        if !put && key == last {
                            return history;
                        }
                    }
                }
                history
            })
        });
        started.recv_timeout(BOUND).expect("the watch begins");
        Self { history }
    }

    /// The keys in the order in which they were written (`true`) and deleted.
    fn history(self) -> Vec<(String, bool)> {
        eventually("the old name is given up", || {
            self.history.is_finished().then_some(())
        });
        self.history.join().expect("no panic")
    }
}

/// If this fails, a node has no name while its pattern changes, or keeps both.
#[test]
fn a_new_pattern_is_claimed_before_the_old_name_is_given_up() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "address 10.0.0.1");
    let (callsign, old) = node(&corefile);
    let server = callsign.address();
    let watch = NeverWithout::watch(&etcd, &slot_key(1));
    reload(
        &callsign,
        &corefile.replace("worker{{.ID}}", "trainer{{.ID}}"),
    );
    callsign.says("This node is trainer1.tf.local.");
    let history = watch.history();
    let new = "/callsign/v1/trainer%d.tf.local./slots/00000001".to_owned();
    assert_eq!(history, [(new, true), (slot_key(1), false)]);
    resolves(server, "trainer1.tf.local.", "A", &["10.0.0.1"]);
    callsign.says(&format!("{old} is released"));
    assert_eq!(ask(server, &old, "A").rcode, NXDOMAIN);
}

/// If this fails, a slot that the new limit does not have is held for ever, or is left before
/// there is another.
#[test]
fn a_slot_beyond_a_smaller_limit_is_left_for_another() {
    let etcd = Etcd::start();
    let mut others: Vec<(Callsign, String)> =
        (0..2).map(|_| node(&pool(&etcd, "sticky off"))).collect();
    let (callsign, name) = node(&pool(&etcd, "address 10.0.0.3"));
    assert_eq!(name, "worker3.tf.local.");
    let watch = NeverWithout::watch(&etcd, &slot_key(3));
    reload(&callsign, &pool(&etcd, "address 10.0.0.3\nlimit 2"));
    callsign.says("all 2 slots are taken");
    resolves(callsign.address(), "worker3.tf.local.", "A", &["10.0.0.3"]);
    let (mut first, _) = others.swap_remove(0);
    first.signal(Signal::SIGTERM);
    assert!(first.ended().success());
    callsign.says("This node is worker1.tf.local.");
    let history = watch.history();
    let expected = [
        (slot_key(1), false),
        (slot_key(1), true),
        (slot_key(3), false),
    ];
    assert_eq!(history, expected);
    resolves(callsign.address(), "worker1.tf.local.", "A", &["10.0.0.3"]);
    resolves(callsign.address(), "worker3.tf.local.", "A", &[]);
}

/// If this fails, a node that was tried out locally cannot join a cluster without a restart.
#[test]
fn a_pool_can_move_to_another_store() {
    let etcd = Etcd::start();
    let in_etcd = pool(&etcd, "address 10.0.0.1");
    let local = in_etcd.replace(&format!("etcd {}", etcd.url()), "local {folder}/names");
    let (callsign, name) = node(&local);
    let server = callsign.address();
    resolves(server, &name, "A", &["10.0.0.1"]);
    reload(&callsign, &in_etcd);
    callsign.says("worker1.tf.local. is released");
    resolves(server, &name, "A", &["10.0.0.1"]);
    assert_eq!(record(&etcd, &slot_key(1))["ipv4"], "10.0.0.1");
}

/// If this fails, a typing mistake takes a running node down.
#[test]
fn a_bad_file_changes_nothing() {
    let etcd = Etcd::start();
    let corefile = pool(&etcd, "address 10.0.0.1");
    let (callsign, name) = node(&corefile);
    for bad in [
        corefile.replace("address", "adress"),
        corefile.replace("worker{{.ID}}", "worker"),
        corefile.replace("    identity", "    limit 0\n    identity"),
        corefile.replace(&format!("etcd {}", etcd.url()), "local /proc/names"),
        "}".to_owned(),
    ] {
        let before = callsign.said().matches("not reloaded").count();
        callsign.rewrite(&bad);
        callsign.signal(Signal::SIGHUP);
        let said = callsign.output_has("not reloaded, the old configuration goes on:", before + 1);
        resolves(callsign.address(), &name, "A", &["10.0.0.1"]);
        assert!(!said.contains("is released"), "{said}");
    }
    reload(&callsign, &corefile);
    assert_eq!(callsign.said().matches("This node is").count(), 1);
}

/// If this fails, a name stays taken that nobody is configured to hold.
#[test]
fn a_pool_that_is_gone_gives_its_name_back() {
    let etcd = Etcd::start();
    let both = pool_beside(
        &etcd,
        "",
        &format!(
            "identity ps {{\n pattern ps{{{{.ID}}}}.tf.local.\n store etcd {}\n }}",
            etcd.url()
        ),
    );
    let callsign = Callsign::start(&both);
    callsign.output_has("This node is ", 2);
    reload(&callsign, &pool(&etcd, ""));
    callsign.says("ps1.tf.local. is released");
    assert_eq!(
        value(&etcd, "/callsign/v1/ps%d.tf.local./slots/00000001"),
        ""
    );
    assert_ne!(value(&etcd, &slot_key(1)), "");
    reload(&callsign, ".:{port} {\n    whoami\n}\n");
    callsign.says("worker1.tf.local. is released");
    // And back again: the slot has waited.
    reload(&callsign, &both);
    callsign.output_has("this node is worker1.tf.local.", 2);
    callsign.output_has("this node is ps1.tf.local.", 2);
}
