//! The way to a pool's store, which can be exchanged while the pool goes on.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::StoreConfig;
use crate::store::{
    Entry, Eviction, Feed, HeldBy, Note, NoteName, NoteWrite, Pending, Reply, Request, Reservation,
    Slot, Space, Store, StoreError,
};

/// A store, and what it was opened with.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) config: StoreConfig,
    pub(super) store: Arc<dyn Store>,
}

/// The store of one pool: whichever was put here last.
///
/// Sessions and epochs are the store's own, so a claim goes on over another connection to the same
/// etcd. If it is another etcd after all, that one does not know the session: the claim is over,
/// and the next one is made there.
pub(super) struct Exchangeable {
    way: watch::Sender<Way>,
}

impl Exchangeable {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way: watch::Sender::new(way),
        }
    }

    /// What the present store was opened with.
    pub(super) fn config(&self) -> StoreConfig {
        self.way.borrow().config.clone()
    }

    /// Sends all later requests to another store, and follows the space there. What is under way
    /// comes to its end where it was sent.
    ///
    /// Only etcd is another one for other options: claims in a folder hang on its open files.
    pub(super) fn exchange(&self, way: Way) {
        self.way.send_if_modified(|old| {
            let other = old.config != way.config && matches!(way.config, StoreConfig::Etcd(_));
            if other {
                *old = way;
            }
            other
        });
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.way.borrow().store)
    }
}

impl Store for Exchangeable {
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, Result<Reply, StoreError>> {
        self.store().execute(space, request)
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
        let mut ways = self.way.subscribe();
        let store = Arc::clone(&ways.borrow_and_update().store);
        let mut follower = store.follow_from(space, feed.clone(), begin);
        let space = space.clone();
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = &mut follower => return,
                    Ok(()) = ways.changed() => {
                        let store = Arc::clone(&ways.borrow_and_update().store);
                        // It begins with a listing, so nothing is missed in between.
                        follower = store.follow(&space, feed.clone());
                    }
                }
            }
        })
    }

    fn note(
        &self,
        space: &Space,
        name: NoteName,
        write: Option<NoteWrite>,
    ) -> Pending<'static, Result<Note, StoreError>> {
        self.store().note(space, name, write)
    }

    fn held_by(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<HeldBy, StoreError>> {
        self.store().held_by(space, entry)
    }

    fn evict(
        &self,
        space: &Space,
        entry: &Entry,
    ) -> Pending<'static, Result<Eviction, StoreError>> {
        self.store().evict(space, entry)
    }

    fn unreserve(
        &self,
        space: &Space,
        reservation: &Reservation,
    ) -> Pending<'static, Result<(), StoreError>> {
        self.store().unreserve(space, reservation)
    }

    fn inheritable(&self, space: &Space, slot: Slot) -> Option<OwnedFd> {
        self.store().inheritable(space, slot)
    }

    fn has_leases(&self) -> bool {
        self.store().has_leases()
    }

    fn settle(&self) -> Duration {
        self.store().settle()
    }

    fn describe(&self) -> String {
        self.store().describe()
    }

    fn place(&self) -> String {
        self.store().place()
    }
}
