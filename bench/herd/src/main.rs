//! Claimants at once, each with a connection of its own to one etcd.

#![forbid(unsafe_code)]

mod claimants;
mod herd;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use callsign_bench::etcd::Etcd;
use callsign_bench::{Result, process};
use claimants::Task;
use clap::{Parser, Subcommand, ValueEnum};
use herd::{Herd, Shape};
use report::{Run, calls};

/// Lets claimants loose on one etcd, counts what they ask and checks that no two share a name.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many claimants there are at once
    #[arg(long, default_value_t = 1000)]
    claimants: u32,
    /// How many processes they are spread over
    #[arg(long, default_value_t = 50)]
    processes: u32,
    /// An etcd that runs already and does nothing else; without it one is started
    #[arg(long)]
    endpoint: Option<String>,
    /// The lease's time in seconds
    #[arg(long, default_value_t = 20)]
    ttl: u64,
    /// How many seconds to watch what etcd writes while nothing happens
    #[arg(long, default_value_t = 25)]
    rest: u64,
    /// Only this part, after the fresh herd that all begin with
    #[arg(long)]
    only: Option<Only>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// One process of the herd, started by the herd itself
    #[command(hide = true)]
    Claimants(Task),
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Nothing after the fresh herd
    Fresh,
    /// What etcd does while nothing happens
    Steady,
    /// All stopped and started again
    Sticky,
    /// Half of them killed, the new ones wait for their leases
    Wait,
    /// Half of them killed, with room for the new ones
    Room,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.part {
        Some(Part::Claimants(task)) => claimants::run(task).map(|()| true),
        None => all(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("herd: not every living claimant has a name of its own");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("herd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything; `false` where names were not unique or somebody had none.
fn all(arguments: &Arguments) -> Result<bool> {
    let &Arguments {
        claimants,
        processes,
        ..
    } = arguments;
    if processes < 2 || claimants == 0 || claimants % processes != 0 {
        return Err("--claimants must be a multiple of --processes, and these at least 2".into());
    }
    process::raise_open_files()?;
    println!(
        "{claimants} claimants in {processes} processes, TTL {} s\n",
        arguments.ttl
    );
    let mut unique = true;
    let mut show = |run: &Run| {
        run.print();
        println!();
        unique &= run.is_unique();
    };

    let wants = |part| arguments.only.is_none_or(|only| only == part);
    if arguments.only != Some(Only::Room) {
        let mut herd = herd(arguments, claimants)?;
        show(&herd.claim("fresh: a new pool, everybody at once", processes)?);
        herd.settle()?;
        if wants(Only::Steady) {
            steady(&mut herd, arguments.rest)?;
        }
        if wants(Only::Sticky) {
            let (run, moved) =
                herd.restart("sticky: all stopped, started again with their state")?;
            show(&run);
            println!("  {:<28} {moved}\n", "moved to another name");
        }
        if wants(Only::Wait) {
            herd.settle()?;
            show(&herd.replace_half("wait: half killed, as many new ones, limit N")?);
        }
    }
    if wants(Only::Room) {
        let mut herd = herd(arguments, claimants * 2)?;
        show(&herd.claim("fresh: a new pool, limit 2N", processes)?);
        herd.settle()?;
        show(&herd.replace_half("room: half killed, as many new ones, limit 2N")?);
    }
    Ok(unique)
}

fn steady(herd: &mut Herd, seconds: u64) -> Result<()> {
    let rest = herd.rest(Duration::from_secs(seconds))?;
    println!("steady: {seconds} s in which nothing happens");
    println!("  {:<28} {}", "raft writes", rest.writes);
    println!("  {:<28} {}", "renewed leases", rest.renewals);
    println!("  {:<28} {}\n", "calls at etcd", calls(&rest.calls));
    Ok(())
}

fn herd(arguments: &Arguments, limit: u32) -> Result<Herd> {
    let etcd = match &arguments.endpoint {
        Some(url) => Etcd::at(url),
        None => Etcd::start()?,
    };
    let shape = Shape {
        // Names of their own, where etcd is not ours.
        pattern: format!(
            "worker{{{{.ID}}}}.limit{limit}.run{}.bench.",
            std::process::id()
        ),
        limit,
        ttl: Duration::from_secs(arguments.ttl),
        each: arguments.claimants / arguments.processes,
    };
    Herd::new(etcd, shape)
}
