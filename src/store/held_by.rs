//! What a claim hangs on, for people who look at it.

use std::time::Duration;

/// What keeps a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// A lease, which its holder renews.
    Lease {
        /// How long it lives on if it is not renewed, as the store saw it a moment ago.
        left: Duration,
        /// How long it lives after a renewal.
        ttl: Duration,
    },
    /// A process of this machine: the claim ends with it.
    Process {
        /// Its number, as it wrote it down itself.
        id: u32,
        /// Whether a process of that number lives. Where none does, a program that it has started
        /// keeps the claim; or the number is one of another container.
        lives: bool,
    },
    /// Nothing: the record stays until somebody deletes it.
    Nothing,
    /// The claim has ended meanwhile.
    Ended,
}
