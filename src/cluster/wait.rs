//! Waiting until a name resolves, or until so many members are there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use answer::Name;
use tokio::time::{Instant, sleep_until};

use super::resolve::{Answer, resolve};
use super::{Cluster, Follower};
use crate::progress::Progress;

/// How soon a name is asked for again; each time that nobody replies it takes longer.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Waits until a name has an address: gives all that it has then, or [`None`] when the time is over.
pub(crate) async fn until_it_resolves(
    (text, name): (&str, &Name),
    servers: &[SocketAddr],
    limit: Option<Duration>,
) -> Option<Vec<IpAddr>> {
    let mut progress = Progress::new();
    let mut pause = PAUSE;
    let asking = async {
        loop {
            let next = Instant::now() + pause;
            let said = resolve(name, servers).await;
            pause = match &said {
                Ok(_) => PAUSE,
                Err(_) => (pause * 2).min(LONGEST_PAUSE),
            };
            match said {
                Ok(Answer::Addresses(addresses)) => return addresses,
                Ok(Answer::Nothing(why)) | Err(why) => {
                    progress.tell(format!("waiting for {text}: {why}"));
                }
            }
            sleep_until(next).await;
        }
    };
    let found = within(limit, asking).await;
    if found.is_none() {
        progress.timed_out();
    }
    found
}

/// Waits until so many members hold names; returns whether they do within the time.
pub(crate) async fn until_they_are_there(
    cluster: &Cluster,
    count: usize,
    limit: Option<Duration>,
) -> bool {
    let mut progress = Progress::new();
    let mut follower = Follower::new(cluster);
    let waiting = async {
        let here = |follower: &Follower| {
            let members = follower.members.entries();
            members.filter(|it| !it.record.is_quarantine()).count()
        };
        while here(&follower) < count || follower.trouble.is_some() {
            let (pool, here) = (&cluster.pool, here(&follower));
            progress.tell(match &follower.trouble {
                Some(reason) => format!("waiting for {count} of {pool}: {reason}"),
                None => format!("waiting for {count} of {pool}, {here} are here"),
            });
            tokio::select! {
                () = follower.news() => {}
                () = progress.due() => {}
            }
        }
    };
    let done = within(limit, waiting).await.is_some();
    if !done {
        progress.timed_out();
    }
    done
}

/// Awaits something for at most `limit`.
async fn within<T>(limit: Option<Duration>, what: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, what).await.ok(),
        None => Some(what.await),
    }
}
