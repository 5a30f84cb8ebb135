//! What no transaction can prevent: names that are deleted behind the backs of their holders.
//!
//! Others may claim them before the holders can know. So it is noticed as soon as the store is
//! seen, and what the holders believe until then is bounded by their deadlines.

use history::{Event, Violation, What};

use super::scene::{Beats, assert_none};
use super::*;

/// From when a holder can know of it until it has noticed. Its lease would tell it after minutes,
/// and the next listing after more than it is waited for here.
const NOTICED: Duration = Duration::from_secs(1);

/// When a claimant wrote down for the first time since `after` that its slot is not its own.
fn end_after(claimant: &Claimant, after: u64) -> Option<u64> {
    let events = claimant.events().into_iter();
    let ended = |event: &Event| event.at >= after && matches!(event.what, What::Ended { .. });
    events.filter(ended).map(|event| event.at).min()
}

/// Checks that a claimant has lost its slot for the first time, and that it has noticed as soon as
/// its own copy of the store did not show its claim any more.
async fn notices(claimant: &Claimant, beats: &Beats) {
    claimant.loses(1).await;
    let ended = end_after(claimant, 0).expect("it was lost");
    let events = claimant.events().into_iter();
    let unseen = |event: &Event| matches!(event.what, What::Unseen { .. });
    // One that noticed at once has not even written down that it saw.
    let seen = events.filter(unseen).map(|event| event.at).min();
    let took = seen.map_or(Duration::ZERO, |seen| beats.between(seen, ended));
    assert!(took < NOTICED, "{took:?}: {}", claimant.log());
}

/// Somebody tidies up with etcdctl.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_deleted_by_hand_is_missed_within_a_second() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str| scene.claimant(name).limit(1).ttl(LONG).start();
    let holder = start("holder");
    holder.claims().await;
    let other = start("other");
    other.says("all 1 slots are taken").await;
    holder.sees().await;
    let beats = scene.beats();
    let key = "/callsign/v1/worker%d.tf.local./slots/00000001";
    assert_eq!(etcd.control(&["del", key]).trim(), "1");
    notices(&holder, &beats).await;
    let ended = end_after(&holder, 0).expect("it was lost");
    assert_eq!(other.claims().await, 1);
    assert_eq!(scene.shows("other").await, 1);
    // Both may have been owners until the first one noticed, but never in the wrong order.
    let mut violations = scene.violations();
    violations.retain(|it| !matches!(it, Violation::Overlap { at, .. } if *at <= ended));
    assert_none(&violations);
}

/// The data are gone. Names are claimed anew, and until then nobody may go on for long.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_comes_back_empty_is_claimed_in_anew() {
    let _machine = MACHINE.read().await;
    let mut etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| {
        scene
            .claimant(&format!("c{number}"))
            .ttl(LONG)
            .limit(4)
            .start()
    };
    let all: Vec<Claimant> = (0..3).map(start).collect();
    let all: Vec<&Claimant> = all.iter().collect();
    scene.all_hold(&all).await;
    for claimant in &all {
        claimant.sees().await;
    }
    let beats = scene.beats();
    etcd.restart_empty();
    for claimant in &all {
        notices(claimant, &beats).await;
    }
    scene.all_hold(&all).await;
    only_the_old_was_doubled(&scene, &all);
}

/// A backup is restored without raising its revisions: old records stand there again, and what
/// was claimed since is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_backup_does_not_have_is_given_up() {
    let _machine = MACHINE.read().await;
    let mut etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |name: &str| scene.claimant(name).ttl(LONG).limit(5).start();
    let (first, mut second) = (start("first"), start("second"));
    scene.all_hold(&[&first, &second]).await;
    let snapshot = scene.path().join("backup");
    etcd.control(&["snapshot", "save", &snapshot.display().to_string()]);
    let slot = second.claims().await;
    second.release().await;
    let third = start("third");
    assert_eq!(third.claims().await, slot, "it has the slot of the second");
    let fourth = start("fourth");
    scene.all_hold(&[&first, &third, &fourth]).await;
    let beats = scene.beats();
    etcd.restore(&snapshot);
    for claimant in [&third, &fourth] {
        notices(claimant, &beats).await;
    }
    // The second is gone, and its record stands until its lease is over.
    let slots = scene.all_hold(&[&first, &third, &fourth]).await;
    assert!(!slots.contains(&slot), "{slots:?}");
    assert_eq!(
        first.ends(),
        0,
        "its claim is in the backup: {}",
        first.log()
    );
    only_the_old_was_doubled(&scene, &[&first, &third, &fourth]);
}

/// Owners may overlap and epochs may fall, but only against claims of the lost history.
fn only_the_old_was_doubled(scene: &Scene, claimants: &[&Claimant]) {
    let over = claimants.iter().filter_map(|it| end_after(it, 0)).max();
    let over = over.expect("some lost their slots");
    let mut violations = scene.violations();
    violations.retain(|it| match it {
        Violation::Overlap { at, .. } => *at > over,
        Violation::Epoch { .. } => false,
        _ => true,
    });
    assert_none(&violations);
}
