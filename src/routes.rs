//! Where a query goes: from the name asked to the server block that serves its zone.

use std::sync::Arc;

use answer::{Class, LookupName, Name, Query, RecordType};

use crate::by_zone::ByZone;
use crate::metrics::Meter;
use crate::plugins::{Chain, Client, Incoming, Timeouts};

/// The zones that are served at one address. Never changed: a reload puts another in its place.
#[derive(Debug, Default)]
pub struct Routes {
    /// One route, or several of which each but the last is for some queries only.
    zones: ByZone<Vec<Route>>,
    /// Counts the queries that are for no zone.
    unrouted: Option<Arc<Meter>>,
    /// What connections may take.
    pub timeouts: Timeouts,
}

/// Where the queries for a zone go.
#[derive(Debug)]
pub struct Route {
    /// The plugins of its server block.
    pub chain: Arc<Chain>,
    /// Counts them.
    pub meter: Option<Arc<Meter>>,
}

impl Routes {
    /// Routes with these zones. Of equal ones the first counts whose view a query is for.
    pub fn new(zones: impl IntoIterator<Item = (Name, Arc<Chain>)>) -> Self {
        let mut routes = Self::default();
        for (zone, chain) in zones {
            routes.add(&zone, chain);
        }
        routes
    }

    /// Has the queries for a zone go to these plugins.
    pub(crate) fn add(&mut self, zone: &Name, chain: Arc<Chain>) {
        self.zones.entry(zone).push(Route { chain, meter: None });
    }

    /// Has the queries for a zone be counted that a block of it gets.
    pub fn measure(&mut self, zone: &Name, chain: &Arc<Chain>, meter: Meter) {
        let mut routes = self.zones.get_mut(zone).into_iter().flatten();
        if let Some(route) = routes.find(|route| Arc::ptr_eq(&route.chain, chain)) {
            route.meter = Some(Arc::new(meter));
        }
    }

    /// Has the queries be counted that are for no zone.
    pub fn measure_unrouted(&mut self, meter: Meter) {
        self.unrouted = Some(Arc::new(meter));
    }

    /// What counts the queries that are for no zone.
    #[must_use]
    pub fn unrouted(&self) -> Option<&Meter> {
        self.unrouted.as_deref()
    }

    /// Where a query goes; [`None`] where nothing is served for it.
    ///
    /// It is that of the zone that the name lies in: of several, the one with the most labels.
    /// Where a zone has several, it is the first whose view the query is for; where there is none,
    /// the next zone above is looked at. Queries of classes other than IN are only for blocks that
    /// have something to say to them.
    #[must_use]
    pub fn find(&self, name: &LookupName, query: &Query<'_>, client: &Client) -> Option<&Route> {
        let route = self.by_zone(name, query.qtype, |chain| {
            chain.admits(&Incoming {
                query,
                name,
                client,
                chain,
            })
        })?;
        let classes = query.qclass == Class::IN || route.chain.answers_other_classes();
        classes.then_some(route)
    }

    fn by_zone(
        &self,
        name: &LookupName,
        qtype: RecordType,
        admits: impl Fn(&Chain) -> bool,
    ) -> Option<&Route> {
        let admits = |route: &&Route| admits(&route.chain);
        self.zones
            .find(name, qtype, |routes| routes.iter().find(admits))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Routes in which each zone has a chain of its own, and the chains by zone.
    fn routes(zones: &[&str]) -> (Routes, HashMap<String, Arc<Chain>>) {
        let chain = |zone: &&str| ((*zone).to_owned(), Arc::new(Chain::new(Vec::new())));
        let chains: HashMap<String, Arc<Chain>> = zones.iter().map(chain).collect();
        let named = chains
            .iter()
            .map(|(zone, chain)| (Name::parse(zone).unwrap(), chain.clone()));
        (Routes::new(named), chains)
    }

    fn found(zones: &[&str], name: &str, qtype: RecordType) -> Option<String> {
        let (routes, chains) = routes(zones);
        let name = LookupName::from(&Name::parse(name).unwrap());
        let chain = &routes.by_zone(&name, qtype, |_| true)?.chain;
        chains
            .iter()
            .find(|(_, it)| Arc::ptr_eq(it, chain))
            .map(|(zone, _)| zone.clone())
    }

    /// If this fails, a query is answered by the block of another zone.
    #[test]
    fn the_longest_zone_wins_by_whole_labels() {
        let zones = [".", "org.", "example.org.", "b.a.example.org."];
        for (name, zone) in [
            ("example.org.", "example.org."),
            ("WWW.Example.org.", "example.org."),
            ("a.example.org.", "example.org."),
            ("x.b.a.example.org.", "b.a.example.org."),
            ("notexample.org.", "org."),
            ("com.", "."),
            (".", "."),
        ] {
            assert_eq!(
                found(&zones, name, RecordType::A).as_deref(),
                Some(zone),
                "{name}"
            );
        }
    }

    /// If this fails, names outside of all zones are answered by some block instead of refused.
    #[test]
    fn a_name_outside_of_all_zones_goes_nowhere() {
        assert_eq!(
            found(&["example.org."], "example.com.", RecordType::A),
            None
        );
        assert_eq!(found(&["example.org."], "org.", RecordType::A), None);
        assert_eq!(found(&["example.org."], ".", RecordType::A), None);
        assert_eq!(found(&[], ".", RecordType::DS), None);
    }

    /// If this fails, validators find no DS records for a zone whose parent is served here.
    #[test]
    fn ds_is_asked_of_the_parent() {
        let zones = ["org.", "example.org.", "a.example.org."];
        assert_eq!(
            found(&zones, "a.example.org.", RecordType::DS).as_deref(),
            Some("example.org.")
        );
        assert_eq!(
            found(&zones, "www.example.org.", RecordType::DS).as_deref(),
            Some("example.org.")
        );
        assert_eq!(
            found(&["a.org."], "a.org.", RecordType::DS).as_deref(),
            Some("a.org.")
        );
        assert_eq!(found(&["."], ".", RecordType::DS).as_deref(), Some("."));
    }

    /// If this fails, the deepest names there are overflow the shift and panic a worker.
    #[test]
    fn the_deepest_name_is_found() {
        let deepest = "a.".repeat(127);
        assert_eq!(
            found(&[&deepest], &deepest, RecordType::A),
            Some(deepest.clone())
        );
        assert_eq!(
            found(&["a."], &deepest, RecordType::A).as_deref(),
            Some("a.")
        );
    }
}
