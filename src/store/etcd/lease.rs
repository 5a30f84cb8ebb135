//! Keep-alive streams.
//!
//! A renewal decides how long its caller may believe in its name, counted from when it *asked*.
//! So an answer must never be taken for the answer to a later question: the lease may have been
//! lost in between. On one stream etcd answers in order, one answer for each question, and three
//! rules make the pairing certain:
//!
//! * a stream carries the questions for one lease only, and an answer for another is an error;
//! * one question at a time: whoever asks takes the stream out of the table;
//! * the stream goes back into the table only after its question was answered. A call that is
//!   dropped, times out or fails takes its stream with it, and late answers die with the stream.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use etcd_client::{Error, LeaseKeepAliveStream, LeaseKeeper};

use super::connection::Connection;
use crate::mutex::locked;
use crate::store::Session;

/// How many streams one connection keeps open. A process has one session per pool; with more than
/// this, streams are simply opened anew.
const KEPT: usize = 1024;

/// What the client library calls a lease that is no more.
const GONE: &str = "lease not found";

type Stream = (LeaseKeeper, LeaseKeepAliveStream);

/// The idle keep-alive streams of one connection.
#[derive(Default)]
pub(super) struct Keepers {
    idle: Mutex<HashMap<Session, Stream>>,
}

impl Keepers {
    /// Forgets the stream of a session that is closed.
    pub(super) fn forget(&self, session: Session) {
        self.take(session);
    }

    fn take(&self, session: Session) -> Option<Stream> {
        self.lock().remove(&session)
    }

    fn put_back(&self, session: Session, stream: Stream) {
        let mut idle = self.lock();
        if idle.len() < KEPT {
            idle.insert(session, stream);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Session, Stream>> {
        locked(&self.idle)
    }
}

/// Renews a lease. Gives its time to live, or [`None`] where the lease is no more.
pub(super) async fn renew(
    connection: &Connection,
    session: Session,
) -> Result<Option<Duration>, Error> {
    let (mut keeper, mut stream) = match connection.keepers.take(session) {
        Some(stream) => stream,
        // Opening renews once, but the library keeps the time to live to itself: ask again below.
        None => match connection.lease().keep_alive(session.0).await {
            Ok(stream) => stream,
            Err(Error::LeaseKeepAliveError(what)) if what == GONE => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    keeper.keep_alive().await?;
    let Some(answer) = stream.message().await? else {
        return Err(Error::LeaseKeepAliveError(
            "the keep-alive stream has ended".into(),
        ));
    };
    if answer.id() != session.0 {
        return Err(Error::LeaseKeepAliveError(
            "an answer for another lease".into(),
        ));
    }
    let Ok(seconds @ 1..) = u64::try_from(answer.ttl()) else {
        return Ok(None);
    };
    connection.keepers.put_back(session, (keeper, stream));
    Ok(Some(Duration::from_secs(seconds)))
}
