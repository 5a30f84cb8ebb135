//! Foreign and broken values: each said once, all counted, with bounded memory.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::mutex::locked;

/// How many are remembered; whoever fills a pool with more rubbish reads only of these.
const REMEMBERED: usize = 1024;

/// How much of a key or a reason a log line shows, in characters.
const SHOWN: usize = 200;

/// What was skipped so far.
#[derive(Debug)]
pub(crate) struct Skipped {
    /// Where the values are, for the log.
    place: String,
    known: Mutex<HashSet<(String, String)>>,
}

impl Default for Skipped {
    /// In etcd.
    fn default() -> Self {
        Self::of("etcd".to_owned())
    }
}

impl Skipped {
    /// Nothing yet of what is in this place.
    pub(crate) fn of(place: String) -> Self {
        Self {
            place,
            known: Mutex::default(),
        }
    }

    /// Notes that the value under a key was skipped and logs it when that is news.
    pub(crate) fn note(&self, key: &[u8], reason: &str) {
        let key = String::from_utf8_lossy(key);
        let sighting = (shortened(&key), shortened(reason));
        let mut known = locked(&self.known);
        if known.len() >= REMEMBERED || known.contains(&sighting) {
            return;
        }
        let (key, reason) = &sighting;
        let place = &self.place;
        tracing::warn!("{place}: the value of {key:?} is skipped: {reason}");
        known.insert(sighting);
        if known.len() == REMEMBERED {
            tracing::warn!(
                "{place}: {REMEMBERED} values were skipped; no more of them are reported"
            );
        }
    }

    /// How many different ones there were, up to the number that is remembered.
    pub(crate) fn count(&self) -> u64 {
        let known = locked(&self.known);
        known.len() as u64
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fault_counts_once_and_a_flood_is_bounded() {
        let skipped = Skipped::default();
        skipped.note(b"a", "no JSON");
        skipped.note(b"a", "no JSON");
        skipped.note(b"a", "version 2");
        assert_eq!(skipped.count(), 2);
        for number in 0..2 * REMEMBERED {
            skipped.note(number.to_string().as_bytes(), "no JSON");
        }
        assert_eq!(skipped.count(), REMEMBERED as u64);
    }
}
