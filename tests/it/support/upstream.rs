//! A server to forward to, which does what the test says with each query.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::BOUND;

/// How often a waiting thread looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// How a query came to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// A query as an upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// In lower case, without the dot at the end; empty for the root.
    pub(crate) name: String,
    pub(crate) over: Over,
    pub(crate) message: Vec<u8>,
    /// The port that it came from.
    pub(crate) port: u16,
    question_end: usize,
}

/// What an upstream does, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends these bytes: a datagram, or a message with its length before it.
    Send(Vec<u8>),
    /// Sends a datagram from another port.
    SendFromElsewhere(Vec<u8>),
    /// Sends them after the reply to the next query on the connection.
    Hold(Vec<u8>),
    /// Writes bytes as they are. Over TCP only.
    Write(Vec<u8>),
    Wait(Duration),
    /// Closes the connection.
    Close,
}

/// What becomes of a query.
type Manner = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

/// An upstream on 127.0.0.1, over UDP and TCP at one port, until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manner: Box<Manner>,
    asked: Mutex<Vec<Asked>>,
    connections: Mutex<usize>,
    stopped: AtomicBool,
}

impl Asked {
    pub(crate) fn read(message: &[u8], over: Over, port: u16) -> Self {
        let mut labels = Vec::new();
        let mut at = 12;
        while message[at] > 0 {
            let end = at + 1 + usize::from(message[at]);
            labels.push(String::from_utf8_lossy(&message[at + 1..end]).to_ascii_lowercase());
            at = end;
        }
        Self {
            name: labels.join("."),
            over,
            message: message.to_vec(),
            port,
            question_end: at + 5,
        }
    }

    /// The question's name as it was sent, in wire form.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.message[12..self.question_end - 4]
    }

    /// Whether the question has been asked with EDNS.
    pub(crate) fn has_opt(&self) -> bool {
        self.message[11] > 0
    }

    /// A reply with this code and these records of the answer section, each as bytes.
    pub(crate) fn reply(&self, rcode: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let mut reply = self.message[..self.question_end].to_vec();
        (reply[2], reply[3]) = (0x81, 0x80 | rcode);
        reply[7] = u8::try_from(records.len()).expect("few records");
        reply.extend(records.concat());
        if self.has_opt() {
            reply.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        reply
    }

    /// A reply with an address that ends in this octet.
    pub(crate) fn answer(&self, last: u8) -> Vec<u8> {
        self.reply(0, &[record(&[0xc0, 12], last)])
    }

    /// A reply without records.
    pub(crate) fn code(&self, rcode: u8) -> Vec<u8> {
        self.reply(rcode, &[])
    }

    /// A reply that says that there is more.
    pub(crate) fn truncated(&self) -> Vec<u8> {
        let mut reply = self.code(0);
        reply[2] |= 2;
        reply
    }
}

/// An A record with this owner and the address 192.0.2.`last`.
pub(crate) fn record(owner: &[u8], last: u8) -> Vec<u8> {
    let fixed = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last];
    [owner, &fixed[..]].concat()
}

impl Upstream {
    /// Starts one.
    pub(crate) fn start(manner: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_with(None, manner)
    }

    /// One that speaks TLS over TCP, with the certificate that is in this folder.
    pub(crate) fn secure(
        folder: &Path,
        manner: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Some(Arc::new(tls(folder))), manner)
    }

    fn start_with(
        tls: Option<Arc<ServerConfig>>,
        manner: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().expect("an address");
        let state = Arc::new(State {
            manner: Box::new(manner),
            asked: Mutex::default(),
            connections: Mutex::new(0),
            stopped: AtomicBool::new(false),
        });
        let of_udp = state.clone();
        thread::spawn(move || of_udp.serve_udp(&udp));
        let of_tcp = state.clone();
        thread::spawn(move || of_tcp.serve_tcp(&tcp, tls.as_ref()));
        Self { address, state }
    }

    /// One that answers everything with an address that ends in this octet.
    pub(crate) fn good(last: u8) -> Self {
        Self::start(move |asked| vec![Act::Send(asked.answer(last))])
    }

    /// One that never answers.
    pub(crate) fn silent() -> Self {
        Self::start(|_| Vec::new())
    }

    /// The queries so far for a name, in lower case.
    pub(crate) fn asked(&self, name: &str) -> Vec<Asked> {
        let asked = self.state.asked.lock().expect("no thread panics");
        asked.iter().filter(|it| it.name == name).cloned().collect()
    }

    /// Waits until a name was asked for so often.
    pub(crate) fn asked_times(&self, name: &str, times: usize) {
        let end = Instant::now() + BOUND;
        while self.asked(name).len() < times {
            assert!(Instant::now() < end, "{name} was not asked for");
            thread::sleep(TICK);
        }
    }

    /// Waits until so many queries have come, for any name.
    pub(crate) fn asked_in_all(&self, times: usize) {
        let end = Instant::now() + BOUND;
        while self.state.asked.lock().expect("no thread panics").len() < times {
            assert!(Instant::now() < end, "nothing was asked");
            thread::sleep(TICK);
        }
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.lock().expect("no thread panics")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
    }
}

/// TLS as a server speaks it that has `cert.pem` and `key.pem` of a folder.
pub(crate) fn tls(folder: &Path) -> ServerConfig {
    let certificates = CertificateDer::pem_file_iter(folder.join("cert.pem"));
    let certificates: Result<Vec<_>, _> = certificates.expect("a certificate").collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates.expect("certificates"), key)
        .expect("a key that fits")
}

/// Sockets for both ways at one port.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

impl State {
    fn act(&self, asked: Asked) -> Vec<Act> {
        let acts = (self.manner)(&asked);
        self.asked.lock().expect("no thread panics").push(asked);
        acts
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn serve_udp(self: Arc<Self>, socket: &UdpSocket) {
        socket.set_read_timeout(Some(TICK)).expect("a timeout");
        let mut buffer = [0; 4096];
        while !self.is_stopped() {
            let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let acts = self.act(Asked::read(&buffer[..length], Over::Udp, peer.port()));
            let socket = socket.try_clone().expect("a socket");
            thread::spawn(move || {
                for act in acts {
                    // Whoever asked may have gone.
                    let _ = match act {
                        Act::Send(message) => socket.send_to(&message, peer),
                        Act::SendFromElsewhere(message) => {
                            let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
                            other.expect("a socket").send_to(&message, peer)
                        }
                        Act::Wait(time) => {
                            thread::sleep(time);
                            Ok(0)
                        }
                        Act::Hold(_) | Act::Write(_) | Act::Close => Ok(0),
                    };
                }
            });
        }
    }

    fn serve_tcp(self: Arc<Self>, listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) {
        listener.set_nonblocking(true).expect("a listener");
        while !self.is_stopped() {
            let Ok((stream, peer)) = listener.accept() else {
                thread::sleep(TICK);
                continue;
            };
            *self.connections.lock().expect("no thread panics") += 1;
            stream.set_nonblocking(false).expect("a stream");
            stream.set_read_timeout(Some(TICK)).expect("a timeout");
            let state = self.clone();
            let tls = tls.cloned();
            thread::spawn(move || match tls {
                None => state.serve_connection(stream, peer.port()),
                Some(tls) => {
                    let tls = ServerConnection::new(tls).expect("a server of TLS");
                    state.serve_connection(StreamOwned::new(tls, stream), peer.port());
                }
            });
        }
    }

    fn serve_connection(&self, mut stream: impl Read + Write, port: u16) {
        let mut held: Vec<Vec<u8>> = Vec::new();
        while let Some(message) = self.message(&mut stream) {
            for act in self.act(Asked::read(&message, Over::Tcp, port)) {
                let sent = match act {
                    Act::Send(message) => {
                        let all: Vec<Vec<u8>> =
                            [message].into_iter().chain(held.drain(..)).collect();
                        all.iter().try_for_each(|it| stream.write_all(&framed(it)))
                    }
                    Act::Write(bytes) => stream.write_all(&bytes),
                    Act::Hold(message) => {
                        held.push(message);
                        Ok(())
                    }
                    Act::Wait(time) => {
                        thread::sleep(time);
                        Ok(())
                    }
                    Act::SendFromElsewhere(_) => Ok(()),
                    Act::Close => return,
                };
                if sent.is_err() {
                    return;
                }
            }
        }
    }

    /// The next message; nothing when the connection ends or the upstream does.
    fn message(&self, stream: &mut impl Read) -> Option<Vec<u8>> {
        let length = self.bytes(stream, 2)?;
        self.bytes(
            stream,
            usize::from(u16::from_be_bytes([length[0], length[1]])),
        )
    }

    fn bytes(&self, stream: &mut impl Read, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match stream.read(&mut bytes[filled..]) {
                Ok(0) => return None,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if self.is_stopped() {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
        Some(bytes)
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message");
    [&length.to_be_bytes(), message].concat()
}
