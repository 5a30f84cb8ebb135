//! Signed zones: what a client that checks signatures needs for each kind of answer.

use super::*;

/// A signature of records of a type, as far as a server looks into it: the type and the TTL.
fn signature(covered: RecordType, ttl: u32) -> RecordData {
    let mut data = covered.0.to_be_bytes().to_vec();
    data.extend_from_slice(&[13, 1]);
    data.extend_from_slice(&ttl.to_be_bytes());
    data.extend_from_slice(&[0; 10]);
    data.extend_from_slice(name("example").as_wire());
    data.extend_from_slice(b"sig");
    RecordData::raw(data).unwrap()
}

/// The zone with an NSEC chain over its names and a signature for every RRset.
fn signed(records: &[(&str, Rrset)], unsigned: &[&str]) -> Zone {
    let whole = zone(records);
    let mut edit = whole.edit();
    let names = whole.names();
    let chain: Vec<&Name> = names
        .iter()
        .filter(|name| !unsigned.contains(&name.to_string().trim_end_matches('.')))
        .collect();
    for (place, owner) in chain.iter().enumerate() {
        let next = chain.get(place + 1).unwrap_or(&chain[0]);
        let nsec = RecordData::raw([next.as_wire(), &[0, 1, 0x40]].concat()).unwrap();
        let is_cut = place > 0 && edit.rrset(owner, RecordType::NS).is_some();
        let mut signatures = vec![signature(RecordType::NSEC, 1)];
        for rrset in whole.rrsets(owner) {
            if !is_cut || rrset.rtype() == RecordType::DS {
                signatures.push(signature(rrset.rtype(), rrset.ttl()));
            }
        }
        edit.set(owner, &Rrset::new(RecordType::NSEC, 1, [nsec]))
            .unwrap();
        edit.set(owner, &Rrset::new(RecordType::RRSIG, 9, signatures))
            .unwrap();
    }
    edit.finish()
}

fn example() -> Zone {
    let ns = |host: &str| Rrset::new(RecordType::NS, 5, [RecordData::ns(&name(host))]);
    let ds = Rrset::new(
        RecordType::DS,
        5,
        [RecordData::raw(*b"\0\x01\x0d\x02d").unwrap()],
    );
    let dname = Rrset::new(
        RecordType::DNAME,
        5,
        [RecordData::cname(&name("w.example"))],
    );
    signed(
        &[
            ("example", ns("ns.example")),
            ("ns.example", a([1])),
            ("a.ent.example", a([2])),
            ("*.w.example", a([3])),
            ("*.c.example", cname("x.w.example")),
            ("sub.example", ns("ns.sub.example")),
            ("sub.example", ds),
            ("ns.sub.example", a([4])),
            ("open.example", ns("ns.sub.example")),
            ("old.example", dname),
        ],
        &["ns.sub.example"],
    )
}

/// What is answered, each record as section, owner and type; for signatures the type that they
/// are for, with their TTL.
fn told(qname: &str, rtype: RecordType) -> Vec<String> {
    let zone = example();
    let message = request(qname, rtype, Some(4096));
    let reply = ask_over(&zone, &message, Transport::Stream, 0);
    let lines = read(&reply).into_iter().enumerate().map(|(place, line)| {
        if place == 0 {
            return line;
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[4] {
            "RRSIG" => format!("{} {} sig {} {}", words[0], words[1], words[5], words[2]),
            rtype => format!("{} {} {rtype}", words[0], words[1]),
        }
    });
    lines.collect()
}

/// If this fails, validators take positive answers of a signed zone for forged.
#[test]
fn answers_are_signed() {
    assert_eq!(
        told("a.ent.example", RecordType::A),
        [
            "NOERROR AA",
            "an a.ent.example. A",
            "an a.ent.example. sig A 5"
        ]
    );
    // No name of its own: shown by the name before it.
    assert_eq!(
        told("q.w.example", RecordType::A),
        [
            "NOERROR AA",
            "an q.w.example. A",
            "an q.w.example. sig A 5",
            "ns *.w.example. NSEC",
            "ns *.w.example. sig NSEC 1",
        ]
    );
    assert_eq!(
        told("q.c.example", RecordType::A),
        [
            "NOERROR AA",
            "an q.c.example. CNAME",
            "an q.c.example. sig CNAME 5",
            "an x.w.example. A",
            "an x.w.example. sig A 5",
            "ns *.c.example. NSEC",
            "ns *.c.example. sig NSEC 1",
            "ns *.w.example. NSEC",
            "ns *.w.example. sig NSEC 1",
        ]
    );
    assert_eq!(
        told("q.old.example", RecordType::A)[..4],
        [
            "NOERROR AA",
            "an old.example. DNAME",
            "an old.example. sig DNAME 5",
            "an q.old.example. CNAME",
        ],
        "a CNAME that stands for a DNAME has no signature"
    );
}

/// If this fails, validators take it for forged that something does not exist.
#[test]
fn absence_is_proven() {
    let soa = ["ns example. SOA", "ns example. sig SOA 1"];
    let denied = |owners: &[&str]| -> Vec<String> {
        let lines = owners.iter().flat_map(|owner| {
            [
                format!("ns {owner}. NSEC"),
                format!("ns {owner}. sig NSEC 1"),
            ]
        });
        soa.iter().map(ToString::to_string).chain(lines).collect()
    };
    for (qname, rtype, owners) in [
        // The type is missing.
        ("ns.example", RecordType::TXT, &["ns.example"][..]),
        // A name without records of its own.
        ("ent.example", RecordType::A, &["*.c.example"]),
        // Neither the name nor a wildcard for it.
        ("b.example", RecordType::A, &["example"]),
        ("p.ns.example", RecordType::A, &["ns.example"]),
        ("t.example", RecordType::A, &["sub.example", "example"]),
        // The wildcard lacks the type.
        ("q.w.example", RecordType::TXT, &["*.w.example"]),
        // No DS records for the zone below.
        ("open.example", RecordType::DS, &["open.example"]),
    ] {
        assert_eq!(told(qname, rtype)[1..], denied(owners), "{qname} {rtype}");
    }
}

/// If this fails, validators cannot tell whether the zone below a cut is signed.
#[test]
fn referrals_say_whether_the_zone_below_is_signed() {
    assert_eq!(
        told("www.sub.example", RecordType::A),
        [
            "NOERROR",
            "ns sub.example. NS",
            "ns sub.example. DS",
            "ns sub.example. sig DS 5",
            "ar ns.sub.example. A",
        ]
    );
    assert_eq!(
        told("www.open.example", RecordType::A)[1..4],
        [
            "ns open.example. NS",
            "ns open.example. NSEC",
            "ns open.example. sig NSEC 1",
        ]
    );
}

/// If this fails, clients that know nothing of signatures get them, and large replies.
#[test]
fn who_does_not_ask_gets_no_signatures() {
    let zone = example();
    for qname in ["a.ent.example", "b.example", "www.sub.example"] {
        let plain = request(qname, RecordType::A, None);
        let reply = read(&ask_over(&zone, &plain, Transport::Stream, 0));
        let other = |line: &String| line.contains("RRSIG") || line.contains("NSEC");
        assert!(!reply.iter().any(other), "{reply:?}");
    }
}
