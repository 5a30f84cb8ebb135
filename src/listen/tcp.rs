//! TCP: queries over connections, several at a time and answered as they finish (RFC 7766).

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, warn};

use super::Shared;
use super::udp::Rotation;
use crate::counters::{Count, Tally};
use crate::plugins::{Client, Timeouts, Transport};
use crate::reason;
use crate::routes::Routes;
use crate::serve::{Served, serve};

/// The most queries of one connection that are not answered yet. Beyond it, nothing is read.
const MOST_IN_FLIGHT: usize = 64;

/// How long queries are still read from open connections once the server stops: as long as what a
/// client has just sent may be on its way.
const LAST_QUERIES: Duration = Duration::from_millis(200);

/// How long nothing is accepted after the system refused to.
const PAUSE: Duration = Duration::from_millis(100);

/// What accepts the connections of one address.
#[derive(Debug)]
pub(super) struct Acceptor {
    socket: Arc<TcpListener>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Service>,
    /// Every connection holds a sender; nothing is sent.
    ended: mpsc::Receiver<()>,
}

impl Acceptor {
    /// Begins to accept.
    pub(super) fn start(
        socket: StdListener,
        routes: &Arc<ArcSwap<Routes>>,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let _context = shared.runtime.enter();
        let socket = Arc::new(TcpListener::from_std(socket)?);
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let service = Service {
            local: socket.local_addr()?,
            routes: routes.clone(),
            shared: shared.clone(),
            stop: stopping,
            _alive: alive,
        };
        let task = shared.runtime.spawn(accept(socket.clone(), service));
        Ok(Self {
            socket,
            stop,
            task,
            ended,
        })
    }

    /// The listening socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Begins to end: connections may send what is on its way, and no more.
    pub(super) fn shut_down(&self) {
        // Without it, what is connected at the very end is reset: nothing worse.
        if let Err(error) = ignore_new(&self.socket) {
            debug!("new connections cannot be left to others: {error}");
        }
        self.stop.send_replace(true);
    }

    /// Closes the socket of an acceptor that was shut down, and waits until all connections are
    /// closed.
    pub(super) async fn ended(self) {
        let Self {
            socket,
            task,
            mut ended,
            ..
        } = self;
        let Ok(service) = task.await else { return };
        // The kernel has completed connections that nobody has accepted yet. It would reset them.
        if let Some(Ok(socket)) = Arc::into_inner(socket).map(TcpListener::into_std) {
            while let Ok(permit) = service.shared.connections.slots().try_acquire_owned()
                && let Ok((stream, peer)) = socket.accept()
                && let Ok(()) = stream.set_nonblocking(true)
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                service.take(stream, peer, permit);
            }
        }
        drop(service);
        ended.recv().await;
    }
}

/// Has the kernel pass over new connections, while those that it has begun are completed. As long as
/// a socket is open, the kernel completes connections for it that nobody will accept any more, even
/// where another socket serves the address by now. A client that hears nothing tries again a second
/// later, and is then that one's.
fn ignore_new(socket: &TcpListener) -> io::Result<()> {
    // Classic BPF over the TCP header, socket(7): the flags SYN and ACK of byte 13. A segment with
    // SYN alone is dropped, all others pass.
    SockRef::from(socket).attach_filter(&[
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x54, 0, 0, 0x12),
        SockFilter::new(0x15, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ])
}

/// What every connection of an address needs.
#[derive(Clone, Debug)]
struct Service {
    local: SocketAddr,
    routes: Arc<ArcSwap<Routes>>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// Accepts connections until it is told to stop; then gives back what the last ones need.
async fn accept(socket: Arc<TcpListener>, service: Service) -> Service {
    let stopped = stopped(service.stop.clone());
    tokio::pin!(stopped);
    let mut complained = false;
    loop {
        let next = async {
            let permit = service.shared.connections.slots().acquire_owned().await;
            (permit, socket.accept().await)
        };
        let accepted = tokio::select! {
            () = &mut stopped => return service,
            next = next => next,
        };
        let error = match accepted {
            (Ok(permit), Ok((stream, peer))) => {
                service.take(stream, peer, permit);
                continue;
            }
            // The semaphore is never closed.
            (Err(_), _) => return service,
            (_, Err(error)) => error,
        };
        service.count(Count::AcceptErrors);
        // A peer that hung up before it was accepted is no reason to rest.
        if error.kind() != io::ErrorKind::ConnectionAborted {
            if !complained {
                warn!(
                    "cannot accept connections over TCP, trying on: {}",
                    reason::of(&error)
                );
                complained = true;
            }
            sleep(PAUSE).await;
        }
    }
}

/// Waits until the acceptor was told to stop, or is no more.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A reply on its way to the writer, its length in front. The permit keeps the reader from reading
/// further than there may be queries in flight.
struct Ready {
    message: Vec<u8>,
    _in_flight: OwnedSemaphorePermit,
}

impl Service {
    /// Takes a connection over, unless its peer has too many.
    fn take(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let Some(admitted) = self.shared.connections.admit(peer.ip()) else {
            self.count(Count::Rejected);
            return;
        };
        self.count(Count::Connections);
        let service = self.clone();
        tokio::spawn(async move {
            service.converse(stream, peer).await;
            drop((permit, admitted));
        });
    }

    fn count(&self, count: Count) {
        let mut tally = Tally::default();
        tally.count(count);
        self.shared.others.merge(&tally);
    }

    async fn converse(self, stream: TcpStream, peer: SocketAddr) {
        // Replies are written whole, so waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(self.local);
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let client = Client {
            peer,
            local: Some(local.ip().to_canonical()),
            local_port: local.port(),
            transport: Transport::Tcp,
            received: std::time::Instant::now(),
        };
        let (reader, writer) = stream.into_split();
        let (ready, replies) = mpsc::channel(MOST_IN_FLIGHT);
        let writer = tokio::spawn(write(writer, replies, self.routes.clone()));
        self.read(BufReader::new(reader), client, ready).await;
        // What is still in flight holds senders, so the writer ends after the last reply.
        let _ = writer.await;
    }

    /// Reads queries and sees to it that each is answered, until the peer has no more of them.
    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        client: Client,
        ready: mpsc::Sender<Ready>,
    ) {
        let in_flight = Arc::new(Semaphore::new(MOST_IN_FLIGHT));
        let mut rotation = Rotation::new();
        let mut asked = 0;
        let stopped = async {
            stopped(self.stop.clone()).await;
            sleep(LAST_QUERIES).await;
        };
        tokio::pin!(stopped);
        loop {
            let Ok(permit) = in_flight.clone().acquire_owned().await else {
                return;
            };
            let Timeouts {
                read,
                idle,
                most_queries,
                ..
            } = self.routes.load().timeouts;
            if most_queries.is_some_and(|most| asked >= most) {
                return;
            }
            let end = Instant::now() + if asked == 0 { read } else { idle };
            let read = tokio::select! {
                () = &mut stopped => return,
                () = ready.closed() => return,
                read = timeout_at(end, read_message(&mut reader)) => read,
            };
            let Ok(Ok(request)) = read else { return };
            asked += 1;
            let client = Client {
                received: std::time::Instant::now(),
                ..client
            };
            self.answer(&client, &request, rotation.next(), &ready, permit)
                .await;
        }
    }

    async fn answer(
        &self,
        client: &Client,
        request: &[u8],
        rotation: u32,
        ready: &mpsc::Sender<Ready>,
        in_flight: OwnedSemaphorePermit,
    ) {
        let mut tally = Tally::default();
        let served = OUT.with_borrow_mut(|out| {
            out.resize(2 + usize::from(u16::MAX), 0);
            let (prefix, reply) = out.split_at_mut(2);
            let routes = self.routes.load();
            match serve(&routes, client, request, reply, rotation, &mut tally) {
                Served::Reply(length) => {
                    prefix.copy_from_slice(&(length as u16).to_be_bytes());
                    let message = out.get(..2 + length).unwrap_or_default().to_vec();
                    Some(Ok(message))
                }
                Served::Nothing => None,
                Served::Deferred(deferred) => Some(Err(deferred)),
            }
        });
        match served {
            None => {}
            Some(Ok(message)) => {
                let _ = ready
                    .send(Ready {
                        message,
                        _in_flight: in_flight,
                    })
                    .await;
            }
            Some(Err(deferred)) => match self.shared.waiting.clone().try_acquire_owned() {
                Err(_) => tally.count(Count::Overloaded),
                Ok(waiting) => {
                    let (ready, shared) = (ready.clone(), self.shared.clone());
                    tokio::spawn(async move {
                        let mut tally = Tally::default();
                        if let Some(reply) = deferred.finish(&mut tally).await {
                            let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
                            let message = [&length.to_be_bytes(), reply.as_slice()].concat();
                            let _ = ready
                                .send(Ready {
                                    message,
                                    _in_flight: in_flight,
                                })
                                .await;
                        }
                        shared.others.merge(&tally);
                        drop(waiting);
                    });
                }
            },
        }
        self.shared.others.merge(&tally);
    }
}

thread_local! {
    /// Where a reply is written before its length is known: one for each thread of the runtime
    /// instead of 64 KiB for each connection.
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads one message with its length in front (RFC 1035 §4.2.2). An error at the end as well.
async fn read_message(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = usize::from(reader.read_u16().await?);
    let mut message = Vec::new();
    // Grows with what arrives, so that a length alone costs nothing.
    reader.take(length as u64).read_to_end(&mut message).await?;
    if message.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(message)
}

/// Writes replies as they become ready, several at once where there are.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut replies: mpsc::Receiver<Ready>,
    routes: Arc<ArcSwap<Routes>>,
) {
    let patience = || routes.load().timeouts.write;
    let mut ready = Vec::with_capacity(MOST_IN_FLIGHT);
    while replies.recv_many(&mut ready, MOST_IN_FLIGHT).await > 0 {
        let joined: Vec<u8> = ready
            .iter()
            .flat_map(|ready| &ready.message)
            .copied()
            .collect();
        for piece in joined.chunks(usize::from(u16::MAX)) {
            match timeout(patience(), writer.write_all(piece)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
        ready.clear();
    }
    let _ = timeout(patience(), writer.shutdown()).await;
}
