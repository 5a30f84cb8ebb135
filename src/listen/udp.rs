//! UDP: threads that receive, answer and send in batches.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use tokio::sync::mpsc;
use tracing::warn;
use udp_batch::{Batch, BatchSocket, Received};

use super::Shared;
use crate::counters::{Count, Counters, Tally};
use crate::plugins::{Client, Transport};
use crate::reason;
use crate::routes::Routes;
use crate::serve::deferred::Deferred;
use crate::serve::{Served, serve};

/// How many batches a worker still answers after it was told to end. The kernel goes on taking
/// datagrams in until the socket is gone, so without a bound steady traffic would keep it.
const LAST_BATCHES: usize = 64;

/// How long a worker that was told to end looks once more after its queue is empty: the kernel may
/// have chosen its socket for a datagram and not put it there yet, because the processor that does
/// so is busy or, in a virtual machine, stands still.
const LINGER: Duration = Duration::from_millis(20);

/// The port of the discard service (RFC 863): no client asks from there.
const DISCARD: u16 = 9;

/// How long a worker rests when the system does not let it receive.
const PAUSE: Duration = Duration::from_millis(100);

/// The threads of one address.
#[derive(Debug)]
pub(super) struct Workers {
    sockets: Vec<Handle>,
    ending: Arc<AtomicBool>,
    /// Every worker, and every reply that is still to come, holds a sender; nothing is sent.
    ended: mpsc::Receiver<()>,
}

impl Workers {
    /// Starts a thread for each socket.
    pub(super) fn start(
        sockets: Vec<UdpSocket>,
        routes: &Arc<ArcSwap<Routes>>,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel(1);
        let mut workers = Self {
            sockets: Vec::new(),
            ending: Arc::default(),
            ended,
        };
        for (number, socket) in sockets.into_iter().enumerate() {
            let started = Handle::new(socket).and_then(|handle| {
                let worker = Worker {
                    port: handle.socket.local_addr()?.port(),
                    late: Late {
                        socket: handle.batches.clone(),
                        shared: shared.clone(),
                        alive: alive.clone(),
                    },
                    routes: routes.clone(),
                    counters: shared.statistics.worker(),
                    ending: workers.ending.clone(),
                };
                workers.sockets.push(handle);
                let thread = thread::Builder::new().name(format!("udp-{number}"));
                thread.spawn(move || worker.work())
            });
            if let Err(error) = started {
                workers.shut_down();
                return Err(error);
            }
        }
        Ok(workers)
    }

    /// Tells the threads to answer what has arrived and end. The sockets are closed with them.
    pub(super) fn shut_down(&mut self) {
        self.ending.store(true, Ordering::Release);
        self.sockets.drain(..).for_each(Handle::shut_down);
    }

    /// Waits until the threads that were told so have ended and all late replies are sent.
    pub(super) async fn ended(mut self) {
        self.ended.recv().await;
    }
}

/// What a socket is closed with.
#[derive(Debug)]
struct Handle {
    socket: UdpSocket,
    batches: Arc<BatchSocket>,
}

impl Handle {
    fn new(socket: UdpSocket) -> io::Result<Self> {
        let batches = BatchSocket::new(socket.try_clone()?)?;
        Ok(Self {
            socket,
            batches: Arc::new(batches),
        })
    }

    /// Lets the worker receive what has arrived and then nothing more.
    fn shut_down(self) {
        // A socket with a peer is passed over for everybody else's datagrams: they go to the
        // socket that has taken its place instead of being lost when this one is closed. Where
        // there is no such address, only what arrives in the last moment is lost.
        let nobody = match self.socket.local_addr() {
            Ok(local) if local.is_ipv6() => SocketAddr::from((Ipv6Addr::LOCALHOST, DISCARD)),
            _ => SocketAddr::from((Ipv4Addr::LOCALHOST, DISCARD)),
        };
        let _ = self.socket.connect(nobody);
        self.batches.shut_down();
    }
}

struct Worker {
    port: u16,
    late: Late,
    routes: Arc<ArcSwap<Routes>>,
    counters: Arc<Counters>,
    ending: Arc<AtomicBool>,
}

impl Worker {
    fn work(self) {
        let mut batch = Batch::default();
        let mut routes = Cache::new(self.routes.clone());
        let mut tally = Tally::default();
        let mut rotation = Rotation::new();
        let mut left = LAST_BATCHES;
        let mut complained = false;
        let mut lingered = false;
        while left > 0 {
            match self.late.socket.receive(&mut batch) {
                Ok(Received::Messages(_)) => {}
                Ok(Received::Closed) if lingered => break,
                Ok(Received::Closed) => {
                    lingered = true;
                    thread::sleep(LINGER);
                    continue;
                }
                Err(error) => {
                    tally.count(Count::ReceiveErrors);
                    self.counters.publish(&tally);
                    if !complained {
                        warn!("cannot receive over UDP, trying on: {}", reason::of(&error));
                        complained = true;
                    }
                    thread::sleep(PAUSE);
                }
            }
            let routes = routes.load();
            let received = Instant::now();
            let ignored = batch.for_each(|request, out| {
                let client = Client {
                    peer: request.peer,
                    local: request.local,
                    local_port: self.port,
                    transport: Transport::Udp,
                    received,
                };
                match serve(
                    routes,
                    &client,
                    request.bytes,
                    out,
                    rotation.next(),
                    &mut tally,
                ) {
                    Served::Reply(length) => length,
                    Served::Nothing => 0,
                    Served::Deferred(deferred) => {
                        let to = To {
                            peer: request.peer,
                            local: request.local,
                            interface: request.interface,
                        };
                        if !self.late.answer(deferred, to) {
                            tally.count(Count::Overloaded);
                        }
                        0
                    }
                }
            });
            let report = self.late.socket.send(&mut batch);
            tally.add(Count::Ignored, ignored);
            tally.add(Count::Unsent, report.refused + report.given_up);
            self.counters.publish(&tally);
            if self.ending.load(Ordering::Acquire) {
                left -= 1;
            }
        }
    }
}

/// Where a late reply goes.
#[derive(Clone, Copy)]
struct To {
    peer: SocketAddr,
    local: Option<IpAddr>,
    interface: u32,
}

/// What sends replies that were not ready in their batch.
#[derive(Clone)]
struct Late {
    socket: Arc<BatchSocket>,
    shared: Arc<Shared>,
    alive: mpsc::Sender<()>,
}

impl Late {
    /// Waits for the reply elsewhere and sends it. Returns whether there was room to wait.
    fn answer(&self, deferred: Box<Deferred>, to: To) -> bool {
        let Ok(permit) = self.shared.waiting.clone().try_acquire_owned() else {
            return false;
        };
        let Self {
            socket,
            shared,
            alive,
        } = self.clone();
        self.shared.runtime.spawn(async move {
            let mut tally = Tally::default();
            if let Some(reply) = deferred.finish(&mut tally).await
                && socket
                    .send_one(&reply, to.peer, to.local, to.interface)
                    .is_err()
            {
                tally.count(Count::Unsent);
            }
            shared.others.merge(&tally);
            // Whoever waits for the end may bind the address again at once.
            drop(socket);
            drop((permit, alive));
        });
        true
    }
}

/// Numbers that differ from query to query: a linear congruential generator, whose upper half is
/// used (Knuth, The Art of Computer Programming, volume 2, section 3.3.4). Nothing depends on
/// nobody guessing them.
pub(super) struct Rotation(u64);

impl Rotation {
    /// Starts at a place of its own.
    pub(super) fn new() -> Self {
        Self(getrandom::u64().unwrap_or_default())
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}
