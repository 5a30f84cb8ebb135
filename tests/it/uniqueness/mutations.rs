//! Claimants that break a rule, which the checker must find: else the tests above prove nothing.

use callsign::clock::BootTime;
use history::{Event, Violation, What};

use super::etcd_faults::loses_the_reply_to_its_claim;
use super::*;

/// How often a fault may stay without consequences: machines are not always busy.
const TRIES: usize = 5;

/// idetcd's own algorithm gives one name to several who start together.
#[tokio::test(flavor = "multi_thread")]
async fn looking_before_writing_is_found() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    for _ in 0..TRIES {
        let scene = Scene::at(&etcd);
        let gate = Gate::before(etcd.port()).await;
        let barrier = scene.barrier();
        let start = |number| {
            let launch = scene.claimant(&format!("c{number}")).behind(&gate);
            launch
                .ttl(Duration::from_secs(10))
                .with("--mutation", "get-then-put")
                .with("--barrier", &barrier.display().to_string())
                .start()
        };
        let mut herd: Vec<Claimant> = (0..4).map(start).collect();
        for claimant in &herd {
            claimant.is_ready().await;
        }
        gate.delay(Duration::from_millis(600));
        let open = scene.open(&barrier).await;
        let uses = |it: &Claimant| {
            let used = |event: &&Event| matches!(event.what, What::Used { .. });
            it.events().iter().filter(used).count()
        };
        let all_used = || herd.iter().all(|it| uses(it) > 20).then_some(());
        until("everybody has used a slot", all_used).await;
        drop(open);
        let violations = scene.violations();
        if violations
            .iter()
            .any(|it| matches!(it, Violation::Overlap { .. }))
        {
            return;
        }
        gate.delay(Duration::ZERO);
        for claimant in &mut herd {
            claimant.release().await;
        }
    }
    panic!("no two shared a name");
}

/// A deadline that counts from when the answer came is later than etcd's.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_counted_from_the_receipt_is_found() {
    let _machine = MACHINE.read().await;
    let ttl = Duration::from_secs(10);
    for _ in 0..TRIES {
        let etcd = Etcd::start();
        let scene = Scene::at(&etcd);
        let gate = Gate::before(etcd.port()).await;
        let late = scene.claimant("late").behind(&gate).limit(1).ttl(ttl);
        let late = late.with("--mutation", "receipt-deadline").start();
        late.claims().await;
        let other = scene.claimant("other").limit(1).start();
        other.says("all 1 slots are taken").await;
        // Whether it goes on for this time: on a busy machine it may lose its lease all the same.
        let goes_on = async |time: Duration| {
            let end = (BootTime::now() + time).nanoseconds();
            let used = |it: &Event| matches!(it.what, What::Used { .. }) && it.at >= end;
            until("the slot is still used or lost", || {
                let goes_on = late.events().iter().any(used);
                (goes_on || late.ends() > 0).then_some(goes_on)
            })
            .await
        };
        // Its stream of renewals is there.
        if !goes_on(ttl / 2).await {
            continue;
        }
        gate.delay(Duration::from_millis(1200));
        // What it believes now rests on an answer that came late.
        if !goes_on(ttl).await {
            continue;
        }
        gate.set(Way::Deaf);
        other.claims().await;
        late.loses(1).await;
        if overlaps(&scene) {
            return;
        }
    }
    panic!("nobody went on for too long");
}

/// A claim that nobody knows of stays in the store beside the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_given_up_without_revoking_its_lease_is_found() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let gate = Gate::before(etcd.port()).await;
    let claimant = loses_the_reply_to_its_claim(&scene, &gate, Some("no-revoke")).await;
    claimant.claims().await;
    let twice = || {
        let violations = scene.violations();
        let found = |it: &Violation| matches!(it, Violation::TwoSlots { .. });
        violations.iter().any(found).then_some(())
    };
    until("the onlooker saw both claims", twice).await;
}

fn overlaps(scene: &Scene) -> bool {
    let overlap = |it: &Violation| matches!(it, Violation::Overlap { .. });
    scene.violations().iter().any(overlap)
}
