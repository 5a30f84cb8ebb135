//! An etcd of our own, and what an etcd tells of itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process::{Killed, processor_time};

/// How long etcd may take to start.
const START: Duration = Duration::from_secs(30);

/// No requests for a name: what sets a connection up, and streams, which count when they end.
const OTHERS: [&str; 4] = ["Authenticate", "Status", "Watch", "LeaseKeepAlive"];

/// An etcd that is measured.
#[derive(Debug)]
pub struct Etcd {
    /// Where its clients connect.
    pub url: String,
    process: Option<Killed>,
    _folder: Option<TempDir>,
}

/// What an etcd has counted since it started.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Calls answered, by the name of their gRPC method.
    pub calls: BTreeMap<String, u64>,
    /// Entries of the raft log that were applied: the writes.
    pub writes: u64,
    /// Leases that were renewed.
    pub renewals: u64,
}

impl Etcd {
    /// One that runs already.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            process: None,
            _folder: None,
        }
    }

    /// Starts one in a temporary folder, on free ports, with etcd's defaults otherwise.
    ///
    /// # Errors
    ///
    /// It is not installed or does not get healthy.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [client, peer] =
            [free_port()?, free_port()?].map(|port| format!("http://127.0.0.1:{port}"));
        let process = Command::new("etcd")
            .args(["--name", "bench", "--log-level", "error", "--data-dir"])
            .arg(folder.path().join("data"))
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("bench={peer}")])
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("etcd (Debian: apt install etcd-server): {error}"))?;
        let etcd = Self {
            url: client,
            process: Some(Killed(process)),
            _folder: Some(folder),
        };
        let end = Instant::now() + START;
        while Instant::now() < end {
            if etcd
                .get("/health")
                .is_ok_and(|health| health.contains("true"))
            {
                return Ok(etcd);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("etcd at {} is not healthy after {START:?}", etcd.url).into())
    }

    /// What it has counted so far.
    ///
    /// # Errors
    ///
    /// Its metrics cannot be read.
    pub fn counts(&self) -> Result<Counts> {
        let text = self
            .get("/metrics")
            .map_err(|error| format!("{}/metrics: {error}", self.url))?;
        let mut counts = Counts::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            let value = value as u64;
            if name == "etcd_server_proposals_applied_total" {
                counts.writes = value;
            } else if name == "etcd_debugging_lease_renewed_total" {
                counts.renewals = value;
            } else if name.starts_with("grpc_server_handled_total{")
                && let Some((_, rest)) = name.split_once("grpc_method=\"")
                && let Some((method, _)) = rest.split_once('"')
                && value > 0
            {
                *counts.calls.entry(method.to_owned()).or_default() += value;
            }
        }
        Ok(counts)
    }

    /// The processor time that it has used; zero where it is not ours.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let time = self
            .process
            .as_ref()
            .map(|process| processor_time(process.id()));
        time.and_then(Result::ok).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Result<String> {
        let address = self
            .url
            .strip_prefix("http://")
            .ok_or("only http://HOST:PORT is measured")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(START))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Counts {
    /// What has been counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let rest = |(method, count): (&String, &u64)| {
            let count = count - before.calls.get(method).copied().unwrap_or_default();
            (count > 0).then(|| (method.clone(), count))
        };
        Self {
            calls: self.calls.iter().filter_map(rest).collect(),
            writes: self.writes - before.writes,
            renewals: self.renewals - before.renewals,
        }
    }

    /// The calls other than a connection's set-up and streams.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let counted = |(method, _): &(&String, &u64)| !OTHERS.contains(&method.as_str());
        self.calls
            .iter()
            .filter(counted)
            .map(|(_, count)| count)
            .sum()
    }
}

/// A port that nobody listens on at this moment.
///
/// # Errors
///
/// The kernel has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
