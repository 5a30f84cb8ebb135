//! Asking name servers for the addresses of a name, once.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use answer::{Message, Name, Rcode, RecordType, Request, Section};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::reason;

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest reply that is read, in bytes.
const LONGEST: usize = 1 << 16;

/// What a server says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has these addresses. Of a list that does not fit into a datagram there may be none here.
    Addresses(Vec<IpAddr>),
    /// It has none, or the server does not say. In one line.
    Nothing(String),
}

/// Asks for the addresses of a name: the first of the servers that replies has said it.
///
/// # Errors
///
/// One line: none of them replies.
pub(crate) async fn resolve(name: &Name, servers: &[SocketAddr]) -> Result<Answer, String> {
    let mut trouble = "there is no name server to ask".to_owned();
    for server in servers {
        let both = async {
            tokio::try_join!(
                ask(name, RecordType::A, *server),
                ask(name, RecordType::AAAA, *server)
            )
        };
        match timeout(PATIENCE, both).await {
            Ok(Ok((first, second))) => return Ok(said(*server, &[first, second])),
            Ok(Err(error)) => trouble = format!("{server}: {}", reason::of(&error)),
            Err(_) => trouble = format!("{server} does not answer"),
        }
    }
    Err(trouble)
}

/// What two replies say together.
fn said(server: SocketAddr, replies: &[Message]) -> Answer {
    let mut addresses = Vec::new();
    let mut is_there = false;
    for reply in replies {
        let records = reply.section(Section::Answer);
        addresses.extend(records.filter_map(|record| address(record.rtype, record.raw_data())));
        is_there |= reply.is_truncated() && reply.rcode() == Rcode::NOERROR;
    }
    if is_there || !addresses.is_empty() {
        return Answer::Addresses(addresses);
    }
    let codes = replies.iter().map(Message::rcode);
    let worst = codes.max_by_key(|code| ![Rcode::NOERROR, Rcode::NXDOMAIN].contains(code));
    Answer::Nothing(match worst {
        Some(Rcode::NOERROR) => format!("{server} knows no address of it"),
        Some(Rcode::NXDOMAIN) => format!("{server} does not know it"),
        code => format!("{server} says {}", code.unwrap_or(Rcode::SERVFAIL)),
    })
}

fn address(rtype: RecordType, data: &[u8]) -> Option<IpAddr> {
    match rtype {
        RecordType::A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        RecordType::AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Asks one server; waits until the reply to this very question comes.
async fn ask(name: &Name, rtype: RecordType, server: SocketAddr) -> std::io::Result<Message> {
    let local: IpAddr = match server.ip() {
        IpAddr::V4(_) => [0, 0, 0, 0].into(),
        IpAddr::V6(_) => [0u16; 8].into(),
    };
    // A port of its own for each question, and only this server can send to it.
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    let request = Request {
        id: getrandom::u32().unwrap_or_default() as u16,
        ..Request::new(name.as_wire(), rtype)
    };
    socket.send(&request.to_bytes()).await?;
    let mut bytes = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut bytes).await?;
        if let Ok(reply) = Message::parse(bytes.get(..length).unwrap_or_default())
            && reply.id() == request.id
            && reply.qtype() == rtype
            && reply.qname().eq_ignore_ascii_case(name.as_wire())
        {
            return Ok(reply);
        }
    }
}
