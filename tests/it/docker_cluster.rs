//! RabbitMQ in containers, whose nodes find each other by names that only Callsign gives.
//!
//! `scripts/test-cluster` makes the image and runs these tests, one at a time.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::docker::is_as_expected;
use crate::docker_engine::corefile;
use crate::support::callsign::Callsign;
use crate::support::dns::ask_until;
use crate::support::real_engine::RealEngine;
use crate::support::run::{Ended, Running};

/// How long a node may take to start, or to join, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where Docker's default bridge has the host, and the containers their server.
const HOST: &str = "172.17.0.1";

/// An engine with an image of RabbitMQ.
fn engine() -> &'static RealEngine {
    static ENGINE: OnceLock<RealEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = RealEngine::start("docker", &[]);
        let image = std::env::var("CALLSIGN_CLUSTER_IMAGE");
        let image = image.expect("scripts/test-cluster says where the image is");
        let start = "CMD [\"/usr/sbin/rabbitmq-server\"]";
        let arguments = ["import", "--change", start, &image, "rabbitmq"];
        let ended = Running::start(&mut engine.command(&arguments)).ended_within(PATIENCE);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        engine
    })
}

/// Callsign where the containers expect it.
fn callsign() -> Callsign {
    let callsign = Callsign::start(&corefile(engine(), ".", &format!("bind {HOST}")));
    callsign.says("docker: engine ");
    callsign
}

/// A container with a node; gone when it is dropped.
struct Node {
    name: String,
}

impl Node {
    /// Starts a container with these options, whose only server is [`HOST`].
    fn start(name: &str, options: &[&str]) -> Self {
        Self::start_command(name, options, &[])
    }

    /// The same with another command than the image's.
    fn start_command(name: &str, options: &[&str], command: &[&str]) -> Self {
        // One scheduler is enough for a node that does nothing.
        let fixed = [
            "run",
            "--detach",
            "--name",
            name,
            "--dns",
            HOST,
            "--dns-search",
            ".",
            "--env",
            "RABBITMQ_LOGS=-",
            "--env",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1",
        ];
        engine().docker(&[&fixed, options, &["rabbitmq"], command].concat());
        Self {
            name: name.to_owned(),
        }
    }

    /// The same for a node `rabbit@HOSTNAME`.
    fn called(hostname: &str) -> Self {
        Self::start(hostname, &["--hostname", hostname])
    }

    /// Runs `rabbitmqctl` in it.
    fn control(&self, arguments: &[&str]) -> Ended {
        let command = [&["exec", &self.name, "rabbitmqctl"], arguments].concat();
        Running::start(&mut engine().command(&command)).ended_within(PATIENCE)
    }

    /// The same, which must be a success.
    fn does(&self, arguments: &[&str]) -> String {
        let ended = self.control(arguments);
        assert_eq!(
            ended.status,
            Some(0),
            "{arguments:?}: {ended:?}\n{}",
            self.log()
        );
        ended.out
    }

    /// Waits until the node works.
    fn works(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = self.control(&["await_startup", "--timeout", "60"]);
            if ended.status == Some(0) {
                return;
            }
            assert!(Instant::now() < end, "{ended:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Leaves its own cluster for that of another node.
    fn join(&self, node: &str) -> Ended {
        self.does(&["stop_app"]);
        let ended = self.control(&["join_cluster", node]);
        self.does(&["start_app"]);
        ended
    }

    /// The nodes of its cluster that run, as this one sees it.
    fn running(&self) -> Vec<String> {
        let status = self.does(&["cluster_status", "--formatter", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let nodes = status["running_nodes"].as_array().expect("an array");
        let mut nodes: Vec<String> = nodes
            .iter()
            .map(|node| node.as_str().expect("a name").to_owned())
            .collect();
        nodes.sort();
        nodes
    }

    fn address(&self) -> String {
        engine().address(&self.name, "bridge")
    }

    fn log(&self) -> String {
        let arguments = ["logs", "--tail", "40", &self.name];
        let ended = Running::start(&mut engine().command(&arguments)).ended();
        ended.out + &ended.errors
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A test that fails already shall say why, not that this fails too.
        let arguments = ["rm", "--force", &self.name];
        let _ = engine().command(&arguments).output();
    }
}

/// Waits until every node sees all of these run.
fn until_all_see(nodes: &[&Node], expected: &[&str]) {
    let end = Instant::now() + PATIENCE;
    for node in nodes {
        loop {
            let running = node.running();
            if running == expected {
                break;
            }
            assert!(
                Instant::now() < end,
                "{} sees {running:?}\n{}",
                node.name,
                node.log()
            );
            thread::sleep(Duration::from_millis(500));
        }
    }
}

/// If this fails, what Callsign is for does not work: a node finds those that start after it, and
/// one that comes back elsewhere is found again.
#[test]
#[ignore = "scripts/test-cluster runs it: it needs an image and takes a minute"]
fn nodes_join_by_hostname_and_come_back_with_another_address() {
    let _inside = engine().enter();
    let callsign = callsign();
    let first = Node::called("rabbit_1");
    first.works();
    let data = [
        "--hostname",
        "rabbit_2",
        "--volume",
        "rabbit_2:/var/lib/rabbitmq",
    ];
    let (second, third) = (Node::start("rabbit_2", &data), Node::called("rabbit_3"));
    for node in [&second, &third] {
        node.works();
        let ended = node.join("rabbit@rabbit_1");
        assert_eq!(ended.status, Some(0), "{ended:?}\n{}", node.log());
    }
    let all = ["rabbit@rabbit_1", "rabbit@rabbit_2", "rabbit@rabbit_3"];
    until_all_see(&[&first, &second, &third], &all);

    let old = second.address();
    drop(second);
    until_all_see(&[&first, &third], &[all[0], all[2]]);
    // Somebody else has its address meanwhile.
    let _other = Node::called("somebody");
    let second = Node::start("rabbit_2", &data);
    let started = Instant::now();
    let address = second.address();
    assert_ne!(address, old);
    ask_until(
        (HOST.parse::<std::net::IpAddr>().expect("an address"), 53).into(),
        "rabbit_2",
        "A",
        |reply| is_as_expected(reply, &[&address]),
    );
    println!(
        "rabbit_2 has its new address {:.3} s after its start",
        started.elapsed().as_secs_f64()
    );
    second.works();
    until_all_see(&[&first, &second, &third], &all);
    println!(
        "all nodes see it {:.1} s after its start",
        started.elapsed().as_secs_f64()
    );
    drop(callsign);
}

/// If this fails, the other tests prove nothing: something else than Callsign gives the names.
#[test]
#[ignore = "scripts/test-cluster runs it: it needs an image and takes a minute"]
fn without_callsign_nodes_do_not_find_each_other() {
    let _inside = engine().enter();
    let (first, second) = (Node::called("alone_1"), Node::called("alone_2"));
    first.works();
    second.works();
    let ended = second.join("rabbit@alone_1");
    assert_ne!(ended.status, Some(0), "{ended:?}");
    let said = ended.out + &ended.errors;
    assert!(
        said.contains("unable to connect to epmd") && said.contains("nxdomain"),
        "{said}"
    );
    // It was for nothing else.
    let _callsign = callsign();
    let ended = second.join("rabbit@alone_1");
    assert_eq!(ended.status, Some(0), "{ended:?}\n{}", second.log());
    until_all_see(&[&first, &second], &["rabbit@alone_1", "rabbit@alone_2"]);
}

/// If this fails, a scaled service cannot make a cluster: RabbitMQ asks for the service's addresses,
/// then who each of them is, and expects what the node calls itself.
#[test]
#[ignore = "scripts/test-cluster runs it: it needs an image and takes a minute"]
fn replicas_without_hostnames_discover_each_other() {
    let _inside = engine().enter();
    let _callsign = callsign();
    let configuration = "cluster_formation.peer_discovery_backend = dns
cluster_formation.dns.hostname = mqnode.docker";
    let script =
        format!("echo '{configuration}' >/etc/rabbitmq/rabbitmq.conf; exec rabbitmq-server");
    let replica = |number: u32| {
        let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
        Node::start_command(
            &format!("scale-mqnode-{number}"),
            &[
                "--label",
                &label("project", "scale"),
                "--label",
                &label("service", "mqnode"),
                "--label",
                &label("container-number", &number.to_string()),
            ],
            &["sh", "-c", &script],
        )
    };
    let first = replica(1);
    first.works();
    let (second, third) = (replica(2), replica(3));
    let nodes = [&first, &second, &third];
    let mut all = nodes.map(|node| {
        node.works();
        let hostname = engine().inspect(&node.name, "{{.Config.Hostname}}");
        format!("rabbit@{hostname}")
    });
    all.sort();
    until_all_see(&nodes, &all.each_ref().map(String::as_str));
}
