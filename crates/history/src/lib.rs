//! What claimants did, and whether it was right.
//!
//! Tests and benchmarks let claimants write down what happens to them: when they were told that a
//! slot is theirs, when they used it (each use stamped with the clock value that its ownership
//! check had read), when they lost it; and what an onlooker saw in the store. [`check`] reads the
//! whole history and decides. All stamps are of one machine's `CLOCK_BOOTTIME`, so that moments
//! of different processes can be compared.

#![forbid(unsafe_code)]

mod check;

use serde::{Deserialize, Serialize};

pub use check::{Violation, check};

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When: nanoseconds of `CLOCK_BOOTTIME`. For a use, what its check read.
    pub at: u64,
    /// Which claimant: unique for each process and for each claimant in it.
    pub claimant: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum What {
    /// The claimant was told that a slot is its own.
    Claimed {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// An ownership check passed at this moment.
    Used {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// The claimant does not own the slot any more.
    Ended {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// The claimant's own copy of the store shows its claim.
    Seen {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// The claimant's own copy of the store does not show its claim any more.
    Unseen {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// The onlooker saw that the claimant's record stands in the slot.
    Stands {
        /// The slot.
        slot: u32,
        /// The fencing token.
        epoch: u64,
    },
    /// The onlooker saw that the slot was taken from its holder, who may not have heard of it, and is
    /// kept from everybody.
    Evicted {
        /// The slot.
        slot: u32,
        /// The epoch of what stands there now: every later owner's is larger.
        epoch: u64,
    },
    /// The onlooker saw that the slot is free; whose it was is not said.
    Free {
        /// The slot.
        slot: u32,
    },
}

/// Reads a history from lines of JSON, one event each; an unfinished last line is left out, since
/// its writer may have been killed.
///
/// # Errors
///
/// The number of the line that is no event, and why.
pub fn read(text: &str) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(_) if !line.ends_with('\n') => {}
            Err(error) => return Err(format!("line {}: {error}", number + 1)),
        }
    }
    Ok(events)
}

/// An event as a line of JSON, the line end included.
#[must_use]
pub fn line(event: &Event) -> String {
    // Numbers and strings: nothing that JSON could refuse.
    let mut line = serde_json::to_string(event).unwrap_or_default();
    line.push('\n');
    line
}
