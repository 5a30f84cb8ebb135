//! More claimants than slots.

use super::*;

/// Who came first would wait for ever while late-comers get their slots.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str| scene.claimant(name).limit(2).ttl(LONG).start();
    let mut all = Vec::new();
    for name in ["one", "two"] {
        all.push(start(name));
        all.last().expect("just started").claims().await;
    }
    for name in ["three", "four", "five"] {
        all.push(start(name));
        let last = all.last().expect("just started");
        last.says("all 2 slots are taken").await;
    }
    for next in 2..5 {
        all[next - 2].release().await;
        all[next].claims().await;
        let served = all[next + 1..].iter().filter(|it| it.held().is_some());
        assert_eq!(served.count(), 0, "somebody jumped the queue");
    }
    scene.judge();
}

/// One who waits and dies must not block those behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_one_in_the_queue_is_passed_over() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str| scene.claimant(name).limit(1).start();
    let mut holder = start("holder");
    holder.claims().await;
    let mut dead = start("dead");
    dead.says("all 1 slots are taken").await;
    let last = start("last");
    last.says("all 1 slots are taken").await;
    dead.kill();
    holder.release().await;
    assert_eq!(last.claims().await, 1);
    scene.judge();
}
