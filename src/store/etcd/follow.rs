//! Following some keys: a listing, then a watch from there on, for as long as anybody listens. Which
//! keys these are, and what they mean, a [`Subject`] knows.
//!
//! etcd sends each change to each watch, one message each; a watch that is opened later gets what
//! it missed in one message. So in a herd nobody watches who still claims: the first watch is
//! opened when the listener says so, see [`Store::follow_from`](crate::store::Store::follow_from).
//! And when many die or come at once, watches are closed and opened again after a moment.
//!
//! A watch may end, be cut off in silence, or (in some versions of etcd) lose an event. So:
//!
//! * it resumes after the last revision that was told, where etcd's history is still the same
//!   one, and begins with a listing where it is not or where that part of it was compacted;
//! * a stream that says nothing is asked for its progress, and left when it does not answer;
//! * a listing is told from time to time in any case.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use etcd_client::{Error, KeyValue, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, Connections};
use super::errors::{self, in_time};
use super::position::{PATIENCE, Position};
use super::requests::signed;
use crate::clock::{Alarm, BootTime};
use crate::store::{Pending, StoreError};

/// After how much silence a stream is asked whether it lives.
const PROGRESS: Duration = Duration::from_secs(5);

/// How often a listing begins again because etcd compacts its history in the middle of it.
const ATTEMPTS: usize = 3;

/// How often up to [`LISTED`] keys are listed anew.
const RECONCILE: Duration = Duration::from_secs(60);

/// Beyond this many keys, listings become rarer: every node reads every one.
const LISTED: usize = 1000;

/// So many changes within [`STORM_TIME`] are a storm, in which the watch pauses for [`LULL`].
const STORM: usize = 64;

/// In how much time changes are counted.
const STORM_TIME: Duration = Duration::from_millis(250);

/// How long a watch pauses in a storm.
const LULL: Duration = Duration::from_millis(400);

/// How many reasons are told while etcd is away: each member may have its own.
const REASONS: usize = 16;

/// The first wait after a failure, and the longest. Who returns is seen within a second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// What is followed, and who is told of it.
pub(super) trait Subject: Send + Sync {
    /// What all keys that are watched begin with.
    fn prefix(&self) -> &str;

    /// Whether a key is one of those that are followed. Others are passed over.
    fn is_meant(&self, kv: &KeyValue) -> bool;

    /// Reads all that there is and, if nothing went wrong, tells it. Gives where the listing stands
    /// and how many keys it has.
    fn list(
        &mut self,
        connection: &Arc<Connection>,
    ) -> impl Future<Output = Result<(Position, usize), Error>> + Send;

    /// Tells changes in their order, up to this revision. A key that is gone has version 0.
    fn changed(&mut self, revision: u64, changes: &[&KeyValue]) -> impl Future<Output = ()> + Send;

    /// Tells that what was told is what there is now.
    fn current(&mut self) -> impl Future<Output = ()> + Send;

    /// Tells that etcd is away, and why.
    fn away(&mut self, reason: String) -> impl Future<Output = ()> + Send;
}

/// Follows a subject for ever. The caller drops the future when nobody listens. Changes after the
/// first listing are told once `begin` is ready.
pub(super) async fn follow<S: Subject>(
    connections: &Connections,
    subject: S,
    begin: Option<Pending<'static, ()>>,
) {
    let mut follower = Follower {
        begin,
        connections,
        subject,
        position: None,
        reconcile_at: Instant::now(),
        wait: BACK_OFF.0,
        away: Vec::new(),
    };
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        match follower.open().await {
            Ok(watch) => {
                failures = 0;
                follower.run(watch).await;
            }
            Err(error) => {
                failures += 1;
                // One quick failure is a member that went, or a token that expired.
                if failures > 1 || begun.elapsed() >= PATIENCE {
                    follower.say_away(error.message).await;
                }
            }
        }
        follower.back_off().await;
    }
}

struct Follower<'a, S> {
    connections: &'a Connections,
    subject: S,
    /// Ready when the first watch is to be opened; then [`None`].
    begin: Option<Pending<'static, ()>>,
    position: Option<Position>,
    reconcile_at: Instant,
    wait: Duration,
    /// The reasons told since etcd went away.
    away: Vec<String>,
}

/// A watch that was created.
struct Watch {
    connection: Arc<Connection>,
    stream: WatchStream,
}

/// Why a watch is over.
enum End {
    /// It must begin with a listing next time.
    Void,
    /// It broke, with the reason.
    Broken(StoreError),
    /// It did not answer in time.
    Silent(StoreError),
    /// It tells so much that it is better to ask for all of it from time to time.
    Storm,
}

impl<S: Subject> Follower<'_, S> {
    /// Connects and begins the watch, with a listing before it where it cannot resume.
    async fn open(&mut self) -> Result<Watch, StoreError> {
        let connection = timeout(PATIENCE, self.connections.get())
            .await
            .unwrap_or_else(|_| {
                let who = self.connections.describe();
                Err(errors::unreachable(
                    who.trim_start_matches("etcd "),
                    &format!("no connection within {PATIENCE:?}"),
                ))
            })?;
        self.open_on(&connection).await.map_err(|error| {
            // Also where the token has expired: the next connection signs in anew.
            self.connections.discard(&connection);
            errors::classify(connection.endpoint(), &error)
        })
    }

    async fn open_on(&mut self, connection: &Arc<Connection>) -> Result<Watch, Error> {
        let mut position = self.resume(connection).await?;
        if let Some(mut begin) = self.begin.take()
            && !poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready())).await
        {
            begin.await;
            // What was claimed during the wait, perhaps by this node, is in no history that could
            // be compared: whether etcd has been emptied or restored since is left open. So this
            // position is never gone back to, also where etcd is away right now.
            self.position = None;
            position = self.list(connection).await?;
        }
        let options = WatchOptions::new()
            .with_prefix()
            .with_progress_notify()
            .with_start_revision(signed(position.revision + 1));
        // Without fragments, though they exist: the client does not tell which answers are whole.
        let stream = async {
            let mut watch = connection.watch();
            let mut stream = watch.watch(self.subject.prefix(), Some(options)).await?;
            match stream.message().await? {
                Some(answer) if answer.created() && !answer.canceled() => {
                    Ok((position.fits(answer.header()), stream))
                }
                Some(answer) => Err(Error::WatchError(answer.cancel_reason().to_owned())),
                None => Err(Error::WatchError("the watch has ended".into())),
            }
        };
        let (fits, stream) = in_time(PATIENCE, stream).await?;
        // The channel connects anew by itself: the etcd that watches may be an emptied one. From
        // here on that would end the watch.
        if !fits || position.is_proven() && !position.stands(connection).await? {
            self.position = None;
            return Err(Error::WatchError("its history has changed".into()));
        }
        if !self.away.is_empty() {
            self.away.clear();
            self.subject.current().await;
        }
        Ok(Watch {
            connection: Arc::clone(connection),
            stream,
        })
    }

    /// Where to go on: where we were if that still stands, else behind a listing.
    async fn resume(&mut self, connection: &Arc<Connection>) -> Result<Position, Error> {
        match &self.position {
            Some(position) if position.stands(connection).await? => Ok(position.clone()),
            _ => self.list(connection).await,
        }
    }

    /// Tells all that there is.
    async fn list(&mut self, connection: &Arc<Connection>) -> Result<Position, Error> {
        let mut attempt = 1;
        let (position, keys) = loop {
            match self.subject.list(connection).await {
                Err(error) if errors::is_compacted(&error) && attempt < ATTEMPTS => attempt += 1,
                outcome => break outcome?,
            }
        };
        self.reconcile_at = Instant::now() + reconcile_in(keys);
        self.position = Some(position.clone());
        self.away.clear();
        Ok(position)
    }

    /// Tells what the watch says, until it is over.
    async fn run(&mut self, watch: Watch) {
        let connection = Arc::clone(&watch.connection);
        match self.watch(watch).await {
            End::Void => self.position = None,
            End::Broken(error) => {
                tracing::debug!("{}", error.message);
                self.connections.discard(&connection);
            }
            End::Silent(error) => {
                self.connections.discard(&connection);
                self.say_away(error.message).await;
            }
            End::Storm => sleep(jittered(LULL)).await,
        }
    }

    async fn watch(&mut self, mut watch: Watch) -> End {
        let endpoint = watch.connection.endpoint().to_owned();
        let mut asked = false;
        // After a sleep of the machine the stream is asked at once.
        let mut alarm = Alarm::new();
        let (mut changes, mut counted_from) = (0, Instant::now());
        loop {
            let until_listing = self.reconcile_at.saturating_duration_since(Instant::now());
            if until_listing.is_zero() && !asked {
                if let Err(error) = self.list(&watch.connection).await {
                    return End::Broken(errors::classify(&endpoint, &error));
                }
                continue;
            }
            let patience = if asked {
                PATIENCE
            } else {
                PROGRESS.min(until_listing)
            };
            let silent = BootTime::now() + patience;
            let answer = tokio::select! {
                biased;
                answer = watch.stream.message() => match answer {
                    Ok(Some(answer)) => answer,
                    Ok(None) => {
                        return End::Broken(errors::unreachable(&endpoint, "the watch has ended"));
                    }
                    Err(error) => return End::Broken(errors::classify(&endpoint, &error)),
                },
                () = alarm.wait_until(Some(silent)) => {
                    if asked {
                        return End::Silent(errors::silent(&endpoint, PATIENCE));
                    }
                    asked = true;
                    match watch.stream.request_progress().await {
                        Ok(()) => continue,
                        Err(error) => return End::Broken(errors::classify(&endpoint, &error)),
                    }
                }
            };
            asked = false;
            self.wait = BACK_OFF.0;
            if answer.canceled() || answer.compact_revision() != 0 {
                tracing::debug!("etcd {endpoint}: {}", answer.cancel_reason());
                return End::Void;
            }
            if !self.apply(&answer).await {
                return End::Void;
            }
            if counted_from.elapsed() > STORM_TIME {
                (changes, counted_from) = (0, Instant::now());
            }
            changes += answer.events().len();
            if changes >= STORM {
                return End::Storm;
            }
        }
    }

    /// Tells one answer of the watch; `false` where it comes from another history than ours.
    async fn apply(&mut self, answer: &WatchResponse) -> bool {
        let Some(position) = &mut self.position else {
            return false;
        };
        if answer.events().is_empty() {
            // The revision is not taken over: before 3.4.25 and 3.5.8, etcd may tell its progress
            // ahead of events that it has yet to send.
            let fits = position.fits(answer.header());
            if fits {
                self.subject.current().await;
            }
            return fits;
        }
        // What a listing has told in the meantime is not told again.
        let known = signed(position.revision);
        let mut changes = Vec::new();
        for kv in answer.events().iter().filter_map(etcd_client::Event::kv) {
            if kv.mod_revision() > known && self.subject.is_meant(kv) {
                position.advance(kv);
                changes.push(kv);
            }
        }
        if changes.is_empty() {
            self.subject.current().await;
        } else {
            let revision = position.revision;
            self.subject.changed(revision, &changes).await;
        }
        true
    }

    async fn say_away(&mut self, reason: String) {
        if self.away.len() < REASONS && !self.away.contains(&reason) {
            self.away.push(reason.clone());
            self.subject.away(reason).await;
        }
    }

    async fn back_off(&mut self) {
        sleep(jittered(self.wait)).await;
        self.wait = longer(self.wait);
    }
}

/// The wait after one that was in vain.
fn longer(wait: Duration) -> Duration {
    (wait * 2).min(BACK_OFF.1)
}

/// When to list again: later where there are many keys.
fn reconcile_in(keys: usize) -> Duration {
    let pages = u32::try_from(keys / LISTED).unwrap_or(u32::MAX - 1);
    jittered(RECONCILE.saturating_mul(1 + pages))
}

/// Between three quarters of a duration and all of it, so that nodes do not move in step.
fn jittered(duration: Duration) -> Duration {
    let quarter = duration / 4;
    let share = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    duration - quarter.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest wait is what a node adds to every outage of etcd.
    #[test]
    fn waits_grow_and_stay_below_a_second() {
        let mut wait = BACK_OFF.0;
        for _ in 0..100 {
            let longer = longer(wait);
            assert!(longer >= wait && longer < Duration::from_secs(1));
            wait = longer;
            let jittered = jittered(wait);
            assert!(jittered >= wait * 3 / 4 && jittered <= wait);
        }
        assert_eq!(wait, BACK_OFF.1);
    }

    /// A thousand nodes that read ten thousand claims each must not do so every minute.
    #[test]
    fn a_large_space_is_listed_less_often() {
        let small = reconcile_in(LISTED / 2);
        assert!(small >= RECONCILE * 3 / 4 && small <= RECONCILE);
        assert!(reconcile_in(10 * LISTED) >= RECONCILE * 8);
    }
}
