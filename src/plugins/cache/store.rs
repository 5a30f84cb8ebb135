//! Where replies are kept: two tables, so that names which do not exist displace none that do.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter};

use super::entry::{Entry, Kind};
use super::key::{KeyRef, hash_question};

/// How many octets an entry may take before it counts as more than one.
pub(super) const ENTRY_OCTETS: usize = 512;

/// What the tables themselves take for an entry, and the allocator for the parts of it, in octets.
const OVERHEAD: usize = 96;

/// Room that each part of a table has at least, so that the largest reply finds a place.
const LEAST_PART: usize = 512;

/// An entry as what it is found by: the question is in its message.
struct Stored(Arc<Entry>);

impl Hash for Stored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_question(self.0.message.qname(), self.0.question, state);
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        let names = (self.0.message.qname(), other.0.message.qname());
        self.0.question == other.0.question && names.0.eq_ignore_ascii_case(names.1)
    }
}

impl Eq for Stored {}

impl Equivalent<Stored> for KeyRef<'_> {
    fn equivalent(&self, stored: &Stored) -> bool {
        self.is(stored.0.message.qname(), stored.0.question)
    }
}

/// One table: so many entries, or so many times [`ENTRY_OCTETS`] octets, whatever is less.
pub(super) struct Store {
    table: Cache<Stored, Arc<Entry>, Weight, DefaultHashBuilder, Evictions>,
    /// Whether anything was ever put into it. Where all answers are this server's own nothing is,
    /// and a look-up need not even hash the question.
    is_used: AtomicBool,
}

impl Store {
    /// A table with room for this many entries, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(4, usize::from);
        let parts = (capacity / LEAST_PART).clamp(1, 4 * processors);
        // Rounded up, they would be too small.
        let parts = 1 << parts.ilog2();
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(capacity as u64)
            .shards(parts)
            .build()
            .unwrap_or_else(|_| unreachable!("all that has no default is given"));
        Self {
            table: Cache::with_options(options, Weight, DefaultHashBuilder::default(), Evictions),
            is_used: AtomicBool::new(false),
        }
    }

    /// The entry with this key.
    pub(super) fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry>> {
        self.is_used
            .load(Ordering::Relaxed)
            .then(|| self.table.get(&key))
            .flatten()
    }

    /// Keeps an entry. Gives how many had to go for it; itself, if it is too large.
    pub(super) fn insert(&self, entry: Arc<Entry>) -> usize {
        let mut evicted = Evicted::default();
        let key = Stored(entry.clone());
        self.table.insert_with_lifecycle(key, entry, &mut evicted);
        self.is_used.store(true, Ordering::Relaxed);
        evicted.0.len()
    }

    /// Forgets an entry.
    pub(super) fn remove(&self, key: KeyRef<'_>) {
        self.table.remove(&key);
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

/// The tables.
pub(super) struct Stores {
    pub(super) success: Store,
    /// Denials and failures.
    pub(super) denial: Store,
}

impl Stores {
    /// The table for a kind of reply.
    pub(super) fn of(&self, kind: Kind) -> &Store {
        match kind {
            Kind::Success => &self.success,
            Kind::Denial | Kind::Failure => &self.denial,
        }
    }

    /// The other table.
    pub(super) fn other(&self, kind: Kind) -> &Store {
        match kind {
            Kind::Success => &self.denial,
            Kind::Denial | Kind::Failure => &self.success,
        }
    }
}

/// How much room an entry takes.
#[derive(Clone)]
struct Weight;

impl Weighter<Stored, Arc<Entry>> for Weight {
    fn weight(&self, _key: &Stored, entry: &Arc<Entry>) -> u64 {
        let octets = OVERHEAD + entry.memory();
        octets.div_ceil(ENTRY_OCTETS) as u64
    }
}

/// Takes entries that have to go out of the table's lock before they are freed.
#[derive(Clone)]
struct Evictions;

#[derive(Default)]
struct Evicted(Vec<Arc<Entry>>);

impl Lifecycle<Stored, Arc<Entry>> for Evictions {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, _key: Stored, entry: Arc<Entry>) {
        evicted.0.push(entry);
    }
}
