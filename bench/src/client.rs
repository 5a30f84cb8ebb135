//! A client that asks over UDP as fast as it is answered, or at a given rate, and checks replies.
//!
//! It keeps a number of queries under way on each of some sockets. On a processor of its own it
//! does not sleep: it looks at all sockets in turn, and answers each reply with the next query, so
//! that a query costs it about as much as it costs the server.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use udp_batch::{Batch, BatchSocket, Received, Request};

use crate::Result;
use crate::questions::Question;

/// How long a reply may take until it counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// One reply in so many is read whole; of all others only the beginning.
const INSPECTED: u64 = 61;

/// A step between questions that shares no factor with their number: it visits all of them, and
/// no two neighbours in turn.
const STEP: usize = 7919;

/// How many messages about wrong replies are kept.
const SHOWN: usize = 3;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// As it must.
    Names,
    /// With anything under the query's identifier: it is an echo.
    Anything,
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many sockets, each with a port of its own, 1 or more.
    pub sockets: usize,
    /// How many queries are under way on each, 1 to 256.
    pub window: usize,
    /// How many queries are sent in a second; without it as many as are answered.
    pub rate: Option<f64>,
}

/// What became of the queries.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many were answered, rightly or not.
    pub answered: u64,
    /// How many were not answered within a second.
    pub lost: u64,
    /// How many were answered wrongly.
    pub wrong: u64,
    /// How many replies were read whole.
    pub inspected: u64,
    /// What was wrong, of the first few.
    pub complaints: Vec<String>,
    /// The octets of all replies.
    pub octets: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// From a query to its reply, in nanoseconds, ascending.
    pub latencies: Vec<u32>,
}

/// A client with its sockets. Queries stay under way between two runs.
pub struct Client<'q> {
    server: SocketAddr,
    questions: &'q [Question],
    content: Content,
    load: Load,
    sockets: Vec<(BatchSocket, Window)>,
    batch: Batch,
    next: usize,
    /// Where the next query at a given rate is sent.
    turn: usize,
}

/// The queries of one socket that are under way.
struct Window(Vec<Place>);

/// Room for a query: the lower octet of its identifier says which, the upper one counts those that
/// were there before.
#[derive(Clone, Copy, Default)]
struct Place {
    turn: u8,
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy)]
struct Waiting {
    question: usize,
    sent: Instant,
}

impl<'q> Client<'q> {
    /// Opens the sockets.
    ///
    /// # Errors
    ///
    /// The system has none.
    pub fn new(
        server: SocketAddr,
        questions: &'q [Question],
        content: Content,
        load: Load,
    ) -> Result<Self> {
        let mut sockets = Vec::new();
        for _ in 0..load.sockets {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            let same = socket.try_clone()?;
            let socket = BatchSocket::new(socket)?;
            // A batch socket waits for messages; this client has others to look at.
            same.set_nonblocking(true)?;
            sockets.push((
                socket,
                Window(vec![Place::default(); load.window.clamp(1, 256)]),
            ));
        }
        Ok(Self {
            server,
            questions,
            content,
            load,
            sockets,
            batch: Batch::default(),
            next: 0,
            turn: 0,
        })
    }

    /// Asks for so long.
    ///
    /// # Errors
    ///
    /// The system does not let it send or receive.
    pub fn run(&mut self, length: Duration) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let begin = Instant::now();
        let mut tidied = begin;
        let mut sent = 0_u64;
        if self.load.rate.is_none() {
            self.fill(begin)?;
        }
        loop {
            let now = Instant::now();
            if now - begin >= length {
                break;
            }
            if let Some(rate) = self.load.rate {
                let due = ((now - begin).as_secs_f64() * rate) as u64;
                while sent < due {
                    // The time at which it should have been sent: a client that is late must not
                    // make the server look faster.
                    let at = begin + Duration::from_secs_f64((sent + 1) as f64 / rate);
                    self.send_paced(at)?;
                    sent += 1;
                }
            }
            self.receive(&mut outcome)?;
            if now - tidied > LOST / 4 {
                tidied = now;
                self.give_up(now, &mut outcome);
                if self.load.rate.is_none() {
                    self.fill(now)?;
                }
            }
        }
        outcome.elapsed = begin.elapsed();
        outcome.latencies.sort_unstable();
        Ok(outcome)
    }

    /// Receives what is left of the queries under way, for a second at most.
    ///
    /// # Errors
    ///
    /// The system does not let it receive.
    pub fn drain(mut self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let (begin, rate) = (Instant::now(), self.load.rate);
        self.load.rate = Some(rate.unwrap_or_default());
        while begin.elapsed() < LOST
            && self
                .sockets
                .iter()
                .any(|(_, window)| window.0.iter().any(|place| place.waiting.is_some()))
        {
            self.receive(&mut outcome)?;
        }
        self.give_up(Instant::now() + LOST, &mut outcome);
        Ok(outcome)
    }

    /// Sends as many queries as may be under way.
    fn fill(&mut self, now: Instant) -> Result<()> {
        for (socket, window) in &mut self.sockets {
            for place in 0..window.0.len() {
                if window.0[place].waiting.is_none() {
                    let question = following(&mut self.next, self.questions.len());
                    let bytes = window.ask(place, question, now, self.questions);
                    socket.send_one(&bytes, self.server, None, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Sends one query, where there is room for one; its time runs from `at`.
    fn send_paced(&mut self, at: Instant) -> Result<()> {
        let count = self.sockets.len();
        for _ in 0..count {
            self.turn = (self.turn + 1) % count;
            let (socket, window) = &mut self.sockets[self.turn];
            if let Some(place) = window.0.iter().position(|place| place.waiting.is_none()) {
                let question = following(&mut self.next, self.questions.len());
                let bytes = window.ask(place, question, at, self.questions);
                socket.send_one(&bytes, self.server, None, 0)?;
                break;
            }
        }
        Ok(())
    }

    /// Takes the replies that have come and, unless there is a rate, asks again for each.
    fn receive(&mut self, outcome: &mut Outcome) -> Result<()> {
        for (socket, window) in &mut self.sockets {
            match socket.receive(&mut self.batch) {
                Ok(Received::Messages(_)) => {}
                Ok(Received::Closed) => continue,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            let again = self.load.rate.is_none();
            self.batch.for_each(|reply, next| {
                let Some(place) = window.take(&reply, now, self.questions, self.content, outcome)
                else {
                    return 0;
                };
                if !again {
                    return 0;
                }
                let question = following(&mut self.next, self.questions.len());
                let message = &self.questions[question].message;
                let id = window.book(place, question, now);
                next[..message.len()].copy_from_slice(message);
                next[..2].copy_from_slice(&id.to_be_bytes());
                message.len()
            });
            socket.send(&mut self.batch);
        }
        Ok(())
    }

    /// Counts what has not been answered in time as lost.
    fn give_up(&mut self, now: Instant, outcome: &mut Outcome) {
        let late = |waiting: Waiting| now.saturating_duration_since(waiting.sent) >= LOST;
        for place in self
            .sockets
            .iter_mut()
            .flat_map(|(_, window)| &mut window.0)
        {
            if place.waiting.is_some_and(late) {
                place.waiting = None;
                outcome.lost += 1;
            }
        }
    }
}

/// The next of so many questions.
fn following(next: &mut usize, count: usize) -> usize {
    *next = (*next + STEP) % count;
    *next
}

impl Window {
    /// Notes that a question is asked; gives its identifier.
    fn book(&mut self, place: usize, question: usize, sent: Instant) -> u16 {
        let entry = &mut self.0[place];
        entry.turn = entry.turn.wrapping_add(1);
        entry.waiting = Some(Waiting { question, sent });
        u16::from_be_bytes([entry.turn, place as u8])
    }

    /// The message of a question that is asked now.
    fn ask(
        &mut self,
        place: usize,
        question: usize,
        sent: Instant,
        questions: &[Question],
    ) -> Vec<u8> {
        let id = self.book(place, question, sent);
        let mut bytes = questions[question].message.clone();
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        bytes
    }

    /// Takes in a reply, and gives the place of its query; nothing where it is none of ours.
    fn take(
        &mut self,
        reply: &Request<'_>,
        now: Instant,
        questions: &[Question],
        content: Content,
        outcome: &mut Outcome,
    ) -> Option<usize> {
        let [turn, place] = *reply.bytes.first_chunk()?;
        let place = usize::from(place);
        let entry = self.0.get_mut(place).filter(|entry| entry.turn == turn)?;
        let waiting = entry.waiting.take()?;
        outcome.answered += 1;
        outcome.octets += reply.bytes.len() as u64;
        let latency = now.saturating_duration_since(waiting.sent).as_nanos();
        outcome
            .latencies
            .push(latency.try_into().unwrap_or(u32::MAX));
        if content == Content::Names {
            let question = &questions[waiting.question];
            let asked = &question.message[12..question.end];
            let mut verdict = question.expected.glance(asked, reply.bytes);
            if verdict.is_ok() && outcome.answered.is_multiple_of(INSPECTED) {
                outcome.inspected += 1;
                verdict = question.expected.inspect(reply.bytes);
            }
            if let Err(complaint) = verdict {
                outcome.wrong += 1;
                if outcome.complaints.len() < SHOWN {
                    outcome.complaints.push(complaint);
                }
            }
        }
        Some(place)
    }
}
