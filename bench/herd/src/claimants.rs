//! One process of the herd: some claimants, each a node of its own with its own connection.
//!
//! It is told what to do on standard input and says what happens on standard output, a line each:
//!
//! ```text
//! → go                           claim
//! → stop                         give the names back and end
//! ← ready                        everything but the network has been done
//! ← held CLAIMANT SLOT EPOCH NANOSECONDS REQUESTS
//! ← lost CLAIMANT
//! ← reserved CLAIMANT
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callsign::clock::BootTime;
use callsign::identity::address::AddressSelection;
use callsign::identity::node;
use callsign::identity::pattern::Pattern;
use callsign::identity::pool::{self, PoolConfig, PoolHandle};
use callsign::store::etcd::{EtcdOptions, EtcdStore};
use callsign::store::{Feed, Pending, Reply, Request, Slot, Space, Store, StoreError};
use clap::Args;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use callsign_bench::Result;

/// How long a slot waits for its node: Callsign's default.
const STICKY: Duration = Duration::from_secs(600);

/// What one process of the herd does.
#[derive(Args, Clone, Debug)]
pub(crate) struct Task {
    /// The etcd
    #[arg(long)]
    pub(crate) endpoint: String,
    /// The pool's pattern
    #[arg(long)]
    pub(crate) pattern: String,
    /// The pool's limit
    #[arg(long)]
    pub(crate) limit: Slot,
    /// The lease's time in seconds
    #[arg(long)]
    pub(crate) ttl: u64,
    /// Folder with a folder for each claimant's state
    #[arg(long)]
    pub(crate) state: PathBuf,
    /// The number of the first claimant
    #[arg(long)]
    pub(crate) first: u32,
    /// How many claimants
    #[arg(long)]
    pub(crate) count: u32,
}

/// The whole life of one process of the herd.
///
/// # Errors
///
/// It cannot start; what happens later is told to whoever started it.
pub(crate) fn run(task: &Task) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let claimants = (task.first..task.first + task.count)
        .map(|number| Claimant::prepare(task, number))
        .collect::<Result<Vec<_>>>()?;
    let (phase, mut phases) = watch::channel("");
    std::thread::spawn(move || {
        say("ready");
        for line in std::io::stdin()
            .lock()
            .lines()
            .map_while(std::result::Result::ok)
        {
            match line.as_str() {
                "go" => phase.send_replace("go"),
                "stop" => phase.send_replace("stop"),
                _ => continue,
            };
        }
    });
    runtime.block_on(async move {
        // Whoever started this process has gone: nobody counts any more.
        if phases.wait_for(|phase| !phase.is_empty()).await.is_err() {
            return;
        }
        let mut all = JoinSet::new();
        for claimant in claimants {
            all.spawn(claimant.run(phases.clone()));
        }
        all.join_all().await;
    });
    Ok(())
}

struct Claimant {
    number: u32,
    config: PoolConfig,
    store: Arc<Counting>,
    node: Arc<node::NodeIdentity>,
}

impl Claimant {
    fn prepare(task: &Task, number: u32) -> Result<Self> {
        let options = EtcdOptions {
            endpoints: vec![task.endpoint.clone()],
            ..EtcdOptions::default()
        };
        let (node, without) = node::open(Some(&task.state.join(number.to_string())), None);
        if let Some(reason) = without {
            return Err(reason.into());
        }
        let address = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
        let pattern =
            Pattern::parse(&task.pattern, "worker").map_err(|error| format!("{error:?}"))?;
        let config = PoolConfig {
            pool: "worker".to_owned(),
            space: Space {
                pattern: Arc::new(pattern),
                limit: task.limit,
            },
            ttl: Duration::from_secs(task.ttl),
            sticky: Some(STICKY),
            node: None,
            addresses: vec![AddressSelection::Address(address.parse()?)],
            dns_port: Some(53),
            ports: BTreeMap::new(),
            meta: BTreeMap::new(),
            health: None,
            hooks: Vec::new(),
            claim: true,
        };
        let store = Counting {
            etcd: EtcdStore::new(options)?,
            number,
            requests: AtomicU32::new(0).into(),
        };
        Ok(Self {
            number,
            config,
            store: Arc::new(store),
            node: Arc::new(node),
        })
    }

    async fn run(self, mut phases: watch::Receiver<&'static str>) {
        let number = self.number;
        let requests = Arc::clone(&self.store.requests);
        let mut handle = pool::start(self.config, self.store, self.node, Arc::default());
        handle.claim();
        let told = tell(number, &mut handle, &requests);
        tokio::select! {
            () = told => return,
            _ = phases.wait_for(|phase| *phase == "stop") => {}
        }
        handle.release();
        let _ = handle.state.wait_for(|state| state.ended).await;
    }
}

/// Says whenever the claimant comes by a name or loses it.
async fn tell(number: u32, handle: &mut PoolHandle, requests: &AtomicU32) {
    let mut before = None;
    while handle.state.changed().await.is_ok() {
        let state = handle.state.borrow_and_update().clone();
        let held = state.held.map(|(slot, _)| slot).zip(state.epoch);
        if held == before {
            continue;
        }
        before = held;
        match held {
            Some((slot, epoch)) => {
                let (now, requests) = (
                    BootTime::now().nanoseconds(),
                    requests.load(Ordering::Relaxed),
                );
                say(&format!("held {number} {slot} {epoch} {now} {requests}"));
            }
            None => say(&format!("lost {number}")),
        }
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Nobody listens: the process is about to be killed.
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

/// The store of one claimant, which counts what is sent until the name is held.
struct Counting {
    etcd: EtcdStore,
    number: u32,
    requests: Arc<AtomicU32>,
}

impl Store for Counting {
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, std::result::Result<Reply, StoreError>> {
        let number = self.number;
        let reserves = matches!(request, Request::Reserve { .. });
        if !reserves && !matches!(request, Request::KeepAlive { .. }) {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        let answer = self.etcd.execute(space, request);
        Box::pin(async move {
            let answer = answer.await;
            if reserves && answer.is_ok() {
                say(&format!("reserved {number}"));
            }
            answer
        })
    }

    fn follow(&self, space: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()> {
        // The listing is one request; etcd itself counts every page of it.
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.etcd.follow(space, feed)
    }

    fn follow_from(
        &self,
        space: &Space,
        feed: mpsc::Sender<Feed>,
        begin: Pending<'static, ()>,
    ) -> Pending<'static, ()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.etcd.follow_from(space, feed, begin)
    }

    fn has_leases(&self) -> bool {
        self.etcd.has_leases()
    }

    fn settle(&self) -> Duration {
        self.etcd.settle()
    }

    fn describe(&self) -> String {
        self.etcd.describe()
    }
}
