//! When a node that claims a name begins to watch the others.
//!
//! A store with a server sends each change to each who watches, so a herd of N costs it N² messages,
//! and the claims have to wait behind them. Nobody needs to watch while it claims: the answers to
//! its own requests say what it needs. Once it is served it leaves the store to the others for a
//! while: as long again as it was on its way itself. Alone that is a few milliseconds; in a herd it
//! is about what the rest of the herd needs.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use crate::store::Pending;

/// The longest wait of one who is served.
const LONGEST: Duration = Duration::from_secs(2);

/// Who is not served by then watches all the same: the others' names are to be answered, too.
const UNSERVED: Duration = Duration::from_secs(5);

/// Says when to begin, once.
#[derive(Debug)]
pub(super) struct Watching {
    begin: Option<oneshot::Sender<Instant>>,
    since: Instant,
}

impl Watching {
    /// With the second value as [`crate::store::Store::follow_from`] wants it.
    pub(super) fn new() -> (Self, Pending<'static, ()>) {
        let (begin, begun) = oneshot::channel();
        let watching = Self {
            begin: Some(begin),
            since: Instant::now(),
        };
        let ready = async {
            if let Ok(Ok(at)) = timeout(UNSERVED, begun).await {
                sleep_until(at).await;
            }
        };
        (watching, Box::pin(ready))
    }

    /// The node is served.
    pub(super) fn served(&mut self) {
        let now = Instant::now();
        self.begin_at(now + (now - self.since).min(LONGEST));
    }

    /// The node has nothing to claim, or waits for what others do.
    pub(super) fn begin(&mut self) {
        self.begin_at(Instant::now());
    }

    fn begin_at(&mut self, at: Instant) {
        if let Some(begin) = self.begin.take() {
            // The follower may have ended.
            let _ = begin.send(at);
        }
    }
}
