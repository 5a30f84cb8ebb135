//! What a claimant is told and what it says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::BootTime;
use crate::identity::record::Port;
use crate::store::{Change, Entry, Epoch, Listing, Reply, Request, Slot, StoreError};

/// Tells the answers to requests apart.
pub type RequestId = u64;

/// What does not change during a claimant's life.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots 1 to `limit` are claimed.
    pub limit: Slot,
    /// How long a claim outlives its last renewal. Not used where the store has no leases.
    pub ttl: Duration,
    /// [`crate::store::Store::has_leases`].
    pub has_leases: bool,
    /// [`crate::store::Store::settle`].
    pub settle: Duration,
    /// The node key.
    pub node: String,
    /// How long the slot waits for this node while it is away; [`None`] for not at all.
    pub sticky: Option<Duration>,
    /// The boot id of this machine, empty where it is unknown.
    pub boot: String,
}

/// What a node publishes under its name: the changing part of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The addresses, the preferred ones first.
    pub addresses: Vec<IpAddr>,
    /// The port of the DNS server.
    pub dns_port: Option<u16>,
    /// Named ports.
    pub ports: BTreeMap<String, Port>,
    /// Free text.
    pub meta: BTreeMap<String, String>,
    /// Whether the health check fails.
    pub down: bool,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Everything that stands in the space.
    Listing {
        /// What the store told.
        listing: &'a Listing,
        /// The claim of an earlier process on this seat, if there is one among them.
        previous: Previous<'a>,
    },
    /// One change in the space.
    Change(&'a Change),
    /// The answer to a request, or that there is none.
    Answer {
        /// Which request.
        id: RequestId,
        /// What the store said.
        result: Result<Reply, StoreError>,
    },
    /// Something else is to be published.
    Describe(Description),
    /// Other settings hold from now on; a slot that is held stays held.
    Configure(Settings),
    /// Give the slot back and end.
    Stop,
    /// Nothing but time has passed.
    Wake,
}

/// What is left of an earlier process on this seat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Previous<'a> {
    /// Nothing that still stands.
    Nothing,
    /// A claim of this very process, for a pool that is ending: neither a leftover nor a stranger.
    Own,
    /// A claim of a process that is dead for certain: it is taken over.
    Dead(&'a Entry),
    /// A claim that was written here, but who renews it is unknown: the machine was started anew
    /// since, or its disk was copied.
    Unsure(&'a Entry),
}

/// Something to be done, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a handful live at a time, and only for a moment"
)]
pub enum Action {
    /// Keep on disk that `instance` is about to be claimed for `slot`, before what follows.
    Remember {
        /// The slot.
        slot: Slot,
        /// The instance.
        instance: String,
    },
    /// Send a request; when no answer comes within `timeout`, answer [`StoreErrorKind::Unreachable`].
    Send {
        /// To be returned with the answer.
        id: RequestId,
        /// What to send.
        request: Request,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// The claim is ours from now until `until`; said again whenever one of these changes.
    Own {
        /// The slot.
        slot: Slot,
        /// The fencing token.
        epoch: Epoch,
        /// The first moment at which it is not ours any more.
        until: BootTime,
    },
    /// Nothing is ours from now on. Comes before whatever lets others have the slot.
    Disown,
    /// Tell whoever wants to know.
    Tell(Event),
}

/// Something that others want to know about a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A slot is ours.
    Claimed {
        /// The slot.
        slot: Slot,
        /// The fencing token.
        epoch: Epoch,
    },
    /// Renewals fail; the slot is still ours.
    Degraded,
    /// Renewals work again.
    Restored,
    /// The slot is not ours any more, against our will; another is claimed by itself.
    Lost {
        /// Which slot it was.
        slot: Slot,
        /// The token that is void now.
        epoch: Epoch,
        /// Why, in one line.
        reason: &'static str,
    },
    /// The slot was given back.
    Released {
        /// Which slot it was.
        slot: Slot,
        /// The token that is void now.
        epoch: Epoch,
    },
    /// All slots are held: waiting for one.
    Full,
    /// The node key is in use by another living node; this one goes without stickiness.
    KeyInUse {
        /// The slot of the other one.
        slot: Slot,
    },
    /// A request failed; said once for each cause.
    Problem(String),
    /// Requests succeed again.
    Solved,
    /// The claimant has ended.
    Stopped,
}
