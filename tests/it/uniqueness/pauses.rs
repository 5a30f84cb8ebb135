//! Processes that stand still and do not know it.

use super::*;

/// A machine that was suspended would go on under a name that another has by now.
#[tokio::test(flavor = "multi_thread")]
async fn holders_that_stood_still_give_way_to_those_who_took_their_slots() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| scene.claimant(&format!("c{number}")).limit(3).start();
    let mut all: Vec<Claimant> = (0..3).map(start).collect();
    scene.all_hold(&all.iter().collect::<Vec<_>>()).await;
    for number in 3..5 {
        all.push(start(number));
        all[number].says("all 3 slots are taken").await;
    }
    for round in 1..=2 {
        let (holders, waiting): (Vec<&Claimant>, Vec<&Claimant>) =
            all.iter().partition(|claimant| claimant.held().is_some());
        let ends: Vec<usize> = holders.iter().map(|holder| holder.ends()).collect();
        for holder in &holders {
            holder.pause();
        }
        let end = Instant::now() + SHORT * 2;
        scene.all_hold(&waiting).await;
        tokio::time::sleep_until(end).await;
        for holder in &holders {
            holder.resume();
        }
        for (holder, ends) in holders.iter().zip(ends) {
            holder.loses(ends + 1).await;
        }
        let settled = || {
            let held = all.iter().filter(|it| it.held().is_some()).count();
            (held == 3 && scene.onlooker.holders().len() == 3).then_some(())
        };
        until(&format!("three hold slots again, round {round}"), settled).await;
    }
    scene.judge();
}

/// Around the deadline itself a holder may just be right or just be late; never both owners.
#[tokio::test(flavor = "multi_thread")]
async fn pauses_that_end_around_the_deadline_are_decided_by_the_clock() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| {
        scene
            .claimant(&format!("c{number}"))
            .limit(2)
            .with("--every", "1")
            .start()
    };
    let all: Vec<Claimant> = (0..3).map(start).collect();
    let two_hold = || (scene.onlooker.holders().len() == 2).then_some(());
    // The claimants' deadline is at seven eighths of their lease, etcd's at its end.
    for eighths in [6, 7, 8, 9, 10] {
        until("both slots are held", two_hold).await;
        let holder = until("a holder", || all.iter().find(|it| it.held().is_some())).await;
        holder.pause();
        sleep(SHORT * eighths / 8).await;
        holder.resume();
    }
    until("both slots are held", two_hold).await;
    scene.judge();
}

/// The reply to a claim may have waited longer than the claim has stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_answered_during_a_pause_is_not_believed() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    // A busy machine may be late for the pause.
    for milliseconds in [400, 800, 1200, 1500, 1800] {
        let scene = Scene::at(&etcd);
        let gate = Gate::before(etcd.port()).await;
        gate.delay(Duration::from_millis(milliseconds));
        let slow = scene.claimant("slow").behind(&gate).limit(1);
        let slow = slow.ttl(Duration::from_millis(milliseconds * 8)).start();
        scene.shows("slow").await;
        slow.pause();
        let mut other = scene.claimant("other").limit(1).start();
        assert_eq!(other.claims().await, 1);
        let in_time = slow.events().is_empty();
        slow.resume();
        if in_time {
            slow.says("all 1 slots are taken").await;
            assert_eq!(slow.events(), [], "it used what was not its own");
            scene.judge();
            return;
        }
        drop(slow);
        other.release().await;
    }
    panic!("every reply came before the pause");
}
