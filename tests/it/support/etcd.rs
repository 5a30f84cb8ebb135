//! A real etcd: started for one test, killed with it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) use super::BOUND;
use super::ports::Port;
use super::run::{Ended, Running, output};

/// How fast a member's raft runs, and with it how short a lease may be.
const FAST: [&str; 4] = ["--heartbeat-interval", "10", "--election-timeout", "100"];

/// The same for members that share a busy machine: leases from one second, no needless elections.
const STEADY: [&str; 4] = ["--heartbeat-interval", "50", "--election-timeout", "500"];

/// One member of an etcd cluster, often the only one.
pub(crate) struct Etcd {
    arguments: Vec<String>,
    folder: TempDir,
    client_url: String,
    /// For clients, for other members, for metrics.
    ports: [Port; 3],
    process: Option<Child>,
}

impl Etcd {
    /// Starts an etcd of one member that grants leases from one second on.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments. `{folder}` in them stands for the member's folder, and
    /// anything that asks for certificates makes the clients' side speak TLS.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let mut etcd = Self::new("alone", arguments, &FAST);
        let peer = etcd.argument("--initial-advertise-peer-urls");
        etcd.add(&["--initial-cluster", &format!("alone={peer}")]);
        etcd.restart();
        etcd
    }

    /// Starts a cluster.
    pub(crate) fn start_cluster(members: usize) -> Vec<Self> {
        let mut cluster: Vec<Self> = (0..members)
            .map(|number| Self::new(&format!("member{number}"), &[], &STEADY))
            .collect();
        let peers: Vec<String> = cluster
            .iter()
            .map(|member| {
                let name = member.argument("--name");
                format!(
                    "{name}={}",
                    member.argument("--initial-advertise-peer-urls")
                )
            })
            .collect();
        for member in &mut cluster {
            member.add(&["--initial-cluster", &peers.join(",")]);
            member.spawn();
        }
        for member in &mut cluster {
            assert!(member.becomes_healthy(), "the cluster does not get healthy");
        }
        cluster
    }

    fn new(name: &str, arguments: &[&str], pace: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let secure = arguments.contains(&"--cert-file");
        let scheme = if secure { "https" } else { "http" };
        let ports = [Port::take(), Port::take(), Port::take()];
        let [client, peer, metrics] = ports.each_ref().map(|port| port.number);
        let client_url = format!("{scheme}://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let mut etcd = Self {
            arguments: Vec::new(),
            folder,
            client_url: client_url.clone(),
            ports,
            process: None,
        };
        let data = etcd.folder.path().join("data").display().to_string();
        etcd.add(&["--name", name, "--data-dir", &data, "--log-level", "error"]);
        etcd.add(&["--listen-client-urls", &client_url]);
        etcd.add(&["--advertise-client-urls", &client_url]);
        etcd.add(&["--listen-peer-urls", &peer_url]);
        etcd.add(&["--initial-advertise-peer-urls", &peer_url]);
        let metrics = format!("http://127.0.0.1:{metrics}");
        etcd.add(&["--listen-metrics-urls", &metrics]);
        etcd.add(pace);
        etcd.add(arguments);
        etcd
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> &str {
        &self.client_url
    }

    /// The port for clients.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0].number
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be awaited");
        }
    }

    /// Kills the member where it runs, and starts it on the same ports and data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.spawn();
        assert!(self.becomes_healthy(), "etcd does not get healthy");
    }

    /// Kills the member and starts it with nothing in it.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.path().join("data")).expect("the data can go");
        self.restart();
    }

    /// Kills the member and starts it with what a snapshot had, its revisions as they were.
    pub(crate) fn restore(&mut self, snapshot: &Path) {
        self.kill();
        let data = self.argument("--data-dir");
        std::fs::remove_dir_all(&data).expect("the data can go");
        let mut arguments = vec!["snapshot".to_owned(), "restore".to_owned()];
        arguments.push(snapshot.display().to_string());
        for name in [
            "--data-dir",
            "--name",
            "--initial-cluster",
            "--initial-advertise-peer-urls",
        ] {
            arguments.extend([name.to_owned(), self.argument(name)]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.control(&arguments);
        self.restart();
    }

    /// Has the process stand still, with its connections open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has a process that stands still go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("etcd was started");
        let id = Pid::from_raw(process.id().cast_signed());
        kill(id, signal).expect("our own child");
    }

    /// The number of this member, in hexadecimal digits as etcdctl wants it, and whether it leads
    /// its cluster.
    pub(crate) fn leads(&self) -> (String, bool) {
        let status = self.control(&["endpoint", "status", "--write-out", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let status = &status[0]["Status"];
        let number = |value: &serde_json::Value| value.as_u64().expect("a member's number");
        let own = number(&status["header"]["member_id"]);
        (format!("{own:x}"), own == number(&status["leader"]))
    }

    /// Runs etcdctl against this member and gives what it prints.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments))
    }

    /// The same where it may fail.
    pub(crate) fn try_control(&self, arguments: &[&str]) -> Ended {
        Running::start(&mut self.command(arguments)).ended()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.client_url])
            // Its own patience is too short for a busy machine.
            .args(["--dial-timeout", "30s", "--command-timeout", "30s"])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// The same with something on standard input.
    pub(crate) fn control_with(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.client_url])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("etcdctl is installed");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("etcdctl reads");
        drop(pipe);
        let status = child.wait().expect("our own child");
        assert!(status.success(), "etcdctl {arguments:?}");
    }

    /// How many calls the member has answered so far, by the name of their gRPC method.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let metrics = self.get("/metrics").expect("metrics");
        let mut requests = BTreeMap::new();
        for line in metrics.lines() {
            let Some(line) = line.strip_prefix("grpc_server_handled_total{") else {
                continue;
            };
            let method = line.split("grpc_method=\"").nth(1).expect("a method");
            let method = method.split('"').next().expect("a method").to_owned();
            let count = line.rsplit(' ').next().expect("a count");
            let count = count.parse::<f64>().expect("a number") as u64;
            if count > 0 {
                *requests.entry(method).or_default() += count;
            }
        }
        requests
    }

    fn add(&mut self, arguments: &[&str]) {
        let folder = self.folder.path().display().to_string();
        let filled = arguments
            .iter()
            .map(|text| text.replace("{folder}", &folder));
        self.arguments.extend(filled);
    }

    fn argument(&self, name: &str) -> String {
        let mut arguments = self.arguments.iter();
        arguments.find(|argument| *argument == name);
        arguments.next().expect("the argument was given").clone()
    }

    fn spawn(&mut self) {
        let log = std::fs::File::create(self.log()).expect("a log file");
        let process = Command::new("etcd")
            .args(&self.arguments)
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed (Debian's etcd-server)");
        self.process = Some(process);
    }

    fn becomes_healthy(&mut self) -> bool {
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            let process = self.process.as_mut().expect("etcd was started");
            if let Some(status) = process.try_wait().expect("our own child") {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                panic!("etcd has ended with {status}:\n{log}");
            }
            if self
                .get("/health")
                .is_ok_and(|health| health.contains("true"))
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[2].number))?;
        stream.set_read_timeout(Some(BOUND / 2))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes an authority, and a certificate signed by it for `127.0.0.1` that serves both sides:
/// `ca.pem`, `cert.pem` and `key.pem` in `folder`.
pub(crate) fn make_certificates(folder: &Path) {
    std::fs::write(
        folder.join("extensions"),
        "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
    )
    .expect("a file");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
        &format!("req -new {key} -keyout key.pem -out request.pem -subj /CN=callsign"),
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile extensions -out cert.pem",
    ] {
        output(
            Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(folder),
        );
    }
}
