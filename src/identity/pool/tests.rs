//! A pool whose store misbehaves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{PoolConfig, PoolHandle, start, unreachable};
use crate::identity::node;
use crate::identity::pattern::Pattern;
use crate::store::{
    Feed, Listing, Note, NoteName, NoteWrite, Pending, Reply, Request, Space, Store, StoreError,
};

/// How long anything may take that should take a moment.
const BOUND: Duration = Duration::from_secs(40);

/// A store with a defect: every request panics. Its notes say on which thread they were asked for.
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

    fn note(
        &self,
        _: &Space,
        _: NoteName,
        _: Option<NoteWrite>,
    ) -> Pending<'static, Result<Note, StoreError>> {
        Box::pin(async {
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or_default();
            Err(unreachable(format!("asked on {thread}")))
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

/// A pool in that store, of a node that keeps who it is in this folder.
fn pool(folder: &Path) -> PoolHandle {
    let (node, _) = node::open(Some(folder), None);
    let space = Space {
        pattern: Arc::new(Pattern::parse("node{{.ID}}.test.", "node").unwrap()),
        limit: 10,
    };
    let config = PoolConfig::new("node", space);
    start(config, Arc::new(Broken), Arc::new(node), Arc::default())
}

/// If this fails, the connection over which a claim is renewed lives on a thread that other work
/// may stop, because a note was read first.
#[test]
fn notes_are_read_where_the_claim_is_kept() {
    let runtime = |name: &str| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name(name).enable_all();
        builder.build().unwrap()
    };
    let (keeping, asking) = (runtime("keeping"), runtime("asking"));
    let folder = tempfile::tempdir().unwrap();
    let pool = {
        let _entered = keeping.enter();
        pool(folder.path())
    };
    let answer = async move { pool.note(NoteName::Roster, None, BOUND).await };
    let answer = asking.block_on(asking.spawn(answer)).unwrap();
    assert_eq!(answer.unwrap_err().message, "asked on keeping");
}

/// If this fails, a defect in a store's client leaves a node without a name and without a word.
#[tokio::test]
async fn a_request_that_panics_counts_as_one_without_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut pool = pool(folder.path());
    pool.claim();
    let told = pool.state.wait_for(|state| state.problem.is_some());
    let state = timeout(BOUND, told).await.unwrap().unwrap();
    assert_eq!(
        state.problem.as_deref(),
        Some("a request to a broken store failed in itself")
    );
}
