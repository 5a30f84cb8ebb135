//! Processes that end, and those that come after them.

use super::*;

/// Everybody would wait for a lease after each crash.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_next_process_has_the_slot_at_once() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    // The lease is not over within this test: nothing but a takeover gives the slots back.
    let start = |name: &str| scene.claimant(name).state("state").ttl(LONG).start();
    let mut first = start("first");
    assert_eq!(first.claims().await, 1);
    let mut second = start("second");
    assert_eq!(second.claims().await, 2);
    for generation in 0..2 {
        first.kill();
        first = start(&format!("first-{generation}"));
        assert_eq!(first.claims().await, 1);
        second.kill();
        second = start(&format!("second-{generation}"));
        assert_eq!(second.claims().await, 2);
    }
    scene.all_hold(&[&first, &second]).await;
    scene.judge();
}

/// The dead one's process number is all that a seat knows: a new process on another state folder
/// must not profit from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_waits_for_the_lease_of_the_dead() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let mut dead = scene.claimant("dead").limit(1).start();
    dead.claims().await;
    let stranger = scene.claimant("stranger").limit(1).start();
    stranger.says("all 1 slots are taken").await;
    dead.kill();
    assert_eq!(stranger.claims().await, 1);
    scene.judge();
}

/// Names would wander with every planned restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_waits_for_its_node() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str, state: &str| {
        let launch = scene.claimant(name).state(state).ttl(LONG);
        launch.with("--sticky", "600000").start()
    };
    let mut first = start("first", "a");
    assert_eq!(first.claims().await, 1);
    let mut second = start("second", "b");
    assert_eq!(second.claims().await, 2);
    let prefix = "/callsign/v1/worker%d.tf.local./resv/";
    let reserved = || {
        let found = etcd.control(&["get", "--prefix", "--keys-only", prefix]);
        (found.matches(prefix).count() == 2).then_some(())
    };
    until("both slots are reserved", reserved).await;
    first.release().await;
    second.release().await;
    scene.is_free(1).await;
    scene.is_free(2).await;
    let stranger = start("stranger", "c");
    assert_eq!(stranger.claims().await, 3, "1 and 2 wait for others");
    let second = start("second-again", "b");
    assert_eq!(second.claims().await, 2);
    let first = start("first-again", "a");
    assert_eq!(first.claims().await, 1);
    scene.judge();
}

/// A cloned machine would take the name of its original away, or never get one.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_node_have_slots_of_their_own() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str, state: &str| {
        // The copy waits for two leases of its original, which must not lose its own meanwhile.
        let launch = scene.claimant(name).state(state).ttl(SHORT * 2);
        launch.with("--sticky", "60000").start()
    };
    let original = start("original", "disk");
    assert_eq!(original.claims().await, 1);
    scene.copy("disk", "copied-disk");
    let copy = start("copy", "copied-disk");
    assert_eq!(copy.claims().await, 2);
    copy.says("has this node's key").await;
    assert_eq!(original.ends(), 0, "{}", original.log());
    scene.all_hold(&[&original, &copy]).await;
    scene.judge();
}

/// Dead nodes would fill the pool.
#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_the_dead_are_free_when_their_leases_are_over() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| scene.claimant(&format!("c{number}")).start();
    let mut all: Vec<Claimant> = (0..5).map(start).collect();
    scene.all_hold(&all.iter().collect::<Vec<_>>()).await;
    for claimant in &mut all {
        claimant.kill();
    }
    let free = || scene.onlooker.holders().is_empty().then_some(());
    until("all slots are free", free).await;
    scene.judge();
}

/// A planned stop would leave a name that leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_given_back_is_free_at_once() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let mut holder = scene.claimant("holder").ttl(LONG).start();
    let slot = holder.claims().await;
    scene.shows("holder").await;
    holder.release().await;
    scene.is_free(slot).await;
    assert_eq!(holder.ends(), 1);
    scene.judge();
}
