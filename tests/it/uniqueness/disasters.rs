//! What no transaction can prevent: names that are deleted behind the backs of their holders.
//!
//! Others may claim them before the holders can know. So it is noticed as soon as the store is
//! seen, and what the holders believe until then is bounded by their deadlines.

use history::{Event, Violation, What};

use super::scene::assert_none;
use super::*;

/// From when a holder can see the store until it has noticed, a busy machine included.
const NOTICED: Duration = Duration::from_secs(1);

/// When a claimant wrote down for the first time since `after` that its slot is not its own.
fn end_after(claimant: &Claimant, after: u64) -> Option<u64> {
    let events = claimant.events().into_iter();
    let ended = |event: &Event| event.at >= after && matches!(event.what, What::Ended { .. });
    events.filter(ended).map(|event| event.at).min()
}

fn now() -> u64 {
    callsign::clock::BootTime::now().nanoseconds()
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
    let key = "/callsign/v1/worker%d.tf.local./slots/00000001";
    assert_eq!(etcd.control(&["del", key]).trim(), "1");
    let deleted = now();
    holder.loses(1).await;
    let ended = end_after(&holder, 0).expect("it was lost");
    assert!(ended < deleted + NOTICED.as_nanos() as u64);
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
    let listings = scene.onlooker.listings();
    etcd.restart_empty();
    // The onlooker looks for etcd as the claimants do: its listing stands for theirs.
    let seen = || (scene.onlooker.listings() > listings).then(now);
    let seen = until("the empty etcd is seen", seen).await;
    for claimant in &all {
        claimant.loses(1).await;
        let ended = end_after(claimant, 0).expect("it was lost");
        assert!(
            ended < seen + 2 * NOTICED.as_nanos() as u64,
            "{}",
            claimant.log()
        );
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
    let listings = scene.onlooker.listings();
    etcd.restore(&snapshot);
    let seen = || (scene.onlooker.listings() > listings).then(now);
    let seen = until("the restored etcd is seen", seen).await;
    for claimant in [&third, &fourth] {
        claimant.loses(1).await;
        let ended = end_after(claimant, 0).expect("it was lost");
        assert!(
            ended < seen + 2 * NOTICED.as_nanos() as u64,
            "{}",
            claimant.log()
        );
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
