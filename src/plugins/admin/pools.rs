//! Pools and who holds their names, as JSON.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use crate::clock::BootTime;
use crate::freshness::Freshness;
use crate::identity::pools::PoolView;
use crate::identity::record::Port;
use crate::journal;
use crate::store::{Entry, Epoch, Slot, Space};

/// The most members of one answer.
const MOST_MEMBERS: usize = 1000;

/// The most text that strangers have put into the members of one answer, in bytes. A single member
/// has less than the length of a record.
const MOST_TEXT: usize = 1024 * 1024;

/// A pool.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Pool<'a> {
    /// What it is called in paths: its name, and a number where others have the same.
    pub(super) id: String,
    name: &'a str,
    pattern: &'a str,
    limit: Slot,
    claims: bool,
    held: usize,
    own: Option<Own<'a>>,
    full: bool,
    problem: Option<&'a str>,
    notes: &'a [String],
    store: Store<'a>,
}

/// The name that this process holds.
#[derive(Debug, Serialize, PartialEq)]
struct Own<'a> {
    slot: Slot,
    name: &'a str,
    epoch: Option<Epoch>,
    answered: bool,
}

/// Where a pool's claims are kept.
#[derive(Debug, Serialize, PartialEq)]
struct Store<'a> {
    place: &'a str,
    freshness: &'static str,
    away_seconds: Option<u64>,
}

/// Who holds a slot.
#[derive(Debug, Serialize)]
pub(super) struct Member<'a> {
    slot: Slot,
    name: String,
    addresses: Vec<IpAddr>,
    ports: BTreeMap<&'a str, Port>,
    epoch: Epoch,
    /// In seconds, when this is written.
    age: Option<u64>,
    node: Option<&'a str>,
    down: bool,
    /// Whether its holder was evicted, and nobody can have it yet.
    evicted: bool,
    meta: BTreeMap<&'a str, &'a str>,
}

/// Some members of a pool, by slot.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    pool: &'a str,
    stale: bool,
    members: Vec<Member<'a>>,
    /// The slot to go on from; [`None`] where these are all.
    next: Option<Slot>,
}

/// The pools with what they are called in paths.
pub(super) fn named(views: &[PoolView]) -> Vec<(String, &PoolView)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut named = Vec::new();
    for view in views {
        let name = &view.status.pool;
        let number = seen.entry(name).or_default();
        *number += 1;
        named.push(match number {
            1 => (name.clone(), view),
            // No pool's own name has a colon.
            number => (format!("{name}:{number}"), view),
        });
    }
    named
}

impl<'a> Pool<'a> {
    pub(super) fn of(id: String, view: &'a PoolView) -> Self {
        let PoolView {
            status,
            space,
            members,
            ..
        } = view;
        let own = view.slot.zip(status.name.as_deref());
        Self {
            id,
            name: &status.pool,
            pattern: &status.pattern,
            limit: space.limit,
            claims: view.claims,
            held: members.len(),
            own: own.map(|(slot, name)| Own {
                slot,
                name,
                epoch: status.epoch,
                answered: status.answered,
            }),
            full: status.full,
            problem: status.problem.as_deref(),
            notes: &status.notes,
            store: Store {
                place: &status.store,
                freshness: word(members.freshness),
                away_seconds: away(members.freshness),
            },
        }
    }
}

/// The word for it.
pub(super) fn word(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Unknown => "unknown",
        Freshness::Current => "current",
        Freshness::Away { .. } => "away",
    }
}

/// For how many seconds whoever tells us has been away.
pub(super) fn away(freshness: Freshness) -> Option<u64> {
    match freshness {
        Freshness::Away { since } => Some(BootTime::now().since(since).as_secs()),
        Freshness::Unknown | Freshness::Current => None,
    }
}

impl<'a> Member<'a> {
    pub(super) fn of(space: &Space, entry: &'a Entry) -> Self {
        let member = entry.record.member.as_ref();
        let evicted = entry.record.is_quarantine();
        let ports = member.map(|it| &it.ports).into_iter().flatten();
        let meta = member.map(|it| &it.meta).into_iter().flatten();
        Self {
            slot: entry.slot,
            name: space.pattern.text(entry.slot),
            addresses: entry.record.addresses().collect(),
            ports: ports.map(|(name, port)| (name.as_str(), *port)).collect(),
            epoch: entry.epoch,
            age: entry.record.age(journal::seconds()).map(|it| it.as_secs()),
            node: entry.record.node().filter(|_| !evicted),
            evicted,
            down: member.is_some_and(|it| it.down),
            meta: meta
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }

    /// About how much text is in it that others wrote, in bytes.
    pub(super) fn weight(&self) -> usize {
        let meta = self.meta.iter().map(|(key, value)| key.len() + value.len());
        let ports = self.ports.keys().map(|name| name.len() + 16);
        meta.chain(ports).sum::<usize>() + self.addresses.len() * 40 + 100
    }
}

impl<'a> Page<'a> {
    /// The members from this slot on.
    pub(super) fn of(view: &'a PoolView, from: Slot) -> Self {
        let mut page = Self {
            pool: &view.status.pool,
            stale: view.members.freshness != Freshness::Current,
            members: Vec::new(),
            next: None,
        };
        let mut text = 0;
        for entry in view.members.entries().skip_while(|entry| entry.slot < from) {
            if page.members.len() == MOST_MEMBERS || text > MOST_TEXT {
                page.next = Some(entry.slot);
                break;
            }
            let member = Member::of(&view.space, entry);
            text += member.weight();
            page.members.push(member);
        }
        page
    }
}

/// How a store is doing.
#[derive(Debug, Serialize)]
pub(super) struct StoreHealth<'a> {
    place: &'a str,
    freshness: &'static str,
    away_seconds: Option<u64>,
    pools: Vec<&'a str>,
    problems: Vec<&'a str>,
}

impl<'a> StoreHealth<'a> {
    /// The stores of these pools, each once, in the order of the pools.
    pub(super) fn of(named: &'a [(String, &'a PoolView)]) -> Vec<Self> {
        let mut stores: Vec<Self> = Vec::new();
        for (id, view) in named {
            let PoolView {
                status, members, ..
            } = view;
            let known = stores.iter().position(|it| it.place == status.store);
            let store = match known.and_then(|known| stores.get_mut(known)) {
                Some(store) => store,
                None => stores.push_mut(Self {
                    place: &status.store,
                    freshness: word(members.freshness),
                    away_seconds: away(members.freshness),
                    pools: Vec::new(),
                    problems: Vec::new(),
                }),
            };
            // The pool that fares worst tells how the store is.
            if members.freshness != Freshness::Current {
                store.freshness = word(members.freshness);
                store.away_seconds = store.away_seconds.max(away(members.freshness));
            }
            store.pools.push(id);
            store.problems.extend(status.problem.as_deref());
        }
        stores
    }
}

/// What a stream tells of the members of a pool.
#[derive(Debug, Serialize)]
pub(super) struct Changes<'a> {
    pub(super) pool: &'a str,
    /// Whether whatever was told before is void.
    pub(super) whole: bool,
    pub(super) members: Vec<Member<'a>>,
    /// The slots that are free now.
    pub(super) freed: Vec<Slot>,
}
