//! Asking others: once for all who want to know, and also when nobody waits.

use std::sync::Arc;
use std::time::Instant;

use answer::Request;

use super::Cache;
use super::flights::{Arrival, Boarding, Landed, Ticket};
use super::replies::Question;
use super::statistics::Count;
use crate::plugins::{Exchange, Origin, Resume, Stage, Step, Wait};
use crate::resolver::{Answer, Asking, take_over};

/// The most questions that may be under way for one cache; beyond that each client waits for its
/// own.
const MOST_FLIGHTS: usize = 10_000;

/// With so many questions under way, none is asked that nobody waits for.
const MOST_BACKGROUND: usize = 1000;

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

impl Cache {
    /// A plugin behind this one has to wait: what it has begun goes on for all who ask the same.
    pub(super) fn share(self: &Arc<Self>, exchange: &mut Exchange<'_, '_>, wait: Wait) -> Wait {
        let Some(question) = self.question(exchange) else {
            return wait;
        };
        let arrival = match self.board(&question, MOST_FLIGHTS) {
            Boarding::Full => return wait,
            Boarding::Wait(arrival) => {
                self.statistics.count(Count::Shared);
                arrival
            }
            Boarding::Ask(ticket, arrival) => {
                let answer = take_over(exchange, wait);
                self.fly(question, ticket, exchange.client.received, answer);
                arrival
            }
        };
        Wait {
            job: Box::pin(async move {
                let landed = arrival.wait().await;
                let resume: Resume = Box::new(move |exchange| arrived(exchange, landed.as_deref()));
                resume
            }),
            stage: Stage::Down(exchange.way.index),
        }
    }

    /// Asks for what the cache has, since its time is nearly over.
    pub(super) fn prefetch(self: &Arc<Self>, exchange: &Exchange<'_, '_>) {
        if let Some(Asked::Now(_)) = self.ask(exchange, MOST_BACKGROUND) {
            self.statistics.count(Count::Prefetches);
        }
    }

    /// Asks for what has expired, behind the reply.
    pub(super) fn refresh_behind(self: &Arc<Self>, exchange: &Exchange<'_, '_>) {
        let _ = self.ask(exchange, MOST_BACKGROUND);
    }

    /// Asks for what has expired, for a client that waits; [`None`] if too much is under way.
    pub(super) fn refresh(self: &Arc<Self>, exchange: &Exchange<'_, '_>) -> Option<Arrival> {
        match self.ask(exchange, MOST_FLIGHTS)? {
            Asked::Now(arrival) => Some(arrival),
            Asked::Before(arrival) => {
                self.statistics.count(Count::Shared);
                Some(arrival)
            }
        }
    }

    /// Asks the plugins behind this one, unless somebody has or too much is under way.
    fn ask(self: &Arc<Self>, exchange: &Exchange<'_, '_>, most: usize) -> Option<Asked> {
        let question = self.question(exchange)?;
        let (ticket, arrival) = match self.board(&question, most) {
            Boarding::Full => return None,
            Boarding::Wait(arrival) => return Some(Asked::Before(arrival)),
            Boarding::Ask(ticket, arrival) => (ticket, arrival),
        };
        let request = Request {
            // For others who may want to know.
            authentic_data: true,
            ..Request::like(exchange.query)
        };
        let received = exchange.client.received;
        match exchange.below().ask(&request) {
            Asking::Waiting(answer) => self.fly(question, ticket, received, answer),
            Asking::Ready(answer) => self.land(&question, ticket, received, answer),
        }
        Some(Asked::Now(arrival))
    }

    fn board(&self, question: &Question, most: usize) -> Boarding {
        let key = (question.key.clone(), question.in_datagram);
        self.flights.join(key, most)
    }

    /// Waits for an answer in the background. It always comes: who is asked gives up in time. Its
    /// records count from when it was asked for, for they may be as old as that.
    fn fly(
        self: &Arc<Self>,
        question: Question,
        ticket: Ticket,
        received: Instant,
        answer: impl Future<Output = Answer> + Send + 'static,
    ) {
        let cache = self.clone();
        self.runtime.spawn(async move {
            let answer = answer.await;
            cache.land(&question, ticket, received, answer);
        });
    }

    fn land(&self, question: &Question, ticket: Ticket, received: Instant, answer: Answer) {
        ticket.land(self.settle(question, answer, self.moment(received)));
    }
}

/// Where to wait for what came of a question.
enum Asked {
    /// It is asked now.
    Now(Arrival),
    /// Somebody else has asked it.
    Before(Arrival),
}

/// Answers with what came of a question that was under way.
pub(super) fn arrived(exchange: &mut Exchange<'_, '_>, landed: Option<&Landed>) -> Step {
    let Some(landed) = landed else {
        exchange.fail(OTHER_ERROR, "whoever asked for the answer broke off");
        return Step::Answered;
    };
    exchange.tell(landed.reply.message(), 0);
    if landed.withheld {
        exchange.reply.withhold();
    }
    // What came from elsewhere has been kept, if it is to be.
    exchange.origin = match landed.origin {
        Origin::Own => Origin::Own,
        Origin::Elsewhere | Origin::Cached => Origin::Cached,
    };
    exchange.failure = crate::mutex::locked(&landed.failure).take();
    Step::Answered
}
