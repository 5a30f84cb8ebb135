//! Commands under names on many machines, each with its own Callsign, and an etcd in the middle.
//!
//! `scripts/test-cluster` runs these: they take minutes, and PyTorch.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::callsign::Callsign;
use crate::support::namespace::{Namespace, Server};
use crate::support::run::Running;
use crate::support::wait::eventually;

/// How long everything together may take.
const PATIENCE: Duration = Duration::from_secs(240);

const COREFILE: &str = "\
tf.internal {
    identity worker {
        pattern worker{{.ID}}.tf.internal.
        limit {limit}
        claim off
        store etcd http://10.78.255.254:2379
    }
}
";

/// Machines on one network.
struct Fleet {
    machines: Vec<Machine>,
    // What is below ends after the machines.
    _etcd: Server,
    switch: Namespace,
    folder: tempfile::TempDir,
}

struct Machine {
    number: usize,
    _callsign: Callsign,
    namespace: Namespace,
}

impl Fleet {
    /// Machines whose only name server is their own Callsign.
    fn new(machines: usize, limit: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let switch = Namespace::new();
        switch.run("ip link add bridge type bridge");
        switch.run("ip addr add 10.78.255.254/16 dev bridge");
        switch.run("ip link set bridge up");
        let etcd = switch.etcd("10.78.255.254");
        fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\n")
            .expect("a file can be written");
        let corefile = COREFILE.replace("{limit}", &limit.to_string());
        fs::write(folder.path().join("Corefile"), &corefile).expect("a file can be written");
        let machine = |number: usize| {
            let namespace = Namespace::new();
            let id = namespace.id();
            switch.run(&format!(
                "ip link add port{number} type veth peer name cable netns {id}"
            ));
            switch.run(&format!("ip link set port{number} master bridge up"));
            namespace.run(&format!("ip addr add 10.78.0.{number}/16 dev cable"));
            namespace.run("ip link set cable up");
            let resolv_conf = folder.path().join("resolv.conf").display().to_string();
            namespace.run(&format!("mount --bind {resolv_conf} /etc/resolv.conf"));
            let place = namespace.place();
            place.write("Corefile", &corefile);
            Machine {
                number,
                _callsign: namespace.callsign(place, &[]),
                namespace,
            }
        };
        Self {
            machines: (1..=machines).map(machine).collect(),
            _etcd: etcd,
            switch,
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command under a name on a machine.
    fn run(&self, machine: &Machine, flags: &str, words: &[&str]) -> Running {
        let state = self
            .path(&format!("state{}", machine.number))
            .display()
            .to_string();
        let corefile = self.path("Corefile").display().to_string();
        let program = [
            env!("CARGO_BIN_EXE_callsign"),
            "run",
            "--conf",
            &corefile,
            "--by-name",
            "--state",
            &state,
        ];
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let words = [&program[..], &flags, &["--"], words].concat();
        let mut command = machine.namespace.command(&words);
        command.env_remove("CALLSIGN_LOG").stdin(Stdio::null());
        Running::start(&mut command)
    }

    /// Cuts a machine off, or connects it again.
    fn connect(&self, machine: &Machine, connected: bool) {
        let state = if connected { "up" } else { "down" };
        self.switch
            .run(&format!("ip link set port{} {state}", machine.number));
    }
}

/// If this fails, a job of PyTorch does not find its members by the names that they were given,
/// or does not start again after one of them was killed.
#[test]
#[ignore = "scripts/test-cluster runs it: PyTorch is large"]
fn pytorch_adds_up_and_does_so_again_without_the_dead() {
    let fleet = Fleet::new(4, 100);
    let train = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/torch/train.py");
    // The first of the machines waits for the end of its command, as a job that goes on does.
    let again = format!(
        "/usr/bin/python3 {train} && touch {}/done$CALLSIGN_GENERATION.$RANK && \
         if [ $CALLSIGN_GENERATION = 1 ]; then sleep 300; fi",
        fleet.folder.path().display()
    );
    let flags = "-n 4 --for torch,nccl --grace 2s --on-member-loss restart";
    let run = |machine| fleet.run(machine, flags, &["sh", "-c", &again]);
    let mut running: Vec<Running> = fleet.machines.iter().map(run).collect();
    let done = |generation: u32| {
        let rank = |rank: u32| fleet.path(&format!("done{generation}.{rank}")).exists();
        (0..4).all(rank).then_some(())
    };
    eventually("four members have added up", || done(1));
    running.remove(0).signal(Signal::SIGKILL);
    running.push(run(&fleet.machines[0]));
    for running in running {
        let ended = running.ended_within(PATIENCE);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let sum = ended
            .out
            .lines()
            .filter(|line| line.ends_with("of 4: the sum is 10"))
            .count();
        assert!(sum >= 1, "{ended:?}");
    }
    assert!(done(2).is_some());
}

/// A command that says, until it is ended, under which claim it runs and when.
const BEATING: &str = "while read -r up rest < /proc/uptime; do \
    echo $CALLSIGN_SLOT $CALLSIGN_EPOCH $up; sleep 0.03; done >> BEATS";

/// If this fails, two commands of one name run at the same time: whatever they both write to is
/// destroyed.
#[test]
#[ignore = "scripts/test-cluster runs it: it takes two minutes"]
fn no_two_commands_of_one_name_run_at_once() {
    // Fewer names than machines: whatever is lost is taken at once.
    let fleet = Fleet::new(16, 12);
    let flags = "--ttl 8s --grace 1s --sticky off";
    let mut lives = 0;
    let mut start = |machine: &Machine| {
        lives += 1;
        let beats = fleet.path(&format!("beats{lives}")).display().to_string();
        let script = BEATING.replace("BEATS", &beats);
        fleet.run(machine, flags, &["sh", "-c", &script])
    };
    let mut running: Vec<Running> = fleet.machines.iter().map(&mut start).collect();
    // What is done to which machine, and when it is mended.
    let mut broken: BTreeMap<usize, (Fault, Instant)> = BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(90);
    let mut step = 0;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(500));
        for (index, machine) in fleet.machines.iter().enumerate() {
            if let Some((fault, _)) = broken
                .get(&index)
                .filter(|(_, until)| *until < Instant::now())
            {
                match fault {
                    Fault::Stopped => running[index].signal(Signal::SIGCONT),
                    Fault::CutOff => fleet.connect(machine, true),
                }
                broken.remove(&index);
            }
            if running[index].has_ended() {
                running[index] = start(machine);
            }
        }
        step += 1;
        let index = step * 7 % fleet.machines.len();
        if broken.contains_key(&index) {
            continue;
        }
        let until = Instant::now() + Duration::from_secs(12);
        match step % 3 {
            0 => running[index].signal(Signal::SIGKILL),
            1 => {
                running[index].signal(Signal::SIGSTOP);
                broken.insert(index, (Fault::Stopped, until));
            }
            _ => {
                fleet.connect(&fleet.machines[index], false);
                broken.insert(index, (Fault::CutOff, until));
            }
        }
    }
    for running in &running {
        running.signal(Signal::SIGCONT);
        running.signal(Signal::SIGTERM);
    }
    drop(running);
    let (claims, changes) = judge(&fleet, lives);
    println!("{lives} lives, {claims} claims with a command, {changes} names that changed hands");
    assert!(changes > 20, "hardly anything has happened: {changes}");
}

enum Fault {
    Stopped,
    CutOff,
}

/// Looks whether a command still ran when the next one of its name had begun. Gives how many claims
/// had one, and how often a name was taken from another.
fn judge(fleet: &Fleet, lives: usize) -> (usize, usize) {
    // By slot and epoch: when it ran first and last, in hundredths of a second after the boot.
    let mut spans: BTreeMap<(u32, u64), (u64, u64)> = BTreeMap::new();
    for life in 1..=lives {
        let text = fs::read_to_string(fleet.path(&format!("beats{life}"))).unwrap_or_default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            // A command that is killed may leave half a line.
            let [slot, epoch, up] = fields[..] else {
                continue;
            };
            let Ok(up) = up.replace('.', "").parse::<u64>() else {
                continue;
            };
            let key = (
                slot.parse().expect("a slot"),
                epoch.parse().expect("an epoch"),
            );
            let span = spans.entry(key).or_insert((up, up));
            *span = (span.0.min(up), span.1.max(up));
        }
    }
    let mut changes = 0;
    for ((one, first), (other, next)) in spans.iter().zip(spans.iter().skip(1)) {
        if one.0 == other.0 {
            changes += 1;
            assert!(
                first.1 <= next.0,
                "slot {}: the command of epoch {} ran until {}, that of epoch {} from {}",
                one.0,
                one.1,
                first.1,
                other.1,
                next.0,
            );
        }
    }
    (spans.len(), changes)
}
