//! What the user is told of the pools, and whether to go on where one has no name.

use std::collections::HashSet;
use std::net::SocketAddr;

use tokio::sync::watch;
use tracing::warn;

use super::{banner, notify};
use crate::console::say;
use crate::identity::pools::PoolStatus;

/// Tells what happens to the pools of the process.
pub(super) struct Teller {
    pools: watch::Receiver<Vec<PoolStatus>>,
    quiet: bool,
    require_claim: bool,
    /// The names that the user was told of.
    told: HashSet<String>,
    /// The notes that were logged.
    noted: HashSet<String>,
    status: String,
}

impl Teller {
    pub(super) fn new(
        mut pools: watch::Receiver<Vec<PoolStatus>>,
        quiet: bool,
        require_claim: bool,
    ) -> Self {
        // What happened before somebody watched is news too.
        pools.mark_changed();
        Self {
            pools,
            quiet,
            require_claim,
            told: HashSet::new(),
            noted: HashSet::new(),
            status: String::new(),
        }
    }

    /// Tells what changes until a pool is full and the server may not go on without a name there;
    /// returns that as one line.
    pub(super) async fn until_full(&mut self, server: Option<SocketAddr>) -> String {
        loop {
            if self.pools.changed().await.is_err() {
                return std::future::pending().await;
            }
            let pools = self.pools.borrow_and_update().clone();
            // What the user is told to try should work.
            let answered = pools.iter().filter(|pool| pool.answered);
            for name in answered.filter_map(|pool| pool.name.as_ref()) {
                if self.told.insert(name.clone()) && !self.quiet {
                    say(&format!("This node is {name}"));
                    if let Some(server) = server {
                        say(&format!("Try: {}", banner::dig_line(name, server)));
                    }
                }
            }
            for note in pools.iter().flat_map(|pool| &pool.notes) {
                if self.noted.insert(note.clone()) {
                    warn!("{note}");
                }
            }
            let status = status(&pools);
            if status != self.status {
                notify::status(&status);
                self.status = status;
            }
            if let Some(reason) = pools.iter().find_map(full).filter(|_| self.require_claim) {
                return reason;
            }
        }
    }
}

/// That the pool has no name for this node, where that is because it is full.
fn full(pool: &PoolStatus) -> Option<String> {
    let PoolStatus {
        pool: name,
        pattern,
        store,
        ..
    } = pool;
    let full = pool.full && pool.name.is_none();
    full.then(|| format!("pool {name} is full: no name of {pattern} is free in {store}"))
}

/// The pools in one line.
fn status(pools: &[PoolStatus]) -> String {
    let one = |pool: &PoolStatus| match (&pool.name, &pool.problem) {
        (Some(name), None) => name.clone(),
        (Some(name), Some(problem)) => format!("{name} ({problem})"),
        (None, Some(problem)) => format!("{}: {problem}", pool.pool),
        (None, None) => format!("{}: claiming a name", pool.pool),
    };
    pools.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: Option<&str>, problem: Option<&str>) -> PoolStatus {
        PoolStatus {
            pool: "worker".into(),
            name: name.map(Into::into),
            problem: problem.map(Into::into),
            ..PoolStatus::default()
        }
    }

    /// If this fails, `systemctl status` says nothing useful.
    #[test]
    fn the_status_line_names_what_is_held_and_what_is_wrong() {
        let pools = [
            pool(Some("worker1.tf.local."), None),
            pool(None, Some("the pool is full")),
            pool(None, None),
        ];
        assert_eq!(
            status(&pools),
            "worker1.tf.local.; worker: the pool is full; worker: claiming a name"
        );
    }

    /// If this fails, `--require-claim` ends a server whose store is away for a moment, or lets
    /// one run that got no name.
    #[test]
    fn only_a_full_pool_ends_the_server() {
        let is_full = |pool| PoolStatus { full: true, ..pool };
        assert!(full(&is_full(pool(None, Some("all names are taken")))).is_some());
        assert_eq!(full(&pool(None, Some("the store cannot be reached"))), None);
        assert_eq!(full(&is_full(pool(Some("worker1."), None))), None);
    }
}
