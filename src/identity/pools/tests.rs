use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::identity::address::AddressSelection;
use crate::identity::pattern::Pattern;
use crate::store::{Slot, Space};

/// How long anything may take that should take a moment.
const BOUND: Duration = Duration::from_secs(20);

/// The pools of one process, in a folder of their own or of another one.
struct Process {
    pools: Arc<Pools>,
    names: PathBuf,
    /// Removed with the test.
    _folder: TempDir,
}

impl Process {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state_folder = Some(folder.path().join("state"));
        Self {
            pools: Pools::new(&NodeOptions { state_folder }),
            names: folder.path().join("names"),
            _folder: folder,
        }
    }

    /// Another process of the same process.
    fn other(&self) -> Self {
        Self {
            names: self.names.clone(),
            ..Self::new()
        }
    }

    /// Configures pools with these patterns and limits.
    fn configure(&self, pools: &[(&str, Slot)]) -> Vec<PoolHandle> {
        let mut plan = self.pools.plan();
        let store = StoreConfig::Local(Some(self.names.clone()));
        let add = |(pattern, limit): &(&str, Slot)| {
            plan.pool(store.clone(), config(pattern, *limit)).unwrap()
        };
        let handles = pools.iter().map(add).collect();
        plan.commit();
        handles
    }
}

fn config(pattern: &str, limit: Slot) -> PoolConfig {
    PoolConfig {
        pool: "worker".to_owned(),
        space: Space {
            pattern: Arc::new(Pattern::parse(pattern, "worker").unwrap()),
            limit,
        },
        claim: true,
        ttl: Duration::from_secs(20),
        sticky: None,
        node: None,
        addresses: vec![AddressSelection::Auto],
        dns_port: None,
        ports: BTreeMap::new(),
        meta: BTreeMap::new(),
        health: None,
        hooks: Vec::new(),
    }
}

const WORKERS: &str = "worker{{.ID}}.x.";

/// Waits until a pool holds a slot and gives it.
async fn held(handle: &PoolHandle) -> Slot {
    let mut state = handle.state.clone();
    let state = timeout(BOUND, state.wait_for(|state| state.held.is_some())).await;
    let state = state.expect("in time").expect("the pool runs");
    state
        .held
        .as_ref()
        .map(|(slot, _)| *slot)
        .unwrap_or_default()
}

async fn ended(handle: &PoolHandle) {
    timeout(BOUND, end(vec![handle.clone()]))
        .await
        .expect("in time");
}

/// If this fails, a pool that is taken out of a Corefile and put back soon after never holds a
/// name again.
#[tokio::test]
async fn a_pool_that_is_leaving_comes_back() {
    let process = Process::new();
    for _ in 0..20 {
        let [first] = &process.configure(&[(WORKERS, 3)])[..] else {
            panic!("one")
        };
        assert_eq!(held(first).await, 1);
        process.configure(&[]);
        let mut state = first.state.clone();
        let released = state.wait_for(|state| state.held.is_none() || state.ended);
        timeout(BOUND, released)
            .await
            .expect("in time")
            .expect("it runs");
    }
}

/// If this fails, a reload that is undone at once costs the name all the same.
#[tokio::test]
async fn an_old_name_is_kept_where_it_is_wanted_again_in_time() {
    let process = Process::new();
    let [worker] = &process.configure(&[(WORKERS, 3)])[..] else {
        panic!("one")
    };
    assert_eq!(held(worker).await, 1);
    let plan = process.pools.plan();
    process.configure(&[]);
    // While a plan is open, what it may want does not go.
    sleep(PLANNING * 3).await;
    assert_eq!(held(worker).await, 1);
    let [again] = &process.configure(&[(WORKERS, 3)])[..] else {
        panic!("one")
    };
    drop(plan);
    assert!(again.is_same(worker));
    assert_eq!(held(worker).await, 1);
}

/// If this fails, a second reload while a node waits for a slot below its new limit starts
/// another claimant, or gives the old slot up for nothing.
#[tokio::test]
async fn a_move_survives_further_reloads() {
    let process = Process::new();
    let other = process.other();
    let [blocker] = &other.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    assert_eq!(held(blocker).await, 1);
    let [old] = &process.configure(&[(WORKERS, 2)])[..] else {
        panic!("one")
    };
    assert_eq!(held(old).await, 2);
    let [new] = &process.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    let [same] = &process.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    assert!(new.is_same(same) && !new.is_same(old));
    assert_eq!(held(old).await, 2);
    // The larger limit again: the slot that is held is fine after all.
    let [back] = &process.configure(&[(WORKERS, 2)])[..] else {
        panic!("one")
    };
    assert!(back.is_same(old));
    ended(new).await;
    let [moved] = &process.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    other.configure(&[]);
    assert_eq!(held(moved).await, 1);
    ended(old).await;
}
