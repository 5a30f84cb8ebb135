//! A way to a server that a test can close: TCP through a process of its own kind.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go through.
    Open,
    /// They are closed, and new ones at once.
    Closed,
    /// They stay open and carry nothing: a cable that was pulled.
    Silent,
}

/// A port in front of another one.
pub(crate) struct Gate {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Gate {
    /// Opens a gate in front of a port of this machine.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (way, state) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, port, state.clone()));
            }
        });
        Self { address, way }
    }

    /// Where the gate listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens or closes the way.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn pass(mut here: TcpStream, port: u16, mut way: watch::Receiver<Way>) {
    if *way.borrow_and_update() == Way::Closed {
        return;
    }
    let Ok(mut there) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    loop {
        let state = *way.borrow_and_update();
        match state {
            Way::Closed => return,
            Way::Open => tokio::select! {
                _ = copy_bidirectional(&mut here, &mut there) => return,
                _ = way.changed() => {}
            },
            Way::Silent => {
                if way.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
