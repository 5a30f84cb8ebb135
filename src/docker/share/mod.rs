//! Names of containers between hosts: what this host's engines run, told to others, and what theirs
//! run, told to us.
//!
//! | file | what it does |
//! |---|---|
//! | `reach.rs` | how other hosts reach a container, if they do |
//! | `value.rs` | a container as others get to see it, and back |
//! | `own.rs` | the values of our own containers |
//! | `others.rs` | the containers behind the values of others |
//! | `presence.rs` | who we are on the board, and taking down what we have pinned |
//!
//! Each container is one value on a [`Board`], under the name of its author: this process. What
//! others have pinned is one more engine to us, whose containers are reached as their hosts say.

mod others;
mod own;
mod presence;
mod reach;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::EngineState;
use super::names::NetworkRule;
use crate::identity::pools::StoreConfig;
use crate::store::board::{Board, Pinned, Values};
use crate::store::local::LocalBoard;

use others::{Others, Sighting};
pub use own::{Hidden, Own};
pub use presence::{Presence, Shares};

/// How many messages of the board may be waiting to be taken over.
const FEED: usize = 16;

/// How containers are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareOptions {
    /// Where.
    pub store: StoreConfig,
    /// For how long containers outlive a host that is gone without a word.
    pub ttl: Duration,
    /// The networks whose addresses other hosts can reach.
    pub routed: Vec<NetworkRule>,
}

impl ShareOptions {
    /// Opens the board; in a folder, also says where that is if nobody has chosen it.
    ///
    /// # Errors
    ///
    /// One line: an option that cannot work, a folder that cannot be used.
    pub fn open(&self) -> Result<(Board, Option<String>), String> {
        match &self.store {
            StoreConfig::Etcd(options) => {
                let root = options.prefix.as_deref().unwrap_or("/callsign");
                let prefix = format!("{}/docker/", root.trim_end_matches('/'));
                Ok((Board::in_etcd(options.clone(), &prefix)?, None))
            }
            StoreConfig::Local(_) => {
                let (path, note) = self.store.folder()?;
                let board = LocalBoard::open(&path.unwrap_or_default(), "docker")?;
                Ok((Board::Local(board), note))
            }
        }
    }

    /// Whether those who share are on one machine, so that its loopback addresses are reached too.
    #[must_use]
    pub fn is_on_one_machine(&self) -> bool {
        matches!(self.store, StoreConfig::Local(_))
    }
}

/// Pins `wanted` to a board under the name of `presence`, and keeps `state` what all others have
/// pinned, for as long as this is polled.
pub async fn share(
    board: Board,
    presence: Presence,
    ttl: Duration,
    wanted: watch::Receiver<Option<Values>>,
    state: watch::Sender<EngineState>,
) {
    let doubted = Arc::<Notify>::default();
    let author = presence.author().to_owned();
    presence.start(board.pin(Pinned {
        author: author.clone(),
        wanted: wanted.clone(),
        doubted: Arc::clone(&doubted),
        ttl,
        end: presence.end(),
    }));
    let is_as_wanted = |sighting: Sighting<'_>| {
        let wanted = wanted.borrow();
        // Before we know what we want, whatever is there is right.
        wanted.as_ref().is_none_or(|wanted| match sighting {
            Sighting::All(there) => there.into_iter().eq(wanted.keys().map(String::as_str)),
            Sighting::One(id, is_there) => wanted.contains_key(id) == is_there,
        })
    };
    let others = Others::new(board, &author);
    follow(others, &state, |sighting| {
        if !is_as_wanted(sighting) {
            doubted.notify_one();
        }
    })
    .await;
}

/// Keeps `state` what all have pinned, for somebody who pins nothing.
pub(in crate::docker) async fn follow_others(board: Board, state: &watch::Sender<EngineState>) {
    follow(Others::new(board, ""), state, |_| {}).await;
}

/// Keeps `state` what others have pinned. `own` is told what is seen of our own values.
async fn follow(
    mut others: Others,
    state: &watch::Sender<EngineState>,
    own: impl Fn(Sighting<'_>),
) {
    let (feed, mut news) = mpsc::channel(FEED);
    let following = others.board().follow(feed);
    let taking = async {
        while let Some(message) = news.recv().await {
            let mut is_new = others.take(message, &own);
            // What else has arrived meanwhile is told with it.
            while let Ok(message) = news.try_recv() {
                is_new |= others.take(message, &own);
            }
            if is_new {
                others.tell(state);
            }
        }
    };
    tokio::join!(following, taking);
}
