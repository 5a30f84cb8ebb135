//! The server blocks of a configuration as they run, for those who look at them from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use answer::Name;
use tokio::sync::watch;

use super::setup::{BlockOptions, Monitor};
use super::view::View;
use super::{Chain, Plugin};
use crate::config::{Endpoint, ListenAddress};
use crate::metrics::Registry;
use crate::routes::Routes;

/// CoreDNS's label for queries that are for no zone. It has no final dot, so no zone is called so.
const UNROUTED: &str = "dropped";

/// All server blocks of one configuration, in the order of the file. Empty while it is made.
#[derive(Debug, Default)]
pub struct Blocks(OnceLock<Vec<Block>>);

/// A server block.
#[derive(Debug)]
pub struct Block {
    /// Its plugins.
    pub chain: Arc<Chain>,
    /// What its directives say for others.
    pub options: BlockOptions,
    /// The addresses that it is served at now.
    pub servers: watch::Sender<Vec<ListenAddress>>,
    /// Whether all of its plugins have been ready at some time.
    was_ready: AtomicBool,
}

impl Blocks {
    /// The blocks.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.0.get().into_iter().flatten()
    }

    /// What is served at an address; the queries for the zones of blocks that are measured are
    /// counted in `metrics`.
    #[must_use]
    pub fn routes(&self, endpoint: &Endpoint, metrics: &Registry) -> Routes {
        let served = |(zone, block): &(Name, usize)| Some((zone.clone(), self.get(*block)?));
        let served: Vec<(Name, &Block)> = endpoint.zones.iter().filter_map(served).collect();
        let chains = served
            .iter()
            .map(|(zone, block)| (zone.clone(), block.chain.clone()));
        let mut routes = Routes::new(chains);
        // As in CoreDNS, it is the first block at an address that says so.
        let mut timeouts = served.iter().filter_map(|(_, it)| it.options.timeouts);
        routes.timeouts = timeouts.next().unwrap_or_default();
        let address = endpoint.address;
        for (zone, block) in served.iter().filter(|(_, it)| it.options.measured) {
            let plugins: Vec<_> = block.chain.plugins().map(Plugin::name).collect();
            let view = block.chain.view().map_or("", View::name);
            let meter = metrics.meter(address, &zone.to_string(), view, &plugins);
            routes.measure(zone, &block.chain, meter);
            routes.measure_unrouted(metrics.meter(address, UNROUTED, "", &[]));
        }
        routes
    }

    fn get(&self, number: usize) -> Option<&Block> {
        self.0.get()?.get(number)
    }

    /// Sets them, once.
    pub(super) fn fill(&self, blocks: Vec<Block>) {
        let _ = self.0.set(blocks);
    }

    /// The plugins that keep the process from being ready, of the blocks that want them to be
    /// asked; each name once, in order.
    #[must_use]
    pub fn not_ready(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.iter().flat_map(Block::not_ready).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Block {
    pub(super) fn new(
        chain: Arc<Chain>,
        options: BlockOptions,
        servers: watch::Sender<Vec<ListenAddress>>,
    ) -> Self {
        Self {
            chain,
            options,
            servers,
            was_ready: AtomicBool::new(false),
        }
    }

    fn not_ready(&self) -> Vec<&'static str> {
        let ask = match self.options.ready {
            None => false,
            Some(Monitor::Continuously) => true,
            Some(Monitor::UntilReady) => !self.was_ready.load(Ordering::Relaxed),
        };
        if !ask {
            return Vec::new();
        }
        let plugins = self.chain.plugins();
        let names: Vec<&str> = plugins
            .filter(|plugin| !plugin.ready())
            .map(Plugin::name)
            .collect();
        self.was_ready.fetch_or(names.is_empty(), Ordering::Relaxed);
        names
    }
}
