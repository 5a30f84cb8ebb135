//! The members of a pool, as its store tells them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Cluster;
use crate::clock::BootTime;
use crate::freshness::Freshness;
use crate::identity::members::Members;
use crate::store::Feed;

/// How many messages of the store may wait.
const QUEUE: usize = 256;

/// Follows the members of a pool until it is dropped. Nothing is claimed or written.
pub(crate) struct Follower {
    /// The members as they were told last.
    pub(crate) members: Members,
    /// Why the store is away.
    pub(crate) trouble: Option<String>,
    silent: String,
    feed: mpsc::Receiver<Feed>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Begins to follow.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let (tell, feed) = mpsc::channel(QUEUE);
        Self {
            members: Members::default(),
            trouble: None,
            silent: cluster.silent(),
            feed,
            task: tokio::spawn(cluster.store.follow(&cluster.space, tell)),
        }
    }

    /// Waits until the members are known.
    ///
    /// # Errors
    ///
    /// One line: why they are not known after `limit`.
    pub(crate) async fn heard(&mut self, limit: Duration) -> Result<(), String> {
        let heard = async {
            while self.members.freshness == Freshness::Unknown {
                self.news().await;
            }
        };
        let heard = timeout(limit, heard).await;
        heard.map_err(|_| self.trouble.clone().unwrap_or_else(|| self.silent.clone()))
    }

    /// Waits for news of the store and takes them in.
    pub(crate) async fn news(&mut self) {
        let mut news = Vec::new();
        if self.feed.recv_many(&mut news, QUEUE).await == 0 {
            // The store has stopped telling, which it does only at the end.
            std::future::pending::<()>().await;
        }
        for feed in news {
            self.members.follow(BootTime::now(), &feed);
            self.trouble = match feed {
                Feed::Away { reason } => Some(reason),
                _ => None,
            };
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}
