//! What the process has counted, for whoever asks: today Prometheus, by the directive
//! [`prometheus`](crate::plugins::prometheus).
//!
//! On the way of a query numbers are added to [`Counters`] and nothing else happens; names, labels
//! and sums are made when somebody asks ([`Scrape`]). Numbers of the blocks' queries are kept by a
//! [`Meter`]; a plugin adds its own in [`Plugin::metrics`](crate::plugins::Plugin::metrics).

mod counters;
mod meter;
mod scrape;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

pub use counters::{Counters, Distribution, Own};
pub use meter::{Meter, Reached};
pub use scrape::{Family, Kind, Scrape};

use crate::config::ListenAddress;
use crate::mutex::locked;
use crate::plugins::Blocks;
use meter::Labels;

/// Something of the process that has numbers.
pub trait Source: Send + Sync {
    /// Adds them.
    fn collect(&self, scrape: &mut Scrape);
}

/// Where all numbers of a process are found. It outlives configurations, and so do the numbers of
/// what stays.
#[derive(Default)]
pub struct Registry {
    sources: Mutex<Vec<Arc<dyn Source>>>,
    counters: Mutex<BTreeMap<Counted, Weak<Counters>>>,
}

/// What is counted: of the queries under these labels those that a plugin answered, or all where
/// there is no plugin's name.
type Counted = (Labels, Option<&'static str>);

const BUILD_INFO: Family = Family::gauge(
    "coredns_build_info",
    "A constant 1 with the version of the program in its labels.",
);

impl Registry {
    /// Has these numbers be told as well.
    pub fn add(&self, source: Arc<dyn Source>) {
        locked(&self.sources).push(source);
    }

    /// A meter for the queries for a zone at an address: what was counted there before goes on.
    /// `plugins` are those of its block, in order.
    #[must_use]
    pub fn meter(
        &self,
        address: ListenAddress,
        zone: &str,
        view: &str,
        plugins: &[&'static str],
    ) -> Meter {
        let labels = Labels {
            server: server(address),
            zone: zone.to_owned(),
            view: view.to_owned(),
        };
        let mut known = locked(&self.counters);
        known.retain(|_, counters| counters.strong_count() > 0);
        let mut find = |plugin: Option<&'static str>, cells: usize| {
            let entry = known.entry((labels.clone(), plugin)).or_default();
            entry.upgrade().unwrap_or_else(|| {
                let counters = Arc::new(Counters::new(cells));
                *entry = Arc::downgrade(&counters);
                counters
            })
        };
        Meter {
            all: find(None, meter::CELLS),
            // Whoever it was that nobody answered for has no name.
            nobody: find(Some(""), meter::RCODES),
            plugins: plugins
                .iter()
                .map(|plugin| find(Some(plugin), meter::RCODES))
                .collect(),
        }
    }

    /// All numbers, in the text format of Prometheus. The plugins of these blocks are asked for
    /// theirs.
    #[must_use]
    pub fn scrape(&self, blocks: &Blocks) -> String {
        self.collect(blocks).finish()
    }

    /// All numbers. The plugins of these blocks are asked for theirs.
    #[must_use]
    pub fn collect(&self, blocks: &Blocks) -> Scrape {
        let mut scrape = Scrape::default();
        let version = env!("CARGO_PKG_VERSION");
        let labels = [("version", version), ("revision", ""), ("goversion", "")];
        scrape.gauge(&BUILD_INFO, &labels, 1.0);
        let sources = locked(&self.sources).clone();
        for source in sources {
            source.collect(&mut scrape);
        }
        let counters: Vec<_> = locked(&self.counters)
            .iter()
            .filter_map(|(key, counters)| Some((key.clone(), counters.upgrade()?)))
            .collect();
        for ((labels, plugin), counters) in counters {
            meter::collect(&labels, plugin, &counters, &mut scrape);
        }
        for block in blocks.iter() {
            scrape.server = block.options.servers.first().copied().map(server);
            for plugin in block.chain.plugins() {
                plugin.metrics(&mut scrape);
            }
        }
        scrape
    }
}

/// The address of a listener as the label `server` has it.
fn server(address: ListenAddress) -> String {
    match address {
        ListenAddress::Every(port) => format!("dns://:{port}"),
        ListenAddress::One(address) => format!("dns://{address}"),
    }
}

#[cfg(test)]
mod tests;
