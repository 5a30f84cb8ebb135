//! Answers that have expired.

use super::*;

const NOBODY: Said = Said::Failure("nobody is there");

/// If this fails, a name that has expired makes its clients wait, or they never see the new
/// address.
#[test]
fn at_once_and_then_anew() {
    let mut cached = Cached::new("cache {\nserve_stale\n}", Said::Address(1, 60));
    cached.ask();
    cached.upstream.says(Said::Address(2, 60));
    cached.later(3659);
    cached.upstream.close();
    let reply = cached.server.ask("name.example.", RecordType::A);
    assert_eq!(answers(&reply), ["name.example. 5 A 192.0.2.1"]);
    assert_eq!(extended_errors(&reply), [3]);
    cached.upstream.wait_for(2);
    // One is enough.
    for _ in 0..10 {
        cached.ask();
    }
    cached.upstream.open();
    cached.wait_until(|answers| answers == ["name.example. 60 A 192.0.2.2"]);
    assert_eq!(cached.upstream.asked(), 2);
    assert!(cached.number("coredns_cache_served_stale_total", None) >= 11);
    // An hour after its end it is forgotten.
    cached.upstream.says(Said::Address(3, 60));
    cached.later(3660);
    assert_eq!(cached.ask().0, ["name.example. 60 A 192.0.2.3"]);
}

/// If this fails, a name that exists by now is denied for ever.
#[test]
fn a_denial_that_has_expired_gives_way() {
    let mut cached = Cached::new("cache {\nserve_stale 1h immediate\n}", Said::NoName(60, 60));
    cached.ask();
    cached.later(60);
    cached.upstream.says(Said::Address(1, 60));
    let reply = cached.server.ask("name.example.", RecordType::A);
    assert_eq!(reply.rcode(), Rcode::NXDOMAIN);
    assert_eq!(extended_errors(&reply), [19]);
    assert_eq!(reply.records().next().unwrap().ttl, 5);
    cached.wait_until(|answers| answers == ["name.example. 60 A 192.0.2.1"]);
    // And the other way round.
    cached.later(60);
    cached.upstream.says(Said::NoName(60, 60));
    cached.wait_until(<[String]>::is_empty);
    assert_eq!(cached.upstream.asked(), 3);
}

/// If this fails, `verify` answers with what has expired though there is something newer.
#[test]
fn verified_first() {
    let mut cached = Cached::new("cache {\nserve_stale 1h verify\n}", Said::Address(1, 60));
    cached.ask();
    for (said, expected) in [
        (Said::Address(2, 60), vec!["name.example. 60 A 192.0.2.2"]),
        (Said::NoName(60, 60), vec![]),
        (Said::Address(3, 0), vec!["name.example. 0 A 192.0.2.3"]),
        (Said::Address(4, 60), vec!["name.example. 60 A 192.0.2.4"]),
    ] {
        cached.later(60);
        cached.upstream.says(said);
        assert_eq!(cached.ask().0, expected);
    }
}

/// If this fails, an outage of others is one of their clients too, or servers that are down are
/// asked for each query.
#[test]
fn what_has_expired_gets_clients_over_an_outage() {
    for outage in [
        NOBODY,
        Said::Code(Rcode::REFUSED),
        Said::Code(Rcode::SERVFAIL),
    ] {
        let directive = "cache {\nserve_stale 1h verify 0s 10s 20s\n}";
        let mut cached = Cached::new(directive, Said::Address(1, 60));
        cached.ask();
        cached.later(100);
        cached.upstream.says(outage);
        let reply = cached.server.ask("name.example.", RecordType::A);
        assert_eq!(reply.rcode(), Rcode::NOERROR);
        assert_eq!(answers(&reply), ["name.example. 10 A 192.0.2.1"]);
        assert_eq!(extended_errors(&reply), [3]);
        let expected = vec!["name.example. 10 A 192.0.2.1".to_owned()];
        cached.later(19);
        assert_eq!(cached.ask(), (expected.clone(), 2));
        cached.later(1);
        assert_eq!(cached.ask(), (expected, 3));
        cached.later(20);
        cached.upstream.says(Said::Address(2, 60));
        assert_eq!(cached.ask().0, ["name.example. 60 A 192.0.2.2"]);
    }
}

/// If this fails, a slow server keeps clients waiting for longer than they were promised, or its
/// answer is lost when it comes.
#[test]
fn no_longer_than_the_timeout() {
    let directive = "cache {\nserve_stale 1h verify 10ms\n}";
    let mut cached = Cached::new(directive, Said::Address(1, 60));
    cached.ask();
    cached.later(60);
    cached.upstream.says(Said::Address(2, 60));
    cached.upstream.close();
    assert_eq!(cached.ask().0, ["name.example. 30 A 192.0.2.1"]);
    cached.upstream.open();
    cached.wait_until(|answers| answers == ["name.example. 60 A 192.0.2.2"]);
    assert_eq!(cached.upstream.asked(), 2);
}

/// If this fails, `prefer_positive` lets a denial take the place of the last good answer, or keeps
/// asking those who have denied it.
#[test]
fn the_last_good_answer_where_that_is_preferred() {
    for mode in ["immediate", "verify"] {
        let directive =
            format!("cache {{\nserve_stale 1h {mode}\nserve_stale_policy prefer_positive\n}}");
        let mut cached = Cached::new(&directive, Said::Address(1, 60));
        cached.ask();
        cached.later(60);
        cached.upstream.says(Said::NoName(100, 100));
        let (told, _) = cached.ask();
        assert!(told[0].ends_with("192.0.2.1"), "{mode}: {told:?}");
        cached.upstream.wait_for(2);
        cached.wait_for_denial();
        cached.later(99);
        let (told, asked) = cached.ask();
        assert!(told[0].ends_with("192.0.2.1"), "{mode}: {told:?}");
        assert_eq!(asked, 2, "{mode}");
        cached.later(1);
        cached.upstream.says(Said::Address(2, 60));
        cached.wait_until(|answers| answers == ["name.example. 60 A 192.0.2.2"]);
        // When its hour is over, the denial is all there is.
        cached.later(60);
        cached.upstream.says(Said::NoName(7200, 7200));
        cached.ask();
        cached.later(3600);
        cached.wait_until(<[String]>::is_empty);
    }
}
