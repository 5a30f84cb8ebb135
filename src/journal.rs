//! What has happened lately, for those who look on: a bounded list in memory.
//!
//! It is told by whoever knows: pools of claims, members and stores, containers' names of engines, the
//! server of reloads. Nothing of it is on the way of a query.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::mutex::locked;

/// How many events are kept.
const MOST: usize = 256;

/// The longest text of one, in bytes; names of others are in it.
const LONGEST: usize = 400;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// This node has got a name.
    Claimed,
    /// It has lost it.
    Lost,
    /// It has given it back.
    Released,
    /// All names are taken by others.
    Full,
    /// The lease of a name is not being renewed.
    Degraded,
    /// It is renewed again.
    Restored,
    /// Another node has got a name.
    Joined,
    /// Another node's name is free.
    Left,
    /// A store cannot be reached.
    StoreAway,
    /// It tells every change again.
    StoreBack,
    /// An engine cannot be reached.
    EngineAway,
    /// An engine tells every change.
    EngineBack,
    /// Another configuration runs.
    Reloaded,
    /// Another configuration was wrong.
    NotReloaded,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// Its number: one more than that of the one before.
    pub number: u64,
    /// When, in milliseconds of Unix time.
    pub at: u64,
    /// What.
    pub kind: Kind,
    /// To what: `pool worker`, `docker`, `server`.
    pub about: String,
    /// In one sentence.
    pub text: String,
}

/// What has happened lately in a process.
#[derive(Debug)]
pub struct Journal {
    started: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    happenings: VecDeque<Arc<Happening>>,
}

impl Default for Journal {
    /// Nothing has happened but that the process started, now.
    fn default() -> Self {
        Self {
            started: Instant::now(),
            kept: Mutex::default(),
        }
    }
}

impl Journal {
    /// Takes something down. What is too long is cut.
    pub fn tell(&self, kind: Kind, about: &str, text: &str) {
        let cut = |text: &str| text[..text.floor_char_boundary(LONGEST)].to_owned();
        let (about, text) = (cut(about), cut(text));
        let at = now();
        let mut kept = locked(&self.kept);
        kept.last += 1;
        let happening = Happening {
            number: kept.last,
            at,
            kind,
            about,
            text,
        };
        if kept.happenings.len() == MOST {
            kept.happenings.pop_front();
        }
        kept.happenings.push_back(Arc::new(happening));
    }

    /// What happened after this number, the oldest first, as far as it is kept; all for 0.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Arc<Happening>> {
        let kept = locked(&self.kept);
        let skipped = kept.happenings.partition_point(|it| it.number <= number);
        kept.happenings.iter().skip(skipped).cloned().collect()
    }

    /// How long the process has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Milliseconds of Unix time.
#[must_use]
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Seconds of Unix time.
#[must_use]
pub fn seconds() -> u64 {
    now() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a herd fills the memory, or whoever looks on misses what has just happened.
    #[test]
    fn the_latest_are_kept() {
        let journal = Journal::default();
        for number in 1..=1000 {
            journal.tell(
                Kind::Joined,
                "pool a",
                &format!("{number} {}", "ü".repeat(LONGEST)),
            );
        }
        let kept = journal.after(0);
        assert_eq!(kept.len(), MOST);
        assert!(kept.iter().all(|it| it.text.len() <= LONGEST));
        assert_eq!(kept.last().unwrap().number, 1000);
        let later: Vec<u64> = journal.after(998).iter().map(|it| it.number).collect();
        assert_eq!(later, [999, 1000]);
        assert_eq!(journal.after(1000), []);
    }
}
