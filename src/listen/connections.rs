//! How many connections there may be, in all and of one peer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::mutex::locked;

/// The most connections for DNS of a process. Those beyond wait in the kernel's queue. A process
/// may usually have 1,024 files open, and the stores need some too.
const MOST_CONNECTIONS: usize = 750;

/// The most of these of one peer, so that one cannot take them all.
const MOST_PER_PEER: usize = 250;

/// Connections that are counted together.
#[derive(Debug)]
pub struct Connections {
    all: Arc<Semaphore>,
    most_per_peer: usize,
    by_peer: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Connections {
    /// As many as a process may have for DNS.
    fn default() -> Self {
        Self::limited(MOST_CONNECTIONS, MOST_PER_PEER)
    }
}

impl Connections {
    /// At most so many in all, and so many of one peer.
    #[must_use]
    pub fn limited(most: usize, most_per_peer: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            most_per_peer,
            by_peer: Arc::default(),
        }
    }

    /// One permit for each connection.
    pub(crate) fn slots(&self) -> Arc<Semaphore> {
        self.all.clone()
    }

    /// Takes a peer's connection into account until the result is dropped; [`None`] where it has
    /// too many.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<Admitted> {
        let peer = peer.to_canonical();
        let mut by_peer = locked(&self.by_peer);
        let number = by_peer.entry(peer).or_default();
        (*number < self.most_per_peer).then(|| {
            *number += 1;
            Admitted {
                by_peer: self.by_peer.clone(),
                peer,
            }
        })
    }
}

/// A connection that is counted for its peer.
pub(crate) struct Admitted {
    by_peer: Arc<Mutex<HashMap<IpAddr, usize>>>,
    peer: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut by_peer = locked(&self.by_peer);
        if let Entry::Occupied(mut entry) = by_peer.entry(self.peer) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}
