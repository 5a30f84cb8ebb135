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

    fn leader(&self) -> usize {
        let leads = |member: &Etcd| member.leads().1;
        self.members.iter().position(leads).expect("a leader")
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
        let leader = cluster.leader();
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
        let leader = cluster.leader();
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
        let leader = cluster.leader();
        let (next, _) = cluster.members[(leader + 1) % 3].leads();
        cluster.members[leader].control(&["move-leader", &next]);
        cluster.replace_one(round).await;
    }
    cluster.scene.judge();
}
