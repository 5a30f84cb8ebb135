//! `docker`: the names of containers.
//!
//! The plugin answers from memory: [`publish`] keeps a [`Snapshot`] of the names up to date with
//! what the engine tells.

mod introduction;
mod knowledge;
mod metrics;
mod onlooker;
mod publish;
mod setup;
mod sharing;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use answer::{Asked, Lookup, LookupName, Name, RecordType, Zone, respond};

use super::zones::Fallthrough;
use super::{Build, Exchange, Part, Plugin, Step};
use crate::config::reverse;
use crate::docker::names::{NameOptions, Tally, View};
use crate::docker::share::ShareOptions;
use crate::docker::{Pace, Places};
use crate::identity::address::AddressSelection;
use crate::metrics::Scrape;

use knowledge::Knowledge;
use publish::{DEPARTED, Published};

pub use onlooker::Onlooker;
pub use setup::DOCKER;

/// Where engines make their networks, if nobody says otherwise (RFC 1918, RFC 4193).
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// What the directive says.
#[derive(Clone, Debug)]
struct Options {
    engines: Vec<Places>,
    names: NameOptions,
    answer: AnswerOptions,
    host: Vec<AddressSelection>,
    pace: Pace,
    share: Option<ShareOptions>,
}

/// How is answered.
#[derive(Clone, Debug)]
struct AnswerOptions {
    /// The zones of containers' names.
    zones: Vec<Name>,
    /// Whether single labels are names of ours.
    bare: bool,
    /// Whether a single label that is no name of ours is passed on.
    bare_passed_on: bool,
    /// Who gets to see what differs for containers.
    audience: Audience,
    /// The order of several addresses.
    rotates: bool,
    /// How long is answered from memory while the engine is away.
    stale: Duration,
    fallthrough: Fallthrough,
}

/// Who gets to see only the networks that it shares.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Audience {
    /// Every container of a local engine.
    Clients,
    /// Nobody.
    Nobody,
    /// Containers in these networks.
    Networks(Vec<String>),
}

impl Part for Options {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let answer = self.answer.clone();
        let published = publish::publish(*self, build)?;
        let private = PRIVATE.iter().filter_map(|it| reverse::zones(it).ok());
        Ok(Box::new(Docker {
            answer,
            private: private.flatten().collect(),
            published,
        }))
    }
}

/// The names at one moment.
#[derive(Debug)]
struct Snapshot {
    tally: Tally,
    knowledge: Knowledge,
    all: View,
    /// What clients with these addresses see before that.
    clients: HashMap<IpAddr, View>,
    reverse: Zone,
    subnets: Vec<Zone>,
    /// Names that were ours a moment ago and are nobody's now. Who asks for one of them means the
    /// container that is just being replaced.
    departed: Arc<Departed>,
}

/// Names in wire form, and when they went.
type Departed = HashMap<Box<[u8]>, Instant>;

struct Docker {
    answer: AnswerOptions,
    /// The reverse zones of [`PRIVATE`] networks.
    private: Vec<Name>,
    published: Published,
}

/// What there is for a name, and where.
type Found<'s> = (&'s Zone, Lookup<'s>);

impl Plugin for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn owns_names(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        self.published.snapshot.load().knowledge.is_ready()
    }

    fn containers(&self) -> Option<Onlooker> {
        Some(self.published.onlooker.clone())
    }

    fn metrics(&self, scrape: &mut Scrape) {
        let Published {
            snapshot, engines, ..
        } = &self.published;
        metrics::scrape(engines, &snapshot.load(), scrape);
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let snapshot = self.published.snapshot.load();
        let name = &exchange.name;
        let client = snapshot
            .clients
            .get(&exchange.client.peer.ip().to_canonical());
        let mut zones = self.answer.zones.iter();
        if let Some(number) = zones.position(|zone| name.is_at_or_below(zone)) {
            let found = snapshot.find(client, |view| view.zones().get(number), exchange);
            return self.inside(&snapshot, found, exchange);
        }
        for number in 0..snapshot.all.domains().len() {
            let found = snapshot.find(client, |view| view.domains().get(number), exchange);
            // The rest of the domain is somebody else's: its apex, and what only has names of ours
            // below it.
            let is_ours =
                |zone: &Zone| has_records(zone, &exchange.name) || snapshot.has_departed(exchange);
            if let Some(found) = found.filter(|(zone, lookup)| is_inside(lookup) && is_ours(zone)) {
                return self.inside(&snapshot, Some(found), exchange);
            }
        }
        if self.answer.bare && name.label_count() == 1 {
            return self.single_label(&snapshot, client, exchange);
        }
        self.backwards(&snapshot, exchange)
    }
}

impl Docker {
    /// Answers for a name in a zone of ours.
    fn inside(
        &self,
        snapshot: &Snapshot,
        found: Option<Found<'_>>,
        exchange: &mut Exchange<'_, '_>,
    ) -> Step {
        if let Some(step) = snapshot.knowledge.nobody(exchange) {
            return step;
        }
        let Some((zone, lookup)) = found else {
            return Step::Next;
        };
        let is_missing = match lookup {
            Lookup::NoSuchName => true,
            // Only what lies below it makes it exist; somebody else may have it.
            Lookup::NoData => {
                let name = &exchange.name;
                name.as_wire() != zone.apex().as_wire() && !has_records(zone, name)
            }
            _ => false,
        };
        if is_missing && let Some(step) = snapshot.knowledge.miss(exchange) {
            return step;
        }
        if lookup == Lookup::NoSuchName && self.answer.fallthrough.applies(&exchange.name) {
            exchange.fleeting = true;
            return Step::Next;
        }
        self.write(snapshot, zone, lookup, exchange);
        Step::Answered
    }

    /// Answers for a name outside of our zones that nobody has, before all engines were heard of.
    /// Where there should be another one, nobody can say that the name is not a container's. Most
    /// machines have none, and then others know.
    fn unheard(&self, snapshot: &Snapshot, exchange: &mut Exchange<'_, '_>) -> Step {
        let name = &exchange.name;
        let is_bare = self.answer.bare && name.label_count() == 1 && wants_address(exchange);
        let may_be_ours = is_bare && !self.answer.bare_passed_on
            || self.private.iter().any(|zone| name.is_at_or_below(zone));
        if !(snapshot.knowledge.awaits() && may_be_ours) {
            exchange.fleeting = is_bare;
            return Step::Next;
        }
        snapshot.knowledge.miss(exchange).unwrap_or(Step::Next)
    }

    fn write(
        &self,
        snapshot: &Snapshot,
        zone: &Zone,
        lookup: Lookup<'_>,
        exchange: &mut Exchange<'_, '_>,
    ) {
        let rotation = if self.answer.rotates {
            exchange.rotation
        } else {
            0
        };
        let asked = Asked::by_query(exchange.query, &exchange.name, rotation);
        respond(zone, lookup, &asked, &mut exchange.reply);
        snapshot.knowledge.mark(exchange);
    }

    /// Answers for a name without a zone, where it is one of ours, or was one a moment ago, or
    /// could only be one.
    fn single_label(
        &self,
        snapshot: &Snapshot,
        client: Option<&View>,
        exchange: &mut Exchange<'_, '_>,
    ) -> Step {
        let found = snapshot.find(client, |view| Some(view.bare()), exchange);
        if let Some(found) = found.filter(|(_, lookup)| exists(lookup)) {
            return self.inside(snapshot, Some(found), exchange);
        }
        if snapshot.knowledge.has_gaps() {
            return self.unheard(snapshot, exchange);
        }
        // Top-level domains have a single label too, and no addresses as a rule.
        let passes = self.answer.bare_passed_on && !snapshot.has_departed(exchange);
        if !wants_address(exchange) || passes {
            exchange.fleeting = passes;
            return Step::Next;
        }
        self.inside(snapshot, found, exchange)
    }

    /// Answers who has an address, for addresses of containers and of their networks.
    fn backwards(&self, snapshot: &Snapshot, exchange: &mut Exchange<'_, '_>) -> Step {
        let lookup = snapshot
            .reverse
            .lookup(&exchange.name, exchange.query.qtype);
        let is_ours = matches!(
            snapshot.reverse.lookup(&exchange.name, RecordType::PTR),
            Lookup::Found(_)
        );
        let subnet = snapshot
            .subnets
            .iter()
            .find(|zone| exchange.name.is_at_or_below(zone.apex()));
        match (subnet, is_ours) {
            (Some(zone), false) => {
                let lookup = match zone.lookup(&exchange.name, exchange.query.qtype) {
                    // It has names below it, or is the zone itself.
                    _ if lookup == Lookup::NoData => Lookup::NoData,
                    lookup => lookup,
                };
                self.inside(snapshot, Some((zone, lookup)), exchange)
            }
            (Some(zone), true) if lookup == Lookup::NoData => {
                self.inside(snapshot, Some((zone, lookup)), exchange)
            }
            (_, true) => self.inside(snapshot, Some((&snapshot.reverse, lookup)), exchange),
            (None, false) if snapshot.knowledge.has_gaps() => self.unheard(snapshot, exchange),
            (None, false) => Step::Next,
        }
    }
}

impl Snapshot {
    /// What there is for the name asked for: what the client shares a network with, or else what
    /// everybody sees.
    fn find<'s>(
        &'s self,
        client: Option<&'s View>,
        zone: impl Fn(&'s View) -> Option<&'s Zone>,
        exchange: &Exchange<'_, '_>,
    ) -> Option<Found<'s>> {
        let (name, rtype) = (&exchange.name, exchange.query.qtype);
        if let Some(zone) = client.and_then(&zone) {
            let lookup = zone.lookup(name, rtype);
            // A name with nothing but names below it says nothing here.
            let is_answer = match &lookup {
                Lookup::Found(rrset) => rrset.rtype() != RecordType::SOA,
                Lookup::NoData => has_records(zone, name),
                _ => false,
            };
            if is_answer {
                return Some((zone, lookup));
            }
        }
        let zone = zone(&self.all)?;
        Some((zone, zone.lookup(name, rtype)))
    }

    fn has_departed(&self, exchange: &Exchange<'_, '_>) -> bool {
        let since = self.departed.get(exchange.name.as_wire());
        let now = exchange.client.received;
        since.is_some_and(|since| now.saturating_duration_since(*since) < DEPARTED)
    }
}

fn wants_address(exchange: &Exchange<'_, '_>) -> bool {
    matches!(exchange.query.qtype, RecordType::A | RecordType::AAAA)
}

/// Whether somebody has the name, by a wildcard or itself, and not only names below it.
fn has_records(zone: &Zone, name: &LookupName) -> bool {
    const TYPES: [RecordType; 5] = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::TXT,
        RecordType::SRV,
        RecordType::PTR,
    ];
    let has = |rtype: &RecordType| matches!(zone.lookup(name, *rtype), Lookup::Found(_));
    TYPES.iter().any(has)
}

/// Whether the name lies in the zone.
fn is_inside(lookup: &Lookup<'_>) -> bool {
    *lookup != Lookup::NotHere
}

/// Whether there is such a name.
fn exists(lookup: &Lookup<'_>) -> bool {
    !matches!(lookup, Lookup::NoSuchName | Lookup::NotHere)
}
