//! A board that processes pin values to: each under its own name, for as long as it lives, and for
//! all others to read.
//!
//! Two kinds exist: below a prefix of etcd, where values hang on a lease of their author, and in a
//! folder, where they count for as long as their author keeps a lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::Pending;
use super::etcd::{EtcdOptions, EtcdPrefix};
use super::local::LocalBoard;

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAndValue {
    /// The whole key.
    pub key: Box<[u8]>,
    /// The value; [`None`] for a key that is gone.
    pub value: Option<Box<[u8]>>,
    /// The number of the lease that the key hangs on, if it does.
    pub lease: Option<i64>,
}

/// What is told about some keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueFeed {
    /// All that there is, in the order of the keys; in place of what was told before.
    Listing(Vec<KeyAndValue>),
    /// What has changed, in order.
    Changes(Vec<KeyAndValue>),
    /// What was told is what there is now.
    Current,
    /// The store cannot be reached.
    Away {
        /// Why, for the log.
        reason: String,
    },
}

/// Values of one author, by their keys below the author's name. Cheap to clone.
pub type Values = Arc<BTreeMap<String, Arc<[u8]>>>;

/// A board.
#[derive(Clone, Debug)]
pub enum Board {
    /// Keys of etcd that begin alike.
    Etcd(EtcdPrefix),
    /// A folder.
    Local(LocalBoard),
}

/// What an author pins, and for how long.
#[derive(Debug)]
pub struct Pinned {
    /// The author's name: letters, digits, `-` and `_`.
    pub author: String,
    /// What is to be there; [`None`] as long as that is unknown: then what an earlier process of
    /// this name has pinned stays for the rest of its time.
    pub wanted: watch::Receiver<Option<Values>>,
    /// Says that something else may be there than was pinned.
    pub doubted: Arc<Notify>,
    /// For how long values outlive a process that is killed. A board that hears of its death has
    /// no use for this.
    pub ttl: Duration,
    /// Whether it is over, and what becomes of the values then.
    pub end: watch::Receiver<End>,
}

/// Whether an author goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It does.
    #[default]
    NotYet,
    /// It ends, and what it has pinned goes with it.
    Withdrawn,
    /// Another one in this process has the same name and takes over what is there.
    TakenOver,
}

/// Waits until it is over, also because nobody is left to say so.
pub(in crate::store) async fn over(end: &mut watch::Receiver<End>) {
    let _ = end.wait_for(|end| *end != End::NotYet).await;
}

impl Board {
    /// The board below a prefix of etcd, which ends in a slash. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// One line about the first option that cannot work.
    pub fn in_etcd(options: EtcdOptions, prefix: &str) -> Result<Self, String> {
        Ok(Self::Etcd(EtcdPrefix::new(options, prefix)?))
    }

    /// Tells all that is pinned, by whomever, and all changes into `feed` until that is closed.
    #[must_use]
    pub fn follow(&self, feed: mpsc::Sender<ValueFeed>) -> Pending<'static, ()> {
        match self {
            Self::Etcd(prefix) => prefix.follow(feed),
            Self::Local(board) => board.follow(feed),
        }
    }

    /// Keeps what an author has pinned as it wants it, until it ends.
    #[must_use]
    pub fn pin(&self, pinned: Pinned) -> Pending<'static, ()> {
        match self {
            Self::Etcd(prefix) => prefix.pin(pinned),
            Self::Local(board) => board.pin(pinned),
        }
    }

    /// The author of a key and what follows the name; [`None`] where it is none of this board's.
    #[must_use]
    pub fn parts<'k>(&self, key: &'k [u8]) -> Option<(&'k str, &'k str)> {
        let prefix = match self {
            Self::Etcd(prefix) => prefix.prefix(),
            Self::Local(_) => "",
        };
        let key = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
        key.split_once('/')
    }

    /// Kind and place, for a log line.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Etcd(prefix) => prefix.describe(),
            Self::Local(board) => board.describe(),
        }
    }
}
