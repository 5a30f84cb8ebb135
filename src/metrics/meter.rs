//! What is counted of the queries for a zone at an address, under the names that CoreDNS has for
//! it.

use std::sync::Arc;
use std::time::Duration;

use answer::{Query, Rcode, RecordType};

use super::{Counters, Distribution, Family, Scrape};
use crate::plugins::{Client, Transport};

/// The queries for a zone at an address.
#[derive(Debug)]
pub struct Meter {
    pub(super) all: Arc<Counters>,
    /// Codes of the replies that no plugin wrote.
    pub(super) nobody: Arc<Counters>,
    /// Codes of the replies that each plugin wrote.
    pub(super) plugins: Vec<Arc<Counters>>,
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels {
    pub(super) server: String,
    pub(super) zone: String,
    pub(super) view: String,
}

/// A reply that was written.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Its code.
    pub rcode: Rcode,
    /// The place of the plugin that answered, where one did.
    pub answered_by: Option<usize>,
    /// How many octets it has.
    pub length: usize,
}

/// The types that are told apart, those of CoreDNS and the two that browsers ask for; all others
/// are "other".
const TYPES: [(RecordType, &str); 19] = [
    (RecordType::A, "A"),
    (RecordType::AAAA, "AAAA"),
    (RecordType(65), "HTTPS"),
    (RecordType::PTR, "PTR"),
    (RecordType::SRV, "SRV"),
    (RecordType::TXT, "TXT"),
    (RecordType::SOA, "SOA"),
    (RecordType::NS, "NS"),
    (RecordType::MX, "MX"),
    (RecordType::CNAME, "CNAME"),
    (RecordType::DS, "DS"),
    (RecordType(48), "DNSKEY"),
    (RecordType(46), "RRSIG"),
    (RecordType(47), "NSEC"),
    (RecordType(50), "NSEC3"),
    (RecordType(64), "SVCB"),
    (RecordType(251), "IXFR"),
    (RecordType(252), "AXFR"),
    (RecordType(255), "ANY"),
];

/// The codes that are told apart: those below 11, BADVERS, BADCOOKIE; all others are "other".
const KNOWN_RCODES: [u16; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 23];

/// How many numbers the codes of replies take.
pub(super) const RCODES: usize = KNOWN_RCODES.len() + 1;

/// CoreDNS's bounds, in nanoseconds: 250 µs and twice as much each.
const DURATIONS: [u64; 16] = {
    let mut bounds = [250_000; 16];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = 2 * bounds[place - 1];
        place += 1;
    }
    bounds
};

/// CoreDNS's bounds, in octets.
const SIZES: [u64; 14] = [
    0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000,
];

const TRANSPORTS: [&str; 2] = ["udp", "tcp"];
const FAMILIES: [&str; 2] = ["1", "2"];

/// Where the numbers are: requests by type, transport and family, then these.
const DNSSEC_OK: usize = (TYPES.len() + 1) * 4;

const DURATION: Distribution = Distribution {
    first: DNSSEC_OK + 1,
    bounds: &DURATIONS,
    per_unit: 1e9,
};

const REQUEST_SIZES: usize = DURATION.first + Distribution::cells(&DURATIONS);
const RESPONSE_SIZES: usize = REQUEST_SIZES + 2 * Distribution::cells(&SIZES);

/// How many numbers there are besides the codes of replies.
pub(super) const CELLS: usize = RESPONSE_SIZES + 2 * Distribution::cells(&SIZES);

/// The sizes of requests or replies over one transport.
const fn sizes(first: usize, transport: usize) -> Distribution {
    Distribution {
        first: first + transport * Distribution::cells(&SIZES),
        bounds: &SIZES,
        per_unit: 1.0,
    }
}

impl Meter {
    /// Counts a query and what came of it; nothing, where the client is not answered.
    pub fn count(
        &self,
        query: &Query<'_>,
        client: &Client,
        took: Duration,
        served: Option<Reached>,
    ) {
        let rtype = TYPES.iter().position(|(rtype, _)| *rtype == query.qtype);
        let transport = match client.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        };
        let family = usize::from(client.peer.is_ipv6());
        let all = self.all.own();
        all.count(rtype.unwrap_or(TYPES.len()) * 4 + transport * 2 + family);
        if query.edns.is_some_and(|edns| edns.dnssec_ok) {
            all.count(DNSSEC_OK);
        }
        sizes(REQUEST_SIZES, transport).observe(all, query.length() as u64);
        DURATION.observe(all, took.as_nanos().try_into().unwrap_or(u64::MAX));
        if let Some(served) = served {
            sizes(RESPONSE_SIZES, transport).observe(all, served.length as u64);
            let by = served.answered_by.and_then(|by| self.plugins.get(by));
            let rcode = KNOWN_RCODES
                .iter()
                .position(|rcode| *rcode == served.rcode.value());
            by.unwrap_or(&self.nobody)
                .count(rcode.unwrap_or(KNOWN_RCODES.len()));
        }
    }
}

const REQUESTS: Family = Family::counter("coredns_dns_requests_total", "Queries.");
const DO_REQUESTS: Family = Family::counter(
    "coredns_dns_do_requests_total",
    "Queries with the DO bit: the client wants signatures.",
);
const REQUEST_SECONDS: Family = Family::histogram(
    "coredns_dns_request_duration_seconds",
    "From the arrival of a query to its reply.",
);
const REQUEST_BYTES: Family =
    Family::histogram("coredns_dns_request_size_bytes", "Octets of queries.");
const RESPONSE_BYTES: Family =
    Family::histogram("coredns_dns_response_size_bytes", "Octets of replies.");
const RESPONSES: Family = Family::counter(
    "coredns_dns_responses_total",
    "Replies by code and by the plugin that answered.",
);
const PLUGINS: Family = Family::gauge(
    "coredns_plugin_enabled",
    "A constant 1 for each plugin that queries for the zone pass.",
);

/// Tells what was counted under these labels: of all queries, or the codes of one plugin's
/// replies.
pub(super) fn collect(
    labels: &Labels,
    plugin: Option<&str>,
    counters: &Counters,
    scrape: &mut Scrape,
) {
    let place = [
        ("server", labels.server.as_str()),
        ("zone", labels.zone.as_str()),
        ("view", labels.view.as_str()),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let place = place.iter().copied();
        place.chain(more.iter().copied()).collect::<Vec<_>>()
    };
    let Some(plugin) = plugin else {
        let names = TYPES.iter().map(|(_, name)| *name).chain(["other"]);
        for (number, name) in names.enumerate() {
            for (transport, proto) in TRANSPORTS.into_iter().enumerate() {
                for (family, shown) in FAMILIES.into_iter().enumerate() {
                    let total = counters.total(number * 4 + transport * 2 + family);
                    let labels = with(&[("proto", proto), ("family", shown), ("type", name)]);
                    // Series of what nobody asks for would be most of them.
                    if total > 0 {
                        scrape.counter(&REQUESTS, &labels, total);
                    }
                }
            }
        }
        scrape.counter(&DO_REQUESTS, &place, counters.total(DNSSEC_OK));
        scrape.histogram(&REQUEST_SECONDS, &place, counters, &DURATION);
        for (transport, proto) in TRANSPORTS.into_iter().enumerate() {
            let labels = with(&[("proto", proto)]);
            let requests = sizes(REQUEST_SIZES, transport);
            let responses = sizes(RESPONSE_SIZES, transport);
            scrape.histogram(&REQUEST_BYTES, &labels, counters, &requests);
            scrape.histogram(&RESPONSE_BYTES, &labels, counters, &responses);
        }
        return;
    };
    if !plugin.is_empty() {
        let labels: Vec<_> = place.into_iter().chain([("name", plugin)]).collect();
        scrape.gauge(&PLUGINS, &labels, 1.0);
    }
    for number in 0..RCODES {
        let rcode = match KNOWN_RCODES.get(number) {
            Some(rcode) => Rcode::new(*rcode).to_string(),
            None => "other".to_owned(),
        };
        let labels = [("rcode", rcode.as_str()), ("plugin", plugin)];
        let labels: Vec<_> = place.into_iter().chain(labels).collect();
        let total = counters.total(number);
        if total > 0 {
            scrape.counter(&RESPONSES, &labels, total);
        }
    }
}
