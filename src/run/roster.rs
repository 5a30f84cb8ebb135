//! The list of those who start a job together.

use std::collections::HashSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::expectation::is_name;
use crate::store::{Entry, Epoch, NOTE_LIMIT, Slot};

/// The version of the text of a roster without roles.
const VERSION: u32 = 1;

/// The version of the text of a roster with roles.
const VERSION_WITH_ROLES: u32 = 2;

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
    /// The position is the rank: by role, in the order of `roles`, and in each by slot, ascending.
    pub members: Vec<RosterMember>,
    /// The roles; none where members have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// A role in a job, and how many members have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// What it is called.
    pub name: String,
    /// How many have it.
    pub members: u32,
}

/// The members of one role, or all of them where there are no roles.
#[derive(Clone, Copy, Debug)]
pub(super) struct RosterPart<'r> {
    /// What the role is called.
    pub(super) role: Option<&'r str>,
    /// The rank of the first member.
    pub(super) first: usize,
    /// By slot, ascending.
    pub(super) members: &'r [RosterMember],
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
            roles: Vec::new(),
        }
    }

    /// The roster with members that are sorted by role, in the order of `roles`, and in each by slot.
    #[must_use]
    pub fn in_roles(mut self, roles: &[Role]) -> Self {
        if !roles.is_empty() {
            self.v = VERSION_WITH_ROLES;
            self.roles = roles.to_vec();
        }
        self
    }

    /// Reads a roster; [`None`] where the text is none, or is damaged: then there is none, and
    /// the next one is frozen over it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let roster: Self = serde_json::from_slice(text).ok()?;
        let version = match roster.roles.is_empty() {
            true => VERSION,
            false => VERSION_WITH_ROLES,
        };
        let known = roster.v == version && !roster.members.is_empty() && roster.is_sorted();
        known.then_some(roster)
    }

    /// Whether the roles have all members, each slot is there once, and the order is right.
    fn is_sorted(&self) -> bool {
        let in_roles: u64 = self.roles.iter().map(|it| u64::from(it.members)).sum();
        let complete = self.roles.is_empty() || usize::try_from(in_roles) == Ok(self.members.len());
        let sorted = self.parts().all(|part| {
            let mut pairs = part.members.iter().zip(part.members.iter().skip(1));
            pairs.all(|(one, next)| one.slot < next.slot)
        });
        let names: HashSet<&str> = self.roles.iter().map(|it| it.name.as_str()).collect();
        let slots: HashSet<Slot> = self.members.iter().map(|it| it.slot).collect();
        let unique = names.len() == self.roles.len() && slots.len() == self.members.len();
        complete && sorted && unique && self.roles.iter().all(|it| is_name(&it.name))
    }

    /// The members of each role, in the order of ranks; all in one where there are no roles.
    pub(super) fn parts(&self) -> impl Iterator<Item = RosterPart<'_>> {
        let all = self.roles.is_empty().then_some(RosterPart {
            role: None,
            first: 0,
            members: &self.members,
        });
        let mut first = 0_usize;
        let roles = self.roles.iter().map(move |role| {
            let begin = first;
            first = begin.saturating_add(usize::try_from(role.members).unwrap_or(usize::MAX));
            RosterPart {
                role: Some(&role.name),
                first: begin,
                members: self.members.get(begin..first).unwrap_or_default(),
            }
        });
        all.into_iter().chain(roles)
    }

    /// The role's members to which the member of this rank belongs.
    pub(super) fn part(&self, rank: usize) -> Option<RosterPart<'_>> {
        let mut parts = self.parts();
        parts.find(|part| (part.first..part.first + part.members.len()).contains(&rank))
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

    /// The rank of a member at its own slot, faster than by its claim alone.
    pub(super) fn rank_at(&self, member: &RosterMember) -> Option<usize> {
        self.parts().find_map(|part| {
            let found = part
                .members
                .binary_search_by_key(&member.slot, |it| it.slot);
            let found = found.ok()?;
            let same = part.members.get(found)?.instance == member.instance;
            same.then_some(part.first + found)
        })
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

    fn role(name: &str, members: u32) -> Role {
        Role {
            name: name.to_owned(),
            members,
        }
    }

    /// If this fails, members of one job disagree on who has which role, or an older program reads
    /// ranks out of a roster that it does not understand.
    #[test]
    fn roles_are_frozen_too() {
        let members = vec![member(7, "c"), member(2, "a"), member(9, "b")];
        let roles = [role("ps", 1), role("worker", 2)];
        let roster = Roster::new(3, "b", members.clone()).in_roles(&roles);
        let text = roster.to_json().unwrap();
        assert!(String::from_utf8_lossy(&text).contains(r#""v":2"#));
        assert_eq!(Roster::parse(&text), Some(roster.clone()));
        let part = roster.part(2).unwrap();
        assert_eq!(
            (part.role, part.first, part.members.len()),
            (Some("worker"), 1, 2)
        );
        assert_eq!(roster.rank_at(&member(9, "b")), Some(2));
        assert_eq!(roster.rank_at(&member(7, "x")), None);
        assert!(roster.part(3).is_none());
        // What older programs wrote has no word of roles, and ours without roles neither.
        let plain = Roster::new(3, "b", vec![member(2, "a")]).in_roles(&[]);
        let text = String::from_utf8(plain.to_json().unwrap()).unwrap();
        assert!(
            text.contains(r#""v":1"#) && !text.contains("roles"),
            "{text}"
        );
        for roles in [
            vec![role("ps", 1), role("worker", 1)],
            vec![role("ps", 1), role("worker", 3)],
            vec![role("ps", 2), role("worker", 1)],
            vec![role("ps", 1), role("ps", 2)],
            vec![role("ps", u32::MAX), role("worker", u32::MAX)],
            vec![role("p s", 1), role("worker", 2)],
        ] {
            let wrong = Roster::new(3, "b", members.clone()).in_roles(&roles);
            assert_eq!(Roster::parse(&wrong.to_json().unwrap()), None, "{roles:?}");
        }
        let twice = vec![member(2, "a"), member(2, "b")];
        let twice = Roster::new(1, "a", twice).in_roles(&[role("ps", 1), role("worker", 1)]);
        assert_eq!(Roster::parse(&twice.to_json().unwrap()), None);
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
        let roles: Vec<Role> = (0..40).map(|it| role(&it.to_string(), 100)).collect();
        let roster = Roster::new(u64::MAX, &"0".repeat(32), members.collect()).in_roles(&roles);
        let text = roster.to_json().unwrap();
        assert_eq!(Roster::parse(&text), Some(roster));
    }
}
