//! A way to a server that a test can close: TCP through a process of its own kind.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go through.
    Open,
    /// They are closed, and new ones at once.
    Closed,
    /// They stay open and carry nothing: a cable that was pulled.
    Silent,
    /// The server hears its clients, they do not hear it.
    Mute,
    /// The clients hear the server, it does not hear them.
    Deaf,
}

/// A port in front of another one.
pub(crate) struct Gate {
    address: SocketAddr,
    way: watch::Sender<Way>,
    delay: watch::Sender<Duration>,
    /// How often the connections were cut.
    cuts: watch::Sender<u32>,
}

impl Gate {
    /// Opens a gate in front of a port of this machine.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (way, ways) = watch::channel(Way::Open);
        let (delay, delays) = watch::channel(Duration::ZERO);
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                let passed = pass(stream, port, ways.clone(), delays.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = passed => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self {
            address,
            way,
            delay,
            cuts,
        }
    }

    /// Where the gate listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens or closes the way.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Ends the connections that there are, with all that is on its way.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on, what the server says takes this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

async fn pass(
    here: TcpStream,
    port: u16,
    way: watch::Receiver<Way>,
    delay: watch::Receiver<Duration>,
) {
    if *way.borrow() == Way::Closed {
        return;
    }
    let Ok(there) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    // Small messages pass at once, as they would without a gate.
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    let (from_client, to_client) = here.into_split();
    let (from_server, to_server) = there.into_split();
    let at_once = watch::channel(Duration::ZERO).1;
    let heard = |way: Way| matches!(way, Way::Open | Way::Mute);
    let answered = |way: Way| matches!(way, Way::Open | Way::Deaf);
    let asking = carry(from_client, to_server, way.clone(), heard, at_once);
    let answering = carry(from_server, to_client, way.clone(), answered, delay);
    let mut end = way;
    tokio::select! {
        ((), ()) = async { tokio::join!(asking, answering) } => {}
        _ = end.wait_for(|way| *way == Way::Closed) => {}
    }
}

/// Carries one direction of a connection. What cannot pass now is kept, as TCP would repeat it.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    passes: fn(Way) -> bool,
    delay: watch::Receiver<Duration>,
) {
    let (sender, mut line) = mpsc::channel(256);
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + *delay.borrow();
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = line.recv().await {
            sleep_until(due).await;
            let open = way.wait_for(|way| passes(*way)).await.is_ok();
            if !open || to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
