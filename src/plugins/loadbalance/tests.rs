//! The order of addresses.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use answer::{Class, Owner, Query, Request};

use super::*;
use crate::plugins::harness::{Server, answers};

fn balance(policy: Policy, prefer: &[&str]) -> LoadBalance {
    let network = |text: &&str| {
        let (first, length) = text.split_once('/').unwrap();
        Network {
            first: first.parse().unwrap(),
            length: length.parse().unwrap(),
        }
    };
    LoadBalance {
        policy,
        prefer: prefer.iter().map(network).collect(),
        _reload: None,
    }
}

/// The last octets of the addresses of `a.` in the order that a seed makes of 10.0.0.1 to `count`.
fn order(balance: &LoadBalance, count: u8, seed: u32) -> Vec<u8> {
    let bytes = Request::new(b"\x01a\0", RecordType::A).to_bytes();
    let query = Query::parse(&bytes).unwrap();
    let mut out = [0; 1232];
    let mut reply = Reply::start(&query, answer::Transport::DATAGRAM, &mut out).unwrap();
    let alias = (RecordType::CNAME, Class::IN);
    reply.record(
        Section::Answer,
        Owner::Name(b"\x01x\0"),
        alias,
        1,
        b"\xc0\x0c",
    );
    for last in 1..=count {
        let kind = (RecordType::A, Class::IN);
        reply.record(Section::Answer, Owner::QUESTION, kind, 1, &[10, 0, 0, last]);
    }
    balance.order(&mut reply, seed);
    let mut records = reply.written();
    assert_eq!(
        records.next().unwrap().rtype,
        RecordType::CNAME,
        "it stays first"
    );
    let message = reply.message();
    records.map(|record| message[record.end - 1]).collect()
}

/// If this fails, some servers of a name get all the load, or addresses are lost.
#[test]
fn every_order_comes_as_often() {
    let balance = balance(Policy::RoundRobin, &[]);
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    for seed in 0..6000 {
        *seen.entry(order(&balance, 3, seed)).or_default() += 1;
    }
    assert_eq!(seen.len(), 6);
    assert!(
        seen.values().all(|times| (800..1200).contains(times)),
        "{seen:?}"
    );
    let all: HashSet<u8> = order(&balance, 40, 7).into_iter().collect();
    assert_eq!(all, (1..=40).collect());
}

/// If this fails, clients are sent to far-away servers although a near one is there.
#[test]
fn preferred_networks_come_first_in_their_order() {
    let balance = balance(Policy::RoundRobin, &["10.0.0.4/31", "10.0.0.0/31", "::/0"]);
    for seed in 0..100 {
        let order = order(&balance, 8, seed);
        let firsts: HashSet<u8> = order[..2].iter().copied().collect();
        assert_eq!(firsts, HashSet::from([4, 5]), "{order:?}");
        assert_eq!(order[2], 1);
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 8);
    }
}

fn weighted(text: &str) -> LoadBalance {
    let weights = Weights::parse(text).unwrap();
    balance(Policy::Weighted(Arc::new(Current::new(weights))), &[])
}

/// If this fails, a small server gets as much load as a large one.
#[test]
fn an_address_comes_first_as_often_as_its_weight_says() {
    let balance = weighted("# small and large\nb\n10.0.0.2 200\n\nA.\n10.0.0.1 3\n10.0.0.3 6");
    let mut first = [0; 4];
    for seed in 0..10_000 {
        let order = order(&balance, 3, seed);
        first[usize::from(order[0])] += 1;
        assert_eq!(order.iter().sum::<u8>(), 6);
    }
    // 3 : 1 : 6, of which the second is what an address has that is not in the file.
    let near = |n: i32, expected: i32| (n - expected).abs() < 200;
    assert!(
        near(first[1], 3000) && near(first[2], 1000) && near(first[3], 6000),
        "{first:?}"
    );
    let other = weighted("b\n10.0.0.2 200\n");
    let firsts: HashSet<u8> = (0..100).map(|seed| order(&other, 3, seed)[0]).collect();
    assert_eq!(firsts.len(), 3);
}

/// If this fails, whoever mistypes a weight does not learn where.
#[test]
fn mistakes_in_the_file_name_their_line() {
    for (text, part) in [
        ("10.0.0.1 1", "line 1: an address before the first name"),
        (
            "a\n\n10.0.0.1",
            "line 3: the address 10.0.0.1 has no weight",
        ),
        ("a\n10.0.0.1 0", "line 2: 0 is no weight from 1 to 255"),
        ("a\n10.0.0.1 256", "line 2: 256 is no weight"),
        ("a\nb 1", "line 2: b is no address"),
        ("a\n10.0.0.1 1 1", "line 2: neither"),
        ("a..b", "line 1: "),
    ] {
        let error = Weights::parse(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

/// If this fails, new weights count only after a restart.
#[test]
fn the_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let text = |one: u8, two: u8| format!("a.example\n10.0.0.1 {one}\n10.0.0.2 {two}\n");
    fs::write(&path, text(255, 1)).unwrap();
    let server = Server::block(&format!(
        "root {}\nloadbalance weighted weights {{\nreload 5ms\n}}\n\
         hosts /dev/null {{\n10.0.0.1 a.example\n10.0.0.2 a.example\n}}",
        folder.path().display()
    ));
    let first = || answers(&server.ask("a.example.", RecordType::A)).remove(0);
    assert_eq!(first(), "a.example. 3600 A 10.0.0.1");
    fs::write(&path, "nonsense here\n").unwrap();
    fs::write(&path, text(1, 255)).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while first() != "a.example. 3600 A 10.0.0.2" {
        assert!(Instant::now() < end, "the new weights never count");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// If this fails, a mistake in a Corefile passes unseen.
#[test]
fn mistakes_are_shown() {
    for (directive, part) in [
        ("loadbalance random", "unknown policy `random`"),
        ("loadbalance weighted", "`weighted` without a file"),
        ("loadbalance round_robin x", "takes no argument"),
        ("loadbalance {\nreload 1s\n}", "only for `weighted`"),
        (
            "loadbalance weighted x {\nreload soon\n}",
            "is not a duration",
        ),
        ("loadbalance {\nprefer\n}", "syntax: prefer"),
        ("loadbalance {\nprefer here\n}", "`here` is not a network"),
        ("loadbalance {\nlimit 3\n}", "unknown option `limit`"),
        ("loadbalance\nloadbalance", "given twice"),
    ] {
        let mistakes = Server::mistakes(directive);
        assert!(mistakes.contains(part), "{directive}: {mistakes}");
    }
    assert_eq!(Server::mistakes("loadbalance round_robin"), "");
    assert_eq!(Server::mistakes("loadbalance weighted nowhere"), "");
}
