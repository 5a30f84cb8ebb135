//! An etcd of three members whose leader changes.

use super::*;

/// Three members, claimants for all slots but one of them, and one who waits.
struct Cluster {
    // Dropped in this order: who holds a name before what it is kept in.
    claimants: Vec<Claimant>,
    scene: Scene,
    members: Vec<Etcd>,
}

impl Cluster {
    async fn start() -> Self {
        let members = Etcd::start_cluster(3);
        let urls = members.iter().map(|member| member.url().to_owned());
        let scene = Scene::with(urls.collect(), None);
        let start = |number| scene.claimant(&format!("c{number}")).limit(4).start();
        let claimants: Vec<Claimant> = (0..4).map(start).collect();
        scene.all_hold(&claimants.iter().collect::<Vec<_>>()).await;
        Self {
            claimants,
            scene,
            members,
        }
    }

    /// An election may be under way.
    async fn leader(&self) -> usize {
        let leads = |member: &Etcd| member.leads().1;
        until("there is a leader", || self.members.iter().position(leads)).await
    }

    /// Has a new node come and an old one die, as always at the wrong moment.
    async fn replace_one(&mut self, round: usize) {
        self.claimants[round].kill();
        let name = format!("new{round}");
        self.claimants[round] = self.scene.claimant(&name).limit(4).start();
        let all: Vec<&Claimant> = self.claimants.iter().collect();
        self.scene.all_hold(&all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed() {
    let _machine = MACHINE.read().await;
    let mut cluster = Cluster::start().await;
    for round in 0..2 {
        let leader = cluster.leader().await;
        cluster.members[leader].kill();
        cluster.replace_one(round).await;
        cluster.members[leader].restart();
    }
    cluster.scene.judge();
}

/// An old leader that does not know that it is none may still confirm renewals.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_stands_still_and_goes_on() {
    let _machine = MACHINE.read().await;
    let mut cluster = Cluster::start().await;
    for round in 0..2 {
        let leader = cluster.leader().await;
        cluster.members[leader].pause();
        cluster.replace_one(round).await;
        cluster.members[leader].resume();
        let all: Vec<&Claimant> = cluster.claimants.iter().collect();
        cluster.scene.all_hold(&all).await;
    }
    cluster.scene.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_hands_over() {
    let _machine = MACHINE.read().await;
    let mut cluster = Cluster::start().await;
    for round in 0..3 {
        let hand_over = async || {
            // On a busy machine it may be none any more.
            let leader = cluster.leader().await;
            let (next, _) = cluster.members[(leader + 1) % 3].leads();
            let moved = cluster.members[leader].try_control(&["move-leader", &next]);
            moved.status == Some(0)
        };
        let end = Instant::now() + BOUND;
        while !hand_over().await {
            assert!(Instant::now() < end, "no leader hands over");
        }
        cluster.replace_one(round).await;
    }
    cluster.scene.judge();
}
