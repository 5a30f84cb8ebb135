//! A plugin that stands for other servers: it waits, and says what a test wants.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use answer::{Class, Message, Owner, Rcode, RecordType, Request, Section};
use tokio::sync::Semaphore;

use crate::plugins::{Build, Exchange, Origin, Part, Plugin, Resume, Step};

/// What other servers say.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// An address with this last octet and this TTL.
    Address(u8, u32),
    /// There is none: SOA with this TTL and this minimum.
    NoData(u32, u32),
    /// There is no such name, the same.
    NoName(u32, u32),
    /// Nothing but a code.
    Code(Rcode),
    /// Nothing but a code, and what is written about it in the log.
    Failure(&'static str),
    /// That there is more than fits.
    Truncated,
    /// An alias with a TTL of 100 s, and its address with one of 50 s.
    Alias,
    /// So many strings of 200 octets.
    Large(usize),
}

/// Says the same until it is told to say something else.
#[derive(Clone)]
pub(super) struct Upstream(Arc<Script>);

struct Script {
    said: Mutex<Said>,
    asked: AtomicUsize,
    /// Has a permit for each question that may be answered.
    gate: Semaphore,
    origin: Mutex<Origin>,
    at_once: AtomicBool,
    authoritative: AtomicBool,
}

/// More permits than any test has questions.
const OPEN: usize = 1_000_000;

impl Upstream {
    pub(super) fn new(said: Said) -> Self {
        Self(Arc::new(Script {
            said: Mutex::new(said),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(OPEN),
            origin: Mutex::new(Origin::Elsewhere),
            at_once: AtomicBool::new(false),
            authoritative: AtomicBool::new(false),
        }))
    }

    pub(super) fn part(&self) -> Box<dyn Part> {
        Box::new(self.clone())
    }

    pub(super) fn says(&self, said: Said) {
        *self.0.said.lock().unwrap() = said;
    }

    /// Answers without waiting, from here on.
    pub(super) fn answers_at_once(&self) {
        self.0.at_once.store(true, Ordering::SeqCst);
    }

    /// The answers are this server's own, from here on.
    pub(super) fn is_own(&self) {
        *self.0.origin.lock().unwrap() = Origin::Own;
    }

    pub(super) fn is_authoritative(&self) {
        self.0.authoritative.store(true, Ordering::SeqCst);
    }

    /// Answers nothing until it is [`open`](Self::open)ed.
    pub(super) fn close(&self) {
        self.0.gate.forget_permits(OPEN * 2);
    }

    pub(super) fn open(&self) {
        self.0.gate.add_permits(OPEN);
    }

    /// How many questions have come.
    pub(super) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Waits until so many questions have come in all.
    pub(super) fn wait_for(&self, asked: usize) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.asked() < asked {
            assert!(Instant::now() < end, "{} questions have come", self.asked());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Part for Upstream {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if self.0.at_once.load(Ordering::SeqCst) {
            self.0.asked.fetch_add(1, Ordering::SeqCst);
            return self.answer(exchange);
        }
        let upstream = self.clone();
        Step::Defer(Box::pin(async move {
            let script = &upstream.0;
            script.asked.fetch_add(1, Ordering::SeqCst);
            script.gate.acquire().await.unwrap().forget();
            let upstream = upstream.clone();
            let resume: Resume = Box::new(move |exchange| upstream.answer(exchange));
            resume
        }))
    }
}

impl Upstream {
    fn answer(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        exchange.origin = *self.0.origin.lock().unwrap();
        let reply = &mut exchange.reply;
        reply.set_recursion_available(true);
        reply.set_authoritative(self.0.authoritative.load(Ordering::SeqCst));
        let mut add = |section, owner, rtype, ttl, data: &[u8]| {
            reply.record(section, owner, (rtype, Class::IN), ttl, data);
        };
        let soa = |minimum: u32| {
            let mut data = b"\x02ns\0\x04host\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04".to_vec();
            data.extend(minimum.to_be_bytes());
            data
        };
        let question = Owner::QUESTION;
        let qtype = exchange.query.qtype;
        let length = if qtype == RecordType::AAAA { 16 } else { 4 };
        match self.0.said.lock().unwrap().clone() {
            Said::Address(octet, ttl) => {
                let address = [192, 0, 2, octet].repeat(length / 4);
                add(Section::Answer, question, qtype, ttl, &address);
            }
            Said::NoData(ttl, minimum) => {
                add(
                    Section::Authority,
                    Owner::Name(b"\0"),
                    RecordType::SOA,
                    ttl,
                    &soa(minimum),
                );
            }
            Said::NoName(ttl, minimum) => {
                add(
                    Section::Authority,
                    Owner::Name(b"\0"),
                    RecordType::SOA,
                    ttl,
                    &soa(minimum),
                );
                reply.set_rcode(Rcode::NXDOMAIN);
            }
            Said::Code(rcode) => reply.set_rcode(rcode),
            Said::Failure(reason) => exchange.fail(23, reason),
            Said::Truncated => {
                let mut bytes = Request::like(exchange.query).to_bytes();
                bytes[2] |= 0x82;
                reply.relay(&Message::parse(&bytes).unwrap(), 0, 0);
            }
            Said::Alias => {
                add(
                    Section::Answer,
                    question,
                    RecordType::CNAME,
                    100,
                    b"\x01x\0",
                );
                add(
                    Section::Answer,
                    Owner::Name(b"\x01x\0"),
                    RecordType::A,
                    50,
                    &[192, 0, 2, 1],
                );
            }
            Said::Large(strings) => {
                let data = [&[199][..], &[b'x'; 199]].concat();
                for _ in 0..strings {
                    add(Section::Answer, question, RecordType::TXT, 60, &data);
                }
            }
        }
        Step::Answered
    }
}
