//! A client that asks one question after the other, and says when the answer came.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use crate::Result;

/// How long a server may take until it answers as it should.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket for questions to one server on this machine.
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
    /// The identifier of the last question.
    id: u16,
}

/// An answer, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response code in the header (RFC 1035 §4.1.1).
    pub rcode: u8,
    /// The address of the first record, where that is an address of IPv4.
    pub address: Option<Ipv4Addr>,
}

impl Asker {
    /// Of the server at a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// There is no socket to be had.
    pub fn new(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { socket, id: 0 })
    }

    /// Asks for the address of a name, such as `a.docker`; nothing where nobody answers.
    ///
    /// # Errors
    ///
    /// It is no name.
    pub fn ask(&mut self, name: &str) -> Result<Option<Answer>> {
        self.id = self.id.wrapping_add(1);
        let id = self.id.to_be_bytes();
        // RFC 1035 §4.1: header with one question, the name, type A, class IN.
        let mut query = vec![id[0], id[1], 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').chain([""]) {
            query.push(label.len().try_into()?);
            query.extend(label.as_bytes());
        }
        query.extend([0, 1, 0, 1]);
        let mut buffer = [0; 512];
        // Refused while nobody listens yet.
        let _ = self.socket.send(&query);
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let reply = &buffer[..length];
            if length >= query.len() && reply.starts_with(&id) {
                return Ok(Some(Answer::read(reply, query.len())));
            }
        }
        Ok(None)
    }

    /// Asks until the answer is as it should be; gives when it came.
    ///
    /// # Errors
    ///
    /// It is not within a minute.
    pub fn wait(
        &mut self,
        name: &str,
        pause: Duration,
        enough: impl Fn(Answer) -> bool,
    ) -> Result<SystemTime> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let answer = self.ask(name)?;
            let now = SystemTime::now();
            if answer.is_some_and(&enough) {
                return Ok(now);
            }
            std::thread::sleep(pause);
        }
        Err(format!("{name} is not answered as it should be after {PATIENCE:?}").into())
    }
}

impl Answer {
    /// Reads a reply whose question ends at `rest`.
    fn read(reply: &[u8], rest: usize) -> Self {
        let has_answer = reply.get(6..8).is_some_and(|count| count != [0, 0]);
        // A pointer to the name, type A, class IN, four octets of TTL, and four of data.
        let address = match reply.get(rest..rest + 16) {
            Some(&[_, _, 0, 1, 0, 1, _, _, _, _, 0, 4, a, b, c, d]) if has_answer => {
                Some(Ipv4Addr::new(a, b, c, d))
            }
            _ => None,
        };
        Self {
            rcode: reply.get(3).map_or(2, |flags| flags & 0xf),
            address,
        }
    }
}
