//! Values that are odd, names elsewhere that take a while, and an etcd that is away.

use std::fmt::Write as _;
use std::time::Duration;

use ::answer::{Class, Owner, Rcode, RecordType};

use super::*;

/// If this fails, one bad value takes others with it, or a name whose only value is bad is said
/// not to exist.
#[test]
fn a_bad_value_spoils_nothing_else() {
    let server = server(&[
        ("/local/skydns/a/1", r#"{"host":"10.0.0.1"}"#),
        ("/local/skydns/a/2", r#"{"host":"#),
        ("/local/skydns/bad", r#"{"host":"a..b"}"#),
        (
            "/local/skydns/worse",
            r#"{"host":"10.0.0.2","port":"http"}"#,
        ),
    ]);
    let good = server.ask("a.skydns.local.", RecordType::A);
    assert_eq!(answers(&good), ["a.skydns.local. 300 A 10.0.0.1"]);
    for name in ["bad.skydns.local.", "worse.skydns.local."] {
        assert_eq!(server.ask(name, RecordType::A).rcode(), Rcode::SERVFAIL);
    }
}

/// If this fails, values that Go's JSON reads are skipped here, or mean something else.
#[test]
fn values_are_read_as_go_reads_them() {
    for (value, fault) in [
        (r#"{"Host":"10.0.0.1","PORT":80,"more":[1]}"#, None),
        (r#"{"host":null}"#, None),
        ("null", None),
        ("{}", None),
        ("[]", Some("no JSON object")),
        ("10.0.0.1", Some("no JSON")),
        (r#"{"host":1}"#, Some("`host` is no text")),
        (r#"{"host":"a","ttl":-1}"#, Some("`ttl` is out of range")),
        (
            r#"{"host":"a","ttl":1.5}"#,
            Some("`ttl` is no whole number"),
        ),
        (r#"{"host":"a","mail":"yes"}"#, Some("`mail` is neither")),
    ] {
        let (record, found) = Record::read(b"/skydns/a", 7, value.as_bytes(), None);
        assert_eq!(record.service.is_some(), fault.is_none(), "{value}");
        let found = found.unwrap_or_default();
        assert!(
            found.contains(fault.unwrap_or_default()),
            "{value}: {found}"
        );
    }
}

/// If this fails, a record outlives its lease in clients' caches, or is asked for too often.
#[test]
fn the_ttl_is_that_of_record_and_lease() {
    let server = server(&[
        (
            "/local/skydns/a",
            r#"{"host":"10.0.0.1","group":"","x":"leased"}"#,
        ),
        (
            "/local/skydns/b",
            r#"{"host":"10.0.0.1","ttl":10,"x":"leased"}"#,
        ),
        (
            "/local/skydns/c",
            r#"{"host":"10.0.0.1","ttl":100,"x":"leased"}"#,
        ),
    ]);
    for (name, ttl) in [("a", 60), ("b", 10), ("c", 60)] {
        let reply = server.ask(&format!("{name}.skydns.local."), RecordType::A);
        assert_eq!(reply.records().next().unwrap().ttl, ttl, "{name}");
    }
}

/// If this fails, an outage of etcd is told as names that do not exist, or as fresh answers.
#[test]
fn an_outage_is_bridged_and_told() {
    let values = &[("/local/skydns/a", r#"{"host":"10.0.0.1"}"#)];
    let ask = |trust, name: &str| {
        let plugin = etcd_at(trust, values, "fallthrough");
        let server = elsewhere().and_zone("local.", vec![Box::new(plugin)]);
        let reply = server.ask(name, RecordType::A);
        let edns = reply.edns().unwrap();
        // An option of an extended error is its code, its length, and the number of the error.
        let error = edns.options.get(5).copied();
        let ttl = reply.records().next().map(|record| record.ttl);
        (reply.rcode(), error, ttl)
    };
    let (there, gone) = ("a.skydns.local.", "b.skydns.local.");
    assert_eq!(ask(Trust::Stale, there), (Rcode::NOERROR, Some(3), Some(5)));
    assert_eq!(ask(Trust::Stale, gone), (Rcode::SERVFAIL, Some(23), None));
    assert_eq!(
        ask(Trust::Expired, there),
        (Rcode::SERVFAIL, Some(23), None)
    );
    assert_eq!(
        ask(Trust::Unknown, there),
        (Rcode::SERVFAIL, Some(14), None)
    );
    assert!(!etcd_at(Trust::Unknown, values, "").ready());
    assert!(etcd_at(Trust::Stale, values, "").ready());
}

/// If this fails, names that etcd does not have do not get to the next plugin, or those that it
/// has do.
#[test]
fn only_names_that_are_not_there_fall_through() {
    let plugin = etcd(
        &[("/local/skydns/a", r#"{"host":"10.0.0.1"}"#)],
        "fallthrough",
    );
    let server = elsewhere().and_zone("local.", vec![Box::new(plugin), Box::new(Late)]);
    let fallen = server.ask("b.skydns.local.", RecordType::A);
    assert_eq!(answers(&fallen), ["b.skydns.local. 9 A 192.0.2.99"]);
    let there = server.ask("a.skydns.local.", RecordType::AAAA);
    assert_eq!(answers(&there), [""; 0]);
    let other = server.ask("b.third.local.", RecordType::A);
    assert_eq!(answers(&other).len(), 1);
}

/// Answers with an address, but not at once.
struct Late;

impl Plugin for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Defer(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let resume: Resume = Box::new(|exchange| {
                let kind = (RecordType::A, Class::IN);
                let (section, owner) = (Section::Answer, Owner::QUESTION);
                exchange
                    .reply
                    .record(section, owner, kind, 9, &[192, 0, 2, 99]);
                Step::Answered
            });
            resume
        }))
    }
}

/// If this fails, an alias to a name that has to be asked for elsewhere is answered without what it
/// leads to.
#[test]
fn names_elsewhere_are_waited_for() {
    let values = &[
        ("/local/skydns/a/1", r#"{"host":"one.late","port":1}"#),
        ("/local/skydns/a/2", r#"{"host":"two.late","port":2}"#),
    ];
    let server = server(values).and_zone("late.", vec![Box::new(Late)]);
    let reply = server.ask("a.skydns.local.", RecordType::A);
    assert_eq!(
        answers(&reply),
        [
            "a.skydns.local. 300 CNAME one.late.",
            "one.late. 9 A 192.0.2.99",
            "a.skydns.local. 300 CNAME two.late.",
            "two.late. 9 A 192.0.2.99"
        ]
    );
    let srv = server.ask("a.skydns.local.", RecordType::SRV);
    assert_eq!((answers(&srv).len(), additional(&srv).len()), (2, 4));
}

/// If this fails, one question about a name with very many records below it, or with aliases that
/// lead to each other, keeps the server busy.
#[test]
fn large_and_tangled_subtrees_have_an_end() {
    let mut values: Vec<(String, String)> = Vec::new();
    for number in 0..10_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let host = format!(r#"{{"host":"10.0.{high}.{low}","port":1}}"#);
        values.push((format!("/local/skydns/many/{number}"), host));
    }
    for from in 0..12 {
        for to in 0..12 {
            let mut value = String::new();
            write!(value, r#"{{"host":"n{to}.tangle.skydns.local"}}"#).unwrap();
            values.push((format!("/local/skydns/tangle/n{from}/{to}"), value));
        }
    }
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let server = server(&values).over_tcp();
    let many = server.ask("many.skydns.local.", RecordType::A);
    assert!(answers(&many).len() > 3000);
    let services = server.ask("many.skydns.local.", RecordType::SRV);
    assert!(answers(&services).len() > 500);
    let tangle = server.ask("n0.tangle.skydns.local.", RecordType::A);
    assert_eq!(
        (tangle.rcode(), answers(&tangle).len()),
        (Rcode::NOERROR, 0)
    );
}
