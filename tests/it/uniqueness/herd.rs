//! Many at once.

use super::*;

/// A whole cluster that is switched on would have two of some name, or names with holes.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_get_the_names_from_1_to_100() {
    let _machine = MACHINE.write().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let barrier = scene.barrier();
    let start = |number| {
        scene
            .claimant(&format!("c{number}"))
            .limit(1000)
            .ttl(Duration::from_secs(20))
            .with("--barrier", &barrier.display().to_string())
            .with("--every", "50")
            .start()
    };
    let herd: Vec<Claimant> = (0..100).map(start).collect();
    for claimant in &herd {
        claimant.is_ready().await;
    }
    let open = scene.open(&barrier).await;
    let everybody = || (scene.onlooker.holders().len() == 100).then_some(());
    until("everybody stands in the store", everybody).await;
    let mut slots = scene.all_hold(&herd.iter().collect::<Vec<_>>()).await;
    slots.sort_unstable();
    assert_eq!(slots, (1..=100).collect::<Vec<_>>());
    drop(open);
    scene.judge();
}
