//! Everything at once, at random.

use callsign::store::Slot;
use history::{Event, What};

use super::*;

/// How long everything goes wrong.
const STORM: Duration = Duration::from_secs(15);

/// How long a claim outlives its last renewal: shorter than most faults here.
const LEASE: Duration = Duration::from_secs(2);

/// Fewer than there are claimants: whatever one lets go, another takes.
const SLOTS: Slot = 3;

/// What the tests above do one by one meets here, as it does in the field.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_faults_never_leads_to_two_owners() {
    let _machine = MACHINE.read().await;
    let seed = getrandom::u64().expect("random numbers");
    // Not the same course again, for the machine has its part in it, but the same faults.
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut etcd = Etcd::start();
    let scene = Scene::at(&etcd);
    let mut gates = Vec::new();
    for _ in 0..6 {
        gates.push(Gate::before(etcd.port()).await);
    }
    let start = |number: usize, generation: usize, gate: &Gate| {
        let launch = scene.claimant(&format!("c{number}-{generation}"));
        let launch = launch.state(&format!("state{number}")).behind(gate);
        let launch = launch.limit(SLOTS).ttl(LEASE);
        match number.is_multiple_of(2) {
            true => launch.with("--sticky", "5000").start(),
            false => launch.start(),
        }
    };
    let mut claimants: Vec<Claimant> = gates
        .iter()
        .enumerate()
        .map(|(number, gate)| start(number, 0, gate))
        .collect();
    let end = Instant::now() + STORM;
    let mut generation = 0;
    while Instant::now() < end {
        generation += 1;
        let one = random.below(6);
        match random.below(55) {
            // About half of them are well at any moment, and a fault lasts longer than a lease.
            // Those of etcd itself are rare, for each gives all leases their full time again.
            0..=24 => {
                claimants[one].resume();
                gates[one].delay(Duration::ZERO);
                gates[one].set(Way::Open);
            }
            25..=32 => claimants[one].pause(),
            33..=36 => gates[one].set(Way::Closed),
            37..=40 => gates[one].set(Way::Silent),
            41..=44 => gates[one].set(Way::Mute),
            45..=47 => gates[one].delay(Duration::from_millis(random.below(500) as u64)),
            48..=52 => {
                claimants[one].kill();
                claimants[one] = start(one, generation, &gates[one]);
            }
            53 => {
                etcd.pause();
                sleep(Duration::from_millis(random.below(2500) as u64)).await;
                etcd.resume();
            }
            _ => etcd.restart(),
        }
        sleep(Duration::from_millis(random.below(400) as u64)).await;
    }
    for (claimant, gate) in claimants.iter().zip(&gates) {
        claimant.resume();
        gate.delay(Duration::ZERO);
        gate.set(Way::Open);
    }
    let all_used = || {
        let held = |it: &&Claimant| it.held().is_some();
        let held = claimants.iter().filter(held).count() == SLOTS as usize;
        (held && scene.onlooker.holders().len() == SLOTS as usize).then_some(())
    };
    until("all slots are held again", all_used).await;
    let claimed = |event: &Event| matches!(event.what, What::Claimed { .. });
    let claims = scene.history().into_iter().filter(claimed).count();
    println!("{claims} claims");
    assert!(claims > SLOTS as usize, "nobody lost anything: no storm");
    scene.judge();
}

/// SplitMix64: good enough to pick from.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
