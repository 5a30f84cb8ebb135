//! `cache`: keeps the replies that came from elsewhere, and answers with them while they hold.
//!
//! An answer from the cache is a look-up and a copy. Nothing else happens on that way: entries
//! that have expired stay where they are until they are replaced or displaced. What has to be
//! asked of others is asked once, however many clients want to know it ([`flights`]), and goes on
//! when those have gone. So an entry that is refreshed ([`refresh`]), an expired one that is
//! looked after ([`stale`]) and a question that was never asked before are all the same thing.
//!
//! Replies that this server has of itself pass by untouched.

mod entry;
mod flights;
mod key;
mod metrics;
mod refresh;
mod replies;
mod setup;
mod stale;
mod statistics;
mod store;

use std::sync::Arc;
use std::time::Instant;

use answer::{Message, Rcode};
use tokio::runtime::Handle;

use self::entry::{Entry, Kind, Moment};
use self::flights::Flights;
use self::key::KeyRef;
use self::replies::Found;
pub use self::setup::CACHE;
use self::setup::Settings;
use self::statistics::{Count, Statistics};
use self::store::{Store, Stores};
use super::{After, Build, Exchange, Origin, Part, Plugin, Step, Wait};
use crate::metrics::Scrape;
use crate::resolver::Answer;

/// Extended error code: a failure that is remembered (RFC 8914 §4.14).
const CACHED_ERROR: u16 = 13;

/// What `cache` asks for, checked.
struct CachePart(Settings);

impl Part for CachePart {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(Box::new(CachePlugin(Arc::new(Cache::new(
            self.0,
            build.runtime.clone(),
        )))))
    }
}

/// The plugin. What it has is also in the hands of those who ask in the background.
struct CachePlugin(Arc<Cache>);

/// A cache.
struct Cache {
    settings: Settings,
    stores: Stores,
    flights: Arc<Flights>,
    statistics: Arc<Statistics>,
    runtime: Handle,
    /// When the cache was made, from which all its times count.
    start: Instant,
}

impl Cache {
    fn new(settings: Settings, runtime: Handle) -> Self {
        Self {
            stores: Stores {
                success: Store::new(settings.success.capacity),
                denial: Store::new(settings.denial.capacity),
            },
            settings,
            flights: Arc::default(),
            statistics: Arc::default(),
            runtime,
            start: Instant::now(),
        }
    }

    fn moment(&self, at: Instant) -> Moment {
        Moment::new(self.start, at)
    }

    /// What a query is found by, if it is one for this cache.
    fn key<'n>(&self, exchange: &'n Exchange<'_, '_>) -> Option<KeyRef<'n>> {
        self.settings.zones.find(&exchange.name)?;
        KeyRef::of(exchange)
    }

    /// Answers with an entry that holds.
    fn hit(self: &Arc<Self>, exchange: &mut Exchange<'_, '_>, entry: &Entry, age: u32) -> Step {
        self.statistics.count(match entry.kind {
            Kind::Success => Count::SuccessHits,
            Kind::Denial | Kind::Failure => Count::DenialHits,
        });
        if let Some(prefetch) = self.settings.prefetch
            && entry.kind != Kind::Failure
        {
            let now = self.moment(exchange.client.received);
            let asked = entry.asked(now, prefetch.pause);
            if asked >= prefetch.amount && entry.ends(age, prefetch.percentage) && !entry.rests(now)
            {
                self.prefetch(exchange);
            }
        }
        let age = if self.settings.keep_ttl { 0 } else { age };
        exchange.tell(&entry.message, age);
        if entry.kind == Kind::Failure {
            exchange.reply.extended_error(CACHED_ERROR, "");
        }
        exchange.origin = Origin::Cached;
        Step::Answered
    }
}

impl Plugin for CachePlugin {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let Self(cache) = self;
        let Some(key) = cache.key(exchange) else {
            return Step::Next;
        };
        match cache.find(key, cache.moment(exchange.client.received)) {
            Found::Fresh(entry, age) => cache.hit(exchange, &entry, age),
            Found::Stale(entry, stale) => cache.stale(exchange, entry, &stale),
            Found::Nothing => {
                cache.statistics.count(Count::Misses);
                Step::Next
            }
        }
    }

    fn metrics(&self, scrape: &mut Scrape) {
        self.scrape(scrape);
    }

    /// What others are asked for is asked once.
    fn before_waiting(&self, exchange: &mut Exchange<'_, '_>, wait: Wait) -> Wait {
        self.0.share(exchange, wait)
    }

    /// Keeps replies for which nobody had to wait, and those of questions that were too many to be
    /// shared.
    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        let Self(cache) = self;
        if exchange.origin != Origin::Elsewhere {
            return After::Done;
        }
        let Some(question) = cache.question(exchange) else {
            return After::Done;
        };
        match exchange.reply.to_message() {
            None => cache.statistics.count(Count::Drops),
            Some(message) => {
                let now = cache.moment(exchange.client.received);
                let answer = Answer {
                    message,
                    origin: Origin::Elsewhere,
                    failure: None,
                    withheld: exchange.reply.is_withheld(),
                };
                let landed = cache.settle(&question, answer, now);
                // Its TTLs are told as whoever asks next will be told them.
                if let flights::Reply::Kept(entry) = &landed.reply {
                    exchange.reply.relay(&entry.message, 0, 0);
                }
            }
        }
        After::Done
    }
}

/// Whether a reply says what is so, be it that there is nothing.
fn is_answer(message: &Message) -> bool {
    matches!(message.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN)
}

#[cfg(test)]
mod tests;
