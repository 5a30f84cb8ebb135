//! What is shown of a member.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::identity::pattern::Pattern;
use crate::journal;
use crate::run::roster::Roster;
use crate::run::{GANG, Part};
use crate::store::{Entry, Epoch, HeldBy, Slot};

/// The heads of a table of members.
pub(crate) const HEADS: [&str; COLUMNS] = [
    "SLOT",
    "NAME",
    "ADDRESSES",
    "EPOCH",
    "AGE",
    "HELD BY",
    "STATE",
    "META",
];

const COLUMNS: usize = 8;

/// A member of a pool, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    entry: Entry,
    name: String,
    part: Option<Part>,
}

impl Member {
    /// A member as the store has it, in the job of the last roster.
    pub(crate) fn new(pattern: &Pattern, entry: &Entry, roster: Option<&Roster>) -> Self {
        Self {
            name: pattern.text(entry.slot),
            part: Part::of(entry, roster),
            entry: entry.clone(),
        }
    }

    pub(super) fn slot(&self) -> Slot {
        self.entry.slot
    }

    /// Whether both are one claim.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let instance = |it: &Self| it.entry.record.instance().map(str::to_owned);
        instance(self) == instance(other)
    }

    /// Whether its health check fails.
    pub(super) fn is_down(&self) -> bool {
        self.entry.record.member.as_ref().is_some_and(|it| it.down)
    }

    /// The cells of a table's row.
    pub(crate) fn row(&self, held_by: Option<&HeldBy>) -> [String; COLUMNS] {
        [
            self.entry.slot.to_string(),
            self.name.clone(),
            self.addresses(),
            self.entry.epoch.to_string(),
            self.age().map_or_else(String::new, age_text),
            held_by.map_or_else(String::new, held_by_text),
            self.state(),
            self.meta(),
        ]
    }

    /// One line that says who it is and how it does.
    pub(super) fn line(&self) -> String {
        let epoch: Epoch = self.entry.epoch;
        let (name, addresses, state) = (&self.name, self.addresses(), self.state());
        format!("{name}  {addresses}  epoch {epoch}  {state}")
    }

    /// The member in JSON.
    pub(crate) fn object(&self, held_by: Option<&HeldBy>) -> Value {
        let member = self.entry.record.member.as_ref();
        let addresses: Vec<IpAddr> = self.entry.record.addresses().collect();
        let ports = member.map(|it| it.ports.iter().map(|(name, port)| (name, port.to_string())));
        let ports: serde_json::Map<String, Value> = ports
            .into_iter()
            .flatten()
            .map(|(name, port)| (name.clone(), port.into()))
            .collect();
        let mut object = json!({
            "slot": self.entry.slot,
            "name": self.name,
            "addresses": addresses,
            "epoch": self.entry.epoch,
            "age": self.age().map(|it| it.as_secs()),
            "node": self.entry.record.node().filter(|_| !self.entry.record.is_quarantine()),
            "instance": self.entry.record.instance(),
            "down": self.is_down(),
            "evicted": self.entry.record.is_quarantine(),
            "ports": ports,
            "meta": member.map(|it| &it.meta).cloned().unwrap_or_default(),
            "job": self.part.as_ref().map(job),
        });
        let held_by = match held_by {
            Some(HeldBy::Lease { left, ttl }) => (
                "lease",
                json!({ "left": left.as_secs(), "ttl": ttl.as_secs() }),
            ),
            Some(HeldBy::Process { id, lives }) => ("process", json!({ "id": id, "lives": lives })),
            _ => return object,
        };
        object[held_by.0] = held_by.1;
        object
    }

    fn addresses(&self) -> String {
        let addresses = self.entry.record.addresses().map(|it| it.to_string());
        addresses.collect::<Vec<_>>().join(" ")
    }

    fn age(&self) -> Option<Duration> {
        self.entry.record.age(journal::seconds())
    }

    /// The free text; what a job says there shows in the state.
    fn meta(&self) -> String {
        let member = self.entry.record.member.as_ref();
        let meta = member.into_iter().flat_map(|it| &it.meta);
        let meta = meta.filter(|(key, _)| *key != GANG);
        let meta: Vec<String> = meta.map(|(key, value)| format!("{key}={value}")).collect();
        meta.join(" ")
    }

    fn state(&self) -> String {
        if self.entry.record.is_quarantine() {
            return "evicted: nobody can have it yet".to_owned();
        }
        let (mut part, role) = match &self.part {
            None => ("up".to_owned(), &None),
            Some(Part::Ready { expect, role }) => (format!("ready for {expect}"), role),
            Some(Part::Runs { rank, of, role }) => (format!("rank {rank} of {of}"), role),
        };
        if let Some(role) = role {
            part += &format!(" as {role}");
        }
        match (self.is_down(), &self.part) {
            (false, _) => part,
            (true, None) => "down".to_owned(),
            (true, Some(_)) => format!("down, {part}"),
        }
    }
}

/// The part of a member in its job, in JSON; `role` is there where jobs have roles.
fn job(part: &Part) -> Value {
    let (mut object, role) = match part {
        Part::Ready { expect, role } => (json!({ "state": "ready", "expect": expect }), role),
        Part::Runs { rank, of, role } => (json!({ "state": "runs", "rank": rank, "of": of }), role),
    };
    if let Some(role) = role {
        object["role"] = json!(role);
    }
    object
}

/// As the page of `admin` has it.
fn age_text(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn held_by_text(held_by: &HeldBy) -> String {
    match held_by {
        HeldBy::Lease { left, ttl } => {
            format!("lease: {} of {} s", left.as_secs(), ttl.as_secs())
        }
        HeldBy::Process { id, lives: true } => format!("process {id}"),
        HeldBy::Process { id, lives: false } => format!("what process {id} left"),
        HeldBy::Nothing => "nothing".to_owned(),
        HeldBy::Ended => "nobody any more".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::identity::record;

    pub(in crate::cluster) fn member(slot: Slot, instance: &str, gang: Option<&str>) -> Member {
        let pattern = Pattern::parse("worker{{.ID}}.tf.local.", "worker").unwrap();
        let gang = gang.map(|it| ("gang".to_owned(), it.to_owned()));
        let entry = Entry {
            slot,
            epoch: 17,
            session: None,
            record: record::Record {
                ipv4: "10.0.0.5".to_owned(),
                member: Some(record::Member {
                    inst: instance.to_owned(),
                    meta: gang.into_iter().collect::<BTreeMap<_, _>>(),
                    ..record::Member::default()
                }),
                ..record::Record::default()
            },
        };
        Member::new(&pattern, &entry, None)
    }

    /// If this fails, a script that reads the members finds other fields than the documents name.
    #[test]
    fn a_member_is_shown_as_a_row_and_as_an_object() {
        let member = member(3, "i", Some("8 after 0"));
        let lease = HeldBy::Lease {
            left: Duration::from_secs(18),
            ttl: Duration::from_secs(20),
        };
        assert_eq!(
            member.row(Some(&lease)),
            [
                "3",
                "worker3.tf.local.",
                "10.0.0.5",
                "17",
                "",
                "lease: 18 of 20 s",
                "ready for 8",
                ""
            ]
        );
        assert_eq!(
            member.object(Some(&lease)),
            json!({
                "slot": 3, "name": "worker3.tf.local.", "addresses": ["10.0.0.5"], "epoch": 17,
                "age": null, "node": "", "instance": "i", "down": false, "evicted": false, "ports": {},
                "meta": { "gang": "8 after 0" }, "job": { "state": "ready", "expect": 8 },
                "lease": { "left": 18, "ttl": 20 },
            })
        );
    }

    /// If this fails, people read a time that a name was not held for, or none.
    #[test]
    fn ages_are_for_people() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_800];
        let texts = ages.map(|seconds| age_text(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }

    /// If this fails, the table hides what a node says of itself, or repeats what a job says.
    #[test]
    fn meta_is_shown_without_what_the_state_says() {
        let mut member = member(3, "i", Some("8 after 0"));
        let record = member.entry.record.member.as_mut().unwrap();
        record.meta.insert("zone".to_owned(), "eu-1".to_owned());
        record.meta.insert("gpu".to_owned(), "a b".to_owned());
        record.since = journal::seconds() + 1_000;
        let row = member.row(None);
        assert_eq!(
            (row[4].as_str(), row[7].as_str()),
            ("0 s", "gpu=a b zone=eu-1")
        );
    }
}
