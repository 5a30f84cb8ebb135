//! What is counted of an upstream, under CoreDNS's names.

use std::time::Duration;

use answer::Rcode;

use crate::metrics::{Counters, Distribution, Family, Scrape};

const DURATIONS: Family = Family::histogram(
    "coredns_proxy_request_duration_seconds",
    "How long upstreams took to reply.",
);
const CHECKS: Family = Family::counter(
    "coredns_proxy_healthcheck_failures_total",
    "Health checks that failed.",
);
const BROKEN: Family = Family::counter(
    "coredns_forward_healthcheck_broken_total",
    "Queries that came when all upstreams were down.",
);
const REJECTED: Family = Family::counter(
    "coredns_forward_max_concurrent_rejects_total",
    "Queries that were refused since too many waited.",
);

/// CoreDNS's bounds, in microseconds: 250 and twice as much each.
const BOUNDS: [u64; 16] = {
    let mut bounds = [250; 16];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = 2 * bounds[place - 1];
        place += 1;
    }
    bounds
};

/// The codes that are told apart; all others are `other`, so that upstreams cannot make series.
const CODES: [Rcode; 5] = [
    Rcode::NOERROR,
    Rcode::NXDOMAIN,
    Rcode::SERVFAIL,
    Rcode::REFUSED,
    Rcode::FORMERR,
];

/// Where the failed checks are counted: behind the durations for each code.
const FAILED_CHECKS: usize = (CODES.len() + 1) * Distribution::cells(&BOUNDS);

/// The durations of replies with one of the codes.
const fn durations(code: usize) -> Distribution {
    Distribution {
        first: code * Distribution::cells(&BOUNDS),
        bounds: &BOUNDS,
        per_unit: 1e6,
    }
}

/// What is counted of one upstream.
#[derive(Debug)]
pub(super) struct UpstreamCounts(Counters);

impl Default for UpstreamCounts {
    fn default() -> Self {
        Self(Counters::new(FAILED_CHECKS + 1))
    }
}

impl UpstreamCounts {
    /// A reply has come.
    pub(super) fn replied(&self, rcode: Rcode, after: Duration) {
        let code = CODES.iter().position(|code| *code == rcode);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        durations(code.unwrap_or(CODES.len())).observe(self.0.own(), micros);
    }

    /// A check has failed.
    pub(super) fn check_failed(&self) {
        self.0.count(FAILED_CHECKS);
    }

    /// Adds all that was counted; `to` is the upstream's name.
    pub(super) fn collect(&self, to: &str, scrape: &mut Scrape) {
        let proxy = ("proxy_name", "forward");
        for code in 0..=CODES.len() {
            let rcode = CODES.get(code).map(ToString::to_string);
            let rcode = rcode.as_deref().unwrap_or("other");
            let labels = [proxy, ("to", to), ("rcode", rcode)];
            scrape.histogram(&DURATIONS, &labels, &self.0, &durations(code));
        }
        let failed = self.0.total(FAILED_CHECKS);
        scrape.counter(&CHECKS, &[proxy, ("to", to)], failed);
    }
}

/// What is counted of one `forward`.
#[derive(Debug)]
pub(super) struct ForwardCounts(Counters);

impl Default for ForwardCounts {
    fn default() -> Self {
        Self(Counters::new(2))
    }
}

impl ForwardCounts {
    /// All upstreams are down.
    pub(super) fn broken(&self) {
        self.0.count(0);
    }

    /// Too many queries wait.
    pub(super) fn rejected(&self) {
        self.0.count(1);
    }

    /// Adds all that was counted.
    pub(super) fn collect(&self, scrape: &mut Scrape) {
        scrape.counter(&BROKEN, &[], self.0.total(0));
        scrape.counter(&REJECTED, &[], self.0.total(1));
    }
}
