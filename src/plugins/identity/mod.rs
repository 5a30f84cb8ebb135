//! `identity` and its preset `idetcd`: the names of nodes.
//!
//! Each directive is a pool. The plugin of a server block answers for all of its pools from
//! memory: [`publish`] keeps a [`Snapshot`] of their names up to date.

mod options;
mod publish;
mod setup;

use std::sync::Arc;

use answer::{Asked, Lookup, Name, Rcode, RecordType, Zone, respond};

use super::{Build, Exchange, Part, Plugin, Step};
use crate::identity::pattern::Pattern;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;

use publish::Published;

pub use setup::{IDENTITY, IDETCD};

/// While the store is away no answer is good for longer than this, in seconds.
const STALE_TTL: u32 = 5;

/// Extended error codes (RFC 8914 §4).
const STALE_ANSWER: u16 = 3;
const NOT_READY: u16 = 14;
const NETWORK_ERROR: u16 = 23;

/// A pool as the Corefile has it.
#[derive(Clone, Debug)]
struct PoolPart {
    store: StoreConfig,
    config: PoolConfig,
    answer: AnswerOptions,
}

/// How a pool is answered for.
#[derive(Clone, Debug)]
struct AnswerOptions {
    /// The TTL of its records, in seconds.
    ttl: u32,
    /// How long it is answered from memory while the store is away.
    stale: std::time::Duration,
    /// Below these zones a name that nobody holds is passed on.
    fallthrough: Vec<Name>,
}

/// The directives of one block, to become one plugin.
struct Parts {
    name: &'static str,
    pools: Vec<PoolPart>,
}

impl Part for Parts {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let mut followed = Vec::new();
        for part in self.pools {
            let pattern = Arc::clone(&part.config.space.pattern);
            let handle = build.pools.pool(part.store, part.config)?;
            let members = handle.members;
            followed.push(publish::Followed {
                pattern,
                members,
                answer: part.answer,
            });
        }
        let published = publish::publish(followed);
        Ok(Box::new(Identity {
            name: self.name,
            published,
        }))
    }
}

/// The names of all pools of a block at one moment.
#[derive(Debug, Default)]
struct Snapshot {
    pools: Vec<PoolNames>,
    /// The names behind addresses, of all pools together.
    reverse: Option<Zone>,
}

/// The names of one pool at one moment.
#[derive(Debug)]
struct PoolNames {
    pattern: Arc<Pattern>,
    apex: Name,
    zone: Zone,
    trust: Trust,
    fallthrough: Vec<Name>,
}

/// How far the names can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// They are what the store has.
    Current,
    /// The store is away; they are what it had.
    Stale,
    /// The store has been away for too long.
    Expired,
    /// The store has not been heard of yet.
    Unknown,
}

struct Identity {
    name: &'static str,
    published: Published,
}

impl Plugin for Identity {
    fn name(&self) -> &'static str {
        self.name
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let snapshot = self.published.names.load();
        for pool in &snapshot.pools {
            if pool.pattern.owns_wire(exchange.name.as_wire()) {
                return pool.answer(exchange);
            }
        }
        match &snapshot.reverse {
            Some(zone) => point_back(zone, exchange),
            None => Step::Next,
        }
    }

    /// A name of the pool's domain that no pool owns: nobody else answers for that domain here,
    /// so it does not exist.
    fn at_end(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let snapshot = self.published.names.load();
        let mut pools = snapshot.pools.iter();
        match pools.find(|pool| exchange.name.is_at_or_below(&pool.apex)) {
            Some(pool) => pool.respond(exchange),
            None => Step::Next,
        }
    }
}

impl PoolNames {
    /// Answers for a name that the pool owns.
    fn answer(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        match self.trust {
            Trust::Current => {}
            Trust::Stale => {
                exchange.reply.limit_ttl(STALE_TTL);
                exchange
                    .reply
                    .extended_error(STALE_ANSWER, "the store is away");
            }
            Trust::Expired => {
                return fail(exchange, NETWORK_ERROR, "the store is away for too long");
            }
            Trust::Unknown => return fail(exchange, NOT_READY, "the store was not heard of yet"),
        }
        if !self.fallthrough.is_empty()
            && self.lookup(exchange) == Lookup::NoSuchName
            && self
                .fallthrough
                .iter()
                .any(|zone| exchange.name.is_at_or_below(zone))
        {
            return Step::Next;
        }
        self.respond(exchange)
    }

    fn respond(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let lookup = self.lookup(exchange);
        let asked = Asked::by_query(exchange.query, &exchange.name, exchange.rotation);
        respond(&self.zone, lookup, &asked, &mut exchange.reply);
        Step::Answered
    }

    fn lookup(&self, exchange: &Exchange<'_, '_>) -> Lookup<'_> {
        self.zone.lookup(&exchange.name, exchange.query.qtype)
    }
}

/// Answers who has an address, where a pool knows it. Other addresses are none of ours.
fn point_back(zone: &Zone, exchange: &mut Exchange<'_, '_>) -> Step {
    // Only names with records: those between them and the apex may have others elsewhere.
    if !matches!(
        zone.lookup(&exchange.name, RecordType::PTR),
        Lookup::Found(_)
    ) {
        return Step::Next;
    }
    let lookup = zone.lookup(&exchange.name, exchange.query.qtype);
    let asked = Asked::by_query(exchange.query, &exchange.name, exchange.rotation);
    respond(zone, lookup, &asked, &mut exchange.reply);
    Step::Answered
}

fn fail(exchange: &mut Exchange<'_, '_>, code: u16, reason: &str) -> Step {
    exchange.reply.set_rcode(Rcode::SERVFAIL);
    exchange.reply.extended_error(code, reason);
    Step::Answered
}
