//! A process that claims names with the product's own pool and writes down what happens to it.
//!
//! The tests of uniqueness start many of these against a real etcd, stop them, cut them off and
//! kill them. Each writes a history for the crate of that name: when a slot was claimed, each use
//! of it, when it ended. SIGTERM gives the names back and ends the process.

mod mutation;
mod recorder;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use callsign::freshness::Freshness;
use callsign::identity::address::AddressSelection;
use callsign::identity::members::Members;
use callsign::identity::node;
use callsign::identity::pattern::Pattern;
use callsign::identity::pool::{self, PoolConfig, PoolHandle};
use callsign::store::etcd::{Credentials, EtcdOptions, EtcdStore, Layout};
use callsign::store::{Slot, Space, Store};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use mutation::{Mutant, Mutation};
use recorder::Recorder;

/// Claims names in etcd and keeps a history of it.
#[derive(Parser)]
struct Options {
    /// The members of etcd.
    #[arg(long, required = true)]
    endpoint: Vec<String>,
    /// USER:PASSWORD for etcd.
    #[arg(long)]
    user: Option<String>,
    /// Keys as idetcd has them.
    #[arg(long)]
    idetcd: bool,
    #[arg(long, default_value = "worker{{.ID}}.tf.local.")]
    pattern: String,
    #[arg(long, default_value_t = 10)]
    limit: Slot,
    /// How long a claim outlives its last renewal, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    ttl: u64,
    /// How long a slot waits for its node, in milliseconds; not at all without it.
    #[arg(long)]
    sticky: Option<u64>,
    /// The state folder.
    #[arg(long)]
    state: PathBuf,
    /// Where the history is appended.
    #[arg(long)]
    history: PathBuf,
    /// The claimant's name in the history, unique for each process.
    #[arg(long)]
    name: String,
    /// How many claimants, each with a connection of its own.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Milliseconds between two uses.
    #[arg(long, default_value_t = 5)]
    every: u64,
    /// A FIFO: once everything else is done, "ready" is printed, and nothing is claimed before
    /// somebody has opened the FIFO for writing.
    #[arg(long)]
    barrier: Option<PathBuf>,
    /// A rule to break.
    #[arg(long)]
    mutation: Option<Mutation>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    // One thread for the pool, one for each recorder: a check races with what drives the claim.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(options)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("claimant: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut claimants = Vec::new();
    for number in 0..options.count {
        let name = match options.count {
            1 => options.name.clone(),
            _ => format!("{}-{number}", options.name),
        };
        let mut handle = start(&options, &name)?;
        if options.barrier.is_some() {
            let known = |members: &Members| members.freshness != Freshness::Unknown;
            let _ = handle.members.wait_for(known).await;
        }
        claimants.push((name, handle));
    }
    if let Some(barrier) = options.barrier.clone() {
        println!("ready");
        let opened = tokio::task::spawn_blocking(|| File::open(barrier)).await;
        drop(opened.map_err(|error| error.to_string())?.map_err(failed)?);
    }
    let mut recorders = Vec::new();
    for (name, handle) in &claimants {
        handle.claim();
        let recorder = Recorder::new(&options.history, name, handle.clone()).map_err(failed)?;
        let every = Duration::from_millis(options.every);
        recorders.push(std::thread::spawn(move || recorder.run(every)));
    }
    terminate.recv().await;
    for (_, handle) in &claimants {
        handle.release();
    }
    for (_, handle) in &mut claimants {
        let _ = handle.state.wait_for(|state| state.ended).await;
    }
    for recorder in recorders {
        let recorded = recorder.join().map_err(|_| "a recorder panicked")?;
        recorded.map_err(failed)?;
    }
    Ok(())
}

/// Starts a pool that does not claim yet.
fn start(options: &Options, name: &str) -> Result<PoolHandle, String> {
    let pattern = Pattern::parse(&options.pattern, "worker").map_err(|error| error.to_string())?;
    let space = Space {
        pattern: Arc::new(pattern),
        limit: options.limit,
    };
    let credentials = options
        .user
        .as_deref()
        .and_then(|user| user.split_once(':'));
    let store = EtcdStore::new(EtcdOptions {
        endpoints: options.endpoint.clone(),
        credentials: credentials.map(|(user, password)| Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        }),
        layout: match options.idetcd {
            true => Layout::Idetcd,
            false => Layout::Native,
        },
        ..EtcdOptions::default()
    })?;
    let store: Arc<dyn Store> = match options.mutation {
        Some(mutation) => Arc::new(Mutant::new(mutation, store, options.endpoint.clone())),
        None => Arc::new(store),
    };
    let (node, note) = node::open(Some(&options.state), None);
    if let Some(note) = note {
        return Err(note);
    }
    let config = PoolConfig {
        pool: "worker".to_owned(),
        space,
        claim: true,
        ttl: Duration::from_millis(options.ttl),
        sticky: options.sticky.map(Duration::from_millis),
        node: None,
        addresses: vec![AddressSelection::parse("127.0.0.1")?],
        dns_port: None,
        ports: BTreeMap::new(),
        // By this an onlooker knows whose record it is: copies share their node key.
        meta: BTreeMap::from([("claimant".to_owned(), name.to_owned())]),
        health: None,
        hooks: Vec::new(),
    };
    Ok(pool::start(config, store, Arc::new(node), Arc::default()))
}
