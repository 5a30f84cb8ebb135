//! Which replies are kept, for how long, and what their clients see.

use super::*;

/// If this fails, others are asked for what is known, or clients are told that an address holds
/// longer than it does.
#[test]
fn a_reply_is_kept_until_its_first_record_expires() {
    let mut cached = Cached::new("cache", Said::Alias);
    let told = |cached: &Cached| {
        let (answers, asked) = cached.ask();
        let ttls = answers.iter().map(|it| it.split(' ').nth(1).unwrap());
        (ttls.collect::<Vec<_>>().join(" "), asked)
    };
    assert_eq!(told(&cached), ("100 50".to_owned(), 1));
    assert_eq!(told(&cached), ("100 50".to_owned(), 1));
    cached.later(49);
    assert_eq!(told(&cached), ("51 1".to_owned(), 1));
    cached.later(1);
    assert_eq!(told(&cached), ("100 50".to_owned(), 2));
}

/// If this fails, the first client of an address is told another TTL than the next one, or the
/// bounds of the Corefile mean nothing.
#[test]
fn ttls_are_brought_within_the_bounds_for_the_first_client_too() {
    for (directive, said, ttl, lifetime) in [
        ("cache", Said::Address(1, 1), 5, 5),
        ("cache", Said::Address(1, 86_400), 3600, 3600),
        ("cache 30", Said::Address(1, 600), 30, 30),
        ("cache 3", Said::Address(1, 600), 3, 3),
        ("cache {\nsuccess 100 60 20\n}", Said::Address(1, 7), 20, 20),
        ("cache {\nsuccess 100 60 0\n}", Said::Address(1, 1), 1, 1),
    ] {
        for at_once in [false, true] {
            let mut cached = Cached::new(directive, said.clone());
            if at_once {
                cached.upstream.answers_at_once();
            }
            let expected = |ttl| vec![format!("name.example. {ttl} A 192.0.2.1")];
            assert_eq!(cached.ask(), (expected(ttl), 1), "{directive} {at_once}");
            cached.later(lifetime - 1);
            assert_eq!(cached.ask(), (expected(1), 1), "{directive} {at_once}");
            cached.later(1);
            assert_eq!(cached.ask(), (expected(ttl), 2), "{directive} {at_once}");
        }
    }
}

/// If this fails, a name that was just made stays unknown for longer than its zone says.
#[test]
fn a_denial_holds_as_long_as_its_zone_says() {
    for (said, holds) in [
        (Said::NoName(600, 60), 60),
        (Said::NoName(30, 60), 30),
        (Said::NoData(600, 7), 7),
        (Said::NoName(86_400, 86_400), 1800),
    ] {
        let mut cached = Cached::new("cache", said.clone());
        let told = |cached: &Cached| {
            let reply = cached.server.ask("name.example.", RecordType::A);
            let soa = reply.records().next().unwrap();
            assert_eq!(soa.rtype, RecordType::SOA);
            (u64::from(soa.ttl), reply.rcode(), cached.upstream.asked())
        };
        let rcode = match said {
            Said::NoName(..) => Rcode::NXDOMAIN,
            _ => Rcode::NOERROR,
        };
        assert_eq!(told(&cached), (holds, rcode, 1), "{said:?}");
        cached.later(holds - 1);
        assert_eq!(told(&cached), (1, rcode, 1), "{said:?}");
        cached.later(1);
        assert_eq!(told(&cached), (holds, rcode, 2), "{said:?}");
    }
}

/// If this fails, the cache answers with half a reply, with what was meant for one client, or
/// with something that nobody said how long it holds.
#[test]
fn what_is_not_for_keeping_is_not_kept() {
    let refused = Said::Code(Rcode::REFUSED);
    for said in [
        Said::Truncated,
        Said::Address(1, 0),
        Said::Code(Rcode::NXDOMAIN),
        Said::Code(Rcode::NOERROR),
        Said::NoName(60, 0),
        refused,
    ] {
        let cached = Cached::new("cache", said.clone());
        let (first, _) = cached.ask();
        assert_eq!(cached.ask(), (first, 2), "{said:?}");
    }
    let cached = Cached::new("cache", Said::Address(1, 60));
    for rtype in [RecordType::ANY, RecordType::AXFR, RecordType(253)] {
        let before = cached.upstream.asked();
        cached.server.ask("name.example.", rtype);
        cached.server.ask("name.example.", rtype);
        assert_eq!(cached.upstream.asked(), before + 2, "{rtype}");
    }
    let mut subnet = query("name.example.", RecordType::A);
    let edns = subnet.edns.as_mut().unwrap();
    edns.push_option(8, b"\0\x01\x18\0\xc0\0\x02");
    let before = cached.upstream.asked();
    cached.server.serve(&subnet);
    cached.server.serve(&subnet);
    assert_eq!(cached.upstream.asked(), before + 2);
}

/// If this fails, a node that has moved is still found at its old address, though this server
/// knows the new one.
#[test]
fn what_this_server_has_itself_is_left_alone() {
    for at_once in [false, true] {
        let cached = Cached::new("cache", Said::Address(1, 1));
        cached.upstream.is_own();
        if at_once {
            cached.upstream.answers_at_once();
        }
        let expected = |octet| vec![format!("name.example. 1 A 192.0.2.{octet}")];
        assert_eq!(cached.ask(), (expected(1), 1));
        cached.upstream.says(Said::Address(2, 1));
        assert_eq!(cached.ask(), (expected(2), 2));
    }
}

/// If this fails, a client gets the answer to another question.
#[test]
fn an_entry_is_for_one_question() {
    let cached = Cached::new("cache", Said::Address(1, 60));
    let usual = query("name.example.", RecordType::A);
    let edns = |dnssec_ok| {
        Some(RequestEdns {
            dnssec_ok,
            ..RequestEdns::default()
        })
    };
    let others = [
        query("name.example.", RecordType::AAAA),
        query("other.example.", RecordType::A),
        Request {
            edns: edns(true),
            ..usual.clone()
        },
        Request {
            checking_disabled: true,
            ..usual.clone()
        },
        Request {
            recursion_desired: false,
            ..usual.clone()
        },
    ];
    let same = [
        Request {
            id: 77,
            ..query("NAME.eXample.", RecordType::A)
        },
        Request {
            edns: None,
            ..usual.clone()
        },
        Request {
            authentic_data: true,
            ..usual.clone()
        },
    ];
    cached.server.serve(&usual);
    for (asked, other) in (2..).zip(&others) {
        cached.server.serve(other);
        cached.server.serve(other);
        assert_eq!(cached.upstream.asked(), asked, "{other:?}");
    }
    for same in same {
        let reply = cached.server.serve(&same).unwrap();
        assert_eq!(reply.id(), same.id);
        assert_eq!(reply.qname(), &*same.name, "the case of the question");
        assert_eq!(answers(&reply).len(), 1);
        assert_eq!(cached.upstream.asked(), 1 + others.len());
    }
}

/// If this fails, a resolver takes this server's answers about a zone for those of a server that
/// does not have it, or the other way round.
#[test]
fn the_flags_are_those_that_others_have_set() {
    for authoritative in [false, true] {
        let cached = Cached::new("cache", Said::Address(1, 60));
        if authoritative {
            cached.upstream.is_authoritative();
        }
        for _ in 0..2 {
            let reply = cached.server.ask("name.example.", RecordType::A);
            assert_eq!(reply.is_authoritative(), authoritative);
            assert!(reply.is_recursion_available());
        }
        assert_eq!(cached.upstream.asked(), 1);
    }
}

/// If this fails, servers that are down are asked by every client, or a name is down for longer
/// than they are.
#[test]
fn a_failure_is_remembered_for_a_while() {
    for (said, errors) in [
        (Said::Code(Rcode::SERVFAIL), [vec![], vec![13]]),
        (Said::Failure("nobody is there"), [vec![23], vec![13, 23]]),
    ] {
        let mut cached = Cached::new("cache", said);
        cached.upstream.is_own();
        for expected in errors {
            let reply = cached.server.ask("name.example.", RecordType::A);
            assert_eq!(reply.rcode(), Rcode::SERVFAIL);
            let mut errors = extended_errors(&reply);
            errors.sort_unstable();
            assert_eq!((errors, cached.upstream.asked()), (expected, 1));
        }
        cached.later(5);
        cached.ask();
        assert_eq!(cached.upstream.asked(), 2);
    }
    let cached = Cached::new("cache {\nservfail 0\n}", Said::Code(Rcode::SERVFAIL));
    cached.ask();
    cached.ask();
    assert_eq!(cached.upstream.asked(), 2);
}

/// If this fails, `cache ZONE` and `disable` keep what they were told not to.
#[test]
fn only_the_zones_of_the_directive_are_kept() {
    for (directive, kept) in [
        ("cache example.", true),
        ("cache 60 example.", true),
        ("cache other.", false),
        ("cache {\ndisable success\n}", false),
        ("cache {\ndisable success example. other.\n}", false),
        ("cache {\ndisable success other.\n}", true),
        ("cache {\ndisable denial\n}", true),
    ] {
        let cached = Cached::new(directive, Said::Address(1, 60));
        cached.ask();
        let (_, asked) = cached.ask();
        assert_eq!(asked, if kept { 1 } else { 2 }, "{directive}");
    }
    let cached = Cached::new("cache {\ndisable denial example.\n}", Said::NoName(60, 60));
    cached.ask();
    assert_eq!(cached.ask().1, 2);
}

/// If this fails, `keepttl` does not do what it says: others count TTLs down on top of ours.
#[test]
fn ttls_are_kept_where_that_is_wanted() {
    let mut cached = Cached::new("cache {\nkeepttl\n}", Said::Address(1, 60));
    let expected = vec!["name.example. 60 A 192.0.2.1".to_owned()];
    assert_eq!(cached.ask(), (expected.clone(), 1));
    cached.later(59);
    assert_eq!(cached.ask(), (expected.clone(), 1));
    cached.later(1);
    assert_eq!(cached.ask(), (expected, 2));
}

/// If this fails, a reply that one client cannot take is cut for all.
#[test]
fn a_reply_is_kept_whole() {
    let mut cached = Cached::new("cache", Said::Large(20));
    let small = Request {
        edns: None,
        ..query("name.example.", RecordType::TXT)
    };
    for _ in 0..2 {
        let reply = cached.server.serve(&small).unwrap();
        assert!(reply.is_truncated());
    }
    cached.server = cached.server.over_tcp();
    let reply = cached.server.serve(&small).unwrap();
    assert!(!reply.is_truncated());
    assert_eq!(reply.records().count(), 20);
    assert_eq!(cached.upstream.asked(), 1);
}

/// If this fails, who is asked for all the time is waited for at the end of each TTL.
#[test]
fn what_many_ask_for_is_refreshed_before_its_end() {
    let mut cached = Cached::new("cache {\nprefetch 3 1m 20%\n}", Said::Address(1, 100));
    cached.ask();
    cached.later(70);
    cached.ask();
    cached.ask();
    cached.upstream.says(Said::Address(2, 100));
    // Not yet in the last fifth of its time.
    cached.later(9);
    assert_eq!(cached.ask().1, 1);
    cached.later(1);
    let (told, _) = cached.ask();
    assert_eq!(told, ["name.example. 20 A 192.0.2.1"]);
    cached.upstream.wait_for(2);
    cached.wait_until(|answers| answers[0].ends_with("192.0.2.2"));
    // It has been as popular as what it replaced.
    cached.later(90);
    cached.ask();
    assert_eq!(cached.upstream.asked(), 2);
    cached.ask();
    cached.ask();
    cached.upstream.wait_for(3);
}
