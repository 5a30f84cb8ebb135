//! Many members of a job against one store, in every order that can be thought of: copies lag
//! behind, answers come late, members are killed and come back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::entry;
use super::*;
use crate::clock::BootTime;
use crate::store::{Change, Feed, Listing};

/// What all processes expect: with roles, or without.
const EXPECT: [&str; 2] = ["2", "b=1,a=2"];
const SLOTS: Slot = 4;

/// A process that takes part.
struct Process {
    instance: String,
    slot: Slot,
    own: Readiness,
    copy: Members,
    /// How many changes the copy has.
    heard: usize,
    /// The roster and the revision of its note as they were read last.
    read: Option<(u64, Option<Roster>)>,
    /// An answer of the store that has not come yet.
    answer: Option<(u64, Option<Roster>)>,
    /// The roster with which its command runs.
    runs: Option<Roster>,
    /// Whether it lives; a claim outlives its process.
    lives: bool,
}

/// A store and its processes.
struct World {
    expect: Expectation,
    revision: u64,
    entries: BTreeMap<Slot, Entry>,
    changes: Vec<(u64, Change)>,
    note: (u64, Option<Roster>),
    processes: Vec<Process>,
    /// Every roster that something started with.
    started: BTreeMap<u64, Roster>,
    starts: Vec<(u64, String)>,
}

impl World {
    fn new(expect: &str) -> Self {
        Self {
            expect: expect.parse().expect("an expectation"),
            revision: 0,
            entries: BTreeMap::new(),
            changes: Vec::new(),
            note: (0, None),
            processes: Vec::new(),
            started: BTreeMap::new(),
            starts: Vec::new(),
        }
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Held(entry) => drop(self.entries.insert(entry.slot, entry.clone())),
            Change::Freed { slot, .. } => drop(self.entries.remove(slot)),
        }
        self.changes.push((self.revision, change));
    }

    fn publish(&mut self, index: usize, epoch: Option<u64>) {
        self.revision += 1;
        let process = &self.processes[index];
        let mut entry = entry(
            process.slot,
            &process.instance,
            Some(&process.own.to_string()),
        );
        entry.epoch = epoch.unwrap_or(self.revision);
        self.change(Change::Held(entry));
    }

    /// A process comes, in one of the roles, and takes the lowest slot that is free.
    fn come(&mut self, who: usize) {
        let Some(slot) = (1..=SLOTS).find(|slot| !self.entries.contains_key(slot)) else {
            return;
        };
        let mut copy = Members::default();
        let listing = Listing {
            revision: self.revision,
            entries: self.entries.values().cloned().collect(),
            reservations: Vec::new(),
        };
        copy.follow(BootTime::default(), &Feed::Listing(listing));
        self.processes.push(Process {
            instance: format!("i{}", self.processes.len()),
            slot,
            own: Readiness {
                expect: self.expect.clone(),
                role: self.role(who),
                after: 0,
            },
            copy,
            heard: self.changes.len(),
            read: None,
            answer: None,
            runs: None,
            lives: true,
        });
        self.publish(self.processes.len() - 1, None);
    }

    fn role(&self, who: usize) -> Option<String> {
        let roles = self.expect.roles();
        let role = roles.get(who % roles.len().max(1));
        role.map(|role| role.name.clone())
    }

    /// A process hears of one more change.
    fn hear(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if let Some((revision, change)) = self.changes.get(process.heard) {
            let feed = Feed::Changes {
                revision: *revision,
                changes: vec![change.clone()],
            };
            process.copy.follow(BootTime::default(), &feed);
            process.heard += 1;
        }
    }

    /// A process does what it does next: see an answer, start, propose, look, or notice a loss.
    fn step(&mut self, index: usize, proposes: bool) {
        let process = &mut self.processes[index];
        if let Some(answer) = process.answer.take() {
            process.read = Some(answer);
            return;
        }
        if let Some(roster) = &process.runs {
            if !gone(roster, &process.copy).is_empty() {
                process.own.after = roster.generation;
                process.runs = None;
                // Nobody is gone who is there.
                let stands = |it: &RosterMember| {
                    let there = self.entries.get(&it.slot);
                    there.is_some_and(|entry| entry.record.instance() == Some(&it.instance))
                };
                let gone = gone(roster_of(&self.started, process.own.after), &process.copy);
                assert!(!gone.into_iter().any(stands), "taken for lost");
                let epoch = self.entries.get(&process.slot).map(|entry| entry.epoch);
                self.publish(index, epoch);
            }
            return;
        }
        let last = process.read.as_ref().and_then(|(_, roster)| roster.clone());
        let decision = decide(
            &process.instance,
            &process.own,
            &process.copy,
            last.as_ref(),
        );
        match (decision, last, &process.read) {
            (Decision::Start, Some(roster), _) => self.start(index, roster),
            (Decision::Propose(roster), _, Some((revision, _))) if proposes => {
                if *revision == self.note.0 {
                    self.revision += 1;
                    self.note = (self.revision, Some(roster));
                }
                self.processes[index].answer = Some(self.note.clone());
            }
            _ => self.processes[index].answer = Some(self.note.clone()),
        }
    }

    fn start(&mut self, index: usize, roster: Roster) {
        let now = self.note.1.as_ref();
        assert_eq!(now, Some(&roster), "started with a roster that is replaced");
        let generation = roster.generation;
        let first = self
            .started
            .entry(generation)
            .or_insert_with(|| roster.clone());
        assert_eq!(*first, roster, "two rosters of one generation");
        for other in self.processes.iter().filter(|it| it.lives) {
            let runs = other.runs.as_ref().map(|it| it.generation);
            assert!(runs.is_none_or(|it| it == generation), "two jobs at once");
        }
        let (slot, role) = (self.processes[index].slot, &self.processes[index].own.role);
        let own = roster.rank(&self.processes[index].instance);
        let part = own.and_then(|rank| roster.part(rank));
        let part = part.expect("it is in the roster");
        assert_eq!(part.role, role.as_deref(), "another role");
        assert!(part.members.iter().any(|it| it.slot == slot));
        let start = (generation, self.processes[index].instance.clone());
        assert!(!self.starts.contains(&start), "started twice");
        self.starts.push(start);
        self.processes[index].runs = Some(roster);
    }

    /// A process is killed; its claim stands until it has expired.
    fn kill(&mut self, index: usize) {
        self.processes[index].lives = false;
        self.processes[index].runs = None;
    }

    /// The claim of a process that was killed expires.
    fn expire(&mut self, index: usize) {
        let process = &self.processes[index];
        let (slot, instance) = (process.slot, process.instance.clone());
        let stands = self.entries.get(&slot);
        if !process.lives && stands.is_some_and(|it| it.record.instance() == Some(&instance)) {
            self.revision += 1;
            let revision = self.revision;
            self.change(Change::Freed { slot, revision });
        }
    }

    fn living(&self) -> Vec<usize> {
        let all = 0..self.processes.len();
        all.filter(|&index| self.processes[index].lives).collect()
    }

    fn act(&mut self, (what, who): (u8, usize)) {
        let living = self.living();
        let one = living.get(who % living.len().max(1)).copied();
        match (what, one) {
            (0..12, _) => self.come(who),
            // Some hear much later than others.
            (12..35, Some(one)) if one % 3 > 0 || what < 16 => self.hear(one),
            (35..70, Some(one)) => self.step(one, true),
            (70..75, Some(one)) => self.step(one, false),
            (75..85, Some(one)) => self.kill(one),
            (85..100, _) if !self.processes.is_empty() => self.expire(who % self.processes.len()),
            _ => {}
        }
    }

    /// Nobody is killed any more, and everybody hears of everything.
    fn calm_down(&mut self) {
        for _ in 0..30 {
            for index in 0..self.processes.len() {
                self.expire(index);
            }
            for index in self.living() {
                while self.processes[index].heard < self.changes.len() {
                    self.hear(index);
                }
                self.step(index, true);
            }
        }
    }
}

fn roster_of(started: &BTreeMap<u64, Roster>, generation: u64) -> &Roster {
    started.get(&generation).expect("it was started")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// If this fails, members of one job start with different ranks, twice or beside another job,
    /// or enough of them wait for ever.
    #[test]
    fn whatever_happens_one_job_starts_at_a_time(
        with_roles in any::<bool>(),
        acts in prop::collection::vec((0..100_u8, any::<usize>()), 0..300)
    ) {
        let mut world = World::new(EXPECT[usize::from(with_roles)]);
        for act in acts {
            world.act(act);
        }
        world.calm_down();
        let living = world.living();
        let running = living.iter().filter(|&&index| world.processes[index].runs.is_some());
        let running = running.count();
        let enough = world.expect.parts().enumerate().all(|(part, wanted)| {
            let there = living.iter().filter(|&&index| world.processes[index].own.part() == Some(part));
            there.count() >= wanted as usize
        });
        let wanted = if enough { world.expect.total() as usize } else { 0 };
        prop_assert_eq!(running, wanted, "of {} that live", living.len());
    }
}
