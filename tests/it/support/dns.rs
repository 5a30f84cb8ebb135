//! A client: sends queries as bytes and reads replies with another implementation than ours.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use domain::base::opt::ExtendedError;
use domain::base::{Message, Name, ParsedName};
use domain::rdata::AllRecordData;

use super::BOUND;

/// How long an answer may take that should never come.
pub(crate) const NEVER: Duration = Duration::from_millis(300);

/// A query to be.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The identifier.
    pub(crate) id: u16,
    /// The octets of the header after it.
    pub(crate) flags: [u8; 2],
    /// The name, in wire form.
    name: Vec<u8>,
    rtype: u16,
    class: u16,
    /// UDP size and version of the OPT record, if there is one.
    edns: Option<(u16, u8)>,
    /// DO, which the OPT record has.
    signatures: bool,
}

impl Query {
    pub(crate) fn new(name: &str, rtype: &str) -> Self {
        let name: Name<Vec<u8>> = name.parse().expect("a name");
        let rtype: Rtype = rtype.parse().expect("a type");
        Self {
            id: 0x1234,
            flags: [1, 0],
            name: name.into_octets(),
            rtype: rtype.to_int(),
            class: 1,
            edns: None,
            signatures: false,
        }
    }

    pub(crate) fn id(self, id: u16) -> Self {
        Self { id, ..self }
    }

    pub(crate) fn flags(self, flags: [u8; 2]) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn class(self, class: u16) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn edns(self, udp_size: u16, version: u8) -> Self {
        Self {
            edns: Some((udp_size, version)),
            ..self
        }
    }

    /// Asks for signatures; [`edns`](Self::edns) too.
    pub(crate) fn signatures(self) -> Self {
        Self {
            signatures: true,
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let [id0, id1] = self.id.to_be_bytes();
        let [flags0, flags1] = self.flags;
        let additional = u8::from(self.edns.is_some());
        let mut bytes = vec![id0, id1, flags0, flags1, 0, 1, 0, 0, 0, 0, 0, additional];
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.rtype.to_be_bytes());
        bytes.extend_from_slice(&self.class.to_be_bytes());
        if let Some((size, version)) = self.edns {
            let [size0, size1] = size.to_be_bytes();
            let flags = if self.signatures { 0x80 } else { 0 };
            bytes.extend_from_slice(&[0, 0, 41, size0, size1, 0, version, flags, 0, 0, 0]);
        }
        bytes
    }

    /// Asks over UDP.
    pub(crate) fn udp(&self, server: SocketAddr) -> Reply {
        let socket = udp_socket(server);
        socket.send(&self.bytes()).expect("a datagram can be sent");
        Reply::read(&receive(&socket).expect("a reply over UDP"))
    }

    /// Asks over UDP; gives nothing where nobody answers.
    pub(crate) fn udp_within(&self, server: SocketAddr, bound: Duration) -> Option<Reply> {
        let socket = udp_socket(server);
        socket.set_read_timeout(Some(bound)).expect("a timeout");
        socket.send(&self.bytes()).ok()?;
        receive(&socket).ok().map(|bytes| Reply::read(&bytes))
    }

    /// Asks over TCP.
    pub(crate) fn tcp(&self, server: SocketAddr) -> Reply {
        let mut stream = Stream::connect(server);
        stream.send(self);
        stream.receive()
    }
}

/// Asks over UDP for a name and a type.
pub(crate) fn ask(server: SocketAddr, name: &str, rtype: &str) -> Reply {
    Query::new(name, rtype).udp(server)
}

/// Asks over UDP from an address of this machine.
pub(crate) fn ask_from(source: &str, server: SocketAddr, name: &str, rtype: &str) -> Reply {
    let source: IpAddr = source.parse().expect("an address");
    let socket = UdpSocket::bind((source, 0)).expect("a socket");
    socket.connect(server).expect("an address");
    socket.set_read_timeout(Some(BOUND)).expect("a timeout");
    let query = Query::new(name, rtype).bytes();
    socket.send(&query).expect("a datagram can be sent");
    Reply::read(&receive(&socket).expect("a reply over UDP"))
}

/// Asks over UDP until the reply is as it should be, which may take a moment.
pub(crate) fn ask_until(
    server: SocketAddr,
    name: &str,
    rtype: &str,
    enough: impl Fn(&Reply) -> bool,
) -> Reply {
    let end = Instant::now() + BOUND;
    loop {
        let reply = ask(server, name, rtype);
        if enough(&reply) {
            return reply;
        }
        assert!(Instant::now() < end, "still {reply:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A socket that only this server can send to.
pub(crate) fn udp_socket(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).expect("a socket");
    socket.connect(server).expect("an address");
    socket.set_read_timeout(Some(BOUND)).expect("a timeout");
    socket
}

/// The next datagram.
pub(crate) fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 65535];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A connection.
pub(crate) struct Stream(TcpStream);

impl Stream {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&server, BOUND).expect("a connection");
        stream.set_read_timeout(Some(BOUND)).expect("a timeout");
        stream.set_write_timeout(Some(BOUND)).expect("a timeout");
        Self(stream)
    }

    pub(crate) fn send(&mut self, query: &Query) {
        self.send_bytes(&query.bytes());
    }

    pub(crate) fn send_bytes(&mut self, message: &[u8]) {
        self.write(&framed(message));
    }

    /// Sends a query to a server that may have closed the connection.
    pub(crate) fn try_send(&mut self, query: &Query) -> io::Result<()> {
        self.0.write_all(&framed(&query.bytes()))
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server reads");
    }

    pub(crate) fn receive(&mut self) -> Reply {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).expect("a reply over TCP");
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0
            .read_exact(&mut message)
            .expect("a whole reply over TCP");
        Reply::read(&message)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        self.0
            .shutdown(std::net::Shutdown::Write)
            .expect("an open connection");
    }

    /// Waits until the server closes; gives how many bytes came before.
    pub(crate) fn closed(&mut self) -> usize {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => rest.len(),
            Err(error) => panic!("the server does not close the connection: {error}"),
        }
    }
}

/// A message as it goes over TCP.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message");
    [&length.to_be_bytes(), message].concat()
}

/// What a reply says. Records are shown as in a zone file: `NAME TTL IN TYPE DATA`.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    /// The code with the bits that the OPT record has.
    pub(crate) rcode: u16,
    pub(crate) truncated: bool,
    pub(crate) authoritative: bool,
    /// The name of the question in the letters of the reply.
    pub(crate) question: String,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    pub(crate) has_opt: bool,
    /// The codes of its extended errors (RFC 8914).
    pub(crate) extended_errors: Vec<u16>,
    /// In octets.
    pub(crate) length: usize,
}

impl Reply {
    fn read(bytes: &[u8]) -> Self {
        let message = Message::from_octets(bytes.to_vec()).expect("a header");
        let header = message.header();
        assert!(header.qr(), "a reply says that it is one");
        let shown = |section: Result<domain::base::message::RecordSection<'_, Vec<u8>>, _>| {
            let section = section.expect("a whole section");
            let records = section.limit_to::<AllRecordData<_, ParsedName<_>>>();
            let records = records.map(|record| record.expect("a well-formed record"));
            let records = records.filter(|record| record.rtype() != Rtype::OPT);
            records.map(|record| record.to_string()).collect::<Vec<_>>()
        };
        let question = message.question().next();
        Self {
            id: header.id(),
            rcode: message.opt_rcode().to_int(),
            truncated: header.tc(),
            authoritative: header.aa(),
            question: question
                .map(|it| it.expect("a question").qname().to_string())
                .unwrap_or_default(),
            answer: shown(message.answer()),
            authority: shown(message.authority()),
            additional: shown(message.additional()),
            has_opt: message.opt().is_some(),
            extended_errors: extended_errors(&message),
            length: bytes.len(),
        }
    }
}

fn extended_errors(message: &Message<Vec<u8>>) -> Vec<u16> {
    let Some(opt) = message.opt() else {
        return Vec::new();
    };
    let options = opt.opt().iter::<ExtendedError<_>>();
    let errors = options.map(|error| error.expect("a well-formed option"));
    errors.map(|error| error.code().to_int()).collect()
}
