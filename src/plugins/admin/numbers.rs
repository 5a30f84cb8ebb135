//! What was counted, as JSON. Rates are for whoever asks twice: `at` says when it was.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Desk;
use crate::counters::Count;
use crate::journal;
use crate::metrics::Scrape;

/// What was counted of queries, from the start of the process on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Queries {
    /// By the words of the log: `requests`, `replies`, `late`, ...
    counts: BTreeMap<&'static str, u64>,
    /// Whether the following are counted in any block: where one has `prometheus`.
    measured: bool,
    by_type: BTreeMap<String, u64>,
    by_rcode: BTreeMap<String, u64>,
}

/// What the caches of all blocks have counted, from the last reload on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Cache {
    /// Whether there is a cache at all.
    present: bool,
    entries: u64,
    requests: u64,
    hits: u64,
    misses: u64,
    shared: u64,
    served_stale: u64,
    prefetches: u64,
    evictions: u64,
}

/// Both at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Numbers {
    /// In milliseconds of Unix time.
    pub(super) at: u64,
    pub(super) queries: Queries,
    pub(super) cache: Cache,
}

impl Numbers {
    pub(super) fn read(desk: &Desk) -> Self {
        let scrape = desk.metrics.collect(&desk.blocks);
        Self {
            at: journal::now(),
            queries: Queries::of(&scrape, desk),
            cache: Cache::of(&scrape),
        }
    }
}

impl Queries {
    fn of(scrape: &Scrape, desk: &Desk) -> Self {
        let counted = |count: &Count| (count.name(), scrape.sum(count.family().name));
        Self {
            counts: Count::ALL.iter().map(counted).collect(),
            measured: desk.blocks.iter().any(|block| block.options.measured),
            by_type: scrape.sums("coredns_dns_requests_total", "type"),
            by_rcode: scrape.sums("coredns_dns_responses_total", "rcode"),
        }
    }
}

impl Cache {
    fn of(scrape: &Scrape) -> Self {
        Self {
            present: scrape.has("coredns_cache_entries"),
            entries: scrape.sum("coredns_cache_entries"),
            requests: scrape.sum("coredns_cache_requests_total"),
            hits: scrape.sum("coredns_cache_hits_total"),
            misses: scrape.sum("coredns_cache_misses_total"),
            shared: scrape.sum("callsign_cache_shared_total"),
            served_stale: scrape.sum("coredns_cache_served_stale_total"),
            prefetches: scrape.sum("coredns_cache_prefetch_total"),
            evictions: scrape.sum("coredns_cache_evictions_total"),
        }
    }
}
