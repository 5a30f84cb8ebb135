//! What a cache takes.

use super::*;
use crate::counters::Tally;
use crate::serve::{Served, serve};

/// If this fails, the speed of the server hangs on the allocator, or a hit goes the way of
/// queries that wait.
#[test]
fn a_hit_allocates_nothing() {
    let cached = Cached::new("cache {\nprefetch 1000000\n}", Said::Alias);
    for rtype in [RecordType::A, RecordType::TXT] {
        cached.server.ask("name.example.", rtype);
    }
    cached.upstream.says(Said::NoName(60, 60));
    cached.server.ask("none.example.", RecordType::A);
    cached.upstream.says(Said::Failure("nobody is there"));
    cached.server.ask("down.example.", RecordType::A);
    let requests = [
        query("name.example.", RecordType::A).to_bytes(),
        query("NAME.Example.", RecordType::A).to_bytes(),
        query("none.example.", RecordType::A).to_bytes(),
        query("down.example.", RecordType::A).to_bytes(),
    ];
    let mut tally = Tally::default();
    let mut out = vec![0; 4096];
    let mut ask = |request: &[u8]| {
        let (routes, client) = (cached.server.routes(), &cached.server.client);
        let served = serve(routes, client, request, &mut out, 0, &mut tally);
        matches!(served, Served::Reply(length) if length > 30)
    };
    let counted = allocation_counter::measure(|| {
        for request in &requests {
            assert!(ask(request));
        }
    });
    assert_eq!(counted.count_total, 0, "allocations while answering");
    assert_eq!(cached.upstream.asked(), 4);
}

/// If this fails, strangers fill the memory by asking for many names or for large replies.
#[test]
fn there_are_no_more_entries_than_were_asked_for() {
    let cached = Cached::new("cache {\nsuccess 100\ndenial 50\n}", Said::Address(1, 60));
    cached.upstream.answers_at_once();
    let fill = |cached: &Cached| {
        for number in 0..1000 {
            let name = format!("{number}.example.");
            cached.server.ask(&name, RecordType::A);
        }
    };
    fill(&cached);
    assert!((50..=100).contains(&cached.entries("success")));
    assert!(cached.number("coredns_cache_evictions_total", Some("success")) >= 900);
    assert_eq!(cached.number("coredns_cache_requests_total", None), 1000);
    cached.upstream.says(Said::NoName(60, 60));
    fill(&cached);
    assert!((25..=50).contains(&cached.entries("denial")));
    // Each takes the room of nine.
    let mut cached = Cached::new("cache {\nsuccess 100\n}", Said::Large(20));
    cached.upstream.answers_at_once();
    cached.server = cached.server.over_tcp();
    for number in 0..1000 {
        let name = format!("{number}.example.");
        cached.server.ask(&name, RecordType::TXT);
    }
    assert!((5..=12).contains(&cached.entries("success")));
}
