//! Claimants that etcd cannot be reached from, each behind a gate of its own.

use super::*;

/// A holder gets its way to etcd closed. Who waits takes its slot, and once the way is open
/// and another slot is free, it holds that.
async fn is_replaced_and_returns(close: impl Fn(&Gate)) {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let gate = Gate::before(etcd.port()).await;
    let far = scene.claimant("far").behind(&gate).limit(2).start();
    far.claims().await;
    let mut near = scene.claimant("near").limit(2).start();
    near.claims().await;
    let waiting = scene.claimant("waiting").limit(2).start();
    waiting.says("all 2 slots are taken").await;
    close(&gate);
    far.loses(1).await;
    scene.all_hold(&[&near, &waiting]).await;
    gate.delay(Duration::ZERO);
    gate.set(Way::Open);
    near.release().await;
    scene.all_hold(&[&far, &waiting]).await;
    scene.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_connections_are_cut_is_replaced() {
    is_replaced_and_returns(|gate| gate.set(Way::Closed)).await;
}

/// Nothing says that the way is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_connections_fall_silent_is_replaced() {
    is_replaced_and_returns(|gate| gate.set(Way::Silent)).await;
}

/// Its renewals arrive, and it cannot know.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_does_not_hear_etcd_is_replaced() {
    is_replaced_and_returns(|gate| gate.set(Way::Mute)).await;
}

/// It hears of all changes, but cannot renew.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_etcd_does_not_hear_is_replaced() {
    is_replaced_and_returns(|gate| gate.set(Way::Deaf)).await;
}

/// Every answer comes too late to be counted on.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_hears_etcd_too_late_is_replaced() {
    is_replaced_and_returns(|gate| gate.delay(SHORT / 3)).await;
}

/// A slow network alone is no reason to lose a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_far_away_keeps_its_slot() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let gate = Gate::before(etcd.port()).await;
    gate.delay(Duration::from_millis(300));
    let ttl = Duration::from_secs(15);
    let far = scene.claimant("far").behind(&gate).ttl(ttl).start();
    let slot = far.claims().await;
    let end = Instant::now() + ttl;
    tokio::time::sleep_until(end).await;
    assert_eq!(far.held().map(|held| held.0), Some(slot), "{}", far.log());
    assert_eq!(far.ends(), 0);
    scene.judge();
}

/// Half of a cluster would be without names for ever after an outage.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_a_slot_again_after_a_cut_of_all() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let gate = Gate::before(etcd.port()).await;
    let start = |number| {
        scene
            .claimant(&format!("c{number}"))
            .behind(&gate)
            .limit(5)
            .start()
    };
    let all: Vec<Claimant> = (0..5).map(start).collect();
    let all: Vec<&Claimant> = all.iter().collect();
    scene.all_hold(&all).await;
    gate.set(Way::Silent);
    for claimant in &all {
        claimant.loses(1).await;
    }
    gate.set(Way::Open);
    scene.all_hold(&all).await;
    scene.judge();
}
