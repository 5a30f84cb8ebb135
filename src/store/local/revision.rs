//! Numbers that order what happens in a folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The largest number that counts: readers of JSON that know only floating point keep it exact.
pub(super) const LARGEST: u64 = 1 << 53;

/// Draws numbers that grow: revisions of what was seen and epochs of what was written.
///
/// A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): a number is larger
/// than every number that was drawn or seen before it, so that in one process a revision is larger
/// than the epochs of all claims that came before it. It starts from the wall clock's
/// milliseconds, so that owners stay in order even when somebody has deleted the folder and with
/// it the last epochs. Nothing else rests on the wall clock: it may jump.
#[derive(Debug, Default)]
pub(super) struct Revisions {
    last: AtomicU64,
}

impl Revisions {
    /// The next number.
    pub(super) fn draw(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(0));
        self.draw_at(now)
    }

    /// Takes note of a number that another process has drawn.
    pub(super) fn see(&self, number: u64) {
        self.last.fetch_max(number, Ordering::Relaxed);
    }

    fn draw_at(&self, now: u64) -> u64 {
        let next = |last: u64| (last + 1).max(now.min(LARGEST));
        // Numbers that are seen are bounded by LARGEST, so that adding one cannot overflow.
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        next(before.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_when_the_clock_stands_jumps_back_or_is_behind_another_process() {
        let revisions = Revisions::default();
        assert_eq!(revisions.draw_at(1000), 1000);
        assert_eq!(revisions.draw_at(1000), 1001);
        assert_eq!(revisions.draw_at(5), 1002);
        revisions.see(2000);
        revisions.see(1500);
        assert_eq!(revisions.draw_at(1003), 2001);
        assert_eq!(revisions.draw_at(u64::MAX), LARGEST);
    }
}
