use answer::{Class, Message, Name, Rcode, RecordType, Request};

use crate::plugins::harness::Server;

/// The names of the additional section of `whoami`'s answer for a name: the name that it was asked
/// for, and one below it.
fn seen(server: &Server, name: &str) -> Vec<String> {
    owners(&server.ask(name, RecordType::A))
}

fn owners(message: &Message) -> Vec<String> {
    let records = message.records();
    records.map(|record| record.owner().to_string()).collect()
}

/// A server with these rules before `whoami`.
fn server(rules: &str) -> Server {
    Server::block(&format!("whoami\n{rules}"))
}

/// If this fails, queries are rewritten otherwise than in CoreDNS, or answers do not fit the
/// client's question and are thrown away by it.
#[test]
fn names_are_rewritten_and_changed_back_where_that_is_asked_for() {
    for (rule, asked, found) in [
        // An exact name is always changed back.
        ("name a.example b.example", "a.example.", "a.example."),
        ("name exact A.example b.example", "a.EXAMPLE.", "a.example."),
        ("name a.example b.example", "x.a.example.", "x.a.example."),
        // Others are where the rule says so.
        ("name prefix a b", "a.example.", "b.example."),
        ("name prefix a b", "ab.example.", "ab.example."),
        ("name prefix a b answer auto", "a.example.", "a.example."),
        ("name suffix .example .test", "a.example.", "a.test."),
        (
            "name suffix .example .test answer auto",
            "a.example.",
            "a.example.",
        ),
        ("name substring b.c x", "a.b.c.d.", "a.x.d."),
        ("name substring b.c x answer auto", "a.b.c.d.", "a.b.c.d."),
        (
            r"name regex (.*)-(eu)\.example {1}.{2}.test",
            "w-eu.example.",
            "w.eu.test.",
        ),
        (
            r"name regex (.*)-(eu)\.example {1}.{2}.test answer auto",
            "w-eu.example.",
            "w-eu.example.",
        ),
        (
            r"name regex (.*)-(eu)\.example {1}.{2}.test answer name (.*)eu\.test {1}x.test",
            "w-eu.example.",
            "w.x.test.",
        ),
    ] {
        let server = server(&format!("rewrite {rule}"));
        let expected = [found.to_owned(), format!("_udp.{found}")];
        assert_eq!(seen(&server, asked), expected, "{rule}");
    }
}

/// If this fails, clients see a question that they did not ask.
#[test]
fn the_question_stays_as_it_was_sent() {
    let server = server("rewrite name a.example b.example");
    let request = Request::new(b"\x01A\x07eXample\0", RecordType::A);
    let reply = server.serve(&request).unwrap();
    assert_eq!(reply.qname(), b"\x01A\x07eXample\0");
    let server = self::server("rewrite type A TXT\nrewrite class CH IN");
    assert_eq!(server.ask("a.", RecordType::A).qtype(), RecordType::A);
}

/// If this fails, rules that stand behind the one that was meant are carried out, or are not.
#[test]
fn rules_go_on_only_where_they_say_so() {
    let two = "rewrite {mode} name prefix a b\nrewrite name prefix b c";
    let found = |mode: &str| seen(&server(&two.replace("{mode}", mode)), "a.example.").remove(0);
    assert_eq!(found("continue"), "c.example.");
    assert_eq!(found("stop"), "b.example.");
    assert_eq!(found(""), "b.example.");
    // What was renamed last is renamed back first.
    let both = "rewrite continue name suffix a.test b.test answer auto\n\
                rewrite name suffix b.test c.test answer auto";
    assert_eq!(seen(&server(both), "x.a.test.")[0], "x.a.test.");
    assert_eq!(seen(&server(both), "x.b.test.")[0], "x.b.test.");
}

/// If this fails, a rule over several lines is read as something else.
#[test]
fn a_block_is_one_rule() {
    let server = server(
        "rewrite stop {\nname regex (.*)\\.example {1}.test\nanswer name (.*)\\.test {1}.example\n}",
    );
    assert_eq!(seen(&server, "a.example.")[0], "a.example.");
}

/// If this fails, clients keep answers for another time than the rule says.
#[test]
fn times_to_live_are_brought_into_the_range() {
    // Those of `whoami` are 0.
    let ttl = |rule: &str, name: &str| {
        let server = server(&format!("rewrite ttl {rule}"));
        let reply = server.ask(name, RecordType::A);
        let ttls: Vec<u32> = reply.records().map(|record| record.ttl).collect();
        assert_eq!(ttls.len(), 2);
        ttls[0]
    };
    assert_eq!(ttl("a.example 30", "a.example."), 30);
    assert_eq!(ttl("a.example 30", "b.example."), 0);
    assert_eq!(ttl("suffix example 10-20", "b.example."), 10);
    assert_eq!(ttl("regex .* -20", "b.example."), 0);
    assert_eq!(ttl("prefix b 20-", "b.example."), 20);
}

/// If this fails, a code that the rule replaces reaches the client.
#[test]
fn codes_are_replaced() {
    let server = Server::block("rewrite rcode suffix example SERVFAIL NXDOMAIN\nbufsize 512");
    assert_eq!(
        server.ask("a.example.", RecordType::A).rcode(),
        Rcode::NXDOMAIN
    );
    assert_eq!(
        server.ask("a.test.", RecordType::A).rcode(),
        Rcode::SERVFAIL
    );
}

/// If this fails, queries of a class that a rule turns into another are refused before it.
#[test]
fn queries_of_other_classes_reach_the_rule() {
    let server = server("rewrite class CH IN");
    let mut request = Request::new(b"\x01a\0", RecordType::TXT);
    request.class = Class::CH;
    let reply = server.serve(&request).unwrap();
    assert_eq!(owners(&reply), ["a.", "_udp.a."]);
}

/// If this fails, what rules make of a name is asked though it is none, or the client is not told.
#[test]
fn a_name_that_is_none_is_a_failure() {
    let server = server("rewrite name prefix a ..");
    assert_eq!(server.ask("a.b.", RecordType::A).rcode(), Rcode::SERVFAIL);
    let long = Name::parse(&format!("a.{}", "b.".repeat(120))).unwrap();
    let rule = format!("rewrite name prefix a {}", "c.".repeat(60));
    let reply = self::server(&rule).ask(&long.to_string(), RecordType::A);
    assert_eq!(reply.rcode(), Rcode::SERVFAIL);
}

/// If this fails, mistakes in rules pass unseen or are not explained.
#[test]
fn mistakes_are_shown_where_they_are() {
    for (rule, message) in [
        ("", "the field is missing"),
        ("nam a b", "unknown field `nam`"),
        ("name a", "the new name is missing"),
        ("name a b c", "unknown kind of match `a`"),
        ("name exact a b c", "`c` is too much"),
        ("name exact a b answer", "the kind of change is missing"),
        (
            "name exact a b answer x",
            "unknown change of the answer `x`",
        ),
        ("name regex ( b", "`(` is no regular expression"),
        ("name regex (a) {2}", "the expression has no group {2}"),
        ("name regex (a) b answer name (a) {2}", "no group {2}"),
        ("name regex (a) b answer auto answer name a b", "contradict"),
        ("name a..b c", "`a..b` is no name"),
        ("answer name a b", "stands alone"),
        ("type A", "the type is missing"),
        ("type A X", "`X` is no type"),
        ("class IN X", "`X` is no class"),
        ("ttl a 10-5", "`10-5` is no TTL"),
        ("ttl a -", "`-` is no TTL"),
        ("rcode a NXDOMAIN X", "`X` is no response code"),
        ("edns0 x set", "unknown option `x`"),
        ("edns0 local add 1 2", "unknown action `add`"),
        ("edns0 local set 70000 a", "`70000` is no option code"),
        ("edns0 local set 1 0xabc", "`0xabc` is no data"),
        ("edns0 local set 1 {client}", "unknown variable `{client}`"),
        ("edns0 subnet set 33 0", "`33` is out of range"),
        ("edns0 nsid set x", "`x` is too much"),
    ] {
        let mistakes = Server::mistakes(&format!("rewrite {rule}"));
        assert!(mistakes.contains(message), "{rule}:\n{mistakes}");
    }
    for right in [
        "edns0 local set 0xffee abcd revert",
        "edns0 local append 65001 0x61626364",
        "edns0 local replace 0xffee {client_ip}",
        "edns0 local set 0xffee {identity/node}",
        "edns0 local unset 0xffee",
        "edns0 nsid set revert",
        "edns0 nsid unset",
        "edns0 subnet set 24 56",
        "edns0 subnet unset",
        "cname regex (.*)\\.a {1}.b",
        "name exact a b answer auto answer value x y",
        "rcode regex .* NXDOMAIN NOERROR",
    ] {
        assert_eq!(Server::mistakes(&format!("rewrite {right}")), "", "{right}");
    }
}
