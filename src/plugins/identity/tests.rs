//! Pools that are trusted differently, and records that are too large.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use answer::Rcode;

use answer::{Query, Reply};
use tokio::sync::watch;

use super::publish::{Followed, publish};
use super::*;
use crate::clock::BootTime;
use crate::freshness::Freshness;
use crate::identity::members::Members;
use crate::identity::record::{RECORD_LIMIT, Record};
use crate::plugins::exchange::Way;
use crate::plugins::harness::Server;
use crate::plugins::trust::STALE_TTL;
use crate::plugins::{Chain, Client, Origin, Transport};
use crate::store::{Entry, Feed, Listing, Space};

/// A pool with one member in slot 1.
fn followed(pool: &str, address: &str, freshness: Freshness, stale: Duration) -> Followed {
    let pattern = Pattern::parse("{{.Pool}}{{.ID}}.tf.local.", pool).unwrap();
    let record = Record {
        ipv4: address.to_owned(),
        ..Record::default()
    };
    let entry = Entry {
        slot: 1,
        epoch: 5,
        session: None,
        record,
    };
    let listing = Feed::Listing(Listing {
        revision: 9,
        entries: vec![entry],
        reservations: vec![],
    });
    let mut members = Members::default();
    members.follow(BootTime::now(), &listing);
    members.freshness = freshness;
    Followed {
        pattern: Arc::new(pattern),
        // The last that was sent can be read for ever.
        members: watch::channel(members).1,
        answer: AnswerOptions {
            ttl: 60,
            stale,
            hold: Duration::ZERO,
            limit: 10,
            fallthrough: Fallthrough::default(),
        },
    }
}

/// What is said of an address: whether it was answered, the code, and the names.
fn names_behind(plugin: &Identity, address: &str) -> Option<(Rcode, Vec<String>, Option<u32>)> {
    let reverse = Name::reverse(address.parse().unwrap());
    let mut message = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(reverse.as_wire());
    message.extend([0, 12, 0, 1]);
    let query = Query::parse(&message).unwrap();
    let mut out = [0; 1232];
    let reply = Reply::start(&query, answer::Transport::Stream, &mut out).unwrap();
    let client = Client {
        peer: ([127, 0, 0, 1], 53).into(),
        local: None,
        local_port: 53,
        transport: Transport::Tcp,
        received: Instant::now(),
    };
    let mut exchange = Exchange {
        query: &query,
        name: LookupName::from(&reverse),
        client: &client,
        reply,
        origin: Origin::default(),
        fleeting: false,
        failure: None,
        deadline: None,
        answered_by: None,
        rotation: 0,
        way: Way {
            routes: &Arc::default(),
            chain: &Arc::new(Chain::new(Vec::new())),
            index: 0,
            base: 0,
            depth: 0,
        },
    };
    if matches!(plugin.request(&mut exchange), Step::Next) {
        return None;
    }
    let rcode = exchange.reply.rcode();
    let count = exchange.reply.answer_count();
    let length = exchange.reply.finish();
    // Each record: a pointer, type, class, TTL, length, and the name uncompressed.
    let mut rest = &out[message.len()..length];
    let (mut names, mut ttl) = (Vec::new(), None);
    for _ in 0..count {
        ttl = Some(u32::from_be_bytes(rest[6..10].try_into().unwrap()));
        let data = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
        let name = Name::from_wire(&rest[12..12 + data]).unwrap();
        names.push(name.to_string());
        rest = &rest[12 + data..];
    }
    names.sort();
    Some((rcode, names, ttl))
}

/// If this fails, one pool whose store is away for too long takes the reverse names of all others
/// with it, or old names pass for fresh ones.
#[tokio::test]
async fn each_pool_answers_for_addresses_by_its_own_trust() {
    let hour = Duration::from_secs(3600);
    let away = Freshness::Away {
        since: BootTime::now(),
    };
    let plugin = Identity {
        labelled: Vec::new(),
        holds: Arc::default(),
        name: "identity",
        published: publish(vec![
            followed("gone", "10.0.0.1", away, Duration::ZERO),
            followed("gone2", "10.0.0.9", away, Duration::ZERO),
            followed("well", "10.0.0.1", Freshness::Current, hour),
            followed("other", "10.0.0.2", Freshness::Current, hour),
            followed("old", "10.0.0.3", away, hour),
            followed("both", "10.0.0.3", Freshness::Current, hour),
            followed("pair", "10.0.0.2", Freshness::Current, hour),
        ]),
    };
    let answer = |names: &[&str], ttl| {
        let names = names.iter().map(|name| format!("{name}.tf.local."));
        Some((Rcode::NOERROR, names.collect(), Some(ttl)))
    };
    for (address, expected) in [
        ("10.0.0.1", answer(&["well1"], 60)),
        ("10.0.0.2", answer(&["other1", "pair1"], 60)),
        ("10.0.0.3", answer(&["both1", "old1"], STALE_TTL)),
        ("10.0.0.9", Some((Rcode::SERVFAIL, vec![], None))),
        ("10.0.0.4", None),
    ] {
        assert_eq!(names_behind(&plugin, address), expected, "{address}");
    }
}

/// If this fails, a node holds a name that no other node can read.
#[test]
fn a_record_that_may_become_too_large_is_refused() {
    let config = |meta: usize, value: &str| PoolConfig {
        pool: "worker".to_owned(),
        space: Space {
            pattern: Arc::new(Pattern::parse("worker{{.ID}}.tf.local.", "worker").unwrap()),
            limit: 1000,
        },
        claim: true,
        ttl: Duration::from_secs(20),
        sticky: None,
        node: None,
        addresses: Vec::new(),
        dns_port: Some(53),
        ports: BTreeMap::new(),
        meta: (0..meta)
            .map(|it| (format!("{it:04}"), value.to_owned()))
            .collect(),
        health: None,
        hooks: Vec::new(),
    };
    assert_eq!(size::check(&config(50, &"x".repeat(200))), Ok(()));
    // In JSON each of these takes two bytes.
    let error = size::check(&config(50, &"\"".repeat(200))).unwrap_err();
    assert!(error.contains(&RECORD_LIMIT.to_string()), "{error}");
}

/// If this fails, logs and conditions do not say whose name was asked for, or who answered.
#[test]
fn the_pool_and_the_own_name_are_labels() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::block(&format!(
        "identity worker {{\npattern worker{{{{.ID}}}}.tf.local.\nstore local {}\n}}",
        store.path().display()
    ));
    let label = |name: &str, label: &str| server.metadata(name, label);
    let end = Instant::now() + Duration::from_secs(30);
    while label("worker7.tf.local.", "identity/node").is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(label("worker7.tf.local.", "identity/pool"), some("worker"));
    assert_eq!(label("example.org.", "identity/pool"), None);
    for name in ["worker7.tf.local.", "example.org."] {
        assert_eq!(label(name, "identity/node"), some("worker1.tf.local."));
    }
    assert_eq!(label("worker7.tf.local.", "identity/other"), None);
}

/// If this fails, whoever asks for a node before it has its name waits in vain, or names are waited
/// for that nobody can claim or of which nothing is known.
#[tokio::test]
async fn a_query_waits_for_a_name_that_comes() {
    let hour = Duration::from_secs(3600);
    let mut pool = followed("worker", "10.0.0.1", Freshness::Current, hour);
    pool.answer.hold = hour;
    let mut now = pool.members.borrow().clone();
    let (tell, members) = watch::channel(now.clone());
    pool.members = members;
    let published = publish(vec![pool]);
    let name = |text: &str| LookupName::from(&text.parse::<Name>().unwrap());
    let is_held = |text: &str| published.names.load().pools[0].is_held_for(&name(text));
    for (text, held) in [
        ("worker2.tf.local.", true),
        ("_grpc._tcp.worker2.tf.local.", true),
        ("worker1.tf.local.", false),
        ("worker11.tf.local.", false),
        ("worker.tf.local.", false),
    ] {
        assert_eq!(is_held(text), held, "{text}");
    }
    let holds = Arc::new(Holds::default());
    let job = holds.hold(&published, name("worker2.tf.local."), hour);
    let waits = tokio::spawn(job.unwrap());
    let mut entry = now.get(1).unwrap().clone();
    entry.slot = 2;
    now.follow(
        BootTime::now(),
        &Feed::Changes {
            revision: 10,
            changes: vec![crate::store::Change::Held(entry)],
        },
    );
    tell.send_replace(now.clone());
    let bound = Duration::from_secs(40);
    assert!(tokio::time::timeout(bound, waits).await.unwrap().is_ok());
    assert_eq!(holds.claimed(), 1);
    // The store goes away: whether somebody comes cannot be known.
    let job = holds.hold(&published, name("worker3.tf.local."), hour);
    let waits = tokio::spawn(job.unwrap());
    let reason = String::new();
    now.follow(BootTime::now(), &Feed::Away { reason });
    tell.send_replace(now);
    assert!(tokio::time::timeout(bound, waits).await.unwrap().is_ok());
}
