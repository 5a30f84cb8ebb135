//! Bytes in, bytes out: sockets, and the threads and tasks that read them.
//!
//! For every address there are one TCP socket and as many UDP sockets as the machine has
//! processors, which the kernel spreads the clients over. The TCP socket is bound first and
//! without sharing: it is the lock on the port, since any process of the same user could join
//! the UDP sockets.

mod bind;
mod connections;
mod holders;
pub mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use bind::{BindError, Bound, bind_missing, bind_stream};
pub use connections::Connections;
pub use holders::{Holder, holders};

use crate::config::ListenAddress;
use crate::counters::{Counters, Statistics};
use crate::metrics::{Scrape, Source};
use crate::mutex::locked;
use crate::routes::Routes;

/// The most queries of a process that may wait at a time. What comes beyond is dropped: clients
/// ask again.
const MOST_WAITING: usize = 10_000;

/// What all listeners of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Where everything that waits runs.
    pub runtime: Handle,
    /// What is counted.
    pub statistics: Statistics,
    /// TCP connections.
    pub connections: Connections,
    /// Counts of everything that is no UDP worker.
    others: Arc<Counters>,
    /// One permit for each query that may wait.
    waiting: Arc<Semaphore>,
    /// Routes that were replaced and that a worker may still look at.
    retired: Mutex<Vec<Arc<Routes>>>,
}

impl Shared {
    /// For the listeners of one process; what waits runs on `runtime`.
    #[must_use]
    pub fn new(runtime: Handle) -> Arc<Self> {
        let statistics = Statistics::default();
        Arc::new(Self {
            runtime,
            others: statistics.worker(),
            statistics,
            connections: Connections::default(),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            retired: Mutex::default(),
        })
    }

    /// Keeps routes that were replaced until no worker looks at them any more, so that none has
    /// to free them between two queries; frees what has become unused.
    fn retire(&self, routes: Arc<Routes>) {
        locked(&self.retired).push(routes);
        self.sweep();
    }

    /// Frees routes that no worker looks at any more. Returns whether some are left.
    pub fn sweep(&self) -> bool {
        let mut retired = locked(&self.retired);
        let unused: Vec<_> = retired
            .extract_if(.., |routes| Arc::strong_count(routes) == 1)
            .collect();
        let left = !retired.is_empty();
        drop(retired);
        drop(unused);
        left
    }
}

impl Source for Shared {
    fn collect(&self, scrape: &mut Scrape) {
        self.statistics.collect(scrape);
    }
}

/// An address that is being served.
#[derive(Debug)]
pub struct Listener {
    address: ListenAddress,
    local: SocketAddr,
    routes: Arc<ArcSwap<Routes>>,
    udp: udp::Workers,
    tcp: tcp::Acceptor,
    shared: Arc<Shared>,
}

impl Listener {
    /// Begins to serve sockets that are bound.
    ///
    /// # Errors
    ///
    /// The system's own: no thread can be started, or the runtime does not take the socket.
    pub fn start(bound: Bound, routes: Routes, shared: &Arc<Shared>) -> io::Result<Self> {
        let routes = Arc::new(ArcSwap::from_pointee(routes));
        let Bound {
            address,
            local,
            tcp,
            udp,
        } = bound;
        Ok(Self {
            address,
            local,
            tcp: tcp::Acceptor::start(tcp, &routes, shared)?,
            udp: udp::Workers::start(udp, &routes, shared)?,
            routes,
            shared: shared.clone(),
        })
    }

    /// The address as it was asked for.
    #[must_use]
    pub fn address(&self) -> ListenAddress {
        self.address
    }

    /// The address that the sockets are bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Serves by other routes from the next batch on. The sockets stay as they are.
    pub fn reroute(&self, routes: Routes) {
        self.shared.retire(self.routes.swap(Arc::new(routes)));
    }

    /// The socket that locks the port.
    fn lock(&self) -> BorrowedFd<'_> {
        self.tcp.socket()
    }

    /// Stops taking requests. Those that have arrived are answered.
    pub fn shut_down(&mut self) {
        self.tcp.shut_down();
        self.udp.shut_down();
    }

    /// Waits until a listener that was shut down has answered what had arrived, at most this long.
    /// Returns whether it has.
    pub async fn drained(self, most: Duration) -> bool {
        let Self { udp, tcp, .. } = self;
        tokio::time::timeout(most, async {
            udp.ended().await;
            tcp.ended().await;
        })
        .await
        .is_ok()
    }
}

#[cfg(test)]
mod tests;
