//! Asking this server from inside: for plugins that need the answer to another question.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use answer::{LookupName, Message, Query, Rcode, Reply, Request};

use crate::plugins::exchange::Way;
use crate::plugins::{Chain, Client, Exchange, Origin, Progress, Resume, Stage, Step, Wait};
use crate::routes::Routes;
use crate::serve::deferred::{Deferred, Late, PATIENCE};

/// How many queries of this server to itself may follow from one query of a client.
const MOST_DEPTH: u8 = 8;

/// Room for any reply, in octets.
const LARGEST: usize = u16::MAX as usize;

/// Answers questions with the plugins of this server: the whole of it, or those behind a plugin.
///
/// It owns what it needs, so a job can ask while the client waits, or when it has gone.
#[derive(Clone)]
pub struct Resolver {
    routes: Arc<Routes>,
    /// The plugins to ask, from this number on; [`None`] for those of the question's own zone.
    below: Option<(Arc<Chain>, usize)>,
    client: Client,
    depth: u8,
}

/// An answer from inside.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole reply, whatever the client can take.
    pub message: Message,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it is not what it should be, for the log.
    pub failure: Option<Box<str>>,
    /// Whether the client is to be told nothing at all; the message is SERVFAIL then.
    pub withheld: bool,
}

/// An answer that is there, or one that has to be waited for.
pub enum Asking {
    /// It was in memory.
    Ready(Answer),
    /// It takes a while.
    Waiting(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

impl Asking {
    /// The answer. There always is one: what goes wrong is SERVFAIL.
    pub async fn wait(self) -> Answer {
        match self {
            Self::Ready(answer) => answer,
            Self::Waiting(waiting) => waiting.await,
        }
    }

    /// Goes on with the answer: here where it is there, else when it comes, with an empty reply.
    #[must_use]
    pub fn then(
        self,
        exchange: &mut Exchange<'_, '_>,
        go_on: impl FnOnce(&mut Exchange<'_, '_>, Answer) -> Step + Send + 'static,
    ) -> Step {
        match self {
            Self::Ready(answer) => go_on(exchange, answer),
            Self::Waiting(waiting) => Step::Defer(Box::pin(async move {
                let answer = waiting.await;
                let resume: Resume = Box::new(move |exchange| go_on(exchange, answer));
                resume
            })),
        }
    }
}

impl Resolver {
    pub(crate) fn below(way: Way<'_>, client: &Client) -> Self {
        Self {
            below: Some((way.chain.clone(), way.index + 1)),
            ..Self::whole(way, client)
        }
    }

    pub(crate) fn whole(way: Way<'_>, client: &Client) -> Self {
        Self {
            routes: way.routes.clone(),
            below: None,
            client: *client,
            depth: way.depth.saturating_add(1),
        }
    }

    /// Asks. What is in memory is answered at once; nothing is spawned here.
    ///
    /// A question that follows from too many others is answered SERVFAIL, so that names which
    /// lead in a circle come to an end.
    #[must_use]
    pub fn ask(&self, request: &Request) -> Asking {
        if self.depth > MOST_DEPTH {
            return Asking::Ready(failed(request, "too many look-ups follow from one query"));
        }
        let bytes = request.to_bytes();
        let Ok(query) = Query::parse(&bytes) else {
            return Asking::Ready(failed(request, "the question is malformed"));
        };
        let Some(name) = LookupName::from_wire(query.qname) else {
            return Asking::Ready(failed(request, "the question is malformed"));
        };
        let found = match &self.below {
            Some((chain, base)) => Some((chain, *base)),
            None => self
                .routes
                .find(&name, &query, &self.client)
                .map(|route| (&route.chain, 0)),
        };
        let Some((chain, base)) = found else {
            return Asking::Ready(empty(request, Rcode::REFUSED));
        };
        let mut out = vec![0; LARGEST];
        let Ok(reply) = Reply::start(&query, answer::Transport::Stream, &mut out) else {
            return Asking::Ready(failed(request, "the question is too long"));
        };
        let mut exchange = Exchange {
            query: &query,
            name,
            client: &self.client,
            reply,
            origin: Origin::default(),
            fleeting: false,
            failure: None,
            deadline: None,
            answered_by: None,
            rotation: getrandom::u32().unwrap_or_default(),
            way: Way {
                routes: &self.routes,
                chain,
                index: base,
                base,
                depth: self.depth,
            },
        };
        match chain.run(&mut exchange, Stage::Down(base)) {
            Progress::Done if exchange.reply.is_withheld() => Asking::Ready(withheld(request)),
            Progress::Done => {
                let (origin, failure) = (exchange.origin, exchange.failure.take());
                let length = exchange.reply.finish();
                Asking::Ready(read(request, &out, length, origin, failure))
            }
            Progress::Deferred { job, stage } => {
                let deferred = Deferred::new(&exchange, bytes.as_slice(), job, stage);
                Asking::Waiting(Box::pin(finish(deferred, request.clone())))
            }
        }
    }
}

/// Goes on with what the plugins behind the current one have begun for a query, without it: gives
/// their answer to the same question, for whoever wants to have it.
pub(crate) fn take_over(
    exchange: &Exchange<'_, '_>,
    wait: Wait,
) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    let request = Request::like(exchange.query);
    let bytes = request.to_bytes();
    let deferred = Deferred::new(exchange, &bytes, wait.job, wait.stage);
    let deferred = deferred.inside(exchange.way.index + 1);
    Box::pin(finish(deferred, request))
}

async fn finish(deferred: Deferred, request: Request) -> Answer {
    match deferred.wait(PATIENCE).await {
        Ok(Some(Late {
            reply,
            origin,
            failure,
            ..
        })) => read(&request, &reply, reply.len(), origin, failure),
        Ok(None) => withheld(&request),
        Err(_) => failed(&request, "no answer in time"),
    }
}

fn read(
    request: &Request,
    bytes: &[u8],
    length: usize,
    origin: Origin,
    failure: Option<Box<str>>,
) -> Answer {
    match Message::parse(bytes.get(..length).unwrap_or_default()) {
        Ok(message) => Answer {
            message,
            origin,
            failure,
            withheld: false,
        },
        Err(error) => failed(request, &format!("a reply of our own is bad: {error}")),
    }
}

fn failed(request: &Request, reason: &str) -> Answer {
    Answer {
        failure: Some(reason.into()),
        ..empty(request, Rcode::SERVFAIL)
    }
}

fn withheld(request: &Request) -> Answer {
    Answer {
        withheld: true,
        ..failed(request, "no answer is to be given")
    }
}

fn empty(request: &Request, rcode: Rcode) -> Answer {
    Answer {
        message: Message::empty(request, rcode),
        origin: Origin::Own,
        failure: None,
        withheld: false,
    }
}
