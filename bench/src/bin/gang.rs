//! How soon the commands of a job start once its last member has come, and what waiting for their
//! end costs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use callsign_bench::contestant::{Usage, server};
use callsign_bench::process::{Killed, processor_time, raise_open_files};
use callsign_bench::{Result, percentile};
use clap::Parser;
use nix::time::{ClockId, clock_gettime};

/// What makes this program the command of a job instead.
const COMMAND: &str = "--is-the-command";

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(60);

/// How long those who wait for the last one have to come to rest, and commands that run.
const REST: Duration = Duration::from_secs(2);

/// Measures how soon the commands of a job start once its last member has come: `callsign run`, so
/// many of them, with names that are kept on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many members the job has
    #[arg(long, default_value_t = 64)]
    members: usize,
    /// How often it is started
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// How long the processor time of a job that runs is counted, in seconds
    #[arg(long, default_value_t = 10)]
    idle: u64,
    /// The program [default: callsign beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
}

fn main() -> ExitCode {
    let now = now(ClockId::CLOCK_MONOTONIC);
    if std::env::args().nth(1).as_deref() == Some(COMMAND) {
        return command(now);
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gang: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a clock shows; nothing where there is no such clock.
fn now(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// The command of a job: tells when it started, and ends when its input does.
fn command(started: Duration) -> ExitCode {
    let mut out = std::io::stdout();
    let line = format!("{}\n", started.as_nanos());
    // One write, so that lines of several commands do not mix.
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    let read = std::io::stdin().read_to_end(&mut Vec::new());
    match written.and(read) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What one round has shown, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// From the start of the last `callsign run` to its claim.
    claim: f64,
    /// From that claim to the roster.
    roster: f64,
    /// From that claim to the first command, the middle one and the last one.
    first: f64,
    middle: f64,
    last: f64,
}

fn run(arguments: &Arguments) -> Result<()> {
    raise_open_files()?;
    let server = server(arguments.server.as_ref())?;
    let load = fs::read_to_string("/proc/loadavg")?;
    println!(
        "{} members, {} rounds, load {}\n",
        arguments.members,
        arguments.rounds,
        load.split(' ').next().unwrap_or_default()
    );
    println!("| round | start to claim ms | claim to roster ms | to first | to middle | to last |");
    println!("|---|---|---|---|---|---|");
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        let (round, job) = start(&server, arguments.members)?;
        println!("{}", row(&number.to_string(), round));
        rounds.push(round);
        if number == arguments.rounds {
            idle(&job, Duration::from_secs(arguments.idle))?;
        }
        job.end()?;
    }
    let of = |part: usize, value: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        percentile(&values, part)
    };
    println!("\n| | start to claim ms | claim to roster ms | to first | to middle | to last |");
    println!("|---|---|---|---|---|---|");
    for (name, part) in [("median", 50), ("most", 100)] {
        let round = Round {
            claim: of(part, |it| it.claim),
            roster: of(part, |it| it.roster),
            first: of(part, |it| it.first),
            middle: of(part, |it| it.middle),
            last: of(part, |it| it.last),
        };
        println!("{}", row(name, round));
    }
    Ok(())
}

fn row(name: &str, round: Round) -> String {
    let Round {
        claim,
        roster,
        first,
        middle,
        last,
    } = round;
    format!("| {name} | {claim:.1} | {roster:.1} | {first:.1} | {middle:.1} | {last:.1} |")
}

/// A job whose commands run.
struct Job {
    members: Vec<Member>,
    group: u32,
    folder: tempfile::TempDir,
}

/// A `callsign run`, whose command ends when its input does.
struct Member {
    process: Killed,
    input: Option<ChildStdin>,
}

impl Job {
    /// Lets all commands end, and waits for it.
    fn end(mut self) -> Result<()> {
        for member in &mut self.members {
            member.input = None;
        }
        let end = Instant::now() + BOUND;
        for member in &mut self.members {
            while member.process.0.try_wait()?.is_none() {
                if Instant::now() > end {
                    return Err("a member does not end".into());
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

/// Starts all members but one, waits for them, and then starts the last one.
fn start(server: &Path, members: usize) -> Result<(Round, Job)> {
    let folder = tempfile::tempdir()?;
    let (sender, lines) = mpsc::channel();
    let mut job = Job {
        members: Vec::new(),
        group: 0,
        folder,
    };
    let store = job.folder.path().join("names");
    let member = |job: &mut Job| -> Result<()> {
        let mut process = Command::new(server)
            .args([
                "run",
                "--expect",
                &members.to_string(),
                "--address",
                "127.0.0.1",
            ])
            .arg("--store")
            .arg(&store)
            .arg("--state")
            .arg(job.folder.path().join("state"))
            .arg("--")
            .arg(std::env::current_exe()?)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(i32::try_from(job.group)?)
            .spawn()?;
        if job.group == 0 {
            job.group = process.id();
        }
        let (input, out) = (process.stdin.take(), process.stdout.take());
        let sender = sender.clone();
        // It ends with the command's output.
        thread::spawn(move || {
            let mut line = String::new();
            if let Some(out) = out
                && BufReader::new(out).read_line(&mut line).is_ok()
            {
                let _ = sender.send(line);
            }
        });
        job.members.push(Member {
            process: Killed(process),
            input,
        });
        Ok(())
    };
    for _ in 1..members {
        member(&mut job)?;
    }
    let end = Instant::now() + BOUND;
    while claims(&store).len() < members - 1 {
        if Instant::now() > end {
            return Err("the members do not come".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(REST);
    let begun = now(ClockId::CLOCK_MONOTONIC);
    member(&mut job)?;
    let mut starts = Vec::new();
    for _ in 0..members {
        let line = lines.recv_timeout(BOUND)?;
        let nanoseconds = line
            .trim()
            .parse()
            .map_err(|_| "a command has not started")?;
        starts.push(Duration::from_nanos(nanoseconds));
    }
    starts.sort_unstable();
    // Its claim has the largest epoch, which in a folder is the time in milliseconds.
    let claimed = claims(&store).into_iter().max().unwrap_or_default();
    let since_boot = now(ClockId::CLOCK_REALTIME) - now(ClockId::CLOCK_MONOTONIC);
    let claimed = Duration::from_millis(claimed).saturating_sub(since_boot);
    let milliseconds =
        |from: Duration, to: Duration| to.as_secs_f64() * 1e3 - from.as_secs_f64() * 1e3;
    let frozen = Duration::from_millis(frozen(&store)).saturating_sub(since_boot);
    let after = |part| milliseconds(claimed, percentile(&starts, part));
    let round = Round {
        claim: milliseconds(begun, claimed),
        roster: milliseconds(claimed, frozen),
        first: after(0),
        middle: after(50),
        last: after(100),
    };
    Ok((round, job))
}

/// The epochs of all claims in a store with one pool.
fn claims(store: &Path) -> Vec<u64> {
    let spaces = fs::read_dir(store).into_iter().flatten().flatten();
    let files = spaces.flat_map(|space| fs::read_dir(space.path()).into_iter().flatten().flatten());
    let records = files.filter(|file| file.path().extension().is_some_and(|it| it == "json"));
    let epochs = records.filter_map(|file| {
        let text = fs::read_to_string(file.path()).ok()?;
        let (_, rest) = text.split_once("\"epoch\":")?;
        let end = rest.find(|it: char| !it.is_ascii_digit())?;
        rest.get(..end)?.parse().ok()
    });
    epochs.collect()
}

/// When the roster was written, in milliseconds: the revision of its note.
fn frozen(store: &Path) -> u64 {
    let spaces = fs::read_dir(store).into_iter().flatten().flatten();
    let notes = spaces.filter_map(|it| fs::read_to_string(it.path().join("roster.note")).ok());
    let mut revisions = notes.filter_map(|it| it.lines().next()?.parse().ok());
    revisions.next().unwrap_or_default()
}

/// Counts what a job costs whose commands do nothing.
fn idle(job: &Job, long: Duration) -> Result<()> {
    thread::sleep(REST);
    let processes = Usage::processes_of_group(job.group)?;
    let all = |value: fn(u32) -> Result<u64>| processes.iter().map(|it| value(*it)).sum();
    let time = |process| Ok(u64::try_from(processor_time(process)?.as_millis())?);
    let before: (Result<u64>, Result<u64>) = (all(time), all(switches));
    thread::sleep(long);
    let after: (Result<u64>, Result<u64>) = (all(time), all(switches));
    println!(
        "\nrunning for {} s, {} processes: {} context switches of first threads, {} ms of processor time, {:.1} MiB",
        long.as_secs(),
        processes.len(),
        after.1?.saturating_sub(before.1?),
        after.0?.saturating_sub(before.0?),
        Usage::of_group(job.group)?.resident as f64 / 1024.0,
    );
    Ok(())
}

/// The context switches of a process's first thread: those of the others are gone with them.
fn switches(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.filter(|(label, _)| label.ends_with("ctxt_switches"));
    Ok(lines
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum())
}
