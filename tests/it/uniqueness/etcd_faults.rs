//! An etcd that is killed, busy with itself, forgets its users, or does not answer.

use callsign::store::etcd::Credentials;

use super::*;

/// A crash of etcd in the middle of everything must cost nobody more than a moment.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_killed_while_names_are_held_claimed_and_waited_for() {
    let _machine = MACHINE.read().await;
    let mut etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| scene.claimant(&format!("c{number}")).limit(6).start();
    let mut all: Vec<Claimant> = (0..3).map(start).collect();
    scene.all_hold(&all.iter().collect::<Vec<_>>()).await;
    for round in 1..=3 {
        all.push(start(2 + round));
        etcd.kill();
        etcd.restart();
        scene.all_hold(&all.iter().collect::<Vec<_>>()).await;
    }
    scene.judge();
}

/// Longer than any lease: all are over, and all begin again when etcd is back.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_away_for_longer_than_a_lease() {
    let _machine = MACHINE.read().await;
    let mut etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| scene.claimant(&format!("c{number}")).limit(3).start();
    let all: Vec<Claimant> = (0..3).map(start).collect();
    let all: Vec<&Claimant> = all.iter().collect();
    scene.all_hold(&all).await;
    etcd.kill();
    for claimant in &all {
        claimant.loses(1).await;
    }
    etcd.restart();
    scene.all_hold(&all).await;
    scene.judge();
}

/// What a cluster's housekeeping does while names are claimed.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_compacted_and_defragmented_while_names_are_claimed() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let start = |number| scene.claimant(&format!("c{number}")).limit(8).start();
    let mut all = Vec::new();
    for number in 0..8 {
        all.push(start(number));
        let status = etcd.control(&["endpoint", "status", "--write-out", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let revision = status[0]["Status"]["header"]["revision"].as_u64();
        let revision = revision.expect("a revision").to_string();
        // Nothing may have happened since the last round: that is refused, and as well.
        if revision != "1" && number % 2 == 0 {
            etcd.control(&["compaction", &revision]);
        }
        etcd.control(&["defrag"]);
    }
    scene.all_hold(&all.iter().collect::<Vec<_>>()).await;
    scene.judge();
}

/// The claim stands in the store and the claimant does not know: it must not stand in a second
/// slot before the first is void.
#[tokio::test(flavor = "multi_thread")]
async fn the_reply_to_a_claim_is_lost() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let gate = Gate::before(etcd.port()).await;
    let claimant = loses_the_reply_to_its_claim(&scene, &gate, None).await;
    scene.all_hold(&[&claimant]).await;
    scene.judge();
}

/// Answers take a while; as soon as the onlooker sees the claim, the connection is cut. Gives the
/// claimant once it has claimed again.
pub(super) async fn loses_the_reply_to_its_claim(
    scene: &Scene,
    gate: &Gate,
    mutation: Option<&str>,
) -> Claimant {
    // A busy machine may be late for the cut.
    for milliseconds in [600, 900, 1200, 1500, 1800] {
        gate.delay(Duration::from_millis(milliseconds));
        let mut launch = scene
            .claimant(&format!("unlucky{milliseconds}"))
            .behind(gate)
            .ttl(Duration::from_secs(10));
        if let Some(mutation) = mutation {
            launch = launch.with("--mutation", mutation);
        }
        let mut claimant = launch.start();
        scene.shows(&claimant.name).await;
        gate.cut();
        gate.delay(Duration::ZERO);
        claimant.claims().await;
        if claimant.held().map(|held| held.1) > scene.first_epoch(&claimant.name) {
            return claimant;
        }
        claimant.release().await;
    }
    panic!("every reply came before the cut");
}

/// etcd forgets who we are after a while: names would be lost five minutes after the start.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire_while_names_are_held() {
    let _machine = MACHINE.read().await;
    let etcd = Etcd::start_with(&["--auth-token-ttl", "1"]);
    for line in [
        "user add root:top",
        "user grant-role root root",
        "role add names",
        "role grant-permission names readwrite --prefix=true /callsign/",
        "user add callsign:right",
        "user grant-role callsign names",
        "auth enable",
    ] {
        etcd.control(&line.split(' ').collect::<Vec<_>>());
    }
    let credentials = Credentials {
        user: "callsign".to_owned(),
        password: "right".to_owned(),
    };
    let scene = Scene::with(vec![etcd.url().to_owned()], Some(credentials));
    let start = |name: &str| {
        let launch = scene.claimant(name).limit(1).ttl(Duration::from_secs(10));
        launch.with("--user", "callsign:right").start()
    };
    let mut holder = start("holder");
    holder.claims().await;
    let waiting = start("waiting");
    waiting.says("all 1 slots are taken").await;
    let sign_ins = || etcd.requests().get("Authenticate").copied();
    let before = sign_ins();
    // The holder verifies its claim with every third renewal, which its old token does not allow.
    until("a token has expired", || {
        (sign_ins() > before).then_some(())
    })
    .await;
    assert_eq!(holder.ends(), 0, "{}", holder.log());
    holder.release().await;
    waiting.claims().await;
    scene.judge();
}
