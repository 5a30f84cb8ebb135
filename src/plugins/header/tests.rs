//! Flags that are set and cleared.

use std::sync::Arc;
use std::time::Instant;

use answer::{Message, Name, RecordType};

use super::*;
use crate::counters::Tally;
use crate::plugins::harness::Server;
use crate::plugins::{Chain, Client, Transport};
use crate::routes::Routes;
use crate::serve::{Served, serve};

/// Answers RA as the query's RD is, after a while if it is to.
struct Mirror {
    waits: bool,
}

impl Plugin for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let desired = exchange.query.recursion_desired;
        if self.waits {
            return Step::Defer(Box::pin(async move {
                let resume: super::super::Resume = Box::new(move |exchange| {
                    exchange.reply.set_recursion_available(desired);
                    Step::Answered
                });
                resume
            }));
        }
        exchange.reply.set_recursion_available(desired);
        Step::Answered
    }
}

/// The reply to a query with this RD, of a chain with these rules for queries.
fn ask(rules: &[Rule], recursion_desired: bool, waits: bool) -> Message {
    let header = Header {
        query: rules.to_vec(),
        response: Vec::new(),
    };
    let chain = Chain::new(vec![Box::new(header), Box::new(Mirror { waits })]);
    let routes = Arc::new(Routes::new([(Name::root(), Arc::new(chain))]));
    let client = Client {
        peer: "192.0.2.1:5353".parse().unwrap(),
        local: None,
        local_port: 53,
        transport: Transport::Udp,
        received: Instant::now(),
    };
    let mut request = Request::new(b"\0", RecordType::A);
    request.recursion_desired = recursion_desired;
    let mut out = vec![0; 1232];
    let mut tally = Tally::default();
    let request = request.to_bytes();
    match serve(&routes, &client, &request, &mut out, 0, &mut tally) {
        Served::Reply(length) => out.truncate(length),
        Served::Deferred(deferred) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            out = runtime.block_on(deferred.finish(&mut tally)).unwrap();
        }
        Served::Nothing => panic!("no reply"),
    }
    Message::parse(&out).unwrap()
}

/// If this fails, other servers are asked to recurse although the operator forbids it, or not
/// although they must.
#[test]
fn the_plugins_behind_see_another_query() {
    let rd = Flag::RecursionDesired;
    for (rules, sent, seen) in [
        (&[][..], true, true),
        (&[], false, false),
        (&[(rd, false)], true, false),
        (&[(rd, true)], false, true),
        (&[(rd, true)], true, true),
        (&[(rd, true), (rd, false)], true, false),
        (&[(Flag::Authoritative, true)], true, true),
    ] {
        for waits in [false, true] {
            let reply = ask(rules, sent, waits);
            assert_eq!(reply.is_recursion_available(), seen, "{rules:?}, {sent}");
        }
    }
}

/// If this fails, clients see other flags than the operator wants.
#[test]
fn replies_are_changed_whoever_answered() {
    let flags = |directives: &str| {
        let server = Server::block(&format!("{directives}\nwhoami"));
        let mut request = Request::new(b"\0", RecordType::A);
        request.edns = None;
        let bytes = server.serve_bytes(&request.to_bytes()).unwrap();
        let shown = [(2, 0x04, "aa"), (3, 0x80, "ra"), (2, 0x01, "rd")];
        let set = shown.iter().filter(|(at, mask, _)| bytes[*at] & mask != 0);
        set.map(|(_, _, name)| *name).collect::<Vec<_>>()
    };
    assert_eq!(flags(""), ["aa", "rd"]);
    assert_eq!(flags("header {\nresponse set ra\n}"), ["aa", "ra", "rd"]);
    assert_eq!(flags("header {\nset ra\nCLEAR AA Rd\n}"), ["ra"]);
    assert_eq!(
        flags("header {\nresponse set ra\nresponse clear ra\n}"),
        ["aa", "rd"]
    );
    assert_eq!(
        flags("header {\nclear aa\n}\nheader {\nclear rd\n}"),
        [""; 0]
    );
}

/// If this fails, a mistake in a Corefile passes unseen.
#[test]
fn mistakes_are_shown() {
    for (block, part) in [
        ("", "changes nothing"),
        ("reply set aa", "unknown rule `reply`"),
        ("query", "a rule without flags"),
        ("query set", "a rule without flags"),
        ("set", "a rule without flags"),
        ("query put aa", "unknown action `put`"),
        ("response set ad", "unknown flag `ad`"),
        ("set aa {\n}", "takes no block"),
    ] {
        let mistakes = Server::mistakes(&format!("header {{\n{block}\n}}"));
        assert!(mistakes.contains(part), "{block}: {mistakes}");
    }
    assert!(Server::mistakes("header aa {\nset aa\n}").contains("takes no arguments"));
    assert!(Server::mistakes("header").contains("changes nothing"));
}
