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
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::{Error, LeaseKeepAliveStream, LeaseKeeper};

use super::connection::{Connection, Connections};
use crate::mutex::locked;
use crate::store::{HeldBy, Session, StoreError, StoreErrorKind};

/// The longest lease that etcd grants, in seconds (`MaxLeaseTTL` in etcd's lessor).
const LONGEST_LEASE: u64 = 9_000_000_000;

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

/// Asks for a lease of this length. Gives it and its true length, which etcd may have raised.
pub(super) async fn open(
    connections: &Connections,
    ttl: Duration,
) -> Result<(Session, Duration), StoreError> {
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    let seconds = seconds.clamp(1, LONGEST_LEASE).cast_signed();
    let grant =
        |connection: Arc<Connection>| async move { connection.lease().grant(seconds, None).await };
    let answer = connections.call(grant).await?;
    let ttl = Duration::from_secs(answer.ttl().try_into().unwrap_or_default());
    Ok((Session(answer.id()), ttl))
}

/// Renews a lease. Gives its time to live, or [`None`] where the lease is no more.
pub(super) async fn keep_alive(
    connections: &Connections,
    session: Session,
) -> Result<Option<Duration>, StoreError> {
    let renew = |connection: Arc<Connection>| async move { renew(&connection, session).await };
    connections.call(renew).await
}

/// Ends a lease and all keys that hang on it; one that has ended before is none to mourn.
pub(super) async fn close(connections: &Connections, session: Session) -> Result<(), StoreError> {
    let revoke = |connection: Arc<Connection>| async move {
        connection.keepers.forget(session);
        connection.lease().revoke(session.0).await
    };
    match connections.call(revoke).await {
        Err(error) if error.kind != StoreErrorKind::SessionGone => Err(error),
        _ => Ok(()),
    }
}

/// Renews over one connection.
async fn renew(connection: &Connection, session: Session) -> Result<Option<Duration>, Error> {
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

/// How long the lease under a record lives on.
pub(super) async fn held_by(
    connections: &Connections,
    session: Option<Session>,
) -> Result<HeldBy, StoreError> {
    let Some(session) = session else {
        return Ok(HeldBy::Nothing);
    };
    let ask = |connection: Arc<Connection>| async move {
        connection.lease().time_to_live(session.0, None).await
    };
    let answer = match connections.call(ask).await {
        Ok(answer) => answer,
        Err(error) if error.kind == StoreErrorKind::SessionGone => return Ok(HeldBy::Ended),
        Err(error) => return Err(error),
    };
    // etcd says -1 of a lease that is no more.
    let seconds = |number: i64| u64::try_from(number).ok().map(Duration::from_secs);
    Ok(
        match (seconds(answer.ttl()), seconds(answer.granted_ttl())) {
            (Some(left), Some(ttl)) => HeldBy::Lease { left, ttl },
            _ => HeldBy::Ended,
        },
    )
}
