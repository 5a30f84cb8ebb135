//! `hosts`: names and addresses from a file in the form of `/etc/hosts`, and from the Corefile.
//!
//! | file | what it does |
//! |---|---|
//! | `setup.rs` | the directive |
//! | `table.rs` | lines to a zone |
//! | `follow.rs` | reading the file again when it changes |

mod follow;
mod setup;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use answer::{LookupName, MAX_NAME, Rcode, RecordType, RrsetRef, Zone};

use super::zones::{Fallthrough, Zones};
use super::{Build, Exchange, Part, Plugin, Step};
use crate::current::Current;
use crate::metrics::{Family, Scrape};
use crate::task::Task;
use follow::Source;
use table::Table;

pub use setup::HOSTS;

const ENTRIES: Family = Family::gauge(
    "coredns_hosts_entries",
    "Names in hosts files and in the Corefile.",
);
const READ: Family = Family::gauge(
    "coredns_hosts_reload_timestamp_seconds",
    "When a hosts file was last read, in seconds since 1970.",
);

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// The directive as it was read.
struct HostsPart {
    source: Source,
    zones: Zones,
    fallthrough: Fallthrough,
    fallthrough_unsupported: bool,
}

impl Part for HostsPart {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let (table, follow) = follow::follow(self.source, build.runtime);
        Ok(Box::new(Hosts {
            zones: self.zones,
            fallthrough: self.fallthrough,
            fallthrough_unsupported: self.fallthrough_unsupported,
            table,
            _follow: follow,
        }))
    }
}

struct Hosts {
    zones: Zones,
    fallthrough: Fallthrough,
    /// Whether names that exist are passed on too where another type than an address is asked.
    fallthrough_unsupported: bool,
    table: Arc<Current<Table>>,
    _follow: Option<Task>,
}

/// What the table has for a query.
enum Found<'z> {
    Records(RrsetRef<'z>),
    /// The name is there, with addresses of another kind.
    Name,
    Nothing,
}

impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn metrics(&self, scrape: &mut Scrape) {
        let table = self.table.load();
        let read = table.read.duration_since(UNIX_EPOCH).unwrap_or_default();
        scrape.gauge(&ENTRIES, &[], table.entries as f64);
        scrape.gauge(&READ, &[], read.as_secs_f64());
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let (name, rtype) = (&exchange.name, exchange.query.qtype);
        let table = self.table.load();
        let zone = &table.zone;
        if rtype == RecordType::PTR {
            // The zones are those of the names; addresses come from anywhere.
            return match zone.glue(name, rtype) {
                Some(names) => answer(exchange, names),
                None => Step::Next,
            };
        }
        if self.zones.find(name).is_none() {
            return Step::Next;
        }
        match find(zone, name, rtype) {
            Found::Records(addresses) => answer(exchange, addresses),
            Found::Name if self.is_passed_on(name, rtype) => Step::Next,
            Found::Name => {
                exchange.reply.set_authoritative(true);
                Step::Answered
            }
            Found::Nothing if self.fallthrough.applies(name) => Step::Next,
            // A hosts file is no zone: it cannot say with authority that a name does not exist.
            Found::Nothing => {
                exchange.reply.set_rcode(Rcode::SERVFAIL);
                let reason = "the hosts file does not have this name";
                exchange.reply.extended_error(OTHER_ERROR, reason);
                Step::Answered
            }
        }
    }
}

impl Hosts {
    fn is_passed_on(&self, name: &LookupName, rtype: RecordType) -> bool {
        self.fallthrough_unsupported && !is_address(rtype) && self.fallthrough.applies(name)
    }
}

fn answer(exchange: &mut Exchange<'_, '_>, rrset: RrsetRef<'_>) -> Step {
    exchange.reply.set_authoritative(true);
    // In the order of the file; who wants another one has `loadbalance`.
    exchange.reply.answer(rrset, 0);
    Step::Answered
}

fn is_address(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::A | RecordType::AAAA)
}

/// What the table has for a name: its own lines, or those of the asterisk in place of its first
/// label. Only lines make names: those between a name and the root do not exist here.
fn find<'z>(table: &'z Zone, name: &LookupName, rtype: RecordType) -> Found<'z> {
    let of_name = |name: &LookupName| {
        let v4 = table.glue(name, RecordType::A);
        let v6 = table.glue(name, RecordType::AAAA);
        let wanted = match rtype {
            RecordType::A => v4,
            RecordType::AAAA => v6,
            // One RRset will do (RFC 8482 §4.1).
            RecordType::ANY => v4.or(v6),
            _ => None,
        };
        match wanted {
            Some(addresses) => Found::Records(addresses),
            None if v4.is_some() || v6.is_some() => Found::Name,
            None => Found::Nothing,
        }
    };
    match of_name(name) {
        Found::Nothing => wildcard(name).map_or(Found::Nothing, |name| of_name(&name)),
        found => found,
    }
}

/// The name with an asterisk for its first label.
fn wildcard(name: &LookupName) -> Option<LookupName> {
    if name.label_count() == 0 {
        return None;
    }
    let parent = name.suffix(1);
    let mut wire = [0; MAX_NAME];
    let wire = wire.get_mut(..parent.len() + 2)?;
    let (label, rest) = wire.split_at_mut_checked(2)?;
    label.copy_from_slice(b"\x01*");
    rest.copy_from_slice(parent);
    LookupName::from_wire(wire)
}
