//! A pool whose store misbehaves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{PoolConfig, start};
use crate::identity::node;
use crate::identity::pattern::Pattern;
use crate::store::{Feed, Listing, Pending, Reply, Request, Space, Store, StoreError};

/// A store with a defect: every request panics.
struct Broken;

impl Store for Broken {
    fn execute(&self, _: &Space, _: Request) -> Pending<'static, Result<Reply, StoreError>> {
        Box::pin(async { panic!("on purpose") })
    }

    fn follow(&self, _: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()> {
        Box::pin(async move {
            let _ = feed.send(Feed::Listing(Listing::default())).await;
            feed.closed().await;
        })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn describe(&self) -> String {
        "a broken store".to_owned()
    }
}

/// If this fails, a defect in a store's client leaves a node without a name and without a word.
#[tokio::test]
async fn a_request_that_panics_counts_as_one_without_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _) = node::open(Some(folder.path()), None);
    let space = Space {
        pattern: Arc::new(Pattern::parse("node{{.ID}}.test.", "node").unwrap()),
        limit: 10,
    };
    let config = PoolConfig::new("node", space);
    let mut pool = start(config, Arc::new(Broken), Arc::new(node), Arc::default());
    pool.claim();
    let told = pool.state.wait_for(|state| state.problem.is_some());
    let state = timeout(Duration::from_secs(40), told)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        state.problem.as_deref(),
        Some("a request to a broken store failed in itself")
    );
}
