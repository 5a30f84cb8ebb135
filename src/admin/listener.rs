//! One address: the socket, and the connections that come to it.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Hangup;
use crate::config::ListenAddress;
use crate::listen::Connections;
use crate::task::Task;

/// How long a peer may take to send a request, and how long a connection may stand idle.
const HEADERS: Duration = Duration::from_secs(10);

/// The longest that a connection lives, whatever its peer does with it.
const LIFETIME: Duration = Duration::from_secs(300);

/// The most headers of a request.
const MOST_HEADERS: usize = 64;

/// The most octets of a request that are kept in memory; the least that hyper accepts.
const BUFFER: usize = 8192;

/// How long nothing is accepted after the system refused to.
const PAUSE: Duration = Duration::from_millis(100);

/// An address that is bound. Dropping it closes the socket, and its connections once they have
/// been answered.
pub(super) struct Listener {
    pub(super) address: ListenAddress,
    pub(super) socket: Arc<TcpListener>,
    handlers: Arc<ArcSwap<Router>>,
    accepting: Option<Task>,
    /// Connections end when it is gone.
    alive: watch::Sender<()>,
}

impl Listener {
    /// Takes a bound socket over; nothing is accepted yet.
    pub(super) fn new(
        address: ListenAddress,
        socket: StdListener,
        handlers: Router,
    ) -> io::Result<Self> {
        Ok(Self {
            address,
            socket: Arc::new(TcpListener::from_std(socket)?),
            handlers: Arc::new(ArcSwap::from_pointee(handlers)),
            accepting: None,
            alive: watch::Sender::new(()),
        })
    }

    /// Answers every later request by these.
    pub(super) fn exchange(&self, handlers: Router) {
        self.handlers.store(Arc::new(handlers));
    }

    /// Begins to accept connections.
    pub(super) fn start(&mut self, runtime: &Handle, connections: &Arc<Connections>) {
        let accepting = accept(
            self.socket.clone(),
            self.handlers.clone(),
            self.alive.subscribe(),
            connections.clone(),
        );
        self.accepting = Some(Task::start(runtime, accepting));
    }
}

async fn accept(
    socket: Arc<TcpListener>,
    handlers: Arc<ArcSwap<Router>>,
    alive: watch::Receiver<()>,
    connections: Arc<Connections>,
) {
    // The semaphore is never closed.
    while let Ok(permit) = connections.slots().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, peer)) => {
                let Some(admitted) = connections.admit(peer.ip()) else {
                    continue;
                };
                let (handlers, alive) = (handlers.clone(), alive.clone());
                tokio::spawn(async move {
                    // What goes wrong on a connection is its peer's to notice.
                    let _ = timeout(LIFETIME, converse(stream, &handlers, alive)).await;
                    drop((permit, admitted));
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn converse(stream: TcpStream, handlers: &ArcSwap<Router>, mut alive: watch::Receiver<()>) {
    let hangup = Hangup::default();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(hangup.clone());
        let router = Router::clone(&handlers.load());
        TowerToHyperService::new(router).call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = hangup.called() => return,
        _ = alive.changed() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = timeout(HEADERS, connection) => {}
        () = hangup.called() => {}
    }
}
