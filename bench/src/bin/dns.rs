//! What an answer costs: the processor time of the server for each query, beside that of a bare
//! echo over the same sockets.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callsign::identity::pattern::Pattern;
use callsign::identity::record::Record;
use callsign::store::etcd::{EtcdOptions, EtcdStore, Layout};
use callsign::store::{Guard, Reply, Request, Slot, Space, Store};
use callsign_bench::Result;
use callsign_bench::etcd::{Etcd, free_port};
use callsign_bench::process::{Killed, processor_time, resident_mebibytes};
use clap::Parser;
use tokio::task::JoinSet;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(60);

/// How many records are written at once.
const WRITERS: u32 = 32;

/// Counts the processor time of one answer, of Callsign and of a bare echo in turn.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server [default: callsign beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// The echo [default: examples/echo beside this program]
    #[arg(long, value_name = "PATH")]
    echo: Option<PathBuf>,
    /// How many names are asked for
    #[arg(long, default_value_t = 10_000)]
    names: Slot,
    /// How many clients ask
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// How long each measurement takes
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How often both are measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dns: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let beside = std::env::current_exe()?;
    let path = |given: &Option<PathBuf>, name: &str| match given {
        Some(path) => path.clone(),
        None => beside.with_file_name(name),
    };
    let (server, echo) = (
        path(&arguments.server, "callsign"),
        path(&arguments.echo, "examples/echo"),
    );
    let folder = tempfile::tempdir()?;
    let queries = folder.path().join("queries");
    write_queries(&queries, arguments.names)?;

    let etcd = Etcd::start()?;
    fill(&etcd, arguments.names)?;
    let (server_port, echo_port) = (free_port()?, free_port()?);
    let server = start_server(&server, folder.path(), &etcd, server_port, arguments.names)?;
    let echo = start(Command::new("taskset").args(["-c", "0"]).arg(&echo).args([
        "--address",
        &format!("127.0.0.1:{echo_port}"),
        "--seconds",
        "100000",
    ]))?;
    for port in [server_port, echo_port] {
        wait_for_answer(port, arguments.names)?;
    }
    println!(
        "{} names, {} clients, server on processor 0, dnsperf on processor 1; {} MiB resident\n",
        arguments.names,
        arguments.clients,
        resident_mebibytes(server.id())?
    );

    println!("round  callsign us/query (queries/s)   echo us/query (queries/s)   ratio");
    let mut ratios = Vec::new();
    for round in 1..=arguments.rounds {
        let ours = measure(arguments, &queries, &server, server_port)?;
        let bare = measure(arguments, &queries, &echo, echo_port)?;
        let ratio = ours.micros / bare.micros;
        println!(
            "{round:<6} {:>8.2} {:>12.0} {:>19.2} {:>13.0} {ratio:>15.2}",
            ours.micros, ours.rate, bare.micros, bare.rate
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("\nmedian ratio {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// What one run of dnsperf found.
struct Cost {
    /// Microseconds of the server's user and system time for each answered query.
    micros: f64,
    /// Answered queries in a second.
    rate: f64,
}

fn measure(arguments: &Arguments, queries: &Path, server: &Killed, port: u16) -> Result<Cost> {
    let before = processor_time(server.id())?;
    let output = Command::new("taskset")
        .args(["-c", "1", "dnsperf", "-s", "127.0.0.1", "-T", "1"])
        .args([
            "-p",
            &port.to_string(),
            "-c",
            &arguments.clients.to_string(),
        ])
        .args(["-l", &arguments.seconds.to_string(), "-d"])
        .arg(queries)
        .output()
        .map_err(|error| format!("taskset dnsperf (Debian: apt install dnsperf): {error}"))?;
    let used = processor_time(server.id())? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |label: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(label));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse::<f64>().ok())
            .ok_or_else(|| format!("dnsperf says no {label:?}:\n{text}"))
    };
    let answered = value("Queries completed:")?;
    if !text.contains("NOERROR") || text.contains("NXDOMAIN") || text.contains("SERVFAIL") {
        return Err(format!("not every query was answered with NOERROR:\n{text}").into());
    }
    Ok(Cost {
        micros: used.as_secs_f64() * 1e6 / answered.max(1.0),
        rate: value("Queries per second:")?,
    })
}

fn write_queries(path: &Path, names: Slot) -> Result<()> {
    // A step that shares no factor with the number of names visits each of them, far apart.
    let order = (0..u64::from(names)).map(|turn| turn * 7919 % u64::from(names) + 1);
    let mut text = String::new();
    for number in order {
        writeln!(text, "worker{number}.tf.local. A")?;
    }
    Ok(std::fs::write(path, text)?)
}

/// Writes the names into etcd as idetcd's nodes would.
fn fill(etcd: &Etcd, names: Slot) -> Result<()> {
    let store = EtcdStore::new(EtcdOptions {
        endpoints: vec![etcd.url.clone()],
        layout: Layout::Idetcd,
        ..EtcdOptions::default()
    })?;
    let pattern = Pattern::parse("worker{{.ID}}.tf.local.", "worker");
    let space = Space {
        pattern: Arc::new(pattern.map_err(|error| format!("{error:?}"))?),
        limit: names,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ttl = Duration::from_secs(24 * 3600);
        let Reply::Opened { session, .. } = store.execute(&space, Request::Open { ttl }).await?
        else {
            return Err("etcd grants no lease".into());
        };
        let mut writers = JoinSet::new();
        for first in 1..=WRITERS {
            let (store, space) = (store.clone(), space.clone());
            writers.spawn(async move {
                for slot in (first..=names).step_by(WRITERS as usize) {
                    let [_, a, b, c] = slot.to_be_bytes();
                    let record = Record {
                        ipv4: Ipv4Addr::new(10, a, b, c).to_string(),
                        port: "53".to_owned(),
                        ..Record::default()
                    };
                    let guard = Guard::Free;
                    let claim = Request::Claim {
                        session,
                        slot,
                        record,
                        guard,
                    };
                    store.execute(&space, claim).await?;
                }
                Result::Ok(())
            });
        }
        writers.join_all().await.into_iter().collect()
    })
}

fn start_server(
    program: &Path,
    folder: &Path,
    etcd: &Etcd,
    port: u16,
    names: Slot,
) -> Result<Killed> {
    let corefile = folder.join("Corefile");
    let text = format!(
        ".:{port} {{\n    bind 127.0.0.1\n    idetcd {{\n        endpoint {}\n        \
         limit {}\n        pattern worker{{{{.ID}}}}.tf.local.\n    }}\n}}\n",
        etcd.url,
        names + 1
    );
    std::fs::write(&corefile, text)?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command.arg("--conf").arg(&corefile);
    command.arg("--state").arg(folder.join("state"));
    command.env("CALLSIGN_LOG", "error");
    start(&mut command)
}

fn start(command: &mut Command) -> Result<Killed> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    Ok(Killed(
        child.map_err(|error| format!("{command:?}: {error}"))?,
    ))
}

/// Waits until the last name is answered for with NOERROR.
fn wait_for_answer(port: u16, name: Slot) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // RFC 1035 §4.1: header with one question, the name, type A, class IN.
    let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [format!("worker{name}").as_str(), "tf", "local", ""] {
        query.push(label.len().try_into()?);
        query.extend(label.as_bytes());
    }
    query.extend([0, 1, 0, 1]);
    let end = Instant::now() + START;
    let mut answer = [0; 512];
    while Instant::now() < end {
        // Refused while nobody listens yet.
        let _ = socket.send(&query);
        if let Ok(length) = socket.recv(&mut answer)
            && answer[..length]
                .get(3)
                .is_some_and(|flags| flags & 0xf == 0)
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("no answer from port {port} after {START:?}").into())
}
