//! Since when whoever tells us something has been away: a store, an engine.

use std::time::Duration;

use crate::clock::BootTime;

/// How far a copy of what others have can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing has been heard of them yet.
    #[default]
    Unknown,
    /// They tell every change.
    Current,
    /// They have been away since then.
    Away {
        /// When it was noticed.
        since: BootTime,
    },
}

impl Freshness {
    /// How long until they have been away for `most`; [`None`] where they are not away, or have
    /// been for longer already.
    #[must_use]
    pub fn expires_in(self, now: BootTime, most: Duration) -> Option<Duration> {
        let Self::Away { since } = self else {
            return None;
        };
        let left = most.checked_sub(now.since(since))?;
        (!left.is_zero()).then_some(left)
    }
}
