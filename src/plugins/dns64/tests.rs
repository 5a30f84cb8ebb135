//! What clients behind a translator are told.

use answer::{Owner, Rcode, RequestEdns};

use super::*;
use crate::plugins::harness::{Server, answers};

const HOSTS: &str = "hosts /dev/null {
    192.0.2.1 four.example
    192.0.2.2 four.example
    192.0.2.3 both.example
    2001:db8::3 both.example
    2001:db8::4 six.example
}";

fn server(options: &str) -> Server {
    Server::block(&format!("dns64 {{\n{options}\n}}\n{HOSTS}")).from("2001:db8::9")
}

fn ask(server: &Server, name: &str) -> Vec<String> {
    answers(&server.ask(name, RecordType::AAAA))
}

/// If this fails, clients that have no IPv4 do not reach hosts that have nothing else.
#[test]
fn hosts_without_addresses_get_some() {
    let server = server("");
    let made = [
        "four.example. 600 AAAA 64:ff9b::c000:201",
        "four.example. 600 AAAA 64:ff9b::c000:202",
    ];
    assert_eq!(ask(&server, "four.example."), made);
    assert_eq!(
        ask(&server, "both.example."),
        ["both.example. 3600 AAAA 2001:db8::3"]
    );
    assert_eq!(
        ask(&server, "six.example."),
        ["six.example. 3600 AAAA 2001:db8::4"]
    );
    let own = answers(&server.ask("four.example.", RecordType::A));
    assert_eq!(own.len(), 2, "other types stay");
}

/// If this fails, the options do not do what they are there for.
#[test]
fn options_choose_who_gets_what() {
    let all = server("translate_all\nprefix 2001:db8:122::/48");
    assert_eq!(
        ask(&all, "both.example."),
        ["both.example. 600 AAAA 2001:db8:122:c000:2:300::"]
    );
    assert_eq!(
        ask(&all, "six.example."),
        ["six.example. 3600 AAAA 2001:db8::4"]
    );
    let v4 = |options| server(options).from("192.0.2.99");
    assert_eq!(ask(&v4(""), "four.example."), [""; 0]);
    assert_eq!(ask(&v4("allow_ipv4"), "four.example.").len(), 2);
    let mapped = server("").from("::ffff:192.0.2.99");
    assert_eq!(ask(&mapped, "four.example."), [""; 0]);
}

/// If this fails, a client that checks signatures takes an answer that was made for a forged one.
#[test]
fn who_checks_signatures_is_told_the_truth() {
    let server = server("");
    let mut request = Request::new(b"\x04four\x07example\0", RecordType::AAAA);
    request.edns = Some(RequestEdns {
        dnssec_ok: true,
        ..RequestEdns::default()
    });
    assert_eq!(answers(&server.serve(&request).unwrap()).len(), 2);
    request.checking_disabled = true;
    assert_eq!(answers(&server.serve(&request).unwrap()).len(), 0);
    request.edns = None;
    assert_eq!(answers(&server.serve(&request).unwrap()).len(), 2);
}

/// If this fails, what does not exist is made up, or an answer lives longer than what it is made
/// of.
#[test]
fn denials_stay_and_their_ttl_counts() {
    let server = Server::block("dns64\nlocal\nhosts /dev/null {\n192.0.2.1 four.example\n}")
        .from("2001:db8::9");
    let missing = server.ask("2.0.0.127.in-addr.arpa.", RecordType::AAAA);
    assert_eq!(missing.rcode(), Rcode::NXDOMAIN);
    let none = server.ask("1.0.0.127.in-addr.arpa.", RecordType::AAAA);
    assert_eq!((none.rcode(), answers(&none).len()), (Rcode::NOERROR, 0));
    assert_eq!(
        none.section(Section::Authority).count(),
        1,
        "the SOA of the denial"
    );
}

/// If this fails, who looks up a made address backwards finds nobody.
#[test]
fn made_addresses_lead_back_to_names() {
    let server = server("");
    let name = Name::reverse("64:ff9b::c000:203".parse().unwrap()).to_string();
    assert_eq!(
        answers(&server.ask(&name, RecordType::PTR)),
        [
            format!("{name} 3600 CNAME 3.2.0.192.in-addr.arpa."),
            "3.2.0.192.in-addr.arpa. 3600 PTR both.example.".into()
        ]
    );
    let own = Name::reverse("2001:db8::4".parse().unwrap()).to_string();
    assert_eq!(
        answers(&server.ask(&own, RecordType::PTR)),
        [format!("{own} 3600 PTR six.example.")]
    );
}

/// If this fails, an answer that has to be waited for is lost, or the wrong one is given.
#[test]
fn answers_may_come_later() {
    let late = |options: &str| {
        let erratic = format!("dns64\nerratic {{\n{options}\n}}");
        Server::block(&erratic).from("2001:db8::9")
    };
    // It has an address of its own, and none for MX.
    let server = late("drop 0\ndelay 1 1ms");
    assert_eq!(ask(&server, "a."), ["a. 0 AAAA 2001:db8::53"]);
    let translated = Server::block("dns64 {\ntranslate_all\n}\nerratic {\ndrop 0\ndelay 1 1ms\n}")
        .from("2001:db8::9");
    assert_eq!(ask(&translated, "a."), ["a. 0 AAAA 64:ff9b::c000:235"]);
    // The second query, which is ours, is dropped: the first answer stands.
    let dropped = Server::block("dns64 {\ntranslate_all\n}\nerratic {\ndrop 2\ndelay 2 1ms\n}")
        .from("2001:db8::9");
    let request = Request::new(b"\x01a\0", RecordType::AAAA);
    assert!(dropped.serve(&request).is_none());
    let reply = dropped.serve(&request).unwrap();
    assert_eq!(answers(&reply), ["a. 0 AAAA 2001:db8::53"]);
}

/// Says at once that there is no AAAA, and later that there is no A either.
struct Nothing;

impl Plugin for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if exchange.query.qtype == RecordType::A {
            return Step::Defer(Box::pin(async {
                let resume: Resume = Box::new(|exchange| {
                    exchange.fail(0, "the other server is away");
                    Step::Answered
                });
                resume
            }));
        }
        let soa = (RecordType::SOA, Class::IN);
        let data = [0; 22];
        exchange.reply.set_authoritative(true);
        exchange
            .reply
            .record(Section::Authority, Owner::QUESTION, soa, 77, &data);
        Step::Answered
    }
}

impl Part for Nothing {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

/// If this fails, a host without any address seems not to exist, or to be broken.
#[test]
fn the_first_answer_stands_where_the_second_is_none() {
    let server = Server::block_before("dns64 {\nallow_ipv4\n}", Box::new(Nothing));
    let reply = server.ask("a.", RecordType::AAAA);
    assert_eq!(
        (reply.rcode(), reply.is_authoritative()),
        (Rcode::NOERROR, true)
    );
    let soa = reply.section(Section::Authority).next().unwrap();
    assert_eq!((soa.rtype, soa.ttl), (RecordType::SOA, 77));
}

/// If this fails, a mistake in a Corefile passes unseen.
#[test]
fn mistakes_are_shown() {
    assert_eq!(Server::mistakes("dns64\nwhoami"), "");
    assert_eq!(Server::mistakes("dns64 2001:db8::/32\nwhoami"), "");
    for (directive, part) in [
        ("dns64 64:ff9b::/95", "32, 40, 48, 56, 64 or 96"),
        ("dns64 10.0.0.0/32", "is not a prefix"),
        ("dns64 64:ff9b::", "is not a prefix"),
        ("dns64 {\nprefix\n}", "syntax: prefix PREFIX"),
        ("dns64 {\ntranslate_all 1\n}", "takes no arguments"),
        ("dns64 {\nallow_v4\n}", "did you mean `allow_ipv4`?"),
        ("dns64\ndns64", "given twice"),
    ] {
        let mistakes = Server::mistakes(directive);
        assert!(mistakes.contains(part), "{directive}: {mistakes}");
    }
}
