//! The numbers of `docker`.

use std::sync::Arc;

use tokio::sync::watch;

use super::Snapshot;
use crate::docker::activity::{Activity, Count};
use crate::docker::{EngineState, Places};
use crate::freshness::Freshness;
use crate::metrics::{Family, Scrape};

const CONNECTED: Family = Family::gauge(
    "callsign_docker_connected",
    "1 while the engine tells every change.",
);
const CONTAINERS: Family = Family::gauge(
    "callsign_docker_containers",
    "Containers of the engine that run, as far as they are known.",
);
const UNREADABLE: Family = Family::gauge(
    "callsign_docker_unreadable_containers",
    "Containers that run and that the engine could not show.",
);
const LAST_EVENT: Family = Family::gauge(
    "callsign_docker_last_event_timestamp_seconds",
    "When the engine told something last, in Unix time; 0 for never.",
);
const NAMES: Family = Family::gauge("callsign_docker_names", "Names that containers claim.");
const HIDDEN: Family = Family::gauge(
    "callsign_docker_hidden_claims",
    "Claims of containers to names that others have by a better right.",
);
const COUNTED: &[(Count, Family)] = &[
    (
        Count::Events,
        Family::counter(
            "callsign_docker_events_total",
            "What the engine told of containers and networks.",
        ),
    ),
    (
        Count::Inspections,
        Family::counter(
            "callsign_docker_inspections_total",
            "Containers that were looked at.",
        ),
    ),
    (
        Count::Failures,
        Family::counter(
            "callsign_docker_inspection_failures_total",
            "Containers that were looked at and that the engine could not show.",
        ),
    ),
    (
        Count::Resyncs,
        Family::counter(
            "callsign_docker_resyncs_total",
            "Lists of all containers that were compared with what was known.",
        ),
    ),
    (
        Count::Connections,
        Family::counter(
            "callsign_docker_connections_total",
            "How often the engine was reached.",
        ),
    ),
];

/// An engine that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    /// What the label `engine` says as long as nothing was reached.
    pub(super) name: String,
    pub(super) state: watch::Receiver<EngineState>,
    pub(super) activity: Arc<Activity>,
}

impl Followed {
    /// One that is looked for in these places.
    pub(super) fn new(places: &Places, state: watch::Receiver<EngineState>) -> Self {
        let first = places.endpoints.first();
        Self {
            name: first.map(ToString::to_string).unwrap_or_default(),
            state,
            activity: Arc::default(),
        }
    }

    fn scrape(&self, scrape: &mut Scrape) {
        let state = self.state.borrow().clone();
        let reached = state.engine.map(|it| it.endpoint.to_string());
        let labels = [("engine", reached.as_deref().unwrap_or(&self.name))];
        let is_connected = state.freshness == Freshness::Current;
        scrape.gauge(&CONNECTED, &labels, f64::from(u8::from(is_connected)));
        scrape.gauge(&CONTAINERS, &labels, state.containers.len() as f64);
        scrape.gauge(&UNREADABLE, &labels, state.unreadable as f64);
        scrape.gauge(&LAST_EVENT, &labels, self.activity.last_event() as f64);
        for (count, family) in COUNTED {
            scrape.counter(family, &labels, self.activity.total(*count));
        }
    }
}

/// Adds the numbers of these engines, and of the names that are made of them.
pub(super) fn scrape(engines: &[Followed], snapshot: &Snapshot, scrape: &mut Scrape) {
    for engine in engines {
        engine.scrape(scrape);
    }
    scrape.gauge(&NAMES, &[], snapshot.tally.names as f64);
    scrape.gauge(&HIDDEN, &[], snapshot.tally.hidden as f64);
}
