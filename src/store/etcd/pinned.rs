//! Values of ours below a prefix, under one lease, kept as they should be.
//!
//! What was written is remembered and compared with what is wanted. Where anything happens that
//! speaks against it (a request without an answer, a lease that is lost, a follower that sees
//! something else), the keys are listed and compared, and all is written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{GetOptions, PutOptions, Txn, TxnOp};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Connection, Connections};
use super::errors::in_time;
use super::lease;
use super::position::{PAGE, PATIENCE, rest};
use super::requests::{revision, transact};
use crate::store::board::{End, Pinned, Values, over};
use crate::store::{Session, StoreError, StoreErrorKind};

/// How many keys are written in one transaction: etcd takes 128 operations.
const MOST_OPERATIONS: usize = 100;

/// How many bytes of values are written in one transaction: etcd takes 1.5 MiB with all around it.
const MOST_BYTES: usize = 512 * 1024;

/// The first wait after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// How long etcd may take to end our lease when we end. Afterwards it ends by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// How many times a lease may turn out to be lost before that counts as a failure.
const MOST_LOST: usize = 2;

/// Keeps values below `prefix` as they are wanted, until that is over.
pub(super) async fn pin(connections: &Connections, prefix: &str, mut pinned: Pinned) {
    let mut keeper = Keeper {
        connections,
        prefix: format!("{prefix}{}/", pinned.author),
        ttl: pinned.ttl,
        session: None,
        renew_at: Instant::now(),
        written: BTreeMap::new(),
        listed: false,
    };
    let mut pause = BACK_OFF.0;
    let mut said: Option<String> = None;
    loop {
        let wanted = pinned.wanted.borrow_and_update().clone();
        let kept = tokio::select! {
            () = over(&mut pinned.end) => break,
            kept = keeper.keep(wanted) => kept,
        };
        let rest_until = match &kept {
            Ok(()) => {
                (pause, said) = (BACK_OFF.0, None);
                keeper.renew_at
            }
            Err(error) => {
                // That etcd is away is said by who follows it.
                if error.kind == StoreErrorKind::Refused && said.as_ref() != Some(&error.message) {
                    tracing::warn!("{}; nothing is shared from here", error.message);
                    said = Some(error.message.clone());
                }
                keeper.listed = false;
                let until = Instant::now() + pause;
                pause = (pause * 2).min(BACK_OFF.1);
                until
            }
        };
        tokio::select! {
            () = over(&mut pinned.end) => break,
            () = sleep_until(rest_until) => {}
            changed = pinned.wanted.changed(), if kept.is_ok() => {
                if changed.is_err() {
                    // Who says what is wanted is about to say that it is over.
                    tokio::select! {
                        () = over(&mut pinned.end) => break,
                        () = sleep_until(rest_until) => {}
                    }
                }
            }
            () = pinned.doubted.notified(), if kept.is_ok() => keeper.listed = false,
        }
    }
    let end = *pinned.end.borrow();
    if let (Some(session), End::Withdrawn | End::NotYet) = (keeper.session, end) {
        // Where this fails, the lease ends by itself.
        let _ = timeout(FAREWELL, lease::close(connections, session)).await;
    }
}

struct Keeper<'a> {
    connections: &'a Connections,
    /// What our keys begin with.
    prefix: String,
    ttl: Duration,
    session: Option<Session>,
    renew_at: Instant,
    /// What was written under the session, as far as that is certain.
    written: BTreeMap<String, Arc<[u8]>>,
    /// Whether it is known that nothing else is there.
    listed: bool,
}

impl Keeper<'_> {
    /// Brings what is there to what is wanted, and renews the lease when it is time.
    async fn keep(&mut self, wanted: Option<Values>) -> Result<(), StoreError> {
        let mut lost = 0;
        loop {
            match self.try_to_keep(wanted.as_ref()).await {
                Err(error) if error.kind == StoreErrorKind::SessionGone && lost < MOST_LOST => {
                    lost += 1;
                    self.session = None;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_to_keep(&mut self, wanted: Option<&Values>) -> Result<(), StoreError> {
        let Some(wanted) = wanted else {
            self.renew_at = Instant::now() + self.ttl;
            return Ok(());
        };
        let session = match self.session {
            Some(session) => {
                self.renew(session).await?;
                session
            }
            None => self.open().await?,
        };
        if !self.listed {
            self.list().await?;
        }
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let gone = self.written.keys().filter(|it| !wanted.contains_key(*it));
        for key in gone.cloned().collect::<Vec<_>>() {
            batch.push((key, None));
            if batch.len() == MOST_OPERATIONS {
                self.write(session, std::mem::take(&mut batch)).await?;
            }
        }
        for (key, value) in wanted.iter() {
            if self.written.get(key) == Some(value) {
                continue;
            }
            if batch.len() == MOST_OPERATIONS || bytes + value.len() > MOST_BYTES {
                self.write(session, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += value.len();
            batch.push((key.clone(), Some(Arc::clone(value))));
        }
        self.write(session, batch).await
    }

    async fn open(&mut self) -> Result<Session, StoreError> {
        let (session, ttl) = lease::open(self.connections, self.ttl).await?;
        self.session = Some(session);
        self.written.clear();
        self.listed = false;
        self.renew_at = Instant::now() + ttl / 3;
        Ok(session)
    }

    async fn renew(&mut self, session: Session) -> Result<(), StoreError> {
        if Instant::now() < self.renew_at && self.listed {
            return Ok(());
        }
        let Some(ttl) = lease::keep_alive(self.connections, session).await? else {
            return Err(StoreError {
                kind: StoreErrorKind::SessionGone,
                message: "the lease is no more".to_owned(),
            });
        };
        self.renew_at = Instant::now() + ttl / 3;
        Ok(())
    }

    /// Compares what is there with what was written: what is missing is written again, and what
    /// another process of this name has left goes, unless it is wanted.
    async fn list(&mut self) -> Result<(), StoreError> {
        let there = self
            .connections
            .call(|connection| keys(connection, self.prefix.clone()))
            .await?;
        self.written.retain(|key, _| there.contains(key));
        // Under no value that could be wanted: it is written or deleted.
        for key in there {
            self.written.entry(key).or_insert_with(|| Arc::from([]));
        }
        self.listed = true;
        Ok(())
    }

    /// Writes and deletes; a key without a value is deleted.
    async fn write(&mut self, session: Session, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let operation = |(key, value): &(String, Option<Arc<[u8]>>)| {
            let key = format!("{}{key}", self.prefix);
            match value {
                Some(value) => {
                    let options = PutOptions::new().with_lease(session.0);
                    TxnOp::put(key, value.to_vec(), Some(options))
                }
                None => TxnOp::delete(key, None),
            }
        };
        let operations: Vec<TxnOp> = batch.iter().map(operation).collect();
        let txn = Txn::new().and_then(operations);
        self.connections
            .call(|connection| transact(connection, txn.clone()))
            .await?;
        for (key, value) in batch {
            match value {
                Some(value) => self.written.insert(key, value),
                None => self.written.remove(&key),
            };
        }
        Ok(())
    }
}

/// Keys below the prefix, each with its new value; [`None`] to delete it.
type Batch = Vec<(String, Option<Arc<[u8]>>)>;

/// What follows the prefix in all keys that begin with it.
async fn keys(
    connection: Arc<Connection>,
    prefix: String,
) -> Result<BTreeSet<String>, etcd_client::Error> {
    let options = GetOptions::new().with_prefix().with_limit(PAGE);
    let mut kv = connection.kv();
    let mut first = in_time(PATIENCE, kv.get(prefix.as_bytes(), Some(options))).await?;
    let (more, mut found) = (first.more(), first.take_kvs());
    if more {
        rest(&connection, &prefix, revision(first.header()), &mut found).await?;
    }
    let key = |kv: &etcd_client::KeyValue| {
        let key = std::str::from_utf8(kv.key()).ok()?;
        Some(key.strip_prefix(&prefix)?.to_owned())
    };
    Ok(found.iter().filter_map(key).collect())
}
