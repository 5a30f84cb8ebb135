//! Nobody shares a name: real processes, a real etcd, and everything that goes wrong.
//!
//! Each test starts claimants (`tests/claimant`), which write down what happens to them, and an
//! onlooker, who writes down what stands in the store. The crate `history` judges all of it: no
//! two processes pass the ownership check for one slot at overlapping moments, epochs grow from
//! owner to owner, nobody uses what is over, nobody stands in two slots.

mod claimant;
mod cluster;
mod disasters;
mod etcd_faults;
mod herd;
mod mutations;
mod onlooker;
mod partitions;
mod pauses;
mod queue;
mod restarts;
mod scene;
mod storm;

use std::time::Duration;

use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};

use crate::support::etcd::{BOUND, Etcd};
use crate::support::gate::{Gate, Way};
use claimant::Claimant;
use scene::Scene;

/// A lease that is over soon. A shorter one would be lost for nothing on a busy machine, whose disk
/// may keep etcd waiting for seconds.
const SHORT: Duration = Duration::from_secs(4);

/// A lease that does not end within any test: what is given back earlier was given back.
const LONG: Duration = Duration::from_secs(600);

/// The herd has the machine for itself, everything else shares it.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// Looks until there is something, for as long as a busy machine may need.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
