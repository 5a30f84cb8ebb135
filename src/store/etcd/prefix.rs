//! All keys of etcd that begin alike, read and followed; and values of our own among them.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Error, GetOptions, KeyValue};
use tokio::sync::mpsc;

use super::EtcdOptions;
use super::connection::{Connection, Connections};
use super::errors::in_time;
use super::follow::{self, Subject};
use super::pinned;
use super::position::{PAGE, PATIENCE, Position, rest};
use super::requests::revision;
use crate::store::board::{KeyAndValue, Pinned, ValueFeed};
use crate::store::{Pending, StoreError};

/// All keys of an etcd that begin with a prefix.
#[derive(Clone, Debug)]
pub struct EtcdPrefix {
    connections: Arc<Connections>,
    prefix: Arc<str>,
}

impl EtcdPrefix {
    /// All keys that begin with `prefix`, in the etcd of these options. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// One line about the first option that cannot work: an endpoint that is no URL, a certificate
    /// that cannot be read.
    pub fn new(options: EtcdOptions, prefix: &str) -> Result<Self, String> {
        options.check()?;
        Ok(Self {
            connections: Arc::new(Connections::new(options)),
            prefix: prefix.into(),
        })
    }

    /// Tells what there is and all changes into `feed`, until that is closed. The first message is
    /// a listing or, where etcd cannot be reached, [`ValueFeed::Away`]. It connects anew by
    /// itself, goes on where it was, and lists again where it cannot.
    #[must_use]
    pub fn follow(&self, feed: mpsc::Sender<ValueFeed>) -> Pending<'static, ()> {
        let (connections, prefix) = (Arc::clone(&self.connections), Arc::clone(&self.prefix));
        Box::pin(async move {
            let closed = feed.clone();
            let subject = FollowedPrefix { prefix, feed };
            tokio::select! {
                () = closed.closed() => {}
                () = follow::follow(&connections, subject, None) => {}
            }
        })
    }

    /// Keeps values of one author below the prefix and the author's name, on a lease, until that
    /// is over.
    #[must_use]
    pub(in crate::store) fn pin(&self, pinned: Pinned) -> Pending<'static, ()> {
        let (connections, prefix) = (Arc::clone(&self.connections), Arc::clone(&self.prefix));
        Box::pin(async move { pinned::pin(&connections, &prefix, pinned).await })
    }

    /// What the keys begin with.
    pub(in crate::store) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How long a lease lives without being renewed; [`None`] where it is no more.
    ///
    /// # Errors
    ///
    /// When etcd cannot be reached, or does not tell us.
    pub async fn lease(&self, number: i64) -> Result<Option<Duration>, StoreError> {
        let ask = |connection: Arc<Connection>| async move {
            connection.lease().time_to_live(number, None).await
        };
        let answer = self.connections.call(ask).await?;
        let granted = u64::try_from(answer.granted_ttl()).unwrap_or_default();
        Ok((answer.ttl() > 0 && granted > 0).then(|| Duration::from_secs(granted)))
    }

    /// Kind and addresses, for a log line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.connections.describe()
    }
}

struct FollowedPrefix {
    prefix: Arc<str>,
    feed: mpsc::Sender<ValueFeed>,
}

impl FollowedPrefix {
    async fn tell(&self, news: ValueFeed) {
        // Nobody listens: the future is about to be dropped.
        let _ = self.feed.send(news).await;
    }
}

impl Subject for FollowedPrefix {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn is_meant(&self, _kv: &KeyValue) -> bool {
        true
    }

    async fn list(&mut self, connection: &Arc<Connection>) -> Result<(Position, usize), Error> {
        let options = GetOptions::new().with_prefix().with_limit(PAGE);
        let mut kv = connection.kv();
        let first = kv.get(self.prefix.as_bytes(), Some(options));
        let mut first = in_time(PATIENCE, first).await?;
        let (more, mut found) = (first.more(), first.take_kvs());
        if more {
            let revision = revision(first.header());
            rest(connection, &self.prefix, revision, &mut found).await?;
        }
        let position = Position::of(first.header(), found.iter());
        let keys = found.len();
        let found = found.iter().map(key_and_value);
        self.tell(ValueFeed::Listing(found.collect())).await;
        Ok((position, keys))
    }

    async fn changed(&mut self, _revision: u64, changes: &[&KeyValue]) {
        let changes = changes.iter().map(|kv| key_and_value(kv));
        self.tell(ValueFeed::Changes(changes.collect())).await;
    }

    async fn current(&mut self) {
        self.tell(ValueFeed::Current).await;
    }

    async fn away(&mut self, reason: String) {
        self.tell(ValueFeed::Away { reason }).await;
    }
}

fn key_and_value(kv: &KeyValue) -> KeyAndValue {
    KeyAndValue {
        key: kv.key().into(),
        value: (kv.version() != 0).then(|| kv.value().into()),
        lease: (kv.lease() != 0).then_some(kv.lease()),
    }
}
