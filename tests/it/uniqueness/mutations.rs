//! Claimants that break a rule, which the checker must find: else the tests above prove nothing.

use std::fs::File;

use callsign::clock::BootTime;
use history::{Event, Violation, What};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

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
        let barrier = scene.path().join("barrier");
        mkfifo(&barrier, Mode::S_IRWXU).expect("a FIFO");
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
        gate.delay(Duration::from_millis(300));
        let open = File::options().write(true).open(&barrier);
        let open = open.expect("somebody waits at it");
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
    let ttl = Duration::from_secs(5);
    for _ in 0..TRIES {
        let etcd = Etcd::start();
        let scene = Scene::at(&etcd);
        let gate = Gate::before(etcd.port()).await;
        let late = scene.claimant("late").behind(&gate).limit(1).ttl(ttl);
        let late = late.with("--mutation", "receipt-deadline").start();
        late.claims().await;
        let other = scene.claimant("other").limit(1).start();
        other.says("all 1 slots are taken").await;
        let after = |time: Duration| {
            let end = BootTime::now() + time;
            let used = |event: &Event| matches!(event.what, What::Used { .. });
            let late = &late;
            let look = move || {
                let events = late.events();
                let found = |it: &Event| used(it) && it.at >= end.nanoseconds();
                events.iter().any(found).then_some(())
            };
            until("the slot is still used", look)
        };
        // Its stream of renewals is there.
        after(ttl / 2).await;
        gate.delay(Duration::from_millis(850));
        // What it believes now rests on an answer that came late.
        after(ttl).await;
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
