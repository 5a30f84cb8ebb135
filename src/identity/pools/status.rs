//! How the pools of a process are doing.

use super::{Pools, Running};
use crate::clock::BootTime;
use crate::freshness::Freshness;
use crate::identity::members::Members;
use crate::identity::pool::PoolState;
use crate::metrics::{Family, Scrape, Source};
use crate::store::{Epoch, Store};

/// How a pool is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The pool's name.
    pub pool: String,
    /// Its pattern.
    pub pattern: String,
    /// The store that it lives in.
    pub store: String,
    /// The name that this process holds.
    pub name: Option<String>,
    /// Whether the name is among those that this process answers with: a moment after the claim.
    pub answered: bool,
    /// The fencing token of the claim.
    pub epoch: Option<Epoch>,
    /// Whether all slots are taken by others.
    pub full: bool,
    /// What keeps the pool from being well, in one line.
    pub problem: Option<String>,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

impl Running {
    /// With what the user should know about all pools.
    pub(super) fn status(&self, notes: &[String]) -> PoolStatus {
        let state = self.handle.state.borrow();
        let mut notes: Vec<String> = notes.iter().chain(&self.notes).cloned().collect();
        if state.only_loopback {
            notes.push(
                "only loopback addresses are published: other machines cannot use them".to_owned(),
            );
        }
        if self.config.space.pattern.ends_with_mdns_local() {
            // The same for all such pools, so that it is said once.
            notes.push(
                "most desktops ask for names under .local by mDNS, so their queries do not reach a \
                 DNS server"
                    .to_owned(),
            );
        }
        PoolStatus {
            pool: self.config.pool.clone(),
            pattern: self.key.names.clone(),
            store: self.store.describe(),
            name: state.held.as_ref().map(|(_, name)| name.clone()),
            answered: answers(&state, &self.handle.members.borrow()),
            epoch: state.epoch,
            full: state.full,
            problem: state.problem.clone(),
            notes,
        }
    }
}

const HELD: Family = Family::gauge(
    "callsign_pool_held",
    "Whether this process holds a name of the pool.",
);
const EPOCH: Family = Family::gauge(
    "callsign_pool_epoch",
    "The fencing token of the claim; 0 without one.",
);
const MEMBERS: Family = Family::gauge(
    "callsign_pool_members",
    "Names of the pool that are held, by whomever.",
);
const EVICTED: Family = Family::gauge(
    "callsign_pool_evicted",
    "Names of the pool whose holder was evicted and that nobody can have yet.",
);
const LIMIT: Family = Family::gauge("callsign_pool_limit", "Names that the pool has.");
const HEARD: Family = Family::gauge(
    "callsign_pool_heard",
    "Whether the store of the pool was heard of since the start.",
);
const STALE: Family = Family::gauge(
    "callsign_pool_stale_seconds",
    "How long the store of the pool has been away; 0 while it is there.",
);

impl Source for Pools {
    fn collect(&self, scrape: &mut Scrape) {
        let running = self.lock().running.clone();
        let now = BootTime::now();
        for running in running.iter().filter(|running| running.wanted) {
            let state = running.handle.state.borrow();
            let members = running.handle.members.borrow();
            let labels = [
                ("pool", running.config.pool.as_str()),
                ("pattern", running.key.names.as_str()),
            ];
            let stale = match members.freshness {
                Freshness::Away { since } => now.since(since).as_secs_f64(),
                Freshness::Unknown | Freshness::Current => 0.0,
            };
            let flag = |is: bool| f64::from(u8::from(is));
            scrape.gauge(&HELD, &labels, flag(state.held.is_some()));
            scrape.gauge(&EPOCH, &labels, state.epoch.unwrap_or_default() as f64);
            let evicted = evicted(&members);
            scrape.gauge(&MEMBERS, &labels, (members.len() - evicted) as f64);
            scrape.gauge(&EVICTED, &labels, evicted as f64);
            scrape.gauge(&LIMIT, &labels, running.config.space.limit as f64);
            scrape.gauge(
                &HEARD,
                &labels,
                flag(members.freshness != Freshness::Unknown),
            );
            scrape.gauge(&STALE, &labels, stale);
        }
    }
}

/// How many slots are kept from everybody since their holders were evicted.
fn evicted(members: &Members) -> usize {
    let records = members.entries().map(|it| &it.record);
    records.filter(|record| record.is_quarantine()).count()
}

/// Whether the claim that is held is among the members.
pub(super) fn answers(state: &PoolState, members: &Members) -> bool {
    let own = state.held.as_ref().and_then(|(slot, _)| members.get(*slot));
    own.is_some_and(|own| Some(own.epoch) >= state.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::record::Record;
    use crate::store::{Entry, Feed, Listing, Slot};

    /// If this fails, a pool whose holders were evicted seems to have members that nobody can reach.
    #[test]
    fn who_was_evicted_is_no_member() {
        let entry = |slot: Slot, record| Entry {
            slot,
            epoch: 1,
            session: None,
            record,
        };
        let held = entry(1, Record::default());
        let kept = entry(2, Record::quarantine(2, "i"));
        let mut members = Members::default();
        let listing = Listing {
            entries: vec![held, kept],
            ..Listing::default()
        };
        members.follow(BootTime::now(), &Feed::Listing(listing));
        assert_eq!((members.len(), evicted(&members)), (2, 1));
    }
}
