//! Forwarding, by the program itself, to upstreams of every kind.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::support::callsign::Callsign;
use crate::support::dns::{Query, Reply, Stream, ask, ask_until};
use crate::support::http;
use crate::support::upstream::{Act, Asked, Over, Upstream, record};

/// A server that forwards everything to these upstreams.
fn forwarding(upstreams: &[&Upstream], options: &str) -> Callsign {
    let to: Vec<String> = upstreams.iter().map(|it| it.address.to_string()).collect();
    Callsign::start(&format!(
        ".:{{port}} {{\n    forward . {} {{\n{options}\n}}\n}}\n",
        to.join(" ")
    ))
}

/// The last octet of the only address in a reply.
fn octet(reply: &Reply) -> u8 {
    assert_eq!(reply.answer.len(), 1, "{reply:?}");
    let (_, octet) = reply.answer[0].rsplit_once('.').expect("an address");
    octet.parse().expect("an octet")
}

/// If this fails, nothing is forwarded, or clients and upstreams see each other's identifiers,
/// letters or ports where they must not.
#[test]
fn a_query_is_asked_anew_and_its_reply_passed_on() {
    let upstream = Upstream::start(|asked| match asked.name.as_str() {
        "full.example" => vec![Act::Send(asked.reply(0, &[record(asked.wire(), 2)]))],
        "nothing.example" => vec![Act::Send(asked.code(3))],
        _ => vec![Act::Send(asked.answer(1))],
    });
    let callsign = forwarding(&[&upstream], "");
    let reply = Query::new("HosT.Example", "A")
        .id(77)
        .udp(callsign.address());
    assert_eq!((reply.id, reply.rcode, octet(&reply)), (77, 0, 1));
    assert_eq!(reply.question, "HosT.Example");
    assert!(!reply.has_opt);
    let reply = Query::new("FuLL.Example", "A").udp(callsign.address());
    assert!(reply.answer[0].starts_with("FuLL.Example"), "{reply:?}");
    assert_eq!(ask(callsign.address(), "nothing.example", "A").rcode, 3);
    let reply = Query::new("host.example", "A").tcp(callsign.address());
    assert_eq!(octet(&reply), 1);

    let mut letters = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..20 {
        ask(callsign.address(), "mixed.example", "A");
    }
    for asked in upstream.asked("mixed.example") {
        assert!(asked.has_opt());
        letters.push(asked.wire().to_vec());
        ports.push(asked.port);
    }
    assert!(ports.len() >= 20);
    letters.sort();
    letters.dedup();
    ports.sort_unstable();
    ports.dedup();
    assert!(letters.len() > 5, "{letters:?}");
    assert!(ports.len() > 1, "{ports:?}");
    let over_tcp = upstream.asked("host.example");
    assert!(over_tcp.iter().any(|asked| asked.over == Over::Tcp));
}

/// If this fails, somebody who can send us datagrams ends the wait with a wrong answer, or has it
/// believed.
#[test]
fn wrong_replies_are_waited_past() {
    let upstream = Upstream::start(|asked| {
        let right = asked.answer(1);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut wrong = asked.answer(66);
            change(&mut wrong);
            wrong
        };
        let wrong = match asked.name.split('.').next().expect("a label") {
            "id" => Act::Send(with(&|it| it[1] ^= 1)),
            "question" => Act::Send(with(&|it| it[13] = b'#')),
            "query" => Act::Send(with(&|it| it[2] &= 0x7f)),
            "short" => Act::Send(with(&|it| it.truncate(11))),
            "cut" => Act::Send(with(&|it| it.truncate(it.len() - 13))),
            "garbage" => Act::Send(vec![0xff; 300]),
            "port" => Act::SendFromElsewhere(asked.answer(66)),
            _ => return vec![Act::Send(right)],
        };
        vec![
            wrong.clone(),
            wrong,
            Act::Wait(Duration::from_millis(30)),
            Act::Send(right),
        ]
    });
    let callsign = forwarding(&[&upstream], "");
    for name in ["id", "question", "query", "short", "cut", "garbage", "port"] {
        let reply = ask(callsign.address(), &format!("{name}.example"), "A");
        assert_eq!(octet(&reply), 1, "{name}");
    }
}

/// If this fails, everybody behind a router that changes letters has no DNS, or letters protect
/// nobody since any will do.
#[test]
fn other_letters_are_asked_for_again_over_tcp() {
    let lower = |asked: &Asked, last| {
        let mut reply = asked.answer(last);
        let end = 12 + asked.wire().len();
        reply[12..end].make_ascii_lowercase();
        reply
    };
    let upstream = Upstream::start(move |asked| match (asked.over, &*asked.name) {
        // A forger: the upstream itself keeps letters.
        (Over::Udp, "forged.example") => vec![Act::Send(lower(asked, 66))],
        (Over::Tcp, "forged.example") => vec![Act::Send(asked.answer(1))],
        _ => vec![Act::Send(asked.answer(1))],
    });
    let callsign = forwarding(&[&upstream], "");
    let reply = ask(callsign.address(), "forged.example", "A");
    assert_eq!(octet(&reply), 1);
    assert!(!callsign.said().contains("does not keep the letters"));

    let upstream = Upstream::start(move |asked| vec![Act::Send(lower(asked, 2))]);
    let callsign = forwarding(&[&upstream], "");
    let long = "a-long-name-with-many-letters";
    for number in 0..3 {
        let name = format!("{long}{number}.example");
        assert_eq!(octet(&ask(callsign.address(), &name, "A")), 2);
    }
    callsign.says("does not keep the letters");
    // One that changes letters and never answers over TCP has to be believed in the end.
    let router = Upstream::start(move |asked| match asked.over {
        Over::Udp => vec![Act::Send(lower(asked, 3))],
        Over::Tcp => vec![Act::Close],
    });
    let of_router = forwarding(&[&router], "");
    let name = format!("{long}.example");
    ask_until(of_router.address(), &name, "A", |reply| {
        reply.rcode == 0 && octet(reply) == 3
    });

    let over_tcp = |number| {
        let asked = upstream.asked(&format!("{long}{number}.example"));
        asked.iter().filter(|it| it.over == Over::Tcp).count()
    };
    assert_eq!((over_tcp(0), over_tcp(2)), (1, 0), "it is asked once");
}

/// If this fails, answers that are too large for a datagram never arrive, or only in part.
#[test]
fn what_is_cut_is_fetched_over_tcp() {
    let upstream = Upstream::start(|asked| match asked.over {
        Over::Udp => vec![Act::Send(asked.truncated())],
        Over::Tcp => {
            let records: Vec<_> = (0..100).map(|last| record(&[0xc0, 12], last)).collect();
            vec![Act::Send(asked.reply(0, &records))]
        }
    });
    let callsign = forwarding(&[&upstream], "");
    let reply = ask(callsign.address(), "large.example", "A");
    assert!(reply.truncated && reply.length <= 512);
    let reply = Query::new("large.example", "A")
        .edns(4096, 0)
        .udp(callsign.address());
    assert!(reply.truncated && reply.length <= 1232);
    let reply = Query::new("large.example", "A").tcp(callsign.address());
    assert_eq!((reply.truncated, reply.answer.len()), (false, 100));
    // More than was asked for is no reason not to take it.
    let large = Upstream::start(|asked| {
        let records: Vec<_> = (0..200).map(|last| record(&[0xc0, 12], last)).collect();
        vec![Act::Send(asked.reply(0, &records))]
    });
    let callsign = forwarding(&[&large], "prefer_udp");
    let reply = Query::new("large.example", "A").tcp(callsign.address());
    assert_eq!(reply.answer.len(), 200);
    assert_eq!(large.connections(), 0);
}

/// If this fails, one dead upstream of several makes clients wait or fail.
#[test]
fn a_dead_upstream_costs_one_more_try_and_comes_back() {
    let port = {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.local_addr().expect("an address").port()
    };
    let (silent, good) = (Upstream::silent(), Upstream::good(1));
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\nforward . 127.0.0.1:{port} {} {} {{\npolicy round_robin\nhealth_check 100ms\n}}\n}}",
        silent.address, good.address
    ));
    for number in 0..12 {
        let reply = ask(callsign.address(), &format!("host{number}.example"), "A");
        assert_eq!(octet(&reply), 1, "{number}");
    }
    callsign.says(&format!(
        "upstream {} does not answer: no reply in time",
        silent.address
    ));
    callsign.says(&format!(
        "upstream 127.0.0.1:{port} does not answer: connection refused"
    ));
    // Those are checked and asked nothing else.
    let before = silent.asked("later.example").len();
    for _ in 0..10 {
        assert_eq!(octet(&ask(callsign.address(), "later.example", "A")), 1);
    }
    assert_eq!((before, silent.asked("later.example").len()), (0, 0));
}

/// If this fails, an upstream that cannot answer anything is preferred to one that can, or stays
/// out though it answers again.
#[test]
fn a_broken_upstream_is_not_healthy_until_it_answers() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let broken = Arc::new(AtomicBool::new(true));
    let flag = broken.clone();
    let first = Upstream::start(move |asked| match flag.load(Ordering::Relaxed) {
        true if asked.name.is_empty() => vec![Act::Send(asked.code(2))],
        true => Vec::new(),
        false => vec![Act::Send(asked.answer(1))],
    });
    let second = Upstream::good(2);
    let options = "policy sequential\nread_timeout 1s\nhealth_check 50ms";
    let callsign = forwarding(&[&first, &second], options);
    assert_eq!(octet(&ask(callsign.address(), "a.example", "A")), 2);
    callsign.says("does not answer: SERVFAIL");
    assert_eq!(octet(&ask(callsign.address(), "b.example", "A")), 2);
    assert_eq!(first.asked("b.example").len(), 0);
    broken.store(false, Ordering::Relaxed);
    callsign.says("answers again");
    ask_until(callsign.address(), "c.example", "A", |reply| {
        octet(reply) == 1
    });
}

/// If this fails, a server that has one zone and refuses all other names is never asked again after
/// it was away for a moment.
#[test]
fn a_server_of_one_zone_comes_back() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let away = Arc::new(AtomicBool::new(true));
    let flag = away.clone();
    let upstream = Upstream::start(move |asked| match flag.load(Ordering::Relaxed) {
        true => Vec::new(),
        false if asked.name == "a.corp.example" => vec![Act::Send(asked.answer(1))],
        false => vec![Act::Send(asked.code(5))],
    });
    let callsign = Callsign::start(&format!(
        "corp.example:{{port}} {{
            forward . {} {{
                failfast_all_unhealthy_upstreams
                read_timeout 100ms
                health_check 50ms
                max_fails 1
            }}
        }}",
        upstream.address
    ));
    assert_eq!(ask(callsign.address(), "a.corp.example", "A").rcode, 2);
    callsign.says("does not answer");
    away.store(false, Ordering::Relaxed);
    callsign.says("answers again");
    assert_eq!(octet(&ask(callsign.address(), "a.corp.example", "A")), 1);
    // The check is about names that are forwarded.
    assert!(!upstream.asked("corp.example").is_empty());
    assert_eq!(upstream.asked("").len(), 0);
}

/// If this fails, clients of upstreams that are all dead wait for ever or are told nothing, and
/// the log does not say why.
#[test]
fn when_nobody_answers_clients_are_told_so() {
    let silent = Upstream::silent();
    let callsign = forwarding(&[&silent], "read_timeout 100ms");
    let query = Query::new("a.example", "A").edns(1232, 0);
    let reply = query.udp(callsign.address());
    assert_eq!((reply.rcode, &*reply.extended_errors), (2, &[22][..]));
    let closed = Upstream::start(|_| vec![Act::Close]);
    let callsign = forwarding(&[&closed], "force_tcp");
    let reply = query.udp(callsign.address());
    assert_eq!((reply.rcode, &*reply.extended_errors), (2, &[23][..]));
    let garbage = Upstream::start(|_| vec![Act::Write(vec![0xff; 70_000])]);
    let callsign = forwarding(&[&garbage], "force_tcp");
    let reply = query.udp(callsign.address());
    assert_eq!((reply.rcode, &*reply.extended_errors), (2, &[23][..]));

    let refusing = Upstream::start(|asked| vec![Act::Send(asked.code(5))]);
    let callsign = forwarding(&[&refusing], "");
    assert_eq!(ask(callsign.address(), "a.example", "A").rcode, 5);
}

/// If this fails, a connection is opened for every query, replies in another order are lost, or
/// a connection that the upstream has closed costs an answer.
#[test]
fn connections_are_kept_and_shared() {
    let upstream = Upstream::start(|asked| match asked.name.as_str() {
        "held.example" => vec![Act::Hold(asked.answer(1))],
        "last.example" => vec![Act::Send(asked.answer(3)), Act::Close],
        _ => vec![Act::Send(asked.answer(2))],
    });
    let callsign = forwarding(&[&upstream], "force_tcp\nread_timeout 5s");
    ask(callsign.address(), "first.example", "A");
    let server = callsign.address();
    let held = thread::spawn(move || ask(server, "held.example", "A"));
    upstream.asked_times("held.example", 1);
    assert_eq!(octet(&ask(server, "other.example", "A")), 2);
    assert_eq!(octet(&held.join().expect("a reply")), 1);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(octet(&ask(server, "last.example", "A")), 3);
    assert_eq!(octet(&ask(server, "next.example", "A")), 2);
    assert_eq!(upstream.connections(), 2);
}

/// If this fails, a connection whose other side is gone without a word takes queries for ever.
#[test]
fn a_connection_on_which_nothing_comes_is_given_up() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let queries = Arc::new(AtomicUsize::new(0));
    let counted = queries.clone();
    let upstream = Upstream::start(move |asked| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Vec::new(),
        _ => vec![Act::Send(asked.answer(1))],
    });
    let options = "force_tcp\nread_timeout 2s\nmax_fails 0\nmax_connect_attempts 1";
    let callsign = forwarding(&[&upstream], options);
    assert_eq!(ask(callsign.address(), "a.example", "A").rcode, 2);
    assert_eq!(octet(&ask(callsign.address(), "b.example", "A")), 1);
    assert_eq!(upstream.connections(), 2);
}

/// If this fails, `next`, `failover` and `except` ask those who were not meant, or nobody.
#[test]
fn replies_can_send_a_query_on() {
    let first = Upstream::start(|asked| match asked.name.as_str() {
        "missing.example" => vec![Act::Send(asked.code(3))],
        "empty.example" => vec![Act::Send(asked.code(0))],
        "failing.example" => vec![Act::Send(asked.code(2))],
        _ => vec![Act::Send(asked.answer(1))],
    });
    let (second, third) = (Upstream::good(2), Upstream::good(3));
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{
            forward . {third}
            forward example {first} {second} {{
                policy sequential
                next NXDOMAIN
                next_on_nodata
                failover SERVFAIL
                except left.out.example
            }}
        }}",
        first = first.address,
        second = second.address,
        third = third.address
    ));
    for (name, expected) in [
        ("host.example", 1),
        ("missing.example", 3),
        ("empty.example", 3),
        ("failing.example", 2),
        ("left.out.example", 3),
        ("elsewhere", 3),
    ] {
        assert_eq!(
            octet(&ask(callsign.address(), name, "A")),
            expected,
            "{name}"
        );
    }
}

/// If this fails, a burst of queries for one slow zone takes all that the server has.
#[test]
fn queries_beyond_the_most_are_refused() {
    let silent = Upstream::silent();
    let callsign = forwarding(&[&silent], "max_concurrent 1\nmax_fails 0");
    let mut stream = Stream::connect(callsign.address());
    stream.send(&Query::new("a.example", "A"));
    silent.asked_times("a.example", 1);
    assert_eq!(ask(callsign.address(), "b.example", "A").rcode, 5);
}

/// If this fails, servers that do not know EDNS give their clients FORMERR for everything.
#[test]
fn a_server_without_edns_is_asked_without() {
    let old = Upstream::start(|asked| {
        if !asked.has_opt() {
            return vec![Act::Send(asked.answer(1))];
        }
        let mut bare = asked.message[..12].to_vec();
        (bare[2], bare[3], bare[5], bare[11]) = (0x81, 1, 0, 0);
        vec![Act::Send(bare)]
    });
    let callsign = forwarding(&[&old], "");
    assert_eq!(octet(&ask(callsign.address(), "a.example", "A")), 1);
}

/// If this fails, two servers that forward to each other keep each other busy for ever, or a
/// server that does not is stopped.
#[test]
fn a_loop_stops_the_server() {
    let corefile = "
.:{port} {
    loop
    cache
    forward . 127.0.0.1:{other}
}
.:{other} {
    cache
    forward . 127.0.0.1:{port}
}
";
    let mut callsign = Callsign::start(corefile);
    assert_eq!(callsign.ended().code(), Some(1));
    let said = callsign.says("detected for zone `.`");
    assert!(said.contains("ERROR"), "{said}");

    let upstream = Upstream::good(1);
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\nloop\nforward . {}\n}}",
        upstream.address
    ));
    upstream.asked_in_all(1);
    assert_eq!(octet(&ask(callsign.address(), "a.example", "A")), 1);
}

/// If this fails, nobody sees how upstreams do.
#[test]
fn upstreams_are_counted() {
    let upstream = Upstream::start(|asked| match asked.name.as_str() {
        "missing.example" => vec![Act::Send(asked.code(3))],
        _ => vec![Act::Send(asked.answer(1))],
    });
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\nprometheus 127.0.0.1:{{other}}\nforward . {}\n}}",
        upstream.address
    ));
    for name in ["a.example", "missing.example", "b.example"] {
        ask(callsign.address(), name, "A");
    }
    let url = format!("127.0.0.1:{}", callsign.place().other);
    let (_, page) =
        http::get(url.parse().expect("an address"), "/metrics").expect("a page of numbers");
    let count = |code: &str, count: u32| {
        format!(
            "coredns_proxy_request_duration_seconds_count{{proxy_name=\"forward\",to=\"{}\",rcode=\"{code}\"}} {count}\n",
            upstream.address
        )
    };
    assert!(page.contains(&count("NOERROR", 2)), "{page}");
    assert!(page.contains(&count("NXDOMAIN", 1)), "{page}");
    assert!(
        page.contains("coredns_forward_max_concurrent_rejects_total 0"),
        "{page}"
    );
}
