//! Who we are on a board, and taking down what we have pinned.
//!
//! What a process shares is its own to the end: a reload that makes the directive anew hands it on
//! without a gap, and the end of the process waits for a moment until it is taken down.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::identity::node::NodeIdentity;
use crate::mutex::locked;
use crate::store::Pending;
use crate::store::board::End;

/// How long taking everything down may take at the end of the process.
const LONGEST_FAREWELL: Duration = Duration::from_secs(3);

/// The longest name of an author that is made of a node's key.
const LONGEST_KEY: usize = 100;

/// All that this process has pinned to boards.
#[derive(Debug)]
pub struct Shares {
    node: Arc<NodeIdentity>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many presences each author has. More than one while one takes over from another.
    authors: HashMap<String, usize>,
    pinning: Vec<Pinning>,
}

#[derive(Debug)]
struct Pinning {
    end: watch::Sender<End>,
    task: JoinHandle<()>,
}

impl Shares {
    /// Nothing yet, of this node.
    #[must_use]
    pub fn new(node: Arc<NodeIdentity>) -> Arc<Self> {
        Arc::new(Self {
            node,
            state: Mutex::default(),
        })
    }

    /// Our presence on a board with the containers that `what` stands for: the same before and
    /// after a restart, another one in every process that lives at the same time, and another one
    /// after a restart of the machine, since disks are copied.
    #[must_use]
    pub fn presence(self: &Arc<Self>, what: impl Hash, runtime: &Handle) -> Presence {
        let mut hasher = DefaultHasher::new();
        (what, self.node.boot_id()).hash(&mut hasher);
        let is_plain = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
        let key: String = self.node.key.chars().filter(is_plain).collect();
        let key: String = key.chars().take(LONGEST_KEY).collect();
        let author = format!("{key}-{:08x}", hasher.finish() >> 32);
        let mut state = locked(&self.state);
        *state.authors.entry(author.clone()).or_default() += 1;
        drop(state);
        Presence {
            author,
            shares: Arc::clone(self),
            runtime: runtime.clone(),
            end: watch::Sender::new(End::NotYet),
        }
    }

    /// Takes everything down, and waits until that is done or three seconds are over.
    pub async fn withdraw_all(&self) {
        let pinning = std::mem::take(&mut locked(&self.state).pinning);
        let all = async {
            for pinning in pinning {
                pinning.end.send_if_modified(|end| {
                    let goes_on = *end == End::NotYet;
                    if goes_on {
                        *end = End::Withdrawn;
                    }
                    goes_on
                });
                // It neither panics nor is cancelled.
                let _ = pinning.task.await;
            }
        };
        if timeout(LONGEST_FAREWELL, all).await.is_err() {
            tracing::warn!(
                "docker: what was shared could not be withdrawn in time; it ends by itself"
            );
        }
    }
}

/// An author on a board. When it is dropped, what it has pinned is taken down, unless another one
/// in this process has taken over.
#[derive(Debug)]
pub struct Presence {
    author: String,
    shares: Arc<Shares>,
    runtime: Handle,
    end: watch::Sender<End>,
}

impl Presence {
    /// The author's name.
    #[must_use]
    pub fn author(&self) -> &str {
        &self.author
    }

    /// When it is over.
    #[must_use]
    pub fn end(&self) -> watch::Receiver<End> {
        self.end.subscribe()
    }

    /// Starts pinning, which goes on beyond this value until all is taken down.
    pub fn start(&self, pin: Pending<'static, ()>) {
        let task = self.runtime.spawn(pin);
        let mut state = locked(&self.shares.state);
        state.pinning.retain(|it| !it.task.is_finished());
        let end = self.end.clone();
        state.pinning.push(Pinning { end, task });
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut state = locked(&self.shares.state);
        let left = state.authors.get_mut(&self.author).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            state.authors.remove(&self.author);
        }
        drop(state);
        self.end.send_replace(match left {
            0 => End::Withdrawn,
            _ => End::TakenOver,
        });
    }
}
