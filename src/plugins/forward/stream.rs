//! Asking over TCP and TLS: a few connections per upstream that stay open, with many queries on
//! each at a time, answered in any order (RFC 7766 §6.2, RFC 7858).

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use answer::Request;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::waiting::{Letters, Received, Waiting};
use crate::mutex::locked;

/// How long it may take until a connection is there, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// The most connections of an upstream.
const MOST_CONNECTIONS: usize = 16;

/// From how many queries on, another connection is opened if there may be one.
const CROWD: usize = 16;

/// How many messages wait to be written to one connection.
const OUTGOING: usize = 64;

/// How long the system may take to take a message.
const WRITE: Duration = Duration::from_secs(5);

/// A connection on which nothing came for so long after a query is not used for others.
const DOUBT: Duration = Duration::from_millis(500);

/// How long connections are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long one may be unused.
    pub(super) expire: Duration,
    /// How old one may be; zero for no limit.
    pub(super) max_age: Duration,
    /// The most that are kept unused; zero for no limit of its own.
    pub(super) max_idle: usize,
}

/// Where connections lead to.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) address: SocketAddr,
    pub(super) source: Option<IpAddr>,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// The connections to one upstream.
pub(super) struct Connections {
    dial: Dial,
    limits: Limits,
    pool: Arc<Pool>,
}

#[derive(Default)]
struct Pool(Mutex<Vec<Arc<Connection>>>);

struct Connection {
    waiting: Arc<Waiting>,
    outgoing: mpsc::Sender<Vec<u8>>,
    opened: Instant,
    /// When it last came to use, in milliseconds after it was opened.
    used: AtomicU64,
    /// When something last came, likewise.
    heard: AtomicU64,
    /// It takes no more queries.
    retired: AtomicBool,
    left: Notify,
}

impl Connections {
    pub(super) fn new(dial: Dial, limits: Limits) -> Self {
        Self {
            dial,
            limits,
            pool: Arc::default(),
        }
    }

    /// Sends a query and waits for its reply. A connection that turns out to be closed costs
    /// another one, once.
    pub(super) async fn ask(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<Received, Failure> {
        if let Some(connection) = self.find() {
            match self.ask_on(&connection, request, patience).await {
                Err(Failure::Closed) => {}
                result => return result,
            }
        }
        let connection = timeout(CONNECT, self.open())
            .await
            .unwrap_or_else(|_| Err(Failure::network("it does not take connections")))?;
        self.ask_on(&connection, request, patience).await
    }

    async fn ask_on(
        &self,
        connection: &Arc<Connection>,
        request: &Request,
        patience: Duration,
    ) -> Result<Received, Failure> {
        let mut user = User {
            connection,
            pool: &self.pool,
            max_idle: self.limits.max_idle,
            since: connection.now(),
            answered: false,
        };
        let (mut pending, message) = connection.waiting.enter(request, Letters::Any)?;
        let Ok(length) = u16::try_from(message.len()) else {
            return Err(Failure::network("the query is too long"));
        };
        let framed = [&length.to_be_bytes(), message.as_slice()].concat();
        let exchanged = timeout(patience, async {
            let sent = connection.outgoing.send(framed).await;
            sent.map_err(|_| Failure::Closed)?;
            pending.reply().await
        });
        let reply = exchanged.await.unwrap_or(Err(Failure::Silent));
        user.answered = reply.is_ok();
        reply
    }

    /// An open connection for one more query: the one with the fewest, unless all are crowded and
    /// there may be more.
    fn find(&self) -> Option<Arc<Connection>> {
        let Limits { max_age, .. } = self.limits;
        let mut pool = locked(&self.pool.0);
        pool.retain(|connection| {
            let old = !max_age.is_zero() && connection.opened.elapsed() >= max_age;
            let keep = !old && !connection.retired.load(Ordering::Relaxed);
            if !keep {
                connection.retire();
            }
            keep
        });
        let least = pool.iter().min_by_key(|it| it.waiting.len())?;
        let crowded = least.waiting.len() >= CROWD && pool.len() < MOST_CONNECTIONS;
        (!crowded).then(|| least.clone())
    }

    async fn open(&self) -> Result<Arc<Connection>, Failure> {
        let stream = connect(&self.dial).await?;
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let connection = Arc::new(Connection {
            waiting: Arc::default(),
            outgoing,
            opened: Instant::now(),
            used: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            left: Notify::new(),
        });
        let keeper = Keeper {
            connection: connection.clone(),
            pool: Arc::downgrade(&self.pool),
            expire: self.limits.expire,
            messages,
        };
        match &self.dial.tls {
            None => drop(tokio::spawn(keeper.run(stream))),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                tokio::spawn(keeper.run(stream));
            }
        }
        locked(&self.pool.0).push(connection.clone());
        Ok(connection)
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for connection in locked(&self.pool.0).drain(..) {
            connection.retire();
        }
    }
}

/// Connects over TCP.
pub(super) async fn connect(dial: &Dial) -> Result<TcpStream, Failure> {
    let socket = match dial.address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = dial.source {
        socket.bind((source, 0).into())?;
    }
    let stream = socket.connect(dial.address).await?;
    // Queries are small and each is wanted at once.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.left.notify_one();
    }
}

/// A query on a connection; what it leaves behind when it goes.
struct User<'a> {
    connection: &'a Arc<Connection>,
    pool: &'a Pool,
    max_idle: usize,
    since: u64,
    answered: bool,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let connection = self.connection;
        let now = connection.now();
        connection.used.store(now, Ordering::Relaxed);
        let waited = Duration::from_millis(now.saturating_sub(self.since));
        let unheard = connection.heard.load(Ordering::Relaxed) <= self.since;
        if !self.answered && unheard && waited >= DOUBT {
            // The other side may be gone without a word.
            connection.retire();
        } else if self.max_idle > 0 && connection.waiting.len() == 0 {
            let pool = locked(&self.pool.0);
            let idle = pool
                .iter()
                .filter(|it| it.waiting.len() == 0 && !it.retired.load(Ordering::Relaxed));
            if idle.count() > self.max_idle {
                connection.retire();
            }
        }
        connection.left.notify_one();
    }
}

/// What runs a connection.
struct Keeper {
    connection: Arc<Connection>,
    pool: Weak<Pool>,
    expire: Duration,
    messages: mpsc::Receiver<Vec<u8>>,
}

impl Keeper {
    async fn run(self, stream: impl AsyncRead + AsyncWrite) {
        let Self {
            connection,
            pool,
            expire,
            mut messages,
        } = self;
        let (reader, mut writer) = tokio::io::split(stream);
        let reading = read(BufReader::new(reader), &connection);
        let writing = async {
            while let Some(message) = messages.recv().await {
                match timeout(WRITE, writer.write_all(&message)).await {
                    Ok(Ok(())) if messages.is_empty() => {
                        if writer.flush().await.is_err() {
                            break;
                        }
                    }
                    Ok(Ok(())) => {}
                    _ => break,
                }
            }
            Failure::Closed
        };
        let failure = tokio::select! {
            failure = reading => failure,
            failure = writing => failure,
            () = unused(&connection, expire) => Failure::Closed,
        };
        connection.retired.store(true, Ordering::Relaxed);
        connection.waiting.end(&failure);
        if let Some(pool) = pool.upgrade() {
            locked(&pool.0).retain(|it| !Arc::ptr_eq(it, &connection));
        }
        // TLS says goodbye; whether it is heard does not matter.
        let _ = timeout(WRITE, writer.shutdown()).await;
    }
}

/// Hands out replies until the connection ends.
async fn read(mut reader: impl AsyncRead + Unpin, connection: &Connection) -> Failure {
    let mut buffer = Vec::new();
    loop {
        let Ok(length) = reader.read_u16().await else {
            return Failure::Closed;
        };
        buffer.resize(usize::from(length), 0);
        if reader.read_exact(&mut buffer).await.is_err() {
            return Failure::Closed;
        }
        connection
            .heard
            .store(connection.now().max(1), Ordering::Relaxed);
        if let Err(failure) = connection.waiting.receive(&buffer, false) {
            return failure;
        }
    }
}

/// Waits until a connection has been unused for so long, or is retired and nobody waits on it.
async fn unused(connection: &Connection, expire: Duration) {
    loop {
        let used = Duration::from_millis(connection.used.load(Ordering::Relaxed));
        let end = connection.opened + used + expire;
        let idle = connection.waiting.len() == 0;
        if idle && (Instant::now() >= end || connection.retired.load(Ordering::Relaxed)) {
            return;
        }
        tokio::select! {
            () = sleep_until(end), if idle => {}
            () = connection.left.notified() => {}
        }
    }
}
