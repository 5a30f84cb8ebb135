//! From the bytes of a request to those of its reply: the one function that every listener calls.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use answer::{Class, LookupName, Query, Rcode, Rejected, Reply, reject};

use crate::counters::{Count, Tally};
use crate::plugins::{Chain, Exchange, Job, Progress, Resume, Stage, Transport};
use crate::routes::Routes;

/// The longest that a query may wait in all. Clients have asked again or given up by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for any reply in a datagram, in octets: more than any client is sent.
const LARGEST_DATAGRAM: usize = 4096;

/// The most jobs that one query may wait for, one after the other: a bound on plugins that send
/// each other round in circles.
const MOST_JOBS: usize = 32;

/// Whom a request is from and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Who asked.
    pub peer: SocketAddr,
    /// The address that was asked, where that is known.
    pub local: Option<IpAddr>,
    /// How the request came.
    pub transport: Transport,
}

/// What came of a request.
pub enum Served {
    /// The reply, so many bytes long, is in the buffer.
    Reply(usize),
    /// There is no reply and there will be none.
    Nothing,
    /// The reply comes later.
    Deferred(Box<Deferred>),
}

/// Answers a request into `out`, which holds at least 512 bytes.
///
/// It takes no lock, does not wait, and allocates nothing unless the query has to wait. A panic
/// of a plugin is caught, counted, and becomes SERVFAIL. `rotation` should differ from call to
/// call; see [`Exchange::rotation`].
pub fn serve(
    routes: &Routes,
    client: &Client,
    request: &[u8],
    out: &mut [u8],
    rotation: u32,
    tally: &mut Tally,
) -> Served {
    tally.count(Count::Requests);
    let query = match Query::parse(request) {
        Ok(query) => query,
        Err(Rejected::Ignore) => {
            tally.count(Count::Ignored);
            return Served::Nothing;
        }
        Err(Rejected::Reply(rcode)) => {
            tally.count(Count::Malformed);
            return replied(reject(request, rcode, out), tally);
        }
    };
    let caught = catch_unwind(AssertUnwindSafe(|| {
        route(routes, client, &query, request, out, rotation)
    }));
    match caught {
        Ok(Served::Reply(length)) => replied(Some(length), tally),
        Ok(Served::Deferred(deferred)) => {
            tally.count(Count::Deferred);
            Served::Deferred(deferred)
        }
        Ok(Served::Nothing) => {
            tally.count(Count::Ignored);
            Served::Nothing
        }
        Err(_) => {
            tally.count(Count::Panics);
            replied(
                short_reply(&query, client.transport, Rcode::SERVFAIL, out),
                tally,
            )
        }
    }
}

fn replied(length: Option<usize>, tally: &mut Tally) -> Served {
    match length {
        Some(length) => {
            tally.count(Count::Replies);
            Served::Reply(length)
        }
        None => {
            tally.count(Count::Ignored);
            Served::Nothing
        }
    }
}

fn route(
    routes: &Routes,
    client: &Client,
    query: &Query<'_>,
    request: &[u8],
    out: &mut [u8],
    rotation: u32,
) -> Served {
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return short(query, client, Rcode::BADVERS, out);
    }
    if query.qclass != Class::IN {
        return short(query, client, Rcode::REFUSED, out);
    }
    let Some(name) = LookupName::from_wire(query.qname) else {
        return short(query, client, Rcode::FORMERR, out);
    };
    let Some(chain) = routes.find(&name, query.qtype) else {
        return short(query, client, Rcode::REFUSED, out);
    };
    let Some(mut exchange) = exchange(query, client, name, rotation, out) else {
        return Served::Nothing;
    };
    match chain.run(&mut exchange, Stage::START) {
        Progress::Done => Served::Reply(exchange.reply.finish()),
        Progress::Deferred { job, stage } => Served::Deferred(Box::new(Deferred {
            client: *client,
            request: request.into(),
            name: exchange.name,
            rotation,
            chain: chain.clone(),
            stage,
            job,
        })),
    }
}

fn exchange<'q, 'b>(
    query: &'q Query<'q>,
    client: &Client,
    name: LookupName,
    rotation: u32,
    out: &'b mut [u8],
) -> Option<Exchange<'q, 'b>> {
    let Client {
        peer,
        local,
        transport,
    } = *client;
    let reply = start(query, transport, out)?;
    Some(Exchange {
        query,
        name,
        peer,
        local,
        transport,
        reply,
        rotation,
    })
}

/// Begins a reply with nothing in it.
fn start<'b>(query: &Query<'_>, transport: Transport, out: &'b mut [u8]) -> Option<Reply<'b>> {
    let transport = match transport {
        Transport::Udp => answer::Transport::DATAGRAM,
        Transport::Tcp => answer::Transport::Stream,
    };
    Reply::start(query, transport, out).ok()
}

fn short(query: &Query<'_>, client: &Client, rcode: Rcode, out: &mut [u8]) -> Served {
    short_reply(query, client.transport, rcode, out).map_or(Served::Nothing, Served::Reply)
}

/// Writes a reply that is nothing but a code.
fn short_reply(
    query: &Query<'_>,
    transport: Transport,
    rcode: Rcode,
    out: &mut [u8],
) -> Option<usize> {
    let mut reply = start(query, transport, out)?;
    reply.set_rcode(rcode);
    Some(reply.finish())
}

/// A query that has to wait: all that is needed to go on with it elsewhere.
pub struct Deferred {
    client: Client,
    request: Box<[u8]>,
    name: LookupName,
    rotation: u32,
    chain: Arc<Chain>,
    stage: Stage,
    job: Job,
}

impl Deferred {
    /// Waits and gives the reply, or [`None`] where there is none.
    ///
    /// A query that waits longer than 10 s is told SERVFAIL, and so is one that meets a panic.
    pub async fn finish(self, tally: &mut Tally) -> Option<Vec<u8>> {
        self.finish_within(PATIENCE, tally).await
    }

    async fn finish_within(self, patience: Duration, tally: &mut Tally) -> Option<Vec<u8>> {
        let Self {
            client,
            request,
            mut name,
            rotation,
            chain,
            mut stage,
            mut job,
        } = self;
        let query = Query::parse(&request).ok()?;
        let end = tokio::time::Instant::now() + patience;
        let length = match client.transport {
            Transport::Udp => LARGEST_DATAGRAM,
            Transport::Tcp => usize::from(u16::MAX),
        };
        let failure = 'failed: {
            for _ in 0..MOST_JOBS {
                let resume = match tokio::time::timeout_at(end, caught(job)).await {
                    Ok(Some(resume)) => resume,
                    Ok(None) => break 'failed Count::Panics,
                    Err(_) => break 'failed Count::Late,
                };
                // Not before there is something to write: many may wait.
                let mut out = vec![0; length];
                let went_on = catch_unwind(AssertUnwindSafe(|| {
                    let mut exchange = exchange(&query, &client, name.clone(), rotation, &mut out)?;
                    let step = resume(&mut exchange);
                    Some(match chain.resume(&mut exchange, stage, step) {
                        Progress::Done => Ok(exchange.reply.finish()),
                        Progress::Deferred { job, stage } => Err((job, stage, exchange.name)),
                    })
                }));
                match went_on {
                    Err(_) => break 'failed Count::Panics,
                    Ok(result) => match result? {
                        Err(next) => (job, stage, name) = next,
                        Ok(length) => {
                            tally.count(Count::Replies);
                            out.truncate(length);
                            return Some(out);
                        }
                    },
                }
            }
            Count::Late
        };
        tally.count(failure);
        tally.count(Count::Replies);
        let mut out = vec![0; LARGEST_DATAGRAM];
        let length = short_reply(&query, client.transport, Rcode::SERVFAIL, &mut out)?;
        out.truncate(length);
        Some(out)
    }
}

/// A job whose panic ends it and nothing else.
async fn caught(mut job: Job) -> Option<Resume> {
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(context)))
            .map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

#[cfg(test)]
mod tests;
