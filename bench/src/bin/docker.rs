//! How long after a container has started or ended its name is answered as it should be.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use callsign_bench::Result;
use callsign_bench::asker::{Answer, Asker};
use callsign_bench::engine::{Engine, Many};
use callsign_bench::etcd::free_port;
use callsign_bench::percentile;
use callsign_bench::process::{Killed, processor_time, resident_mebibytes};
use callsign_bench::questions::address;
use clap::Parser;

/// NXDOMAIN.
const NOBODY: u8 = 3;

/// How long a client that waits for one name rests between two questions.
const PAUSE: Duration = Duration::from_micros(200);

/// Measures how far names are behind a real Docker Engine, and how long a large one takes to be read.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server [default: callsign beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// How many single changes there are, half of them starts
    #[arg(long, default_value_t = 200)]
    changes: u32,
    /// How many containers start, and then end, at once
    #[arg(long, default_value_t = 200)]
    burst: u32,
    /// How many containers the large engine runs
    #[arg(long, default_value_t = 10_000)]
    many: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let server = match &arguments.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("callsign"),
    };
    large(arguments, &server)?;
    let engine = Engine::start()?;
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _server = start(&server, folder.path(), &engine.url(), port)?;
    let mut client = Asker::new(port)?;
    client.wait("nobody.docker", PAUSE, is_gone)?;
    single(arguments, &engine, &mut client)?;
    burst(arguments, &engine, &mut client)
}

/// Starts the server for the engine at this address.
fn start(server: &Path, folder: &Path, url: &str, port: u16) -> Result<Killed> {
    let corefile = folder.join("Corefile");
    let text = format!(
        ".:{port} {{\n    bind 127.0.0.1\n    docker {{\n        endpoint {url}\n    }}\n}}\n"
    );
    std::fs::write(&corefile, text)?;
    let child = Command::new(server)
        .arg("--conf")
        .arg(&corefile)
        .arg("--state")
        .arg(folder.join("state"))
        .env("CALLSIGN_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", server.display()))?;
    Ok(Killed(child))
}

fn is_there(answer: Answer) -> bool {
    answer.address.is_some()
}

fn is_gone(answer: Answer) -> bool {
    answer.rcode == NOBODY
}

/// From the first connection to an engine with many containers to the first answer, which comes
/// when all of them are known.
fn large(arguments: &Arguments, server: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let many = Many::start(folder.path(), arguments.many)?;
    let port = free_port()?;
    let url = format!("unix://{}", many.path.display());
    let server = start(server, folder.path(), &url, port)?;
    let mut client = Asker::new(port)?;
    let last = arguments.many;
    let answered = client.wait(&format!("worker{last}.docker"), PAUSE * 5, |answer| {
        answer.address == Some(address(last))
    })?;
    let connected = *many.connected.get().ok_or("nobody has connected")?;
    let middle = client.ask(&format!("worker{}.docker", last / 2))?;
    if middle.and_then(|answer| answer.address) != Some(address(last / 2)) {
        return Err("the first answer came before all containers were known".into());
    }
    println!(
        "{} containers: {:.2} s from the connection to the first answer; \
         {:.2} s of processor time, {} MiB resident",
        arguments.many,
        answered.duration_since(connected)?.as_secs_f64(),
        processor_time(server.id())?.as_secs_f64(),
        resident_mebibytes(server.id())?
    );
    Ok(())
}

/// One change after the other.
fn single(arguments: &Arguments, engine: &Engine, client: &mut Asker) -> Result<()> {
    let create = ["create", "--name", "single", "busybox"];
    succeed(&mut engine.docker(&create))?;
    let events = engine.events()?;
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..arguments.changes.div_ceil(2) {
        for (command, action, delays) in
            [("start", "start", &mut starts), ("kill", "die", &mut ends)]
        {
            let enough = if action == "start" { is_there } else { is_gone };
            let mut change = Killed(engine.docker(&[command, "single"]).spawn()?);
            let answered = client.wait("single.docker", PAUSE, enough)?;
            delays.push(behind(answered, events.time(action, "single")?));
            change.0.wait()?;
        }
    }
    print("single starts", starts);
    print("single ends", ends);
    Ok(())
}

/// Many changes at once: as fast as the engine does them.
fn burst(arguments: &Arguments, engine: &Engine, client: &mut Asker) -> Result<()> {
    let names: Vec<String> = (0..arguments.burst)
        .map(|number| format!("burst{number}"))
        .collect();
    for name in &names {
        succeed(&mut engine.docker(&["create", "--name", name, "busybox"]))?;
    }
    let events = engine.events()?;
    for (command, action) in [("start", "start"), ("kill", "die")] {
        let enough = if action == "start" { is_there } else { is_gone };
        let mut changes = Vec::new();
        for part in names.chunks(names.len().div_ceil(8).max(1)) {
            let mut change = engine.docker(&[command]);
            changes.push(Killed(change.args(part).spawn()?));
        }
        let mut open: Vec<&String> = names.iter().collect();
        let mut answered = Vec::new();
        while !open.is_empty() {
            let mut left = Vec::new();
            for name in open {
                match client.ask(&format!("{name}.docker"))? {
                    Some(answer) if enough(answer) => answered.push((name, SystemTime::now())),
                    _ => left.push(name),
                }
            }
            open = left;
            std::thread::sleep(PAUSE * 5);
        }
        let mut delays = Vec::new();
        let mut times = Vec::new();
        for _ in &names {
            let (time, name) = events.next(action)?;
            let answer = answered.iter().find(|(it, _)| **it == name);
            let (_, answer) = answer.ok_or("an event of somebody else")?;
            delays.push(behind(*answer, time));
            times.push(time);
        }
        for change in &mut changes {
            change.0.wait()?;
        }
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            continue;
        };
        let all = answered
            .iter()
            .map(|(_, time)| *time)
            .max()
            .unwrap_or(*last);
        println!(
            "burst of {} {command}s: the engine took {:.2} s; {:.1} ms from its last event to the last right answer",
            names.len(),
            last.duration_since(*first)?.as_secs_f64(),
            behind(all, *last).as_secs_f64() * 1e3,
        );
        print("  each", delays);
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} fails").into()),
    }
}

/// How long after an event an answer came; zero where the server has seen the change before the
/// engine told of it.
fn behind(answer: SystemTime, event: SystemTime) -> Duration {
    answer.duration_since(event).unwrap_or_default()
}

fn print(what: &str, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let [middle, most, last] =
        [50, 99, 100].map(|part| percentile(&delays, part).as_secs_f64() * 1e3);
    println!(
        "{what}: {} measured, behind by p50 {middle:.1} ms, p99 {most:.1} ms, max {last:.1} ms",
        delays.len()
    );
}
