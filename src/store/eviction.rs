//! What came of taking a slot from its holder.

use std::time::Duration;

/// What came of taking a slot from its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The slot is its holder's no more once the holder has heard of it or its lease has ended, and
    /// nobody else's for so long at least.
    Done {
        /// How long nobody can claim the slot.
        lasts: Duration,
    },
    /// The claim is not what it was when it was looked at: nothing was done.
    Changed,
}
