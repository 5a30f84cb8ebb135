//! `admin`: a page about the process and what it knows, and the same as JSON, over HTTP.
//!
//! Nothing can be changed here. [`guard`] says who may look, [`routes`] what is found where. An
//! answer is made when somebody asks, from what the process has anyway; only [`stream`] lasts, and
//! tells of changes for as long as somebody reads.

mod containers;
mod guard;
mod numbers;
mod page;
mod pools;
mod routes;
mod setup;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Blocks, Build};
use crate::identity::pools::Pools;
use crate::journal::Journal;
use crate::metrics::Registry;

pub use setup::{ADMIN, TOKEN};

/// The most streams at a time. All of one peer leave it connections for questions.
const MOST_STREAMS: usize = 12;

/// Where all that is told comes from, under one configuration.
struct Desk {
    pools: Arc<Pools>,
    blocks: Arc<Blocks>,
    metrics: Arc<Registry>,
    journal: Arc<Journal>,
    streams: Arc<Semaphore>,
}

impl Desk {
    fn new(build: &Build<'_>) -> Arc<Self> {
        Arc::new(Self {
            pools: build.pools.pools().clone(),
            blocks: build.blocks.clone(),
            metrics: build.metrics.clone(),
            journal: build.journal.clone(),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        })
    }
}
