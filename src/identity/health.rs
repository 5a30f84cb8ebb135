//! Checks that a node must pass to be answered for.

mod http;
mod probe;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub use http::Url;
pub use probe::{Probe, ProbeError};

/// The shortest interval between two checks.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// What to check, and how often: `health tcp 127.0.0.1:2222 { interval 5s timeout 1s failures 3 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What to try.
    pub probe: Probe,
    /// From the start of one check to the start of the next; where a check takes longer, the next
    /// begins when it is over. Default: 5 s; shorter than [`SHORTEST_INTERVAL`] counts as that.
    pub interval: Duration,
    /// How long a check may take before it counts as failed. Default: 2 s.
    pub timeout: Duration,
    /// How many checks must fail in a row until the node fails. Default: 3; 0 counts as 1.
    pub failures: u32,
}

impl HealthCheck {
    /// A check with the defaults.
    #[must_use]
    pub const fn new(probe: Probe) -> Self {
        Self {
            probe,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures: 3,
        }
    }
}

/// Checks now and then until all receivers are dropped, never twice at once.
///
/// The receiver has `false` until the first success, `true` from any success on, and `false` again
/// after as many failures in a row as the check says. Each change is said once in the log.
///
/// # Panics
///
/// Outside of a tokio runtime with IO and time.
pub fn run(check: HealthCheck) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = check_forever(&check, &sender) => {}
        }
    });
    receiver
}

async fn check_forever(check: &HealthCheck, sender: &watch::Sender<bool>) {
    let mut ticks = interval(check.interval.max(SHORTEST_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut health = Health::default();
    loop {
        ticks.tick().await;
        let result = check.probe.attempt(check.timeout).await;
        match (health.after(result.is_ok(), check.failures), result) {
            (Some(Change::Passes), _) => info!("health check passes: {}", check.probe),
            (Some(Change::Fails), Err(reason)) => {
                warn!("health check fails: {}: {reason}", check.probe);
            }
            _ => continue,
        }
        sender.send_if_modified(|passes| std::mem::replace(passes, health.passes) != health.passes);
    }
}

/// What the results so far amount to.
#[derive(Default)]
struct Health {
    passes: bool,
    failed_in_a_row: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Passes,
    Fails,
}

impl Health {
    /// Takes a result. A change is also the first time that the limit is reached without any
    /// success before: whoever waits for the node must learn why.
    fn after(&mut self, success: bool, limit: u32) -> Option<Change> {
        if success {
            self.failed_in_a_row = 0;
            let changed = !self.passes;
            self.passes = true;
            return changed.then_some(Change::Passes);
        }
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        if self.failed_in_a_row != limit.max(1) {
            return None;
        }
        self.passes = false;
        Some(Change::Fails)
    }
}
