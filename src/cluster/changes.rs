//! One change of the members after the other, for programs and for files.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Cluster, Follower, Member};
use crate::console::{complain, plain, try_say};
use crate::run::roster::Roster;
use crate::store::Slot;

/// How often the roster is read: it is told to nobody.
const LOOK: Duration = Duration::from_secs(2);

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It was there at the beginning.
    There,
    Joined,
    Changed,
    Left,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Joined => "joined",
            Self::Changed => "changed",
            Self::Left => "left",
        }
    }
}

type Known = BTreeMap<Slot, Member>;

/// Writes a line for every member and every change of one, until nobody reads them any more.
pub(crate) async fn changes(cluster: &Cluster, mut follower: Follower, as_json: bool) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Known::new();
    let mut roster = cluster.roster().await;
    let mut trouble = None;
    let mut first = true;
    loop {
        let now = members(cluster, &follower, roster.as_ref());
        let found = differences(&known, &now);
        let found = found.into_iter().map(|(change, member)| match first {
            true => (Change::There, member),
            false => (change, member),
        });
        let text: String = found
            .map(|(change, it)| line(change, it, as_json))
            .collect();
        if try_say(&text).is_err() {
            return;
        }
        (known, first) = (now, false);
        if follower.trouble != trouble {
            trouble = follower.trouble.clone();
            complain(&match &trouble {
                Some(reason) => format!("callsign: {reason}; the members are as they were"),
                None => format!("callsign: {} is back", cluster.store.describe()),
            });
        }
        tokio::select! {
            () = follower.news() => {}
            _ = look.tick(), if trouble.is_none() => roster = cluster.roster().await,
        }
    }
}

fn members(cluster: &Cluster, follower: &Follower, roster: Option<&Roster>) -> Known {
    let entries = follower.members.entries();
    let members = entries.map(|entry| Member::new(&cluster.space.pattern, entry, roster));
    members.map(|member| (member.slot(), member)).collect()
}

/// What is different in `now`. A slot in other hands was left and joined.
fn differences<'k>(before: &'k Known, now: &'k Known) -> Vec<(Change, &'k Member)> {
    let mut found = Vec::new();
    for (slot, old) in before {
        if !now.get(slot).is_some_and(|new| new.is_same(old)) {
            found.push((Change::Left, old));
        }
    }
    for (slot, new) in now {
        match before.get(slot) {
            Some(old) if old == new => {}
            Some(old) if old.is_same(new) => found.push((Change::Changed, new)),
            _ => found.push((Change::Joined, new)),
        }
    }
    found
}

fn line(change: Change, member: &Member, as_json: bool) -> String {
    let name = change.name();
    if as_json {
        let mut object = member.object(None);
        object["change"] = name.into();
        return format!("{object}\n");
    }
    format!("{name:7}  {}\n", plain(&member.line()))
}

#[cfg(test)]
mod tests {
    use super::super::members::tests::member;
    use super::*;

    /// If this fails, who follows the members misses one, or does not see that a name has changed
    /// hands.
    #[test]
    fn every_change_is_told() {
        let known = |members: &[Member]| -> Known {
            members.iter().map(|it| (it.slot(), it.clone())).collect()
        };
        let before = known(&[
            member(1, "a", None),
            member(2, "b", None),
            member(3, "c", None),
            member(4, "d", None),
        ]);
        let now = known(&[
            member(1, "a", None),
            member(2, "b", Some("2 after 0")),
            member(3, "other", None),
            member(5, "e", None),
        ]);
        let found: Vec<_> = differences(&before, &now)
            .into_iter()
            .map(|(change, member)| (change, member.slot()))
            .collect();
        use Change::{Changed, Joined, Left};
        assert_eq!(
            found,
            [(Left, 3), (Left, 4), (Changed, 2), (Joined, 3), (Joined, 5)]
        );
    }

    /// If this fails, a line of a log is written by whoever may write a record.
    #[test]
    fn a_line_is_one_line() {
        let text = line(Change::Joined, &member(1, "a", None), false);
        assert_eq!(text, "joined   worker1.tf.local.  10.0.0.5  epoch 17  up\n");
        let text = line(Change::Left, &member(1, "\n", None), true);
        assert_eq!(text.lines().count(), 1);
    }
}
