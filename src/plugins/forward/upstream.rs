//! One upstream: asks it in the way that it can be asked, and keeps an eye on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use answer::{Message, Rcode, Request};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::counts::UpstreamCounts;
use super::failure::Failure;
use super::health::{Check, Health, is_good};
use super::place::{Endpoint, Place};
use super::policy::Standing;
use super::target::Scheme;
use super::waiting::{Letters, Received};

/// How long a check may take.
const CHECK: Duration = Duration::from_secs(1);

/// How long nothing has to come until a query is worth repeating, for an upstream that was never
/// heard of; then within these.
const FIRST_DOUBT: Duration = Duration::from_millis(400);
const LEAST_DOUBT: Duration = Duration::from_millis(200);
const MOST_DOUBT: Duration = Duration::from_millis(600);

/// How many replies with other letters show, where there is no TCP, that an upstream changes them.
const MOST_ODD: u32 = 3;

/// Which way queries go to an upstream that has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// The way that the client's query came.
    #[default]
    AsClient,
    /// UDP first.
    Udp,
    /// TCP.
    Tcp,
}

/// A server that is asked for others.
pub(super) struct Upstream {
    /// Its name in logs.
    pub(super) shown: Box<str>,
    pub(super) scheme: Scheme,
    pub(super) place: Place,
    pub(super) way: Way,
    /// How long a reply may take.
    pub(super) read_timeout: Duration,
    pub(super) check: Check,
    pub(super) health: Health,
    /// It repeats the question in letters of its own.
    pub(super) own_letters: AtomicBool,
    /// How many replies had other letters and could not be looked into over TCP.
    pub(super) odd_letters: AtomicU32,
    /// How long its replies take, in microseconds, smoothed; 0 as long as none has come.
    pub(super) round_trip: AtomicU32,
    pub(super) counts: UpstreamCounts,
}

impl Upstream {
    /// Asks it once. `stream` says that the client's query came over a stream.
    ///
    /// The reply has the letters of `request`.
    pub(super) async fn ask(&self, request: &Request, stream: bool) -> Result<Message, Failure> {
        let endpoint = self.place.endpoint().await?;
        let started = Instant::now();
        let result = self
            .ask_with_or_without_edns(&endpoint, request, stream)
            .await;
        match &result {
            Ok(message) => {
                let took = started.elapsed();
                self.counts.replied(message.rcode(), took);
                self.took(took);
            }
            Err(failure) if failure.is_its_fault() => self.place.failed(&endpoint),
            Err(_) => {}
        }
        result.map(|message| message.with_letters(&request.name))
    }

    /// Some old servers do not answer what has an OPT record (RFC 6891 §7).
    async fn ask_with_or_without_edns(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        stream: bool,
    ) -> Result<Message, Failure> {
        let message = self.ask_at(endpoint, request, stream).await?;
        let lost = matches!(message.rcode(), Rcode::FORMERR | Rcode::NOTIMP);
        if !lost || message.edns().is_some() || request.edns.is_none() {
            return Ok(message);
        }
        let plain = Request {
            edns: None,
            ..request.clone()
        };
        Ok(self
            .ask_at(endpoint, &plain, stream)
            .await
            .unwrap_or(message))
    }

    async fn ask_at(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        stream: bool,
    ) -> Result<Message, Failure> {
        if let Some(https) = &endpoint.https {
            return https.ask(request, self.read_timeout).await;
        }
        let stream = match self.way {
            _ if self.scheme == Scheme::Tls => true,
            Way::AsClient => stream,
            Way::Udp => false,
            Way::Tcp => true,
        };
        match stream {
            true => self.over_stream(endpoint, request).await,
            false => self.over_udp(endpoint, request).await,
        }
    }

    async fn over_stream(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Message, Failure> {
        match endpoint.streams.ask(request, self.read_timeout).await? {
            Received::Whole(message) | Received::OtherLetters(message) => Ok(message),
            Received::Bare(rcode) => Ok(Message::empty(request, rcode)),
            Received::Truncated => Err(Failure::network("it cuts replies over a stream")),
        }
    }

    /// Over UDP, with letters that a forger has to guess; what is cut or odd is asked for again
    /// over TCP.
    async fn over_udp(&self, endpoint: &Endpoint, request: &Request) -> Result<Message, Failure> {
        let sockets = &endpoint.sockets;
        if self.own_letters.load(Ordering::Relaxed) {
            let asked = sockets.ask(request, Letters::Any, self.read_timeout).await;
            return match asked? {
                Received::Whole(message) | Received::OtherLetters(message) => Ok(message),
                Received::Truncated | Received::Bare(_) => {
                    self.over_stream(endpoint, request).await
                }
            };
        }
        let mixed = Request {
            name: mix(&request.name)?,
            ..request.clone()
        };
        let asked = sockets.ask(&mixed, Letters::Exact, self.read_timeout).await;
        match asked? {
            Received::Whole(message) => Ok(message),
            Received::Truncated | Received::Bare(_) => self.over_stream(endpoint, request).await,
            Received::OtherLetters(message) => {
                // Forged, or from a server that has its own way with letters. Over TCP nobody
                // can forge, so that shows which. A server without TCP has to be believed, but
                // not at once: a forger would have to be right as often.
                let again = self.over_stream(endpoint, &mixed).await;
                let own = match &again {
                    Ok(again) => again.qname() != &*mixed.name,
                    Err(_) => self.odd_letters.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_ODD,
                };
                if own && !self.own_letters.swap(true, Ordering::Relaxed) {
                    info!(
                        "upstream {} does not keep the letters of questions; replies over UDP are easier to forge so",
                        self.shown
                    );
                }
                match own {
                    true => again.or(Ok(message)),
                    false => again,
                }
            }
        }
    }

    /// How it stands now.
    pub(super) fn standing(&self) -> Standing {
        if self.health.is_down(&self.check) {
            Standing::Down
        } else if self.health.is_suspected() {
            Standing::Suspected
        } else {
            Standing::Well
        }
    }

    /// How long to wait for it before somebody else is asked as well.
    pub(super) fn doubt(&self) -> Duration {
        match self.round_trip.load(Ordering::Relaxed) {
            0 => FIRST_DOUBT,
            micros => Duration::from_micros(u64::from(micros) * 4).clamp(LEAST_DOUBT, MOST_DOUBT),
        }
    }

    fn took(&self, time: Duration) {
        let time = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        let smoothed = match self.round_trip.load(Ordering::Relaxed) {
            0 => time,
            old => old - old / 8 + time / 8,
        };
        self.round_trip.store(smoothed.max(1), Ordering::Relaxed);
    }

    /// It has answered a client's query.
    pub(super) fn answered(&self, rcode: Rcode) {
        if is_good(rcode) && self.health.answered() {
            info!("upstream {} answers again", self.shown);
        }
    }

    /// A client's query to it has failed or takes long: checks begin.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.health.suspect(&self.check) {
            let upstream = Arc::downgrade(self);
            let interval = self.check.interval;
            tokio::spawn(async move {
                loop {
                    // Nothing is held while this waits, so that it ends with the plugin.
                    match upstream.upgrade() {
                        Some(upstream) if upstream.check_once().await => return,
                        Some(_) => {}
                        None => return,
                    }
                    sleep(interval).await;
                }
            });
        }
    }

    /// Checks it once. Returns whether that was the last time.
    async fn check_once(&self) -> bool {
        if self.health.is_suspected() {
            let request = self.check.request();
            let asked = tokio::time::timeout(CHECK, self.ask(&request, false)).await;
            let problem = match asked.unwrap_or(Err(Failure::Silent)) {
                Ok(message) if is_good(message.rcode()) => {
                    self.answered(message.rcode());
                    None
                }
                Ok(message) => Some(message.rcode().to_string()),
                Err(failure) => Some(failure.to_string()),
            };
            if let Some(problem) = problem {
                self.counts.check_failed();
                if self.health.check_failed(&self.check) {
                    warn!("upstream {} does not answer: {problem}", self.shown);
                }
                return false;
            }
        }
        !self.health.checks_ended()
    }
}

/// The same name with letters in random case (draft-vixie-dnsext-dns0x20).
fn mix(name: &[u8]) -> Result<Box<[u8]>, Failure> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| Failure::network("no random numbers"))?;
    let mut mixed: Box<[u8]> = name.into();
    for (index, byte) in mixed.iter_mut().enumerate() {
        let bits = random.get(index / 8 % random.len()).copied();
        // Length octets are at most 63 and so no letters.
        if byte.is_ascii_alphabetic() && bits.unwrap_or_default() >> (index % 8) & 1 == 1 {
            *byte ^= 0x20;
        }
    }
    Ok(mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, letters are no protection, or names are changed by more than their letters.
    #[test]
    fn letters_are_mixed_and_nothing_else() {
        let name = b"\x1fabcdefghijklmnopqrstuvwxyz-0123\x07example\0";
        let mixes: Vec<_> = (0..20).map(|_| mix(name).unwrap()).collect();
        assert!(mixes.iter().all(|mixed| mixed.eq_ignore_ascii_case(name)));
        assert!(mixes.windows(2).any(|pair| pair[0] != pair[1]));
        assert!(
            mixes
                .iter()
                .any(|mixed| mixed.iter().any(u8::is_ascii_uppercase))
        );
    }
}
