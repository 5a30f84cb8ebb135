//! Asking over UDP: a few connected sockets per upstream, each with a port of its own and many
//! queries at a time.
//!
//! A socket is connected, so the kernel drops what does not come from the upstream's address and
//! port, and tells when nobody listens there. It is replaced after a while, so that its port is not
//! worth finding out.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use answer::Request;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::failure::Failure;
use super::waiting::{Letters, Received, Waiting};
use crate::mutex::locked;

/// How many sockets of an upstream are in use at a time; each query draws one.
const SOCKETS: usize = 4;

/// How many queries a socket serves.
const MOST_QUERIES: usize = 256;

/// How long a socket takes queries.
const MOST_AGE: Duration = Duration::from_secs(10);

/// The most sockets of an upstream, with those that only wait for last replies.
const MOST_SOCKETS: usize = 64;

/// The sockets to one upstream.
#[derive(Debug)]
pub(super) struct Sockets {
    address: SocketAddr,
    source: Option<IpAddr>,
    current: [Mutex<Weak<Socket>>; SOCKETS],
    next: AtomicUsize,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    waiting: Arc<Waiting>,
    asked: AtomicUsize,
    /// It takes no more queries.
    retired: AtomicBool,
    /// It may have become unused.
    left: Notify,
    open: Arc<AtomicUsize>,
}

impl Sockets {
    pub(super) fn new(address: SocketAddr, source: Option<IpAddr>) -> Self {
        Self {
            address,
            source,
            current: Default::default(),
            next: AtomicUsize::new(0),
            open: Arc::default(),
        }
    }

    /// Sends a query and waits for its reply.
    pub(super) async fn ask(
        &self,
        request: &Request,
        letters: Letters,
        patience: Duration,
    ) -> Result<Received, Failure> {
        let socket = self.socket()?;
        // It leaves after the query has: locals go in reverse order.
        let _user = User(&socket);
        let (mut pending, message) = socket.waiting.enter(request, letters)?;
        let sent = match socket.socket.try_send(&message) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                timeout(patience, socket.socket.send(&message))
                    .await
                    .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            }
            // The kernel tells with this call what became of an earlier datagram.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                socket.socket.try_send(&message)
            }
            sent => sent,
        };
        sent?;
        let reply = timeout(patience, pending.reply()).await;
        reply.unwrap_or(Err(Failure::Silent))
    }

    /// A socket that takes one more query.
    fn socket(&self) -> Result<Arc<Socket>, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % SOCKETS;
        let Some(current) = self.current.get(number) else {
            return Err(Failure::Busy);
        };
        let mut current = locked(current);
        let crowded = self.open.load(Ordering::Relaxed) >= MOST_SOCKETS;
        if let Some(socket) = current.upgrade()
            && !socket.retired.load(Ordering::Relaxed)
        {
            if socket.asked.fetch_add(1, Ordering::Relaxed) < MOST_QUERIES || crowded {
                return Ok(socket);
            }
            socket.retire();
        } else if crowded {
            return Err(Failure::Busy);
        }
        let socket = Arc::new(self.open()?);
        *current = Arc::downgrade(&socket);
        tokio::spawn(receive(socket.clone()));
        Ok(socket)
    }

    fn open(&self) -> Result<Socket, Failure> {
        let any = match self.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // Port 0: the kernel draws one.
        let socket = StdSocket::bind((self.source.unwrap_or(any), 0))?;
        socket.connect(self.address)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Socket {
            socket,
            waiting: Arc::default(),
            asked: AtomicUsize::new(1),
            retired: AtomicBool::new(false),
            left: Notify::new(),
            open: self.open.clone(),
        })
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for current in &self.current {
            if let Some(socket) = locked(current).upgrade() {
                socket.retire();
            }
        }
    }
}

impl Socket {
    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.left.notify_one();
    }

    fn is_done(&self) -> bool {
        self.retired.load(Ordering::Relaxed) && self.waiting.len() == 0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A query on a socket: tells the socket when it leaves.
struct User<'a>(&'a Socket);

impl Drop for User<'_> {
    fn drop(&mut self) {
        if self.0.retired.load(Ordering::Relaxed) {
            self.0.left.notify_one();
        }
    }
}

/// Hands out replies until the socket is retired and nobody waits on it.
async fn receive(socket: Arc<Socket>) {
    // Larger than what was asked for may come, and is of use all the same.
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let mut old = std::pin::pin!(sleep(MOST_AGE));
    loop {
        tokio::select! {
            received = socket.socket.recv(&mut buffer) => match received {
                Ok(length) => {
                    // What is no reply is dropped.
                    let _ = socket.waiting.receive(buffer.get(..length).unwrap_or_default(), true);
                }
                Err(error) => socket.waiting.fail(&error.into()),
            },
            () = &mut old, if !socket.retired.load(Ordering::Relaxed) => socket.retire(),
            () = socket.left.notified() => {}
        }
        if socket.is_done() {
            return;
        }
    }
}
