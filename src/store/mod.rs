//! Names that nodes share: where a claim is made and where the claims of others are seen.
//!
//! A store does two things for a pool. It [executes](Store::execute) the requests of whoever wants
//! a slot, each one an atomic step, and it [follows](Store::follow) the pool: first what stands in
//! it, then every change. What a claim *means*, when it is over and what to try next is decided
//! in [`crate::identity::claim`], which knows no store and does no IO; a store decides nothing.
//!
//! Two stores exist: `etcd` for a cluster and `local` for the processes of one machine.

pub mod board;
pub mod etcd;
mod eviction;
mod held_by;
pub mod local;
mod note;
pub(crate) mod skipped;

use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::identity::pattern::Pattern;
use crate::identity::record::{QUARANTINE, Record};

pub use eviction::Eviction;
pub use held_by::HeldBy;
pub use note::{NOTE_LIMIT, Note, NoteName, NoteWrite};

/// The number of one name of a pool, from 1 to the pool's limit.
pub type Slot = u32;

/// The fencing token of a claim: larger for every later owner of the same slot.
///
/// In etcd it is the revision of the write that made its holder the owner.
pub type Epoch = u64;

/// A future that a store hands out.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What claims hang on: when it ends, all of them end with it.
///
/// In etcd it is a lease's number; the local store counts the open claims of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub i64);

/// The names that a store is asked about: all claims on one pattern meet in one space.
///
/// Two pools whose patterns give the same names share their slots, whatever the pools are called:
/// names are what must be unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Which names, and how a name and its number turn into each other.
    pub pattern: Arc<Pattern>,
    /// Slots 1 to `limit` may be claimed. Claims beyond it (of nodes with a larger limit) are
    /// seen and answered for all the same.
    pub limit: Slot,
}

/// A place where claims are kept.
pub trait Store: Send + Sync + 'static {
    /// Carries out one request as one atomic step.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]. Where an error says nothing else, it is unknown whether the request
    /// was carried out. The caller bounds the time by dropping the future, which leaves it
    /// unknown as well.
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, Result<Reply, StoreError>>;

    /// Tells the state of `space` and all its changes into `feed`, until `feed` is closed.
    ///
    /// The first message is a [`Feed::Listing`] or, where the store cannot be reached,
    /// [`Feed::Away`]. The future reconnects by itself with back-off, resumes where it was, lists
    /// again where it cannot resume, and lists again from time to time in any case.
    fn follow(&self, space: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()>;

    /// As [`Self::follow`], but changes after the first listing are told from the moment at which
    /// `begin` is ready, those before it all at once. None is left out.
    ///
    /// In a store with a server each watcher is told each change, which is the square of a herd:
    /// who waits until it is served leaves the server to those that still claim. A store for which
    /// that makes no difference does not wait.
    fn follow_from(
        &self,
        space: &Space,
        feed: mpsc::Sender<Feed>,
        begin: Pending<'static, ()>,
    ) -> Pending<'static, ()> {
        drop(begin);
        self.follow(space, feed)
    }

    /// Reads a note of the space after writing it, if it is to be written: one atomic step.
    ///
    /// Whoever finds their own text in the answer has written it, now or by an earlier request
    /// whose answer was lost.
    ///
    /// # Errors
    ///
    /// As for [`Self::execute`].
    fn note(
        &self,
        space: &Space,
        name: NoteName,
        write: Option<NoteWrite>,
    ) -> Pending<'static, Result<Note, StoreError>> {
        let _ = (space, name, write);
        let message = format!("{} keeps no notes", self.describe());
        let kind = StoreErrorKind::Refused;
        Box::pin(std::future::ready(Err(StoreError { kind, message })))
    }

    /// Everything that stands in the space, looked at after this call; [`None`] where revisions put all
    /// that happens in one order, so that the revision of a copy says whether it is new enough.
    ///
    /// Where each process draws numbers of its own, a copy does not show every claim whose epoch is
    /// smaller than its revision.
    ///
    /// # Errors
    ///
    /// As for [`Self::execute`].
    fn look(&self, space: &Space) -> Option<Pending<'static, Result<Listing, StoreError>>> {
        let _ = space;
        None
    }

    /// What a claim hangs on at this moment. It says nothing about who owns the slot a moment later.
    ///
    /// # Errors
    ///
    /// As for [`Self::execute`].
    fn held_by(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<HeldBy, StoreError>> {
        let _ = (space, entry);
        let message = format!("{} does not tell what claims hang on", self.describe());
        let kind = StoreErrorKind::Refused;
        Box::pin(std::future::ready(Err(StoreError { kind, message })))
    }

    /// Takes a slot from the holder of `entry` so that it never has two owners, and keeps it from
    /// everybody until the old holder must have let go.
    ///
    /// # Errors
    ///
    /// As for [`Self::execute`]; refused where claims end only with their holders.
    fn evict(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<Eviction, StoreError>> {
        let _ = (space, entry);
        let message = "a claim here ends only with its holder".to_owned();
        let kind = StoreErrorKind::Refused;
        Box::pin(std::future::ready(Err(StoreError { kind, message })))
    }

    /// Ends a reservation, if it is still this one and nobody holds its slot.
    ///
    /// # Errors
    ///
    /// As for [`Self::execute`].
    fn unreserve(
        &self,
        space: &Space,
        reservation: &Reservation,
    ) -> Pending<'static, Result<(), StoreError>> {
        let _ = (space, reservation);
        Box::pin(std::future::ready(Ok(())))
    }

    /// What keeps a slot that this process holds held for as long as any process has it open,
    /// and is left open in every program that this process starts from now on; [`None`] where
    /// claims do not hang on processes.
    fn inheritable(&self, space: &Space, slot: Slot) -> Option<OwnedFd> {
        let _ = (space, slot);
        None
    }

    /// Whether claims end by themselves when they are not renewed.
    ///
    /// `false` for the local store: there the kernel ends a claim together with its holder, and
    /// nothing needs renewal or a deadline.
    fn has_leases(&self) -> bool;

    /// How long a fresh claim is left alone before its holder believes in it, then verified.
    ///
    /// Zero except in idetcd's layout, where an old node may overwrite a claim.
    fn settle(&self) -> Duration;

    /// The store in a log line: its kind and address, never a secret.
    fn describe(&self) -> String;

    /// Where in the store the names are, without the way there: the same text before and after
    /// endpoints, passwords or certificates change.
    fn place(&self) -> String {
        self.describe()
    }
}

/// One atomic step in a store.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Opens a session that lives for `ttl` after its last renewal. Answer: [`Reply::Opened`].
    Open {
        /// How long the session should outlive its last renewal.
        ttl: Duration,
    },
    /// Joins the queue of those who want a slot. Answer: [`Reply::Queued`].
    ///
    /// The place in the queue hangs on the session.
    Enqueue {
        /// The session that the place hangs on.
        session: Session,
        /// Who queues: the instance of the coming claim.
        instance: String,
    },
    /// Looks again how many are ahead in the queue. Answer: [`Reply::Queued`].
    Requeue {
        /// The session that the place hangs on.
        session: Session,
        /// Who queues.
        instance: String,
        /// The place, as [`Reply::Queued`] told it.
        arrival: u64,
    },
    /// Takes a slot, where the guard holds, and leaves the queue.
    /// Answer: [`Reply::Claimed`] or [`Reply::Taken`].
    Claim {
        /// The session that the claim hangs on.
        session: Session,
        /// The slot wanted.
        slot: Slot,
        /// What to write there.
        record: Record,
        /// What must be true of the slot.
        guard: Guard,
    },
    /// Renews a session. Answer: [`Reply::Renewed`] or [`Reply::Gone`].
    KeepAlive {
        /// The session to renew.
        session: Session,
    },
    /// Asks the store itself, not a copy, whether a claim still stands.
    /// Answer: [`Reply::Stands`], [`Reply::Moved`] or [`Reply::Gone`].
    Verify {
        /// The session of the claim.
        session: Session,
        /// The slot of the claim.
        slot: Slot,
        /// The claim's epoch.
        epoch: Epoch,
    },
    /// Writes another record under a claim that still stands.
    /// Answer: [`Reply::Claimed`] with the new epoch, [`Reply::Moved`] or [`Reply::Gone`].
    Update {
        /// The session of the claim.
        session: Session,
        /// The slot of the claim.
        slot: Slot,
        /// The claim's epoch.
        epoch: Epoch,
        /// What to write.
        record: Record,
    },
    /// Keeps the slot of a standing claim for its node while it is away, and renews that.
    /// Answer: [`Reply::Reserved`] or [`Reply::Gone`].
    Reserve {
        /// The slot of the claim.
        slot: Slot,
        /// The claim's epoch.
        epoch: Epoch,
        /// The node key that the slot waits for.
        node: String,
        /// How long it waits after the last renewal.
        ttl: Duration,
        /// The reservation's own session, from the last [`Reply::Reserved`].
        reservation: Option<Session>,
    },
    /// Ends a session and everything that hangs on it. Answer: [`Reply::Closed`], also where it
    /// had ended before.
    Close {
        /// The session to end.
        session: Session,
    },
}

/// What must be true of a slot for a claim to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nobody holds the slot and nobody has reserved it.
    Free,
    /// Nobody holds the slot, and its reservation is still the one of this revision: our own, or
    /// one that gives way because no other slot is left.
    Reserved {
        /// [`Reservation::revision`].
        revision: u64,
    },
    /// The slot is held by exactly this claim: one of our own, of a process that is dead.
    Takeover {
        /// [`Entry::epoch`] of the old claim.
        epoch: Epoch,
        /// [`Entry::session`] of the old claim.
        session: Session,
    },
}

/// What a store answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The session is open.
    Opened {
        /// Its number.
        session: Session,
        /// How long it outlives its last renewal; the store may have chosen more than was asked.
        ttl: Duration,
    },
    /// The place in the queue and what is occupied, at one moment.
    Queued {
        /// When the place was taken; smaller is earlier. Constant for one place.
        arrival: u64,
        /// How many queue ahead of us.
        ahead: u32,
        /// The slots at that moment.
        occupancy: Occupancy,
    },
    /// The slot is ours.
    Claimed {
        /// The fencing token.
        epoch: Epoch,
    },
    /// The guard did not hold; nothing was changed.
    Taken {
        /// How many queue ahead of us now.
        ahead: u32,
        /// The slots at that moment.
        occupancy: Occupancy,
    },
    /// The session lives on.
    Renewed {
        /// For how long, counted by the store from when it heard us.
        ttl: Duration,
    },
    /// The claim stands.
    Stands,
    /// The claim stands under a later epoch: an earlier update of its holder was carried out
    /// although its answer was lost. Nothing else was done.
    Moved {
        /// The epoch that the claim has now.
        epoch: Epoch,
    },
    /// The reservation is written or renewed.
    Reserved {
        /// Its session.
        reservation: Session,
    },
    /// The session or the claim is no more.
    Gone,
    /// The session is closed.
    Closed,
}

/// Which slots are occupied at one revision of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// The revision at which this was true.
    pub revision: u64,
    /// The slots that are held, ascending.
    pub held: Vec<Slot>,
    /// The reservations, by slot ascending; also those of slots that are held.
    pub reserved: Vec<Reservation>,
}

/// A slot that waits for its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The slot.
    pub slot: Slot,
    /// The node key that it waits for.
    pub node: String,
    /// When it was written: what [`Guard::Reserved`] compares.
    pub revision: u64,
}

impl Reservation {
    /// Whether it waits for nobody: whoever held the slot was evicted and may still believe in it.
    #[must_use]
    pub fn is_quarantine(&self) -> bool {
        self.node == QUARANTINE
    }
}

/// A claim as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The slot that is held.
    pub slot: Slot,
    /// The claim's epoch.
    pub epoch: Epoch,
    /// The session that it hangs on; [`None`] where somebody wrote it by hand.
    pub session: Option<Session>,
    /// What the holder wrote.
    pub record: Record,
}

/// What [`Store::follow`] tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// Everything that stands in the space at one revision. What was known before is void.
    Listing(Listing),
    /// What changed since, all changes of one revision or of several in a row.
    Changes {
        /// The last revision among them.
        revision: u64,
        /// The changes, in order.
        changes: Vec<Change>,
    },
    /// The store could be asked and nothing had changed: the copy is as new as this message.
    Current,
    /// The store cannot be reached, with the reason for the log. Repeated only for a new reason.
    Away {
        /// One line, without secrets.
        reason: String,
    },
}

/// Everything that stands in a space at one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The revision of the listing.
    pub revision: u64,
    /// The claims, by slot ascending.
    pub entries: Vec<Entry>,
    /// The reservations, by slot ascending.
    pub reservations: Vec<Reservation>,
}

/// One change in a space.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all changes are of the large kind"
)]
pub enum Change {
    /// A slot is held from now on, or its record is another one.
    Held(Entry),
    /// A slot is free from now on.
    Freed {
        /// Which slot.
        slot: Slot,
        /// When: the revision of the change.
        revision: u64,
    },
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What the caller can do about it.
    pub kind: StoreErrorKind,
    /// One line for the log: what happened and where, without secrets.
    pub message: String,
}

/// What can be done about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store did not answer in time or cannot be reached. Whether the request was carried out
    /// is unknown.
    Unreachable,
    /// The store refused: it is full, read-only, or does not let us in. The request was not
    /// carried out.
    Refused,
    /// The session that the request needs is no more. The request was not carried out.
    SessionGone,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
