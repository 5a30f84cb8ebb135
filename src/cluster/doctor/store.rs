//! Whether the store can be reached, and whether it is good enough.

use std::time::Duration;

use super::Finding;
use crate::cluster::{Cluster, Follower};
use crate::identity::members::Members;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;
use crate::store::etcd::{EtcdOptions, EtcdStore, MemberHealth, SAFE_VERSIONS};

const STORE: &str = "store";

/// How long a listing may take.
const LONGEST: Duration = Duration::from_secs(5);

/// A renewal may take this part of the time to live: it is tried again in between.
const PARTS: u32 = 6;

/// Looks at the store; gives the members too, if it tells them.
pub(super) async fn examine(
    config: &StoreConfig,
    pool: &PoolConfig,
    ttl: Duration,
) -> (Vec<Finding>, Option<Members>) {
    let mut findings = Vec::new();
    let options = match config {
        StoreConfig::Etcd(options) => Some(options),
        StoreConfig::Local(_) => None,
    };
    if let Some(options) = options {
        let some_answer;
        (findings, some_answer) = members_of_etcd(options, ttl).await;
        if !some_answer {
            return (findings, None);
        }
    }
    let opened = Cluster::open(config, pool.pool.clone(), pool.space.clone());
    let (cluster, note) = match opened {
        Ok(opened) => opened,
        Err(message) => {
            findings.push(Finding::wrong(STORE, message, folder_for_names()));
            return (findings, None);
        }
    };
    let mut follower = Follower::new(&cluster);
    let store = cluster.store.describe();
    match follower.heard(LONGEST).await {
        Ok(()) => {
            let (held, limit) = (follower.members.len(), pool.space.limit);
            let text = format!("{store}: {held} of {limit} names of {} are held", pool.pool);
            findings.push(Finding::ok(STORE, text));
        }
        Err(message) => {
            let mend = match options {
                Some(options) => rights(options),
                None => folder_for_names(),
            };
            findings.push(Finding::wrong(STORE, message, mend));
            return (findings, None);
        }
    }
    if let Some(note) = note {
        findings.push(Finding::warning(STORE, note, folder_for_names()));
    }
    (findings, Some(follower.members.clone()))
}

/// Looks at every member of a cluster of etcd; says too whether some of them answer.
async fn members_of_etcd(options: &EtcdOptions, ttl: Duration) -> (Vec<Finding>, bool) {
    let store = match EtcdStore::new(options.clone()) {
        Ok(store) => store,
        Err(message) => {
            let mend = "callsign check".to_owned();
            return (vec![Finding::wrong(STORE, message, mend)], false);
        }
    };
    let members = store.examine().await;
    let some_answer = members.iter().any(|(_, health)| health.is_ok());
    let findings = members.into_iter().map(|(url, health)| match health {
        Ok(health) => member_of_etcd(&url, &health, ttl),
        Err(error) => {
            let mend = format!("curl -sS {url}/health");
            match some_answer {
                true => Finding::warning(STORE, error.message, mend),
                false => Finding::wrong(STORE, error.message, mend),
            }
        }
    });
    (findings.collect(), some_answer)
}

fn member_of_etcd(url: &str, health: &MemberHealth, ttl: Duration) -> Finding {
    let MemberHealth {
        version,
        is_safe,
        round_trip,
    } = health;
    let milliseconds = round_trip.as_secs_f64() * 1000.0;
    let version = if version.is_empty() {
        "unknown"
    } else {
        version
    };
    let text = format!("etcd {url}: version {version}, answers in {milliseconds:.1} ms");
    let most = ttl / PARTS;
    if *round_trip > most {
        let text = format!("{text}: too long for a ttl of {ttl:?}");
        // What is measured several times larger.
        let seconds = (*round_trip * PARTS * 2).as_secs() + 1;
        let mend =
            format!("callsign run --ttl {seconds}s ..., or `ttl {seconds}s` in the Corefile");
        return Finding::wrong(STORE, text, mend);
    }
    if !is_safe {
        let text = format!("{text}; it may confirm the renewal of a lease that it has revoked");
        let mend = format!("upgrade etcd to {SAFE_VERSIONS} or later");
        return Finding::warning(STORE, text, mend);
    }
    Finding::ok(STORE, text)
}

/// What lets a user of etcd have names.
fn rights(options: &EtcdOptions) -> String {
    let prefix = options.prefix.as_deref().unwrap_or("/callsign");
    format!("etcdctl role grant-permission callsign readwrite --prefix=true {prefix}/v1/")
}

/// What makes a folder that the processes of several users share.
fn folder_for_names() -> String {
    "sudo install -d -m 2770 -g GROUP /srv/names, and --store /srv/names (or `store local /srv/names`)"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a cluster that is too slow for its leases, or whose etcd may confirm a lease
    /// that it has revoked, is called well.
    #[test]
    fn a_member_is_judged_by_its_version_and_its_time() {
        let judge = |milliseconds, is_safe| {
            let health = MemberHealth {
                version: "3.5.1".to_owned(),
                is_safe,
                round_trip: Duration::from_millis(milliseconds),
            };
            member_of_etcd("http://e:2379", &health, Duration::from_secs(6)).verdict
        };
        use super::super::Verdict::{Ok, Warning, Wrong};
        assert_eq!(judge(2, true), Ok);
        assert_eq!(judge(2, false), Warning);
        assert_eq!(judge(1500, true), Wrong);
    }
}
