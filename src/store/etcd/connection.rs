//! Connecting to a member of the cluster, turning to another one, signing in again.
//!
//! The client library keeps a channel alive but decides nothing: which member is asked, when one
//! is given up and when a token is too old is decided here. One rule covers all of it: whenever a
//! call leaves a doubt about its connection, the connection is dropped, and the next call connects
//! to the next endpoint and signs in anew.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::{Client, Error, KvClient, LeaseClient, WatchClient};
use tokio::time::{Instant, timeout};

use super::lease::Keepers;
use super::{ANSWER_LIMIT, EtcdOptions, errors};
use crate::mutex::locked;
use crate::store::{StoreError, StoreErrorKind};

/// How long one member may take to be reached, to sign us in and to say that it is well.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one request may take. A bound of last resort: who waits for a claim or a renewal
/// knows its lease and gives up earlier, by dropping the future.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The versions of etcd from which on a renewed lease is a lease that stands, by minor version.
const SAFE: [(u32, u32, u32); 3] = [(3, 4, 38), (3, 5, 23), (3, 6, 5)];

/// The same in words.
pub const SAFE_VERSIONS: &str = "3.4.38, 3.5.23 or 3.6.5";

/// How a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its version, as it says; empty where it does not tell us.
    pub version: String,
    /// Whether a lease that it says is renewed is a lease that stands.
    pub is_safe: bool,
    /// How long it took to answer.
    pub round_trip: Duration,
}

/// A connection to one member, and what lives and dies with it.
pub(super) struct Connection {
    client: Client,
    endpoint: String,
    /// The keep-alive streams over this connection.
    pub(super) keepers: Keepers,
}

impl Connection {
    /// The member's URL.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// For ranges and transactions.
    pub(super) fn kv(&self) -> KvClient {
        self.client
            .kv_client()
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// For leases.
    pub(super) fn lease(&self) -> LeaseClient {
        self.client.lease_client()
    }

    /// For watches.
    pub(super) fn watch(&self) -> WatchClient {
        self.client
            .watch_client()
            .max_decoding_message_size(ANSWER_LIMIT)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would print its credentials.
        write!(formatter, "Connection({})", self.endpoint)
    }
}

/// All connections of a store: at most one that is current, and how to make the next.
#[derive(Debug)]
pub(super) struct Connections {
    options: EtcdOptions,
    urls: Vec<String>,
    current: Mutex<Option<Arc<Connection>>>,
    /// Held while connecting, so that a herd of calls connects once.
    connecting: tokio::sync::Mutex<()>,
    /// Which endpoint is tried next.
    next: AtomicUsize,
    version_seen: AtomicBool,
}

impl Connections {
    pub(super) fn new(options: EtcdOptions) -> Self {
        // A random start spreads the nodes over the members.
        let start = getrandom::u32().unwrap_or_default() as usize;
        Self {
            urls: options.urls(),
            options,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            next: AtomicUsize::new(start),
            version_seen: AtomicBool::new(false),
        }
    }

    /// Kind and addresses, for a log line.
    pub(super) fn describe(&self) -> String {
        format!("etcd {}", self.urls.join(" "))
    }

    /// The current connection, or a new one.
    pub(super) async fn get(&self) -> Result<Arc<Connection>, StoreError> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let mut last = errors::unreachable("", "no endpoint is configured");
        for _ in &self.urls {
            // Counted before the attempt: a caller that gives up on a silent member finds the
            // next one at its next attempt.
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let url = &self.urls[number % self.urls.len()];
            match self.connect(url).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    *self.lock() = Some(Arc::clone(&connection));
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
            if last.kind == StoreErrorKind::Refused {
                break;
            }
        }
        Err(last)
    }

    /// Gives up a connection: the next call makes a new one. Calls that are under way on it may
    /// still end well.
    pub(super) fn discard(&self, connection: &Arc<Connection>) {
        let mut current = self.lock();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            *current = None;
        }
    }

    /// Makes one call. Where etcd wants a new token, signs in and makes it once more: etcd has
    /// carried out nothing then. Nothing else is ever repeated here.
    pub(super) async fn call<T, F>(
        &self,
        make: impl Fn(Arc<Connection>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut signed_in_again = self.options.credentials.is_none();
        loop {
            let connection = self.get().await?;
            // A caller that drops the future has waited in vain: this member is not asked again.
            let doubt = Doubt {
                connections: self,
                connection: &connection,
                stands: true,
            };
            let outcome = timeout(REQUEST_TIMEOUT, make(Arc::clone(&connection))).await;
            let error = match outcome {
                Err(_) => {
                    return Err(errors::silent(connection.endpoint(), REQUEST_TIMEOUT));
                }
                Ok(Ok(answer)) => {
                    doubt.settle();
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
            };
            if !signed_in_again && errors::wants_new_token(&error) {
                signed_in_again = true;
                continue;
            }
            let error = errors::classify(connection.endpoint(), &error);
            if error.kind != StoreErrorKind::Unreachable {
                doubt.settle();
            }
            return Err(error);
        }
    }

    async fn connect(&self, url: &str) -> Result<Connection, StoreError> {
        let options = self
            .options
            .connect_options()
            .map_err(|what| StoreError {
                kind: StoreErrorKind::Refused,
                message: format!("etcd {url}: {what}"),
            })?
            .with_connect_timeout(CONNECT_TIMEOUT);
        let attempt = async {
            // Signs in where there are credentials; otherwise nothing is sent yet.
            let client = Client::connect([url], Some(options)).await?;
            // A member that answers this, with a leader, is worth being asked.
            let status = client.maintenance_client().status().await;
            Ok((client, status))
        };
        let (client, status) = errors::in_time(CONNECT_TIMEOUT, attempt)
            .await
            .map_err(|error| errors::classify(url, &error))?;
        match status.map_err(|error| errors::classify(url, &error)) {
            Ok(status) if status.leader() == 0 => {
                return Err(errors::unreachable(url, "the member has no leader"));
            }
            Ok(status) => {
                if !self.version_seen.swap(true, Ordering::Relaxed) {
                    warn_of_version(url, status.version());
                }
            }
            // It lives. Whether we may do what we are here for, it will tell then.
            Err(error) if error.kind == StoreErrorKind::Refused => {}
            Err(error) => return Err(error),
        }
        Ok(Connection {
            client,
            endpoint: url.to_owned(),
            keepers: Keepers::default(),
        })
    }

    /// Asks every member how it is.
    pub(super) async fn examine(&self) -> Vec<(String, Result<MemberHealth, StoreError>)> {
        let mut members = Vec::new();
        for url in &self.urls {
            members.push((url.clone(), self.examine_member(url).await));
        }
        members
    }

    async fn examine_member(&self, url: &str) -> Result<MemberHealth, StoreError> {
        let connection = self.connect(url).await?;
        let start = Instant::now();
        let mut maintenance = connection.client.maintenance_client();
        let status = errors::in_time(CONNECT_TIMEOUT, maintenance.status()).await;
        let round_trip = start.elapsed();
        let version = match status.map_err(|error| errors::classify(url, &error)) {
            Ok(status) => status.version().to_owned(),
            // It answers, though not to us.
            Err(error) if error.kind == StoreErrorKind::Refused => String::new(),
            Err(error) => return Err(error),
        };
        Ok(MemberHealth {
            is_safe: !is_below_floor(&version),
            version,
            round_trip,
        })
    }

    fn current(&self) -> Option<Arc<Connection>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Connection>>> {
        locked(&self.current)
    }
}

/// Gives a connection up unless the call over it ended in a way that speaks for it.
struct Doubt<'a> {
    connections: &'a Connections,
    connection: &'a Arc<Connection>,
    stands: bool,
}

impl Doubt<'_> {
    fn settle(mut self) {
        self.stands = false;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.stands {
            self.connections.discard(self.connection);
        }
    }
}

fn warn_of_version(url: &str, version: &str) {
    if is_below_floor(version) {
        tracing::warn!(
            "etcd {url} has version {version}: before 3.4.38, 3.5.23 and 3.6.5 etcd may confirm \
             the renewal of a lease that it has already revoked, so a name could have two holders \
             for a moment; please upgrade"
        );
    }
}

/// Whether a version is older than the first safe one of its line. Unknown text is not.
fn is_below_floor(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = numbers
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor), Some(patch)) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return false;
    };
    match SAFE.iter().find(|safe| (safe.0, safe.1) == (major, minor)) {
        Some(safe) => patch < safe.2,
        None => (major, minor) < (SAFE[0].0, SAFE[0].1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_floor_of_their_line_are_known() {
        for version in ["3.4.23", "3.4.37", "3.5.22", "3.6.4", "3.3.27", "2.3.8"] {
            assert!(is_below_floor(version), "{version}");
        }
        for version in ["3.4.38", "3.5.23", "3.6.5", "3.7.0", "4.0.0", "3.6.5-rc.1"] {
            assert!(!is_below_floor(version), "{version}");
        }
        assert!(!is_below_floor("not a version"));
    }
}
