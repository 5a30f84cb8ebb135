//! Following a space: its slots and reservations, and what their changes mean.
//!
//! A record that becomes unreadable is told as [`Change::Freed`]: there is nothing to answer DNS
//! queries from any more. The slot stays occupied all the same, and
//! [`Occupancy`](crate::store::Occupancy) goes by keys alone, so nobody claims it.

use std::sync::Arc;

use etcd_client::{Error, KeyValue};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::follow::Subject;
use super::layout::Keys;
use super::listing;
use super::position::Position;
use super::requests::unsigned;
use crate::store::skipped::Skipped;
use crate::store::{Change, Feed};

/// A space and whoever follows it.
pub(super) struct FollowedSpace<'a> {
    pub(super) keys: &'a Keys,
    pub(super) skipped: &'a Skipped,
    pub(super) feed: &'a mpsc::Sender<Feed>,
}

impl FollowedSpace<'_> {
    async fn tell(&self, news: Feed) {
        // Nobody listens: the future is about to be dropped.
        let _ = self.feed.send(news).await;
    }
}

impl Subject for FollowedSpace<'_> {
    fn prefix(&self) -> &str {
        self.keys.slots()
    }

    fn is_meant(&self, kv: &KeyValue) -> bool {
        listing::slot(self.keys, self.skipped, kv).is_some()
    }

    async fn list(&mut self, connection: &Arc<Connection>) -> Result<(Position, usize), Error> {
        let (listing, position) = listing::list(connection, self.keys, self.skipped).await?;
        let claims = listing.entries.len();
        self.tell(Feed::Listing(listing)).await;
        Ok((position, claims))
    }

    async fn changed(&mut self, revision: u64, changes: &[&KeyValue]) {
        let mut until = 0;
        let changes = changes.iter().filter_map(|kv| {
            let (slot, kv) = listing::slot(self.keys, self.skipped, kv)?;
            until = unsigned(kv.mod_revision()).max(until);
            // A deletion is told by its version: the kind of an event is read with a panic.
            let entry = (kv.version() != 0)
                .then(|| listing::entry(slot, kv, self.skipped))
                .flatten();
            Some(match entry {
                Some(entry) => Change::Held(entry),
                None => Change::Freed {
                    slot,
                    revision: until,
                },
            })
        });
        let changes = changes.collect();
        self.tell(Feed::Changes { revision, changes }).await;
    }

    async fn current(&mut self) {
        self.tell(Feed::Current).await;
    }

    async fn away(&mut self, reason: String) {
        self.tell(Feed::Away { reason }).await;
    }
}
