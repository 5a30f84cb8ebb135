//! Who may ask what.

use answer::{Class, Message, Name, Rcode, RecordType, Request};

use crate::plugins::harness::Server;

/// What becomes of a query: the code, whether it was answered at all, and an extended error.
fn fate(rules: &str, client: &str, name: &str, rtype: RecordType) -> &'static str {
    let server = Server::block(&format!("{rules}\nwhoami")).from(client);
    let name = Name::parse(name).unwrap();
    let reply: Option<Message> = server.serve(&Request::new(name.as_wire(), rtype));
    let Some(reply) = reply else {
        return "nothing";
    };
    let options = &reply.edns().unwrap().options;
    match (reply.rcode(), reply.records().count(), options.get(..6)) {
        (Rcode::NOERROR, 2, None) => "answered",
        (Rcode::REFUSED, 0, Some(&[0, 15, 0, 2, 0, 15])) => "blocked",
        (Rcode::NOERROR, 0, Some(&[0, 15, 0, 2, 0, 17])) => "filtered",
        _ => panic!("{reply:?}"),
    }
}

/// If this fails, clients get answers that they must not have, or none that they should.
#[test]
fn the_first_rule_that_fits_decides() {
    let (a, mx) = (RecordType::A, RecordType::MX);
    let inside = "acl {\nallow net 10.0.0.0/8 2001:db8::/32\nblock\n}";
    assert_eq!(fate(inside, "10.1.2.3", "a.", a), "answered");
    assert_eq!(fate(inside, "::ffff:10.1.2.3", "a.", a), "answered");
    assert_eq!(fate(inside, "2001:db8::1", "a.", a), "answered");
    assert_eq!(fate(inside, "11.0.0.1", "a.", a), "blocked");
    assert_eq!(fate(inside, "::1", "a.", a), "blocked");
    let types = "acl {\nfilter type MX TXT net 192.0.2.1\nDROP Net * type A\n}";
    assert_eq!(fate(types, "192.0.2.1", "a.", mx), "filtered");
    assert_eq!(fate(types, "192.0.2.2", "a.", mx), "answered");
    assert_eq!(fate(types, "192.0.2.2", "a.", a), "nothing");
    assert_eq!(fate("acl {\nblock type *\n}", "::1", "a.", mx), "blocked");
    assert_eq!(fate("acl {\nblock type A *\n}", "::1", "a.", mx), "blocked");
    let order = "acl {\nallow net 192.0.2.1\n}\nacl {\nblock\n}";
    assert_eq!(fate(order, "192.0.2.1", "a.", a), "answered");
    assert_eq!(fate(order, "192.0.2.2", "a.", a), "blocked");
}

/// If this fails, a rule for one zone shuts another one.
#[test]
fn rules_are_for_zones() {
    let a = RecordType::A;
    let rules = "acl b.example 10.in-addr.arpa {\nblock\n}";
    assert_eq!(fate(rules, "::1", "x.b.example.", a), "blocked");
    assert_eq!(fate(rules, "::1", "1.10.in-addr.arpa.", a), "blocked");
    assert_eq!(fate(rules, "::1", "x.c.example.", a), "answered");
}

/// If this fails, who must not ask can learn the server's version.
#[test]
fn other_classes_are_watched_too() {
    let server = Server::block("acl {\nblock\n}\nchaos");
    let name = Name::parse("version.bind.").unwrap();
    let mut request = Request::new(name.as_wire(), RecordType::TXT);
    request.class = Class(3);
    // `chaos` comes before `acl`, as it does in CoreDNS; other names of the class come further.
    assert_eq!(server.serve(&request).unwrap().rcode(), Rcode::NOERROR);
    request.rtype = RecordType::A;
    assert_eq!(server.serve(&request).unwrap().rcode(), Rcode::REFUSED);
}

/// If this fails, a list of many networks is not taken as it is written.
#[test]
fn long_lists_are_searched() {
    let nets: Vec<String> = (0..5000)
        .map(|n| format!("10.{}.{}.0/25", n / 256, n % 256))
        .collect();
    let rules = format!("acl {{\nblock net {}\n}}", nets.join(" "));
    assert_eq!(fate(&rules, "10.7.7.1", "a.", RecordType::A), "blocked");
    assert_eq!(fate(&rules, "10.7.7.129", "a.", RecordType::A), "answered");
}

/// If this fails, a mistake in a Corefile opens a server to the world.
#[test]
fn all_mistakes_are_shown() {
    let mistakes = Server::mistakes(
        "acl {\nallow net 10.0.0.0/99 300.0.0.1\ndeny\nblock type AAAAA net\nblock mx\n\
         drop {\n}\n}",
    );
    for part in [
        "`10.0.0.0/99` is not a network",
        "`300.0.0.1` is not a network",
        "unknown action `deny`",
        "AAAAA",
        "`net` of nothing",
        "unknown section `mx`",
        "takes no block",
    ] {
        assert!(mistakes.contains(part), "{part}: {mistakes}");
    }
    assert_eq!(Server::mistakes("acl a.example {\nallow\n}"), "");
}
