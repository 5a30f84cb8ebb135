//! `forward`: asks other servers and passes their replies on.
//!
//! A query whose name is for a `forward` becomes a query of our own ([`outgoing`]), is sent to one
//! upstream or to several ([`ask`]) over UDP ([`udp`]), TCP or TLS ([`stream`]) or HTTPS ([`https`]),
//! and the reply, once it is known to be one ([`waiting`]), is copied behind the client's question.

mod ask;
mod counts;
mod failure;
mod health;
mod https;
mod options;
mod ourselves;
mod outgoing;
mod place;
mod policy;
mod setup;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod upstream;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use answer::{LookupName, Message, Name, Rcode, Section};

use super::{Classes, Definition, Exchange, Origin, Plugin, Resume, Step, Transport};
use crate::metrics::Scrape;
use ask::Upstreams;

/// See the module.
pub const FORWARD: Definition = Definition {
    name: "forward",
    syntax: SYNTAX,
    setup: setup::setup,
};

const SYNTAX: &str = "\
forward FROM TO... {
    except NAMES...
    force_tcp
    prefer_udp
    expire DURATION
    max_age DURATION
    max_idle_conns N
    read_timeout DURATION
    max_fails N
    max_connect_attempts N
    max_concurrent N
    policy random|round_robin|sequential
    health_check DURATION [no_rec] [domain FQDN]
    failfast_all_unhealthy_upstreams
    failover RCODE...
    next RCODE...
    next_on_nodata
    tls [CERT KEY] [CA]
    tls_servername NAME
    doh_method GET|POST
    source_address IP
    resolver IP[:PORT]...
}";

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// The name servers of a file in the format of resolv.conf(5), in its order, but for addresses at
/// which a server on `port` of `addresses`, or of all addresses where there are none, would be asked
/// itself.
pub(crate) fn other_servers(
    resolv_conf: &str,
    port: u16,
    addresses: &[SocketAddr],
) -> Vec<SocketAddr> {
    let is_ours = |server: &SocketAddr| {
        let ip = server.ip().to_canonical();
        server.port() == port
            && match addresses.is_empty() {
                true => ourselves::is_here(ip),
                false => addresses.iter().any(|address| address.ip() == ip),
            }
    };
    let servers = target::name_servers(resolv_conf);
    servers.filter(|server| !is_ours(server)).collect()
}

/// A name server that somebody names: an address with or without a port.
pub(crate) fn name_server(text: &str) -> Option<SocketAddr> {
    target::address(text, 53)
}

/// All name servers of a file in the format of resolv.conf(5), in its order.
pub(crate) fn all_servers(resolv_conf: &str) -> Vec<SocketAddr> {
    target::name_servers(resolv_conf).collect()
}

/// One `forward` of a block.
struct Forward {
    scope: Scope,
    upstreams: Arc<Upstreams>,
    /// How many queries wait.
    waiting: Arc<AtomicUsize>,
    /// The most that may; zero for no limit of its own.
    max_concurrent: usize,
    passing: Arc<Passing>,
}

/// Which names a `forward` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    from: Vec<Name>,
    except: Vec<Name>,
}

impl Scope {
    fn has(&self, name: &LookupName) -> bool {
        let below = |zones: &[Name]| zones.iter().any(|zone| name.is_at_or_below(zone));
        below(&self.from) && !below(&self.except)
    }
}

/// Which replies are not passed on, for the next `forward` of the block to ask others.
#[derive(Debug)]
struct Passing {
    codes: Vec<Rcode>,
    no_data: bool,
    /// What the `forward`s behind this one are for.
    later: Vec<Scope>,
}

impl Passing {
    fn applies(&self, message: &Message, name: &LookupName) -> bool {
        let empty = || message.section(Section::Answer).next().is_none();
        let no_data = self.no_data && message.rcode() == Rcode::NOERROR && empty();
        (no_data || self.codes.contains(&message.rcode()))
            && self.later.iter().any(|scope| scope.has(name))
    }
}

/// A query that waits; it is counted until this is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Plugin for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn classes(&self) -> Classes {
        Classes::Answered
    }

    fn metrics(&self, scrape: &mut Scrape) {
        self.upstreams.counts.collect(scrape);
        for upstream in &self.upstreams.all {
            upstream.counts.collect(&upstream.shown, scrape);
        }
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if !self.scope.has(&exchange.name) {
            return Step::Next;
        }
        let counted = match self.max_concurrent {
            0 => None,
            most => {
                let counted = Counted(self.waiting.clone());
                if self.waiting.fetch_add(1, Ordering::Relaxed) >= most {
                    self.upstreams.counts.rejected();
                    exchange.reply.clear();
                    exchange.reply.set_rcode(Rcode::REFUSED);
                    let reason = "too many queries are being forwarded";
                    exchange.reply.extended_error(OTHER_ERROR, reason);
                    exchange.failure = Some(reason.into());
                    return Step::Answered;
                }
                Some(counted)
            }
        };
        let request = outgoing::request(exchange.query);
        let stream = exchange.client.transport == Transport::Tcp;
        let seed = exchange.rotation;
        let upstreams = self.upstreams.clone();
        let passing = self.passing.clone();
        Step::Defer(Box::pin(async move {
            let asked = upstreams.ask(&request, stream, seed).await;
            drop(counted);
            let resume: Resume = Box::new(move |exchange| match asked {
                Ok(message) if passing.applies(&message, &exchange.name) => Step::Next,
                Ok(message) => {
                    exchange.reply.relay(&message, 0, 0);
                    outgoing::pass_options(&message, exchange);
                    exchange.origin = Origin::Elsewhere;
                    Step::Answered
                }
                Err((info_code, reason)) => {
                    exchange.fail(info_code, reason);
                    Step::Answered
                }
            });
            resume
        }))
    }
}
