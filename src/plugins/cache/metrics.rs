//! What a cache counts, under CoreDNS's names.

use super::CachePlugin;
use crate::metrics::{Family, Scrape};

const ENTRIES: Family = Family::gauge("coredns_cache_entries", "Replies that are kept.");
const REQUESTS: Family = Family::counter(
    "coredns_cache_requests_total",
    "Queries that were looked up.",
);
const HITS: Family = Family::counter(
    "coredns_cache_hits_total",
    "Queries that were answered from the cache.",
);
const MISSES: Family = Family::counter(
    "coredns_cache_misses_total",
    "Queries to which nothing in the cache was the answer.",
);
const SHARED: Family = Family::counter(
    "callsign_cache_shared_total",
    "Queries that waited for an answer which another one had asked for.",
);
const PREFETCHES: Family = Family::counter(
    "coredns_cache_prefetch_total",
    "Entries that were to be refreshed before their end.",
);
const SERVED_STALE: Family = Family::counter(
    "coredns_cache_served_stale_total",
    "Queries that were answered with what had expired.",
);
const EVICTIONS: Family = Family::counter(
    "coredns_cache_evictions_total",
    "Entries that had to go for others.",
);
const DROPS: Family = Family::counter(
    "coredns_cache_drops_total",
    "Replies that were not kept since they are malformed or for another question.",
);

impl CachePlugin {
    /// Adds all of it.
    pub(super) fn scrape(&self, scrape: &mut Scrape) {
        let figures = self.0.statistics.read();
        let server = scrape.server();
        let zones = self.0.settings.zones.iter().map(ToString::to_string);
        let zones = zones.collect::<Vec<_>>().join(",");
        let place = [("server", &*server), ("zones", &*zones), ("view", "")];
        let hits = figures.success_hits + figures.denial_hits;
        for (family, value) in [
            (&REQUESTS, hits + figures.misses),
            (&MISSES, figures.misses),
            (&SHARED, figures.shared),
            (&PREFETCHES, figures.prefetches),
            (&SERVED_STALE, figures.served_stale),
            (&DROPS, figures.drops),
        ] {
            scrape.counter(family, &place, value);
        }
        let [server, zones, view] = place;
        for (kind, entries, hits, evictions) in [
            (
                "success",
                figures.success_entries,
                figures.success_hits,
                figures.success_evictions,
            ),
            (
                "denial",
                figures.denial_entries,
                figures.denial_hits,
                figures.denial_evictions,
            ),
        ] {
            let labels = [server, ("type", kind), zones, view];
            scrape.gauge(&ENTRIES, &labels, entries as f64);
            scrape.counter(&HITS, &labels, hits);
            scrape.counter(&EVICTIONS, &labels, evictions);
        }
    }
}
