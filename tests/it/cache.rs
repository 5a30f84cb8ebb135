//! The cache of the program itself, in front of real upstreams.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::support::BOUND;
use crate::support::callsign::Callsign;
use crate::support::dns::{Query, Reply, ask, receive, udp_socket};
use crate::support::upstream::{Act, Upstream, record};

fn caching(upstream: &Upstream, directive: &str) -> Callsign {
    let address = upstream.address;
    Callsign::start(&format!(
        ".:{{port}} {{\n{directive}\nforward . {address} {{\nread_timeout 1s\n}}\n}}\n"
    ))
}

/// If this fails, nothing is kept of what others say, or clients over TCP do not get it.
#[test]
fn what_an_upstream_has_said_is_kept() {
    let upstream = Upstream::start(|asked| match asked.name.as_str() {
        "down.example" => vec![Act::Send(asked.code(2))],
        _ => vec![Act::Send(asked.reply(0, &[record(asked.wire(), 7)]))],
    });
    let callsign = caching(&upstream, "cache");
    for id in 1..10 {
        let query = Query::new("HosT.Example", "A").id(id);
        for reply in [query.udp(callsign.address()), query.tcp(callsign.address())] {
            assert_eq!((reply.id, reply.rcode), (id, 0));
            assert_eq!(reply.question, "HosT.Example");
            assert!(reply.answer[0].ends_with("192.0.2.7"), "{reply:?}");
        }
        assert_eq!(ask(callsign.address(), "down.example", "A").rcode, 2);
    }
    assert_eq!(upstream.asked("host.example").len(), 1);
    let failed = upstream.asked("down.example").len();
    assert!(failed < 9, "{failed} questions for what is down");
}

/// If this fails, an outage of the upstreams is one of their clients too.
#[test]
fn what_has_expired_is_told_while_nobody_answers() {
    let silent = Arc::new(AtomicBool::new(false));
    let is_silent = silent.clone();
    let upstream = Upstream::start(move |asked| match is_silent.load(Ordering::SeqCst) {
        true => vec![],
        false => vec![Act::Send(asked.answer(1))],
    });
    let callsign = caching(
        &upstream,
        "cache 1 {\nserve_stale 1h verify 200ms 10s 1s\n}",
    );
    assert_eq!(ask(callsign.address(), "host.example", "A").rcode, 0);
    silent.store(true, Ordering::SeqCst);
    let query = Query::new("host.example", "A").edns(1232, 0);
    let until = |enough: &dyn Fn(&Reply) -> bool| {
        let end = Instant::now() + BOUND;
        loop {
            let reply = query.udp(callsign.address());
            if enough(&reply) {
                return reply;
            }
            assert!(Instant::now() < end, "still {reply:?}");
        }
    };
    let stale = until(&|reply| reply.extended_errors == [3]);
    assert!(stale.answer[0].ends_with("192.0.2.1"), "{stale:?}");
    silent.store(false, Ordering::SeqCst);
    until(&|reply| reply.extended_errors.is_empty() && !reply.answer.is_empty());
}

/// The memory that a process has now, in kilobytes.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|it| it.parse().ok()).expect("its memory")
}

/// If this fails, a cache needs more memory than its page says.
#[test]
#[ignore = "takes a minute"]
fn a_hundred_thousand_names_take_less_than_60_mb() {
    const NAMES: usize = 100_000;
    let upstream = Upstream::start(|asked| vec![Act::Send(asked.answer(1))]);
    let callsign = caching(&upstream, "cache {\nsuccess 100000 86400 86400\n}");
    let socket = udp_socket(callsign.address());
    socket.set_read_timeout(Some(BOUND)).expect("a timeout");
    let name = |number: usize| format!("a-name-of-usual-length-{number}.example.org");
    ask(callsign.address(), &name(0), "A");
    let before = resident(callsign.id());
    let window = 32;
    let mut asked = 0;
    for answered in 0..NAMES {
        while asked < NAMES && asked < answered + window {
            let query = Query::new(&name(asked), "A").bytes();
            socket.send(&query).expect("sent");
            asked += 1;
        }
        receive(&socket).expect("a reply");
    }
    let after = resident(callsign.id());
    println!("{before} kB before, {after} kB with {NAMES} names");
    let kept = (0..NAMES)
        .step_by(1000)
        .filter(|number| {
            let before = upstream.asked(&name(*number)).len();
            ask(callsign.address(), &name(*number), "A");
            upstream.asked(&name(*number)).len() == before
        })
        .count();
    assert!(kept >= 95, "{kept} of 100 are kept");
    assert!(after < 60_000, "{after} kB");
}
