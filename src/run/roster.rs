//! The list of those who start a job together.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::store::{Entry, Epoch, NOTE_LIMIT, Slot};

/// The version of a roster's text that this program reads and writes.
const VERSION: u32 = 1;

/// The most members of a roster: with two addresses each they fit into a note.
pub const MOST_MEMBERS: u32 = 4000;

/// How many addresses of a member are kept.
const MOST_ADDRESSES: usize = 2;

/// Who starts a job together: frozen once, and the same for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    v: u32,
    /// Counts the rosters of a space, from 1.
    pub generation: u64,
    /// Who froze it: the instance of a claim. It makes every text another one.
    pub frozen_by: String,
    /// By slot, ascending: the position is the rank.
    pub members: Vec<RosterMember>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterMember {
    /// The slot.
    pub slot: Slot,
    /// The instance of the claim: the same slot in other hands has another one.
    pub instance: String,
    /// The fencing token of the claim when the roster was frozen.
    pub epoch: Epoch,
    /// Its first addresses when the roster was frozen.
    pub addresses: Vec<IpAddr>,
}

impl Roster {
    /// Freezes `members`, which are sorted by slot.
    #[must_use]
    pub fn new(generation: u64, frozen_by: &str, members: Vec<RosterMember>) -> Self {
        Self {
            v: VERSION,
            generation,
            frozen_by: frozen_by.to_owned(),
            members,
        }
    }

    /// Reads a roster; [`None`] where the text is none, or is damaged: then there is none, and
    /// the next one is frozen over it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let roster: Self = serde_json::from_slice(text).ok()?;
        let mut pairs = roster.members.iter().zip(roster.members.iter().skip(1));
        let sorted = pairs.all(|(one, next)| one.slot < next.slot);
        let known = roster.v == VERSION && sorted && !roster.members.is_empty();
        known.then_some(roster)
    }

    /// The roster as JSON; [`None`] where it is too long for a note.
    #[must_use]
    pub fn to_json(&self) -> Option<Vec<u8>> {
        let text = serde_json::to_vec(self).ok()?;
        (text.len() <= NOTE_LIMIT).then_some(text)
    }

    /// The largest epoch of the members: a copy of the store that is older may not show them all.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.members.iter().map(|it| it.epoch).max().unwrap_or(0)
    }

    /// The position of a claim among the members, from 0.
    #[must_use]
    pub fn rank(&self, instance: &str) -> Option<usize> {
        self.members.iter().position(|it| it.instance == instance)
    }
}

impl RosterMember {
    /// A member as the store has it; [`None`] for a node of idetcd, which cannot take part.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        Some(Self {
            slot: entry.slot,
            instance: entry.record.instance()?.to_owned(),
            epoch: entry.epoch,
            addresses: entry.record.addresses().take(MOST_ADDRESSES).collect(),
        })
    }
}

/// How a job ended for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The instance of the claim under which it ran.
    pub instance: String,
    /// The generation of the roster that it was in.
    pub generation: u64,
    /// The exit status of the command.
    pub status: u8,
}

impl Ended {
    /// Reads what a member has written; [`None`] where the text is none of these.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// What is written.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers: nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(slot: Slot, instance: &str) -> RosterMember {
        RosterMember {
            slot,
            instance: instance.to_owned(),
            epoch: slot.into(),
            addresses: vec![IpAddr::from([10, 0, 0, 1])],
        }
    }

    /// If this fails, members of one job read different ranks out of one roster.
    #[test]
    fn what_is_frozen_is_read_again() {
        let roster = Roster::new(3, "b", vec![member(2, "a"), member(7, "b")]);
        let text = roster.to_json().unwrap();
        assert_eq!(Roster::parse(&text), Some(roster.clone()));
        assert_eq!(roster.rank("b"), Some(1));
        assert_eq!(roster.rank("c"), None);
    }

    /// If this fails, a damaged or foreign note stops a cluster, or gives one rank to two.
    #[test]
    fn what_is_none_is_no_roster() {
        let unsorted = Roster::new(1, "a", vec![member(2, "a"), member(2, "b")]);
        let empty = Roster::new(1, "a", vec![]);
        for text in [
            &b""[..],
            b"{}",
            b"\xff",
            &unsorted.to_json().unwrap(),
            &empty.to_json().unwrap(),
            br#"{"v":2,"generation":1,"frozen_by":"a","members":[{"slot":1,"instance":"a","epoch":1,"addresses":[]}]}"#,
        ] {
            assert_eq!(Roster::parse(text), None);
        }
    }

    /// If this fails, the largest job that is allowed cannot start.
    #[test]
    fn the_largest_roster_fits_into_a_note() {
        let address = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        let members = (1..=MOST_MEMBERS).map(|slot| RosterMember {
            slot: 90_000 + slot,
            instance: "0".repeat(32),
            epoch: 1 << 53,
            addresses: vec![address; MOST_ADDRESSES],
        });
        let roster = Roster::new(u64::MAX, &"0".repeat(32), members.collect());
        assert!(roster.to_json().is_some());
    }
}
