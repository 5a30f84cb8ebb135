//! A client over kept-open TCP connections, on each of which many queries are under way
//! (RFC 7766 §6.2.1.1).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Result;
use crate::questions::Question;

/// How many queries are under way on each connection.
const WINDOW: usize = 16;

/// A step between questions that shares no factor with their number.
const STEP: usize = 7919;

/// How long no connection may have anything to say.
const SILENCE: Duration = Duration::from_secs(2);

/// What became of the queries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// How many were answered, rightly or not.
    pub answered: u64,
    /// How many were answered wrongly.
    pub wrong: u64,
}

/// A client with its connections.
pub struct Client<'q> {
    questions: &'q [Question],
    connections: Vec<Connection>,
    next: usize,
}

struct Connection {
    stream: TcpStream,
    /// The question under each identifier, which is a place here.
    asked: [usize; WINDOW],
    /// What has come and is no whole message yet.
    input: Vec<u8>,
    /// What the kernel has not taken yet.
    output: Vec<u8>,
}

impl<'q> Client<'q> {
    /// Connects so many times and asks the first questions.
    ///
    /// # Errors
    ///
    /// The server takes no connections.
    pub fn new(server: SocketAddr, questions: &'q [Question], connections: usize) -> Result<Self> {
        let mut client = Self {
            questions,
            connections: Vec::new(),
            next: 0,
        };
        for _ in 0..connections {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut connection = Connection {
                stream,
                asked: [0; WINDOW],
                input: Vec::new(),
                output: Vec::new(),
            };
            for place in 0..WINDOW {
                connection.ask(place, questions, &mut client.next);
            }
            client.connections.push(connection);
        }
        Ok(client)
    }

    /// Asks for so long, each reply being followed by the next query.
    ///
    /// # Errors
    ///
    /// A connection was closed, or nobody answers any more.
    pub fn run(&mut self, length: Duration) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let begin = Instant::now();
        let mut heard = begin;
        while begin.elapsed() < length {
            let before = outcome.answered;
            for connection in &mut self.connections {
                connection.turn(self.questions, &mut self.next, &mut outcome)?;
            }
            if outcome.answered > before {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                return Err("no answer over TCP".into());
            }
        }
        Ok(outcome)
    }
}

impl Connection {
    fn ask(&mut self, place: usize, questions: &[Question], next: &mut usize) {
        *next = (*next + STEP) % questions.len();
        self.asked[place] = *next;
        let message = &questions[*next].message;
        let length = message.len() as u16;
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(&[0, place as u8]);
        self.output.extend_from_slice(&message[2..]);
    }

    /// Sends what is to be sent, takes what has come, and asks again for each reply.
    fn turn(
        &mut self,
        questions: &[Question],
        next: &mut usize,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut octets = [0; 4096];
        match self.stream.read(&mut octets) {
            Ok(0) => return Err("the server has closed a connection".into()),
            Ok(count) => self.input.extend_from_slice(&octets[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut input = std::mem::take(&mut self.input);
        let mut done = 0;
        while let Some((length, rest)) = input[done..].split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(reply) = rest.get(..length) else {
                break;
            };
            done += 2 + length;
            outcome.answered += 1;
            let place = reply.get(1).map_or(WINDOW, |place| usize::from(*place));
            let Some(&question) = self.asked.get(place) else {
                outcome.wrong += 1;
                continue;
            };
            let question = &questions[question];
            let asked = &question.message[12..question.end];
            if question.expected.glance(asked, reply).is_err() {
                outcome.wrong += 1;
            }
            self.ask(place, questions, next);
        }
        input.drain(..done);
        self.input = input;
        if !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
