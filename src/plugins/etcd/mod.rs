//! `etcd`: records as SkyDNS keeps them in etcd, such as those of external-dns.
//!
//! | file | what it does |
//! |---|---|
//! | `setup.rs` | the directive |
//! | `follow.rs` | what etcd tells, to snapshots |
//! | `record.rs` | one value |
//! | `tree.rs` | all records of a moment, shared with those of the moment before |
//! | `path.rs`, `find.rs` | which records a name has |
//! | `answer.rs` | what is written of them |
//! | `outside.rs` | names elsewhere that they point to |
//! | `few.rs` | lists that take no memory as a rule |

mod answer;
mod few;
mod find;
mod follow;
mod outside;
mod path;
mod record;
mod setup;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use ::answer::{Name, Rcode, Section};

use super::trust::Trust;
use super::zones::{Fallthrough, Zones};
use super::{Build, Exchange, Part, Plugin, Resume, Step};
use crate::current::Current;
use crate::metrics::{Family, Scrape};
use crate::store::etcd::EtcdOptions;
use answer::{Answering, Verdict, write_soa};
use follow::{Following, Terms};
use outside::{From, Outside};
use tree::Tree;

pub use setup::ETCD;

const RECORDS: Family = Family::gauge("callsign_etcd_records", "SkyDNS records in memory.");
const SKIPPED: Family = Family::counter(
    "callsign_etcd_skipped_total",
    "Values in etcd that could not be read, each counted once.",
);

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// A directive as it was read.
struct EtcdPart {
    options: EtcdOptions,
    terms: Terms,
    zones: Zones,
    fallthrough: Fallthrough,
}

impl Part for EtcdPart {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let path = self.terms.path.as_bytes().into();
        let (records, following) = follow::follow(self.options, self.terms, build.runtime)?;
        Ok(Box::new(Etcd {
            served: Arc::new(Served {
                path,
                zones: self.zones,
                fallthrough: self.fallthrough,
            }),
            records,
            following: Some(following),
        }))
    }
}

/// All records at one moment.
#[derive(Debug)]
struct Snapshot {
    tree: Tree,
    trust: Trust,
    /// The serial number of the zones: when the records changed last, in seconds since 1970.
    serial: u32,
}

struct Etcd {
    served: Arc<Served>,
    records: Arc<Current<Snapshot>>,
    following: Option<Following>,
}

/// What the directive says about answers.
struct Served {
    path: Box<[u8]>,
    zones: Zones,
    fallthrough: Fallthrough,
}

impl Plugin for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn ready(&self) -> bool {
        self.records.load().trust != Trust::Unknown
    }

    fn metrics(&self, scrape: &mut Scrape) {
        let records = self.records.load().tree.len();
        scrape.gauge(&RECORDS, &[], records as f64);
        let skipped = self.following.as_ref().map(|it| it.skipped.count());
        scrape.counter(&SKIPPED, &[], skipped.unwrap_or_default());
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let Some(zone) = self.served.zones.find(&exchange.name) else {
            return Step::Next;
        };
        let snapshot = self.records.load();
        if !snapshot.trust.may_be_told()
            && let Some(step) = snapshot.trust.apply(exchange)
        {
            return step;
        }
        let mut outside = Outside::default();
        let step = self.served.answer(&snapshot, zone, &mut outside, exchange);
        if !outside.is_waiting() {
            return step;
        }
        let (served, snapshot) = (Arc::clone(&self.served), Arc::clone(&snapshot));
        Step::Defer(Box::pin(async move {
            outside.wait().await;
            let resume: Resume =
                Box::new(move |exchange| match served.zones.find(&exchange.name) {
                    Some(zone) => served.answer(&snapshot, zone, &mut outside, exchange),
                    None => Step::Next,
                });
            resume
        }))
    }
}

impl Served {
    /// Answers, as far as what is elsewhere is known.
    fn answer(
        &self,
        snapshot: &Snapshot,
        zone: &Name,
        outside: &mut Outside,
        exchange: &mut Exchange<'_, '_>,
    ) -> Step {
        exchange.reply.set_authoritative(true);
        let mut answering = Answering {
            tree: &snapshot.tree,
            path: &self.path,
            zone,
            serial: snapshot.serial,
            reply: &mut exchange.reply,
            outside,
            from: From {
                way: exchange.way,
                client: exchange.client,
            },
            look_ups: 0,
        };
        match answering.answer(&exchange.name, exchange.query.qtype) {
            Verdict::Answered => {}
            Verdict::NoData => negative(snapshot, zone, exchange),
            Verdict::Unreadable => {
                exchange.fail(OTHER_ERROR, "a value of this name in etcd cannot be read");
                return Step::Answered;
            }
            Verdict::Missing => {
                if let Some(step) = snapshot.trust.miss(exchange) {
                    return step;
                }
                if self.fallthrough.applies(&exchange.name) {
                    exchange.reply.clear();
                    return Step::Next;
                }
                negative(snapshot, zone, exchange);
                // A zone that is served exists.
                if exchange.name.as_wire() != zone.as_wire() {
                    exchange.reply.set_rcode(Rcode::NXDOMAIN);
                }
            }
        }
        snapshot.trust.apply(exchange);
        Step::Answered
    }
}

/// Writes what every negative answer has (RFC 2308 §3).
fn negative(snapshot: &Snapshot, zone: &Name, exchange: &mut Exchange<'_, '_>) {
    let (name, section) = (&exchange.name, Section::Authority);
    write_soa(&mut exchange.reply, zone, snapshot.serial, name, section);
}
