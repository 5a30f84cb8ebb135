//! The directive as its users write it, asked as clients ask.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use answer::{LookupName, Message, Name, Rcode, RecordType};
use corefile::{Diagnostics, ProcessEnvironment, Sources};

use super::table::{Terms, table};
use crate::plugins::BlockDraft;
use crate::plugins::harness::{Server, answers};
use crate::plugins::zones::Zones;

const HTTPS: RecordType = RecordType(65);

/// A folder with a hosts file of this text, and a server that has these lines in its block.
fn with_file(text: &str, lines: &str) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    std::fs::write(&path, text).unwrap();
    let path = path.display();
    let server = Server::block(&format!("hosts {path} {{\n{lines}\n}}\nwhoami"));
    (folder, server)
}

fn is_whoami(message: &Message) -> bool {
    message
        .records()
        .any(|record| record.rtype == RecordType::SRV)
}

/// If this fails, a hosts file that other programs read gives other names here.
#[test]
fn a_file_is_read_as_others_read_it() {
    let text = "\
# a comment
127.0.0.1\tlocalhost  Local.Example # another
::1 localhost
fe80::1%eth0 router
::ffff:10.0.0.9 mapped
10.0.0.1   web www
10.0.0.2 web
nonsense web
10.0.0.3
10.0.0.4 bad..name \u{e4}.example good\r
  10.0.0.5 indented";
    let (_folder, server) = with_file(text, "");
    for (name, rtype, expected) in [
        (
            "localhost.",
            RecordType::A,
            vec!["localhost. 3600 A 127.0.0.1"],
        ),
        (
            "localhost.",
            RecordType::AAAA,
            vec!["localhost. 3600 AAAA ::1"],
        ),
        (
            "local.example.",
            RecordType::A,
            vec!["local.example. 3600 A 127.0.0.1"],
        ),
        (
            "router.",
            RecordType::AAAA,
            vec!["router. 3600 AAAA fe80::1"],
        ),
        ("mapped.", RecordType::A, vec!["mapped. 3600 A 10.0.0.9"]),
        (
            "web.",
            RecordType::A,
            vec!["web. 3600 A 10.0.0.1", "web. 3600 A 10.0.0.2"],
        ),
        ("good.", RecordType::A, vec!["good. 3600 A 10.0.0.4"]),
        (
            "indented.",
            RecordType::A,
            vec!["indented. 3600 A 10.0.0.5"],
        ),
    ] {
        let reply = server.ask(name, rtype);
        assert_eq!(answers(&reply), expected, "{name}");
        assert!(reply.is_authoritative(), "{name}");
    }
}

/// If this fails, clients that ask for both kinds of addresses believe that a name does not exist
/// (NXDOMAIN for AAAA breaks musl, .NET and nginx).
#[test]
fn other_types_of_a_name_are_no_data() {
    let (_folder, server) = with_file("10.0.0.1 a.b.example", "");
    for rtype in [RecordType::AAAA, RecordType::TXT, HTTPS] {
        let reply = server.ask("a.b.example.", rtype);
        assert_eq!(reply.rcode(), Rcode::NOERROR);
        assert_eq!(reply.records().count(), 0);
        assert!(reply.is_authoritative());
    }
    let any = server.ask("a.b.example.", RecordType::ANY);
    assert_eq!(answers(&any).len(), 1);
}

/// If this fails, names that the file does not have get an answer as if it knew that there are
/// none, or those above a name of the file are taken for names.
#[test]
fn a_miss_is_a_failure_or_passed_on() {
    let text = "10.0.0.1 a.b.example";
    let (_folder, server) = with_file(text, "");
    for name in ["b.example.", "other.example.", "."] {
        assert_eq!(server.ask(name, RecordType::A).rcode(), Rcode::SERVFAIL);
    }
    let (_folder, server) = with_file(text, "fallthrough example");
    assert!(is_whoami(&server.ask("b.example.", RecordType::A)));
    assert!(!is_whoami(&server.ask("a.b.example.", RecordType::TXT)));
    assert_eq!(
        server.ask("b.other.", RecordType::A).rcode(),
        Rcode::SERVFAIL
    );
    let (_folder, server) = with_file(text, "fallthrough\nfallthrough_unsupported");
    assert!(is_whoami(&server.ask("a.b.example.", HTTPS)));
    assert!(!is_whoami(&server.ask("a.b.example.", RecordType::AAAA)));
}

/// If this fails, who looks up an address gets the wrong name, or one of several only.
#[test]
fn addresses_lead_back_to_their_names() {
    let text = "10.0.0.1 one two\n10.0.0.1 three\n2001:db8::1 six\n10.0.0.2 *.wild\n";
    let (_folder, server) = with_file(text, "10.0.0.1 inline");
    let reply = server.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR);
    let names = ["one.", "two.", "three.", "inline."];
    let expected = names.map(|name| format!("1.0.0.10.in-addr.arpa. 3600 PTR {name}"));
    assert_eq!(answers(&reply), expected);
    let six = Name::reverse("2001:db8::1".parse().unwrap()).to_string();
    assert_eq!(answers(&server.ask(&six, RecordType::PTR)).len(), 1);
    for unknown in ["2.0.0.10.in-addr.arpa.", "9.0.0.10.in-addr.arpa.", "one."] {
        assert!(
            is_whoami(&server.ask(unknown, RecordType::PTR)),
            "{unknown}"
        );
    }
    let (_folder, server) = with_file(text, "no_reverse\nttl 7");
    assert!(is_whoami(
        &server.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR)
    ));
    assert_eq!(
        answers(&server.ask("two.", RecordType::A)),
        ["two. 7 A 10.0.0.1"]
    );
}

/// If this fails, a wildcard line of a hosts file that CoreDNS takes answers otherwise here.
#[test]
fn an_asterisk_stands_for_one_label() {
    let (_folder, server) = with_file("10.0.0.1 *.example.com\n::2 six.example.com", "");
    assert_eq!(
        answers(&server.ask("a.example.com.", RecordType::A)).len(),
        1
    );
    for name in ["example.com.", "a.b.example.com."] {
        assert_eq!(server.ask(name, RecordType::A).rcode(), Rcode::SERVFAIL);
    }
    let six = server.ask("six.example.com.", RecordType::A);
    assert_eq!((six.rcode(), six.records().count()), (Rcode::NOERROR, 0));
}

/// If this fails, a directive for some zones answers for names of others.
#[test]
fn names_outside_of_the_zones_are_none_of_its_business() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    std::fs::write(&path, "10.0.0.1 a.example b.other").unwrap();
    let server = Server::block(&format!("hosts {} example\nwhoami", path.display()));
    assert_eq!(answers(&server.ask("a.example.", RecordType::A)).len(), 1);
    assert!(is_whoami(&server.ask("b.other.", RecordType::A)));
    let names = server.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(
        answers(&names),
        ["1.0.0.10.in-addr.arpa. 3600 PTR a.example."]
    );
}

/// If this fails, a mistake in the Corefile is silently taken for a line of a hosts file.
#[test]
fn mistakes_are_shown() {
    assert_eq!(Server::mistakes("hosts /none {\n10.0.0.1 a\n}"), "");
    let all = Server::mistakes(
        "hosts /none {\nttl x\nreload\nno_reverse x\nfalthrough\nfallthrough_unsupported\n}\nhosts",
    );
    for mistake in [
        "`x` is not a whole number",
        "syntax: reload DURATION",
        "`no_reverse` takes no arguments",
        "did you mean `fallthrough`?",
        "says more of `fallthrough`",
        "`hosts` is given twice",
    ] {
        assert!(all.contains(mistake), "{mistake}: {all}");
    }
    assert_eq!(Server::mistakes("hosts /none {\n10.0.0.300 a\n}"), "");
}

/// If this fails, a changed file is not noticed, or one that is gone takes its names with it.
#[test]
fn a_changed_file_is_read_again_and_a_lost_one_is_remembered() {
    let (folder, server) = with_file("10.0.0.1 a", "reload 100ms\n10.0.0.9 fixed");
    let path = folder.path().join("hosts");
    let becomes = |expected: &str| {
        let until = Instant::now() + Duration::from_secs(30);
        while answers(&server.ask("a.", RecordType::A)) != [expected] {
            assert!(Instant::now() < until, "no {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    becomes("a. 3600 A 10.0.0.1");
    std::fs::write(&path, "10.0.0.22 a").unwrap();
    becomes("a. 3600 A 10.0.0.22");
    std::fs::rename(&path, folder.path().join("away")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    becomes("a. 3600 A 10.0.0.22");
    std::fs::write(&path, "10.0.0.3 a").unwrap();
    becomes("a. 3600 A 10.0.0.3");
    assert_eq!(answers(&server.ask("fixed.", RecordType::A)).len(), 1);
}

/// If this fails, a list of blocked names takes more memory than the machine has, or one address
/// with all of them becomes a record set that no message can carry.
#[test]
fn a_list_of_blocked_names_is_lean() {
    let mut text = String::new();
    for number in 0..50_000 {
        writeln!(text, "0.0.0.0 advertising-{number}.tracker.example").unwrap();
    }
    let root = {
        let mut sources = Sources::new();
        let text = "hosts {\n.\n}";
        let file = corefile::parse(&mut sources, "", "".as_ref(), text, &ProcessEnvironment);
        let word = file.unwrap().blocks[0].directives[0].name.clone();
        Zones::read(&[word], &BlockDraft::default(), &mut Diagnostics::new())
    };
    let terms = Terms {
        zones: root,
        ttl: 3600,
        reverse: true,
    };
    let zone = table(&[text.as_bytes()], &terms).zone;
    let name = Name::reverse(IpAddr::from([0, 0, 0, 0]));
    let pointers = zone.glue(&LookupName::from(&name), RecordType::PTR);
    assert!(pointers.is_some_and(|pointers| pointers.count() > 1000));
    assert!(zone.memory() < text.len() * 4, "{}", zone.memory());
}
