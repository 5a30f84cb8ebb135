use tempfile::TempDir;

use super::*;
use crate::freshness::Freshness;
use crate::identity::pattern::Pattern;
use crate::identity::pool::PoolState;
use crate::store::{Epoch, Slot, Space};

/// How long anything may take that should take a moment.
const BOUND: Duration = Duration::from_secs(40);

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
            pools: Pools::new(&NodeOptions {
                state_folder,
                ..NodeOptions::default()
            }),
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

    /// The store of this process in its folder.
    fn local(&self) -> StoreConfig {
        StoreConfig::Local(Some(self.names.clone()))
    }

    /// Configures pools with these patterns and limits, all of one name.
    fn configure(&self, pools: &[(&str, Slot)]) -> Vec<PoolHandle> {
        let with_store = |(pattern, limit): &(&str, Slot)| (self.local(), config(pattern, *limit));
        self.apply(pools.iter().map(with_store).collect())
    }

    /// Makes these pools the configuration.
    fn apply(&self, pools: Vec<(StoreConfig, PoolConfig)>) -> Vec<PoolHandle> {
        let mut plan = self.pools.plan();
        let mut add = |(store, config)| plan.pool(store, config).unwrap();
        let handles = pools.into_iter().map(&mut add).collect();
        plan.commit();
        handles
    }

    /// Whether a pool goes on: it was not told to give its name back.
    async fn keeps(&self, handle: &PoolHandle) -> bool {
        // Whatever the last change has begun comes to its first wait.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let state = self.pools.lock();
        let mut running = state.running.iter();
        running.any(|it| it.handle.is_same(handle) && !it.leaving)
    }
}

/// Another process that holds the only slot of [`WORKERS`].
async fn full(process: &Process) -> Process {
    let other = process.other();
    let [blocker] = &other.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    assert_eq!(held(blocker).await, 1);
    other
}

/// A pool of another name.
fn called(pool: &str, pattern: &str, limit: Slot) -> PoolConfig {
    PoolConfig {
        pool: pool.to_owned(),
        ..config(pattern, limit)
    }
}

/// An etcd that is away: nobody serves these ports.
fn etcd(ports: &[u16]) -> StoreConfig {
    let endpoints = ports.iter().map(|port| format!("http://127.0.0.1:{port}"));
    StoreConfig::Etcd(EtcdOptions {
        endpoints: endpoints.collect(),
        ..EtcdOptions::default()
    })
}

fn config(pattern: &str, limit: Slot) -> PoolConfig {
    let space = Space {
        pattern: Arc::new(Pattern::parse(pattern, "worker").unwrap()),
        limit,
    };
    PoolConfig::new("worker", space)
}

const WORKERS: &str = "worker{{.ID}}.x.";
const TRAINERS: &str = "trainer{{.ID}}.x.";

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
    assert!(process.keeps(worker).await, "the open plan may want it");
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

/// If this fails, a zone that takes long to read, or a flood over TCP, costs the node its name.
#[tokio::test]
async fn a_name_is_claimed_while_this_thread_does_other_work() {
    let process = Process::new();
    assert!(process.pools.keeper.get().is_none(), "nobody needs it yet");
    let [worker] = &process.configure(&[(WORKERS, 3)])[..] else {
        panic!("one")
    };
    // The task that has the pool begin its claim comes to its end here.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    // From now on nothing runs on this thread.
    let end = std::time::Instant::now() + BOUND;
    while worker.state.borrow().held.is_none() {
        assert!(std::time::Instant::now() < end, "it waits for this thread");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// If this fails, a process that is done with its pools keeps their thread, and goes on renewing.
#[tokio::test]
async fn pools_that_are_dropped_end_with_their_thread() {
    let process = Process::new();
    let [worker] = &process.configure(&[(WORKERS, 3)])[..] else {
        panic!("one")
    };
    assert_eq!(held(worker).await, 1);
    let mut state = worker.state.clone();
    drop(process);
    let gone = timeout(BOUND, state.wait_for(|_| false)).await;
    assert!(gone.expect("in time").is_err(), "it goes on");
    let note = worker.note(crate::store::NoteName::Roster, None, BOUND);
    assert!(timeout(BOUND, note).await.expect("in time").is_err());
}

/// If this fails, the user is told to try a name that is not answered for yet, or never told.
#[tokio::test]
async fn a_name_is_told_once_it_is_among_the_members() {
    let process = Process::new();
    let mut statuses = process.pools.subscribe();
    let [worker] = &process.configure(&[(WORKERS, 3)])[..] else {
        panic!("one")
    };
    let answered = statuses.wait_for(|pools| pools.iter().any(|pool| pool.answered));
    let answered = timeout(BOUND, answered).await.expect("in time");
    let name = answered.expect("it runs").first().unwrap().name.clone();
    assert_eq!(name.as_deref(), Some("worker1.x."));
    assert!(worker.members.borrow().get(1).is_some());

    let state = PoolState {
        held: Some((1, "worker1.x.".to_owned())),
        epoch: Some(Epoch::MAX),
        ..PoolState::default()
    };
    let members = worker.members.borrow().clone();
    assert!(!answers(&state, &members), "that is the claim before");
    assert!(!answers(&PoolState::default(), &members));
}

/// If this fails, a node loses its only name to a second reload of the same file, while it waits
/// for the name that is to replace it.
#[tokio::test]
async fn the_old_name_is_kept_however_often_the_new_one_is_configured() {
    let process = Process::new();
    let other = full(&process).await;
    let [old] = &process.configure(&[(TRAINERS, 3)])[..] else {
        panic!("one")
    };
    assert_eq!(held(old).await, 1);
    for _ in 0..3 {
        process.configure(&[(WORKERS, 1)]);
        assert!(process.keeps(old).await);
    }
    // A third pattern instead: the second is not claimed any more, the first still is held.
    let [waiting] = &process.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    let third = (etcd(&[1]), config(WORKERS, 1));
    for _ in 0..2 {
        process.apply(vec![third.clone()]);
        assert!(process.keeps(old).await, "the new store is away");
        assert!(!process.keeps(waiting).await);
    }
    let [new] = &process.configure(&[(WORKERS, 1)])[..] else {
        panic!("one")
    };
    assert_eq!(held(old).await, 1);
    other.configure(&[]);
    assert_eq!(held(new).await, 1);
    ended(old).await;
}

/// If this fails, a second reload of the same file takes the slot of a node that is to leave it
/// for one below a smaller limit, before there is one.
#[tokio::test]
async fn a_slot_beyond_the_limit_is_kept_however_often_the_limit_is_configured() {
    let process = Process::new();
    let other = full(&process).await;
    let [old] = &process.configure(&[(WORKERS, 2)])[..] else {
        panic!("one")
    };
    assert_eq!(held(old).await, 2);
    // Under another name as well: the names are the same ones.
    for pool in ["worker", "worker", "renamed", "renamed"] {
        process.apply(vec![(process.local(), called(pool, WORKERS, 1))]);
        assert!(process.keeps(old).await);
    }
    other.configure(&[]);
    ended(old).await;
}

/// If this fails, a pool that was taken out of the Corefile is held for as long as another one is
/// full.
#[tokio::test]
async fn a_pool_that_is_removed_waits_for_no_other() {
    let process = Process::new();
    let _other = full(&process).await;
    let old = process.apply(vec![
        (process.local(), called("trainer", TRAINERS, 3)),
        (process.local(), called("server", "server{{.ID}}.x.", 3)),
    ]);
    for handle in &old {
        assert_eq!(held(handle).await, 1);
    }
    let waiting = || (process.local(), called("worker", WORKERS, 1));
    process.apply(vec![
        (process.local(), called("server", "server{{.ID}}.x.", 3)),
        waiting(),
    ]);
    ended(&old[0]).await;
    assert!(process.keeps(&old[1]).await);
    // And one that was there all along replaces nothing, not even where it has the same name.
    let shared = called("worker", "server{{.ID}}.x.", 3);
    let [kept, _] = &process.apply(vec![(process.local(), shared), waiting()])[..] else {
        panic!("two")
    };
    assert!(kept.is_same(&old[1]), "only its pool's name is another one");
    process.apply(vec![waiting()]);
    ended(&old[1]).await;
}

/// If this fails, a new member of etcd, or another user, costs the node its name.
#[tokio::test]
async fn another_way_to_the_same_names_is_the_same_pool() {
    let process = Process::new();
    let first = |store: StoreConfig, pool| {
        let handles = process.apply(vec![(store, called(pool, WORKERS, 3))]);
        handles.into_iter().next().unwrap()
    };
    let pool = first(etcd(&[1, 2]), "worker");
    for (ports, name) in [
        (&[2, 3][..], "worker"),
        (&[3, 4], "renamed"),
        // Nothing in common but the pool's name.
        (&[5], "renamed"),
        (&[5, 6], "worker"),
    ] {
        assert!(first(etcd(ports), name).is_same(&pool), "{ports:?}");
        assert_eq!(process.pools.lock().running.len(), 1);
    }
    let StoreConfig::Etcd(mut options) = etcd(&[6]) else {
        panic!("etcd")
    };
    options.credentials = Some(crate::store::etcd::Credentials {
        user: "me".to_owned(),
        password: "secret".to_owned(),
    });
    options.prefix = Some("/callsign/".to_owned());
    let pool = first(StoreConfig::Etcd(options.clone()), "worker");
    let status = process.pools.subscribe().borrow().clone();
    assert_eq!(status[0].store, "etcd http://127.0.0.1:6");
    options.prefix = Some("/elsewhere".to_owned());
    assert!(!first(StoreConfig::Etcd(options), "worker").is_same(&pool));
    let pool = first(etcd(&[7]), "worker");
    assert!(
        !first(etcd(&[8]), "trainer").is_same(&pool),
        "nothing in common"
    );
}

/// If this fails, two clusters with equal patterns are taken for one, or one for two.
#[tokio::test]
async fn clusters_in_one_configuration_are_told_apart_by_their_endpoints() {
    let process = Process::new();
    let at = |ports: &[u16]| (etcd(ports), config(WORKERS, 3));
    let [one, two, same] = &process.apply(vec![at(&[1, 2]), at(&[3]), at(&[1, 2])])[..] else {
        panic!("three")
    };
    assert!(one.is_same(same) && !one.is_same(two));
    let mut plan = process.pools.plan();
    let mut add = |ports: &[u16]| plan.pool(etcd(ports), config(WORKERS, 3));
    assert!(add(&[3]).unwrap().is_same(two));
    // Either could be meant: neither is touched.
    let other = add(&[4]).unwrap();
    assert!(!other.is_same(one) && !other.is_same(two));
    let error = add(&[4, 5]).unwrap_err();
    assert!(error.contains("with other options"), "{error}");
    assert!(add(&[2, 6]).unwrap().is_same(one));
}

/// If this fails, the names of a new pool are refused for a moment after a reload, or a store that
/// is away keeps a reload from coming to its end.
#[tokio::test]
async fn a_plan_waits_until_its_new_pools_are_known() {
    let process = Process::new();
    let mut plan = process.pools.plan();
    let new = plan.pool(process.local(), config(WORKERS, 3)).unwrap();
    let unknown = |handle: &PoolHandle| handle.members.borrow().freshness == Freshness::Unknown;
    assert!(unknown(&new));
    plan.heard(BOUND).await;
    assert!(!unknown(&new));
    let away = plan.pool(etcd(&[1]), config(TRAINERS, 3)).unwrap();
    let heard = plan.heard(Duration::from_millis(1));
    timeout(BOUND, heard).await.expect("in time");
    assert!(unknown(&away));
}
