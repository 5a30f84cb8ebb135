//! A client and a server for the tests.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use udp_batch::{Batch, BatchSocket, Received, Request};

/// How long anything may take before a test fails.
pub(crate) const BOUND: Duration = Duration::from_secs(40);

/// A server socket whose `receive` fails when nothing comes within the bound.
pub(crate) fn bind(address: &str) -> BatchSocket {
    let socket = bind_without_timeout(address);
    socket2::SockRef::from(&socket)
        .set_read_timeout(Some(BOUND))
        .unwrap();
    socket
}

/// A server socket as servers have it, whose `receive` waits for ever. It shares its port, and
/// `[::]` serves IPv4 too.
pub(crate) fn bind_without_timeout(address: &str) -> BatchSocket {
    let bound = || {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        BatchSocket::new(socket.into())
    };
    bound().unwrap_or_else(|error| panic!("{}", cannot_bind(address, &error)))
}

/// A client that takes datagrams from `server` alone, as resolvers do.
pub(crate) fn client_of(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let client =
        UdpSocket::bind(any).unwrap_or_else(|error| panic!("{}", cannot_bind(any, &error)));
    client.connect(server).unwrap();
    client.set_read_timeout(Some(BOUND)).unwrap();
    client
}

fn cannot_bind(address: &str, error: &std::io::Error) -> String {
    let hint = if address.contains('[') {
        ": this test needs IPv6 on the loopback interface \
         (sysctl -w net.ipv6.conf.lo.disable_ipv6=0)"
    } else {
        ""
    };
    format!("cannot bind {address}: {error}{hint}")
}

pub(crate) fn receive_text(client: &UdpSocket) -> String {
    let mut buffer = [0; 65535];
    let length = client.recv(&mut buffer).expect("no reply within the bound");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// A worker thread that answers with `answer` until it is dropped.
pub(crate) struct Server {
    pub(crate) socket: Arc<BatchSocket>,
    /// Says so when the worker has ended as it should.
    ended: mpsc::Receiver<()>,
}

impl Server {
    pub(crate) fn start(
        socket: BatchSocket,
        mut answer: impl FnMut(Request<'_>, &mut [u8]) -> usize + Send + 'static,
    ) -> Self {
        let socket = Arc::new(socket);
        let shared = socket.clone();
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let mut batch = Batch::default();
            while let Received::Messages(_) = shared.receive(&mut batch).unwrap() {
                batch.for_each(&mut answer);
                let report = shared.send(&mut batch);
                assert_eq!(report.refused, 0, "{report:?}");
            }
            let _ = sender.send(());
        });
        Self { socket, ended }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_address().unwrap().port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.socket.shut_down();
        let ended = self.ended.recv_timeout(BOUND);
        if !std::thread::panicking() {
            assert_eq!(ended, Ok(()), "the worker panicked or goes on");
        }
    }
}

/// Writes `text` into a reply.
pub(crate) fn write(reply: &mut [u8], text: &str) -> usize {
    reply[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}
