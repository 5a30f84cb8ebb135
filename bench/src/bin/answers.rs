//! What an answer costs, of Callsign and others, beside what the sockets alone cost.

use std::process::{Command, ExitCode};
use std::time::Duration;

use callsign_bench::Result;
use callsign_bench::client::{Client, Content, Load};
use callsign_bench::contestant::{Contestant, callsign, server};
use callsign_bench::engine::Many;
use callsign_bench::etcd::{Etcd, free_port};
use callsign_bench::flags::Places;
use callsign_bench::gateway::Gateway;
use callsign_bench::machine::{self, stay_on};
use callsign_bench::peers::Peer;
use callsign_bench::percentile;
use callsign_bench::pool;
use callsign_bench::questions::{Kind, Question, questions};
use callsign_bench::rows::{Beside, ROWS, Row, corefile, write_files};
use callsign_bench::table::{Entry, ONE_SOCKET, ONE_WORKER, Sample, lines};
use clap::Parser;

/// How long a server is asked before a measurement begins.
const WARM: Duration = Duration::from_millis(300);

/// The processor of the servers; the client has the next one.
const SERVER: &str = "0";

/// The client when as much is asked as is answered.
const FULL: Load = Load {
    sockets: 8,
    window: 16,
    rate: None,
};

/// Measures what an answer costs, of Callsign and of other servers in turn.
#[derive(Debug, Parser)]
struct Arguments {
    /// The rows to measure, by commas; `all` of them
    #[arg(long, default_value = "all", value_delimiter = ',')]
    rows: Vec<String>,
    /// The other servers, by commas; `all` of them, or `none`
    #[arg(long, default_value = "all", value_delimiter = ',')]
    peers: Vec<String>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each server is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many names there are
    #[arg(long, default_value_t = 10_000)]
    names: u32,
    #[command(flatten)]
    places: Places,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("answers: Callsign has lost queries or answered wrongly");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("answers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures all rows; whether nothing was lost or wrong at Callsign.
fn run(arguments: &Arguments) -> Result<bool> {
    let is_chosen = |row: &&Row| {
        arguments
            .rows
            .iter()
            .any(|it| it == row.name || it == "all")
    };
    let chosen: Vec<&Row> = ROWS.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no such row: there are {}", names.join(", ")).into());
    }
    stay_on(1)?;
    let mut page = machine::heading(arguments.seconds, arguments.rounds)?;
    print!("{page}");
    let mut good = true;
    for row in chosen {
        let entries = measure_row(arguments, row)?;
        let text = lines(row, &entries);
        print!("{text}");
        page.push_str(&text);
        good &= entries
            .iter()
            .all(|it| it.name != "Callsign" || it.failed == [0, 0]);
        if let Some(results) = &arguments.places.results {
            std::fs::write(results, &page)?;
        }
    }
    Ok(good)
}

fn measure_row(arguments: &Arguments, row: &Row) -> Result<Vec<Entry>> {
    let server = server(arguments.places.server.as_ref())?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    write_files(folder, arguments.names)?;
    let questions = questions(row.kind, arguments.names)?;
    let last = questions.last().ok_or("no names")?;
    let first = (Content::Names, last);
    let processors = if row.workers > 1 { "0,1" } else { SERVER };
    let address = || Result::Ok((std::net::Ipv4Addr::LOCALHOST, free_port()?).into());
    let start = |name: &str, command: &Command, address, first| {
        Contestant::start(name, command, folder, processors, address, first)
    };

    let mut changes = Vec::new();
    let mut etcd = None;
    let mut upstream = None;
    match row.beside {
        Beside::Nothing => {}
        Beside::Etcd => {
            let running = etcd.insert(Etcd::start()?);
            pool::fill(&Gateway::new(&running.url)?, arguments.names)?;
            changes.push(("http://localhost:2379", running.url.clone()));
        }
        Beside::Engine => {
            let engine = Many::start(folder, arguments.names)?;
            changes.push(("/var/run/docker.sock", engine.path.display().to_string()));
        }
        Beside::Upstream => {
            let address: std::net::SocketAddr = address()?;
            let text = corefile(&arguments.places.examples, "benchmark-zone.Corefile", &[])?;
            let path = folder.join("upstream.Corefile");
            std::fs::write(&path, text)?;
            let command = callsign(&server, &path, address.port());
            upstream = Some(Contestant::start(
                "upstream", &command, folder, "1", address, first,
            )?);
            changes.push(("9.9.9.9", address.to_string()));
        }
    }
    if row.corefile.contains("plugins") {
        changes.push(("localhost:9153", format!("localhost:{}", free_port()?)));
    }
    let path = folder.join("Corefile");
    std::fs::write(
        &path,
        corefile(&arguments.places.examples, row.corefile, &changes)?,
    )?;
    let ours = address()?;
    let command = callsign(&server, &path, ours.port());
    let ours = start("Callsign", &command, ours, first)?;

    // The echo's replies are as long as ours.
    let octets = reply_octets(&ours, &questions)?;
    let echo = |name: &str, sockets: usize, processors: &str| {
        let at = address()?;
        let mut command = Command::new(std::env::current_exe()?.with_file_name("echo"));
        command.args(["--address", &at.to_string(), "--reply", &octets.to_string()]);
        command.args(["--sockets", &sockets.to_string()]);
        let first = (Content::Anything, last);
        Contestant::start(name, &command, folder, processors, at, first)
    };
    let mut contestants = vec![echo("echo", row.workers, processors)?, ours];
    if row.workers > 1 {
        let at = address()?;
        let command = callsign(&server, &path, at.port());
        let one = Contestant::start(ONE_WORKER, &command, folder, SERVER, at, first)?;
        contestants.extend([one, echo(ONE_SOCKET, 1, SERVER)?]);
    }
    for peer in Peer::ALL.into_iter().filter(|_| row.peers) {
        let named = |it: &String| it == "all" || it.eq_ignore_ascii_case(peer.name());
        let serves = match peer {
            Peer::Dnsmasq => row.kind == Kind::Address,
            // Its auth-zones add no addresses to SRV records.
            Peer::Unbound => row.kind != Kind::Service,
            _ => true,
        };
        if serves && arguments.peers.iter().any(named) {
            let address = address()?;
            let command = peer.command(folder, address.port(), row.workers)?;
            contestants.push(start(peer.name(), &command, address, first)?);
        }
    }

    let mut entries: Vec<Entry> = Vec::new();
    for contestant in &contestants {
        entries.push(Entry {
            name: contestant.name.clone(),
            samples: Vec::new(),
            loaded: contestant.loaded,
            usage: contestant.usage()?,
            failed: [0, 0],
            inspected: 0,
            complaints: Vec::new(),
            octets: octets as u64,
        });
    }
    for _ in 0..arguments.rounds {
        let mut half = 0.0;
        for (contestant, entry) in contestants.iter().zip(&mut entries) {
            measure(arguments, contestant, &questions, &mut half, entry)?;
        }
    }
    drop((upstream, etcd));
    Ok(entries)
}

/// Measures a server: at full load, then at `half` of what the first one could bear.
fn measure(
    arguments: &Arguments,
    contestant: &Contestant,
    questions: &[Question],
    half: &mut f64,
    entry: &mut Entry,
) -> Result<()> {
    let length = Duration::from_secs_f64(arguments.seconds);
    let mut load = |load: Load, length: Duration| {
        let (address, content) = (contestant.address, contestant.content);
        let mut client = Client::new(address, questions, content, load)?;
        client.run(WARM)?;
        let before = contestant.usage()?;
        let outcome = client.run(length)?;
        let used = contestant
            .usage()?
            .processor
            .saturating_sub(before.processor);
        let rest = client.drain()?;
        entry.failed[0] += outcome.lost + rest.lost;
        entry.failed[1] += outcome.wrong + rest.wrong;
        entry.inspected += outcome.inspected;
        for complaint in &outcome.complaints {
            if entry.complaints.len() < 3 {
                entry.complaints.push(complaint.clone());
            }
        }
        let micros = used.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64;
        Result::Ok((micros, outcome))
    };
    let (micros, full) = load(FULL, length)?;
    let rate = full.answered as f64 / full.elapsed.as_secs_f64();
    if *half == 0.0 {
        *half = rate / 2.0;
    }
    let paced = Load {
        window: 256,
        rate: Some(*half),
        ..FULL
    };
    let (half_micros, paced) = load(paced, length / 2)?;
    entry.samples.push(Sample {
        micros,
        half_micros,
        rate,
        latencies: [50, 99].map(|part| f64::from(percentile(&paced.latencies, part)) / 1e3),
    });
    Ok(())
}

/// How long the replies of a server are, on average.
fn reply_octets(contestant: &Contestant, questions: &[Question]) -> Result<usize> {
    let mut client = Client::new(contestant.address, questions, Content::Names, FULL)?;
    let outcome = client.run(WARM)?;
    client.drain()?;
    Ok((outcome.octets / outcome.answered.max(1)) as usize)
}
