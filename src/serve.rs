//! From the bytes of a request to those of its reply: the one function that every listener calls.

pub mod deferred;
mod given_up;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use answer::{LookupName, Query, Rcode, Rejected, Reply, reject};

use crate::counters::{Count, Tally};
use crate::metrics::Reached;
use crate::plugins::exchange::Way;
use crate::plugins::{Client, Exchange, Origin, Progress, Stage, Transport};
use crate::routes::{Route, Routes};
use deferred::Deferred;

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
    routes: &Arc<Routes>,
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
    routes: &Arc<Routes>,
    client: &Client,
    query: &Query<'_>,
    request: &[u8],
    out: &mut [u8],
    rotation: u32,
) -> Served {
    let nowhere = |rcode: Rcode, out: &mut [u8]| {
        let length = short_reply(query, client.transport, rcode, out);
        if let Some(meter) = routes.unrouted() {
            let reached = |length| Reached {
                rcode,
                answered_by: None,
                length,
            };
            let took = client.received.elapsed();
            meter.count(query, client, took, length.map(reached));
        }
        length.map_or(Served::Nothing, Served::Reply)
    };
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return nowhere(Rcode::BADVERS, out);
    }
    let Some(name) = LookupName::from_wire(query.qname) else {
        return nowhere(Rcode::FORMERR, out);
    };
    let Some(Route { chain, meter }) = routes.find(&name, query, client) else {
        return nowhere(Rcode::REFUSED, out);
    };
    let Ok(reply) = Reply::start(query, limits(client.transport), out) else {
        return Served::Nothing;
    };
    let mut exchange = Exchange {
        query,
        name,
        client,
        reply,
        origin: Origin::default(),
        fleeting: false,
        failure: None,
        deadline: None,
        answered_by: None,
        rotation,
        way: Way {
            routes,
            chain,
            index: 0,
            base: 0,
            depth: 0,
        },
    };
    let served = match chain.run(&mut exchange, Stage::START) {
        Progress::Done if exchange.reply.is_withheld() => None,
        Progress::Done => Some(Reached {
            rcode: exchange.reply.rcode(),
            answered_by: exchange.answered_by,
            length: exchange.reply.finish(),
        }),
        Progress::Deferred { job, stage } => {
            let deferred = Deferred::new(&exchange, request, job, stage);
            return Served::Deferred(Box::new(deferred.metered(meter.clone())));
        }
    };
    if let Some(meter) = meter {
        meter.count(query, client, client.received.elapsed(), served);
    }
    served.map_or(Served::Nothing, |served| Served::Reply(served.length))
}

/// How large replies can be that travel this way.
fn limits(transport: Transport) -> answer::Transport {
    match transport {
        Transport::Udp => answer::Transport::DATAGRAM,
        Transport::Tcp => answer::Transport::Stream,
    }
}

/// Writes a reply that is nothing but a code.
fn short_reply(
    query: &Query<'_>,
    transport: Transport,
    rcode: Rcode,
    out: &mut [u8],
) -> Option<usize> {
    let mut reply = Reply::start(query, limits(transport), out).ok()?;
    reply.set_rcode(rcode);
    Some(reply.finish())
}

#[cfg(test)]
mod tests;
