//! Whether a slot is ours at this moment.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::clock::BootTime;
use crate::store::{Epoch, Slot};

/// A handle that says whether this process owns a slot of a pool, for all who act in its name.
///
/// The store could be unreachable and the process could have been stopped for an hour: the check
/// is right all the same, because it reads the clock and the claim's deadline each time. What
/// happens between a check and an act no check can know; so whoever acts on something shared
/// passes the epoch along, and what is shared refuses smaller epochs than it has seen.
#[derive(Clone, Debug, Default)]
pub struct Ownership {
    owned: Arc<ArcSwapOption<Owned>>,
    /// Told of every change of the stretch.
    stretch: watch::Sender<Option<Stretch>>,
}

/// A stretch of time in which a slot is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owned {
    slot: Slot,
    epoch: Epoch,
    since: BootTime,
    until: BootTime,
}

/// From when until when a slot is ours without a gap, as far as is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its beginning. Another one means that the slot was not ours in between.
    pub since: BootTime,
    /// Its end.
    pub until: BootTime,
}

/// A passed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The slot that is ours.
    pub slot: Slot,
    /// The fencing token.
    pub epoch: Epoch,
    /// The clock value for which this is true.
    pub at: BootTime,
}

impl Ownership {
    /// The slot that is ours, or [`None`].
    #[must_use]
    pub fn check(&self) -> Option<Stamp> {
        // The clock first: were it read after the claim, this thread could sleep in between while
        // the claim is given back and somebody else takes it, and then stamp a later moment.
        let at = BootTime::now();
        let owned = self.owned.load();
        let owned = owned.as_deref()?;
        let Owned {
            slot,
            epoch,
            since,
            until,
        } = *owned;
        (since <= at && at < until).then_some(Stamp { slot, epoch, at })
    }

    /// Until when a slot is ours, and every change of that: each renewal moves it on. [`None`] while
    /// nothing is ours. Who looks late sees the last change only.
    #[must_use]
    pub fn stretch(&self) -> watch::Receiver<Option<Stretch>> {
        self.stretch.subscribe()
    }

    /// The slot is ours until `until`.
    pub(super) fn own(&self, slot: Slot, epoch: Epoch, until: BootTime) {
        let before = self.owned.load();
        let since = before
            .as_deref()
            .filter(|owned| owned.slot == slot)
            .map_or_else(BootTime::now, |owned| owned.since);
        self.owned.store(Some(Arc::new(Owned {
            slot,
            epoch,
            since,
            until,
        })));
        self.stretch.send_replace(Some(Stretch { since, until }));
    }

    /// Nothing is ours from now on.
    pub(super) fn disown(&self) {
        self.owned.store(None);
        self.stretch.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_check_passes_only_inside_the_stretch() {
        let ownership = Ownership::default();
        assert_eq!(ownership.check(), None);
        ownership.own(3, 7, BootTime::now() + Duration::from_secs(60));
        let stamp = ownership.check().expect("ours for a minute");
        assert_eq!((stamp.slot, stamp.epoch), (3, 7));
        ownership.own(3, 7, BootTime::now());
        assert_eq!(ownership.check(), None, "the deadline itself is too late");
        ownership.own(3, 7, BootTime::now() + Duration::from_secs(60));
        ownership.disown();
        assert_eq!(ownership.check(), None);
    }

    /// If this fails, a command goes on under a name that was another's for a while, since the
    /// process that watches it looked away meanwhile.
    #[test]
    fn a_gap_shows_to_who_looks_late() {
        let ownership = Ownership::default();
        let stretch = ownership.stretch();
        let later = |seconds| BootTime::now() + Duration::from_secs(seconds);
        let since = || stretch.borrow().map(|stretch| stretch.since);
        ownership.own(3, 7, later(60));
        let first = since();
        ownership.own(3, 7, later(90));
        assert_eq!(since(), first);
        ownership.disown();
        ownership.own(3, 8, later(60));
        assert!(since() > first);
    }
}
