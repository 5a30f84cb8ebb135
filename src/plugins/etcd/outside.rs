//! Names that records point to and that lie elsewhere: this server is asked for them.

use std::future::poll_fn;
use std::task::Poll;

use answer::{Message, Name, RecordType, Request};

use crate::plugins::Client;
use crate::plugins::exchange::Way;
use crate::resolver::{Asking, Resolver};

/// How many look-ups may follow from one question.
const MOST: usize = 32;

/// What was asked, and the answers.
#[derive(Default)]
pub(super) struct Outside {
    asked: Vec<LookUp>,
}

/// Who asks, and where in the server.
#[derive(Clone, Copy)]
pub(super) struct From<'q> {
    pub(super) way: Way<'q>,
    pub(super) client: &'q Client,
}

struct LookUp {
    target: Name,
    rtype: RecordType,
    answer: Asking,
}

/// What is known of a name elsewhere.
pub(super) enum Known<'a> {
    Answer(&'a Message),
    /// It takes a while.
    Waiting,
    /// It is one too many.
    Nothing,
}

impl Outside {
    /// What a name elsewhere has.
    pub(super) fn ask(&mut self, from: From<'_>, target: &Name, rtype: RecordType) -> Known<'_> {
        let mut asked = self.asked.iter();
        let known = asked.position(|it| it.rtype == rtype && it.target == *target);
        let number = known.unwrap_or(self.asked.len());
        if known.is_none() && number < MOST {
            let resolver = Resolver::whole(from.way, from.client);
            self.asked.push(LookUp {
                target: target.clone(),
                rtype,
                answer: resolver.ask(&Request::new(target.as_wire(), rtype)),
            });
        }
        match self.asked.get(number).map(|it| &it.answer) {
            Some(Asking::Ready(answer)) => Known::Answer(&answer.message),
            Some(Asking::Waiting(_)) => Known::Waiting,
            None => Known::Nothing,
        }
    }

    /// Whether there are answers to wait for.
    pub(super) fn is_waiting(&self) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|it| matches!(it.answer, Asking::Waiting(_)))
    }

    /// Waits for all of them at once. Each ends by itself.
    pub(super) async fn wait(&mut self) {
        poll_fn(|context| {
            for look_up in &mut self.asked {
                if let Asking::Waiting(waiting) = &mut look_up.answer
                    && let Poll::Ready(answer) = waiting.as_mut().poll(context)
                {
                    look_up.answer = Asking::Ready(answer);
                }
            }
            if self.is_waiting() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}
