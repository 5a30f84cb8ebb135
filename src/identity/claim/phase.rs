//! How far a claim is, and what belongs to each phase.

use super::{Description, RequestId};
use crate::clock::BootTime;
use crate::store::{Epoch, Session, Slot};

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) sent: BootTime,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Queue,
    Claim,
    Verify,
    Update,
    Reserve,
    Renew,
    Close,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Until the first listing.
    Listening,
    /// Our own claim of an earlier life is still there: until it is gone, or until then.
    AwaitingOwn {
        slot: Slot,
        until: BootTime,
    },
    /// After a failure.
    Resting {
        until: BootTime,
    },
    Opening,
    Queueing {
        place: Place,
    },
    Waiting {
        place: Place,
        look_again: BootTime,
    },
    Claiming {
        place: Place,
        attempt: Held,
        takeover: Option<Session>,
    },
    Settling {
        held: Held,
        until: BootTime,
    },
    Holding(Holding),
    /// The lease is being revoked. Tried until the store answers: before that nothing else would
    /// succeed either. One who stops does not wait longer than `give_up`.
    Closing {
        retry: BootTime,
        give_up: Option<BootTime>,
    },
    Stopped,
}

/// A place in the queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) instance: String,
    pub(super) arrival: u64,
    pub(super) ahead: u32,
}

/// A slot with our record in it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) slot: Slot,
    pub(super) epoch: Epoch,
    pub(super) instance: String,
    pub(super) arrival: u64,
    /// What the record in the store says.
    pub(super) published: Description,
}

#[derive(Debug)]
pub(super) struct Holding {
    pub(super) held: Held,
    pub(super) degraded: bool,
    /// The deadline has passed, so the slot is not ours. But nobody has said that the record is
    /// gone, and while it stands nobody else can have the slot: it is ours again once the lease
    /// was renewed and the store has confirmed the record after that.
    pub(super) lapsed: bool,
    pub(super) renewals: u32,
    pub(super) verify: bool,
    /// What the update under way says.
    pub(super) updating: Option<Description>,
    /// Not before this moment is the next request sent, but for renewals.
    pub(super) not_before: BootTime,
    pub(super) reservation: Option<Session>,
    pub(super) reserve_at: Option<BootTime>,
    /// The session of the dead process that we took over from, still to be closed.
    pub(super) old_session: Option<Session>,
}
