//! Names in etcd.
//!
//! | file | what it does |
//! |---|---|
//! | `requests.rs` | each [`Request`] as one round trip |
//! | `follow.rs` | the list and the watch behind [`Store::follow`], for any keys |
//! | `position.rs` | how a resumed watch knows that nothing was swapped |
//! | `space.rs`, `listing.rs` | what is followed of a space |
//! | `prefix.rs` | values that are followed by their keys' beginning |
//! | `pinned.rs` | values of our own, for as long as we live |
//! | `evict.rs` | taking a slot from its holder |
//! | `notes.rs` | notes beside the slots |
//! | `lease.rs` | keep-alive streams, and why an answer is never taken for another's |
//! | `connection.rs` | connecting, rotating through the members, signing in again |
//! | `errors.rs` | etcd's errors in the words of [`StoreError`] |
//! | `layout.rs` | which key means what |
//! | `options.rs` | what the Corefile may say |

mod connection;
mod errors;
mod evict;
mod follow;
mod layout;
mod lease;
mod listing;
mod notes;
mod options;
mod pinned;
mod position;
mod prefix;
mod requests;
mod space;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use connection::{MemberHealth, SAFE_VERSIONS};
pub use layout::Layout;
pub use options::{Credentials, EtcdOptions, Tls};
pub use prefix::EtcdPrefix;

use crate::store::skipped::Skipped;
use crate::store::{
    Entry, Eviction, Feed, HeldBy, Note, NoteName, NoteWrite, Pending, Reply, Request, Reservation,
    Space, Store, StoreError, StoreErrorKind,
};
use connection::Connections;
use layout::{Keys, Root};
use space::FollowedSpace;

/// How long a claim in idetcd's layout is left alone before its holder believes in it.
///
/// An idetcd node reads a key, asks for a lease and then writes without looking again. That
/// window is one or two round trips; two seconds are far more.
const SETTLE: Duration = Duration::from_secs(2);

/// The largest answer that is read from etcd, in bytes. A page of 1,000 records of the largest
/// size has 16 MiB, the bare keys of 100,000 slots have about 10 MiB.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// Names in etcd. One store serves any number of pools, over one connection.
///
/// Nothing is connected before the first request; a connection that fails is replaced by one to
/// the next endpoint.
#[derive(Clone, Debug)]
pub struct EtcdStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connections: Connections,
    root: Root,
    skipped: Skipped,
}

impl EtcdStore {
    /// A store with these options. Connects to nothing, so that a start works while etcd is away.
    ///
    /// # Errors
    ///
    /// One line about the first option that cannot work: an endpoint that is no URL, a
    /// certificate that cannot be read.
    pub fn new(options: EtcdOptions) -> Result<Self, String> {
        options.check()?;
        let root = Root::new(options.layout, options.prefix.as_deref());
        Ok(Self {
            shared: Arc::new(Shared {
                connections: Connections::new(options),
                root,
                skipped: Skipped::default(),
            }),
        })
    }

    /// How many foreign or broken values and keys were met, each counted once.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.shared.skipped.count()
    }

    /// Asks every member how it is, each over a connection of its own; by its URL.
    pub async fn examine(&self) -> Vec<(String, Result<MemberHealth, StoreError>)> {
        self.shared.connections.examine().await
    }

    fn keys(&self, space: &Space) -> Keys {
        Keys::new(&self.shared.root, Arc::clone(&space.pattern))
    }
}

impl Store for EtcdStore {
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, Result<Reply, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let keys = self.keys(space);
        Box::pin(async move { requests::execute(&shared.connections, &keys, request).await })
    }

    fn follow(&self, space: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()> {
        self.follow_from(space, feed, Box::pin(std::future::ready(())))
    }

    fn follow_from(
        &self,
        space: &Space,
        feed: mpsc::Sender<Feed>,
        begin: Pending<'static, ()>,
    ) -> Pending<'static, ()> {
        let shared = Arc::clone(&self.shared);
        let keys = self.keys(space);
        Box::pin(async move {
            let closed = feed.clone();
            let space = FollowedSpace {
                keys: &keys,
                skipped: &shared.skipped,
                feed: &feed,
            };
            tokio::select! {
                () = closed.closed() => {}
                () = follow::follow(&shared.connections, space, Some(begin)) => {}
            }
        })
    }

    fn note(
        &self,
        space: &Space,
        name: NoteName,
        write: Option<NoteWrite>,
    ) -> Pending<'static, Result<Note, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let keys = self.keys(space);
        Box::pin(async move { notes::note(&shared.connections, &keys, name, write).await })
    }

    fn held_by(&self, _: &Space, entry: &Entry) -> Pending<'static, Result<HeldBy, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let session = entry.session;
        Box::pin(async move { lease::held_by(&shared.connections, session).await })
    }

    fn evict(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<Eviction, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let (keys, entry) = (self.keys(space), entry.clone());
        Box::pin(async move {
            if shared.root.layout() == Layout::Idetcd {
                let message =
                    "nodes of idetcd do not heed an eviction: end the holder's process".to_owned();
                let kind = StoreErrorKind::Refused;
                return Err(StoreError { kind, message });
            }
            evict::evict(&shared.connections, &keys, &entry).await
        })
    }

    fn unreserve(
        &self,
        space: &Space,
        reservation: &Reservation,
    ) -> Pending<'static, Result<(), StoreError>> {
        let shared = Arc::clone(&self.shared);
        let (keys, reservation) = (self.keys(space), reservation.clone());
        Box::pin(async move { evict::unreserve(&shared.connections, &keys, &reservation).await })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn settle(&self) -> Duration {
        match self.shared.root.layout() {
            Layout::Native => Duration::ZERO,
            Layout::Idetcd => SETTLE,
        }
    }

    fn describe(&self) -> String {
        self.shared.connections.describe()
    }

    fn place(&self) -> String {
        self.shared.root.place()
    }
}
