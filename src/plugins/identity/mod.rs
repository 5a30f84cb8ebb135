//! `identity` and its preset `idetcd`: the names of nodes.
//!
//! Each directive is a pool. The plugin of a server block answers for all of its pools from
//! memory: [`publish`] keeps a [`Snapshot`] of their names up to date.

mod hold;
mod options;
mod publish;
mod setup;
mod size;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use answer::{Asked, Lookup, LookupName, Name, RecordType, Zone, respond};
use tokio::sync::watch;

use super::trust::Trust;
use super::zones::Fallthrough;
use super::{Build, Exchange, Incoming, Part, Plugin, Step};
use crate::identity::pattern::Pattern;
use crate::identity::pool::{PoolConfig, PoolState};
use crate::identity::pools::StoreConfig;
use crate::metrics::Scrape;
use crate::store::Slot;

use hold::Holds;
use publish::Published;

pub use setup::{CREDENTIALS, IDENTITY, IDETCD};

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
    /// How long a query waits for a name that nobody holds; zero for not at all.
    hold: std::time::Duration,
    /// The names that are waited for: those of slots up to this.
    limit: Slot,
    /// Below these zones a name that nobody holds is passed on.
    fallthrough: Fallthrough,
}

/// The directives of one block, to become one plugin.
struct Parts {
    name: &'static str,
    pools: Vec<PoolPart>,
}

impl Part for Parts {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let mut followed = Vec::new();
        let mut labelled = Vec::new();
        for part in self.pools {
            let pattern = Arc::clone(&part.config.space.pattern);
            let name = part.config.pool.clone();
            let handle = build.pools.pool(part.store, part.config)?;
            let members = handle.members;
            labelled.push(Labelled {
                name,
                pattern: Arc::clone(&pattern),
                state: handle.state,
            });
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
            holds: Arc::default(),
            labelled,
        }))
    }
}

/// What there is to tell of a pool under a label.
struct Labelled {
    name: String,
    pattern: Arc<Pattern>,
    state: watch::Receiver<PoolState>,
}

/// The names of all pools of a block at one moment.
#[derive(Debug, Default)]
struct Snapshot {
    pools: Vec<PoolNames>,
}

/// The names of one pool at one moment.
#[derive(Debug)]
struct PoolNames {
    pattern: Arc<Pattern>,
    apex: Name,
    zone: Zone,
    /// The names behind addresses.
    reverse: Zone,
    trust: Trust,
    answer: AnswerOptions,
}

struct Identity {
    name: &'static str,
    published: Published,
    holds: Arc<Holds>,
    labelled: Vec<Labelled>,
}

impl Plugin for Identity {
    fn name(&self) -> &'static str {
        self.name
    }

    fn owns_names(&self) -> bool {
        true
    }

    fn metadata(&self, label: &str, incoming: &Incoming<'_>) -> Option<String> {
        let mut pools = self.labelled.iter();
        let owner = pools.find(|pool| pool.pattern.owns(incoming.name));
        match label {
            "identity/pool" => owner.map(|pool| pool.name.clone()),
            "identity/node" => {
                let pool = owner.or(self.labelled.first())?;
                let state = pool.state.borrow();
                state.held.as_ref().map(|(_, name)| name.clone())
            }
            _ => None,
        }
    }

    /// Once every store has been heard of. One that is away later is answered for from memory.
    fn ready(&self) -> bool {
        let snapshot = self.published.names.load();
        let mut pools = snapshot.pools.iter();
        pools.all(|pool| pool.trust != Trust::Unknown)
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let snapshot = self.published.names.load();
        let Some(pool) = snapshot.owner(&exchange.name) else {
            return snapshot.point_back(exchange);
        };
        if pool.is_held_for(&exchange.name) {
            let (name, limit) = (exchange.name.clone(), pool.answer.hold);
            if let Some(job) = self.holds.hold(&self.published, name, limit) {
                return Step::Defer(job);
            }
        }
        pool.answer(exchange)
    }

    fn metrics(&self, scrape: &mut Scrape) {
        let snapshot = self.published.names.load();
        if snapshot
            .pools
            .iter()
            .any(|pool| !pool.answer.hold.is_zero())
        {
            self.holds.collect(scrape);
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

impl Snapshot {
    /// The pool whose name this is.
    fn owner(&self, name: &LookupName) -> Option<&PoolNames> {
        self.pools.iter().find(|pool| pool.pattern.owns(name))
    }

    /// Answers for a name that was waited for.
    fn answer(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        match self.owner(&exchange.name) {
            Some(pool) => pool.answer(exchange),
            None => Step::Next,
        }
    }

    /// Answers who has an address, where a pool knows it. Other addresses are none of ours.
    ///
    /// Each pool counts by its own trust: names that are too old to be told do not keep back
    /// those of another pool.
    fn point_back(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let Some(trust) = self.trust_behind(&exchange.name) else {
            return Step::Next;
        };
        if let Some(step) = trust.apply(exchange) {
            return step;
        }
        let pools = self.pools.iter().filter(|pool| pool.trust.may_be_told());
        let mut holders = pools.filter(|pool| pool.knows_address(&exchange.name));
        let asked = Asked::by_query(exchange.query, &exchange.name, exchange.rotation);
        if let Some(first) = holders.next() {
            let zone = &first.reverse;
            let lookup = zone.lookup(&exchange.name, asked.rtype);
            respond(zone, lookup, &asked, &mut exchange.reply);
        }
        for other in holders {
            if let Lookup::Found(more) = other.reverse.lookup(&exchange.name, asked.rtype) {
                exchange.reply.answer(more, exchange.rotation);
            }
        }
        Step::Answered
    }

    /// How far the names behind an address can be trusted, of those that may be told, or where
    /// there are none, of all; [`None`] where no pool knows the address.
    fn trust_behind(&self, address: &LookupName) -> Option<Trust> {
        let trusts = || {
            let pools = self.pools.iter().filter(|pool| pool.knows_address(address));
            pools.map(|pool| pool.trust)
        };
        let told = trusts().filter(|trust| trust.may_be_told()).max();
        told.or_else(|| trusts().max())
    }
}

impl PoolNames {
    /// Whether a query for a name is held: it is one of a slot that may be claimed, and nobody has
    /// it now.
    fn is_held_for(&self, name: &LookupName) -> bool {
        if self.answer.hold.is_zero() || self.trust != Trust::Current {
            return false;
        }
        let slot = self.pattern.slot_at_or_above(name);
        slot.is_some_and(|slot| slot <= self.answer.limit)
            && self.zone.lookup(name, RecordType::A) == Lookup::NoSuchName
    }

    /// Answers for a name that the pool owns.
    fn answer(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let missing = self.lookup(exchange) == Lookup::NoSuchName;
        // Somebody may have claimed it since.
        if missing && let Some(step) = self.trust.miss(exchange) {
            return step;
        }
        if let Some(step) = self.trust.apply(exchange) {
            return step;
        }
        if missing && self.answer.fallthrough.applies(&exchange.name) {
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

    /// Whether there are names behind an address. The names between those of addresses and the
    /// apex may have records elsewhere.
    fn knows_address(&self, address: &LookupName) -> bool {
        matches!(
            self.reverse.lookup(address, RecordType::PTR),
            Lookup::Found(_)
        )
    }
}
