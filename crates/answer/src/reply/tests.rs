use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;

use super::*;
use crate::{Lookup, Name, RecordData, Rrset, Soa, Zone};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A request with RD and CD, and with an OPT record of this UDP size if given.
fn request(qname: &str, qtype: RecordType, udp_size: Option<u16>) -> Vec<u8> {
    let additionals = u8::from(udp_size.is_some());
    let mut message = vec![0xab, 0xcd, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, additionals];
    message.extend_from_slice(name(qname).as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(size) = udp_size {
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&size.to_be_bytes());
        message.extend_from_slice(&[0, 0, 0x80, 0x55, 0, 0]);
    }
    message
}

/// A reply as an independent parser reads it: the header in words, then each record after the
/// letter of its section, OPT aside.
fn read(reply: &[u8]) -> Vec<String> {
    let message = Message::from_octets(reply).unwrap();
    let header = message.header();
    let mut lines = vec![header.rcode().to_string()];
    if header.aa() {
        lines[0] += " AA";
    }
    if header.tc() {
        lines[0] += " TC";
    }
    let (_, answer, authority, additional) = message.sections().unwrap();
    for (letter, section) in [("an", answer), ("ns", authority), ("ar", additional)] {
        for record in section {
            let record = record.unwrap();
            if record.rtype() != domain::base::iana::Rtype::OPT {
                let record = record.to_record::<AllRecordData<_, ParsedName<_>>>();
                lines.push(format!("{letter} {}", record.unwrap().unwrap()));
            }
        }
    }
    lines
}

fn ask_over(zone: &Zone, request: &[u8], transport: Transport, rotation: u32) -> Vec<u8> {
    let query = Query::parse(request).unwrap();
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let mut buffer = vec![0xee; 65_535];
    let mut reply = Reply::start(&query, transport, &mut buffer).unwrap();
    answer_from_zone(zone, &looked_up, &query, rotation, &mut reply);
    let length = reply.finish();
    buffer.truncate(length);
    buffer
}

fn ask(zone: &Zone, qname: &str, qtype: RecordType) -> Vec<String> {
    read(&ask_over(
        zone,
        &request(qname, qtype, Some(1232)),
        Transport::DATAGRAM,
        0,
    ))
}

fn a(last: impl IntoIterator<Item = u8>) -> Rrset {
    let data = last
        .into_iter()
        .map(|last| RecordData::a([192, 0, 2, last].into()));
    Rrset::new(RecordType::A, 5, data)
}

fn zone(records: &[(&str, Rrset)]) -> Zone {
    let soa = Soa::new(name("ns.example"), name("host.example"), 1);
    let mut edit = Zone::new(name("example"), 300, &soa).edit();
    for (owner, rrset) in records {
        edit.set(&name(owner), rrset).unwrap();
    }
    edit.finish()
}

fn cname(target: &str) -> Rrset {
    Rrset::new(RecordType::CNAME, 5, [RecordData::cname(&name(target))])
}

const SOA: &str = "ns example. 1 IN SOA ns.example. host.example. 1 7200 1800 86400 1";

#[test]
fn the_header_and_the_question_are_the_clients_own() {
    let zone = zone(&[("worker4.example", a([4]))]);
    let mut message = request("worker4.example", RecordType::A, None);
    message[13] = b'W';
    message[3] |= 0x20; // AD in a query must not come back
    let reply = ask_over(&zone, &message, Transport::DATAGRAM, 0);
    assert_eq!(
        reply[..12],
        [0xab, 0xcd, 0x85, 0x10, 0, 1, 0, 1, 0, 0, 0, 0]
    );
    assert_eq!(
        reply[12..message.len()],
        message[12..],
        "0x20 case survives"
    );
    assert_eq!(
        reply[message.len()..],
        *b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\xc0\0\x02\x04"
    );
}

#[test]
fn opt_is_in_the_reply_only_if_it_was_in_the_query() {
    let zone = zone(&[("a.example", a([4]))]);
    let without = request("a.example", RecordType::A, None);
    let with = request("a.example", RecordType::A, Some(4096));
    let plain = ask_over(&zone, &without, Transport::DATAGRAM, 0);
    let edns = ask_over(&zone, &with, Transport::DATAGRAM, 0);
    // Our size, no extended code, version 0, DO as it was, the other flags cleared.
    assert_eq!(
        edns[plain.len()..],
        [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]
    );
    assert_eq!((plain[11], edns[11]), (0, 1));
}

#[test]
fn negative_answers_carry_the_soa() {
    let zone = zone(&[("a.b.example", a([1]))]);
    assert_eq!(ask(&zone, "x.example", RecordType::A), ["NXDOMAIN AA", SOA]);
    assert_eq!(
        ask(&zone, "a.b.example", RecordType::AAAA),
        ["NOERROR AA", SOA]
    );
    assert_eq!(ask(&zone, "b.example", RecordType::A), ["NOERROR AA", SOA]);
    let root = Zone::new(Name::root(), 9, &Soa::new(name("ns"), name("host"), 1));
    assert_eq!(
        ask(&root, "x.y", RecordType::A),
        ["NXDOMAIN AA", "ns . 1 IN SOA ns. host. 1 7200 1800 86400 1"]
    );
}

#[test]
fn aliases_are_followed_inside_the_zone() {
    let zone = zone(&[
        ("one.example", cname("two.example")),
        ("two.example", cname("a.example")),
        ("a.example", a([1])),
        ("dangling.example", cname("nothing.example")),
        ("*.wild.example", cname("a.example")),
        ("away.example", cname("www.example.com")),
    ]);
    let chain = [
        "NOERROR AA",
        "an one.example. 5 IN CNAME two.example.",
        "an two.example. 5 IN CNAME a.example.",
        "an a.example. 5 IN A 192.0.2.1",
    ];
    assert_eq!(ask(&zone, "one.example", RecordType::A), chain);
    assert_eq!(ask(&zone, "one.example", RecordType::CNAME), chain[..2]);
    assert_eq!(
        ask(&zone, "one.example", RecordType::AAAA),
        [&chain[..3], &[SOA]].concat()
    );
    assert_eq!(
        ask(&zone, "dangling.example", RecordType::A),
        [
            "NXDOMAIN AA",
            "an dangling.example. 5 IN CNAME nothing.example.",
            SOA
        ]
    );
    assert_eq!(
        ask(&zone, "x.wild.example", RecordType::A),
        [
            "NOERROR AA",
            "an x.wild.example. 5 IN CNAME a.example.",
            chain[3]
        ]
    );
    assert_eq!(
        ask(&zone, "away.example", RecordType::A),
        ["NOERROR AA", "an away.example. 5 IN CNAME www.example.com."]
    );
}

#[test]
fn an_alias_out_of_the_zone_can_be_gone_on_with_in_another() {
    let zone = zone(&[("away.example", cname("www.other"))]);
    let soa = Soa::new(name("ns.other"), name("host.other"), 1);
    let mut other = Zone::new(name("other"), 5, &soa).edit();
    other.set(&name("www.other"), &a([7])).unwrap();
    let other = other.finish();
    let message = request("away.example", RecordType::A, None);
    let query = Query::parse(&message).unwrap();
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let mut buffer = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    let outcome = answer_from_zone(&zone, &looked_up, &query, 0, &mut reply);
    let Outcome::AliasElsewhere { at, .. } = outcome else {
        panic!("{outcome:?}")
    };
    let target = reply.name_at(at).unwrap();
    let asked = Asked {
        name: &target,
        at,
        rtype: query.qtype,
        rotation: 0,
        servers: false,
    };
    let found = other.lookup(&target, query.qtype);
    assert_eq!(
        respond(&other, found, &asked, &mut reply),
        Outcome::Answered
    );
    let length = reply.finish();
    assert_eq!(read(&buffer[..length])[2], "an www.other. 5 IN A 192.0.2.7");
}

#[test]
fn alias_circles_end() {
    let mut records = vec![
        ("one.example".to_owned(), cname("two.example")),
        ("two.example".to_owned(), cname("one.example")),
        ("*.w.example".to_owned(), cname("x.w.example")),
    ];
    for number in 0..20 {
        let target = format!("c{}.example", number + 1);
        records.push((format!("c{number}.example"), cname(&target)));
    }
    let borrowed: Vec<_> = records
        .iter()
        .map(|(owner, set)| (owner.as_str(), set.clone()))
        .collect();
    let zone = zone(&borrowed);
    assert_eq!(ask(&zone, "one.example", RecordType::A).len(), 1 + 2);
    assert_eq!(ask(&zone, "q.w.example", RecordType::A).len(), 1 + 2);
    assert_eq!(
        ask(&zone, "c0.example", RecordType::A).len(),
        1 + 8,
        "a chain has an end too"
    );
}

#[test]
fn service_hosts_bring_their_addresses_each_once() {
    let v6 = Rrset::new(
        RecordType::AAAA,
        5,
        [RecordData::aaaa("2001:db8::1".parse().unwrap())],
    );
    let srv = [
        ("one.example", 1),
        ("two.example", 2),
        ("one.example", 3),
        ("far.test", 4),
    ]
    .map(|(host, port)| RecordData::srv(0, 0, port, &name(host)));
    let zone = zone(&[
        ("_x._tcp.example", Rrset::new(RecordType::SRV, 5, srv)),
        ("one.example", a([1])),
        ("one.example", v6),
        ("two.example", a([2])),
    ]);
    let lines = ask(&zone, "_x._tcp.example", RecordType::SRV);
    assert_eq!(
        lines[5..],
        [
            "ar one.example. 5 IN A 192.0.2.1",
            "ar one.example. 5 IN AAAA 2001:db8::1",
            "ar two.example. 5 IN A 192.0.2.2",
        ]
    );
}

#[test]
fn no_host_brings_no_addresses() {
    let soa = Soa::new(name("ns"), name("host"), 1);
    let mut edit = Zone::new(Name::root(), 5, &soa).edit();
    edit.set(&Name::root(), &a([1])).unwrap();
    let none = Rrset::new(RecordType::MX, 5, [RecordData::mx(0, &Name::root())]);
    edit.set(&name("silent"), &none).unwrap();
    assert_eq!(ask(&edit.finish(), "silent", RecordType::MX).len(), 1 + 1);
}

#[test]
fn a_referral_has_servers_and_glue_and_no_aa() {
    let servers =
        ["ns.sub.example", "ns.far.test", "a.example"].map(|server| RecordData::ns(&name(server)));
    let zone = zone(&[
        ("sub.example", Rrset::new(RecordType::NS, 5, servers)),
        ("ns.sub.example", a([1])),
        ("a.example", a([2])),
        ("alias.example", cname("x.sub.example")),
    ]);
    let referral = [
        "ns sub.example. 5 IN NS ns.sub.example.",
        "ns sub.example. 5 IN NS ns.far.test.",
        "ns sub.example. 5 IN NS a.example.",
        "ar ns.sub.example. 5 IN A 192.0.2.1",
        "ar a.example. 5 IN A 192.0.2.2",
    ];
    let lines = ask(&zone, "x.y.sub.example", RecordType::A);
    assert_eq!(
        (lines[0].as_str(), &lines[1..]),
        ("NOERROR", &referral.map(String::from)[..])
    );
    let lines = ask(&zone, "alias.example", RecordType::A);
    assert_eq!(
        lines[..2],
        ["NOERROR AA", "an alias.example. 5 IN CNAME x.sub.example."]
    );
    assert_eq!(lines[2..], referral);
}

#[test]
fn glue_that_does_not_fit_sets_tc() {
    let hosts: Vec<String> = (0..8)
        .map(|number| format!("ns{number}.sub.example"))
        .collect();
    let servers = hosts.iter().map(|host| RecordData::ns(&name(host)));
    let mut records = vec![("sub.example", Rrset::new(RecordType::NS, 5, servers))];
    records.extend(hosts.iter().map(|host| (host.as_str(), a(0..3))));
    let zone = zone(&records);
    let message = request("sub.example", RecordType::A, None);
    let lines = read(&ask_over(&zone, &message, Transport::DATAGRAM, 0));
    assert_eq!(lines[0], "NOERROR TC");
    let lines = read(&ask_over(&zone, &message, Transport::Stream, 0));
    assert_eq!((lines[0].as_str(), lines.len()), ("NOERROR", 1 + 8 + 24));
}

#[test]
fn what_does_not_fit_into_a_datagram_is_cut_between_records() {
    let zone = zone(&[("a.example", a(0..100))]);
    for (udp_size, largest, limit) in [
        (None, 1232, 512),
        (Some(0), 1232, 512),
        (Some(600), 1232, 600),
        (Some(4096), 1232, 1232),
        (Some(4096), 0, 512),
    ] {
        let message = request("a.example", RecordType::A, udp_size);
        let reply = ask_over(&zone, &message, Transport::Datagram { largest }, 0);
        let records = (limit - message.len()) / 16;
        assert_eq!(reply.len(), message.len() + records * 16);
        let lines = read(&reply);
        assert_eq!(
            (lines[0].as_str(), lines.len()),
            ("NOERROR AA TC", 1 + records)
        );
    }
}

#[test]
fn rotation_begins_with_another_record_and_keeps_all() {
    let text = |texts: &[&str]| {
        let data = texts
            .iter()
            .map(|text| RecordData::txt(text.as_bytes()).unwrap());
        Rrset::new(RecordType::TXT, 5, data)
    };
    let zone = zone(&[
        ("a.example", a(0..3)),
        ("a.example", text(&["a", "long", ""])),
    ]);
    let last = |qtype, rotation| {
        let message = request("a.example", qtype, None);
        let lines = read(&ask_over(&zone, &message, Transport::DATAGRAM, rotation));
        let words = lines[1..]
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().to_owned());
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(last(RecordType::A, 0), "192.0.2.0 192.0.2.1 192.0.2.2");
    assert_eq!(last(RecordType::A, 4), "192.0.2.1 192.0.2.2 192.0.2.0");
    assert_eq!(last(RecordType::TXT, u32::MAX), r#""a" "long" """#);
    assert_eq!(last(RecordType::TXT, 2), r#""" "a" "long""#);
}

#[test]
fn a_set_larger_than_a_stream_message_is_a_window_without_tc() {
    let data = (0..10_000u32).map(|number| RecordData::a(number.into()));
    let zone = zone(&[("a.example", Rrset::new(RecordType::A, 5, data))]);
    let message = request("a.example", RecordType::A, Some(512));
    let lines = read(&ask_over(&zone, &message, Transport::Stream, 9_999));
    assert_eq!(
        (lines[0].as_str(), lines.len()),
        ("NOERROR AA", 1 + (65_535 - 38) / 16)
    );
    assert_eq!(lines[1], "an a.example. 5 IN A 0.0.39.15");
    assert_eq!(lines[2], "an a.example. 5 IN A 0.0.0.0");
}

#[test]
fn any_gets_one_rrset() {
    let text = Rrset::new(RecordType::TXT, 5, [RecordData::txt(b"t").unwrap()]);
    let zone = zone(&[("a.example", a([1, 2])), ("a.example", text)]);
    assert_eq!(ask(&zone, "a.example", RecordType::ANY).len(), 1 + 2);
}

#[test]
fn extended_codes_and_options_travel_in_opt() {
    let message = request("a.example", RecordType::A, Some(1232));
    let query = Query::parse(&message).unwrap();
    let mut buffer = [0xee; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    reply.set_rcode(Rcode::BADVERS);
    assert!(reply.option(3, b"node7"));
    assert!(reply.extended_error(3, "stale"));
    let length = reply.finish();
    let opt = [0, 0, 41, 0x04, 0xd0, 1, 0, 0x80, 0, 0, 20];
    assert_eq!(buffer[27..38], opt);
    assert_eq!(
        buffer[38..length],
        *b"\0\x0f\0\x07\0\x03stale\0\x03\0\x05node7"
    );
    assert_eq!(buffer[3] & 0xf, 0);

    let plain = request("a.example", RecordType::A, None);
    let query = Query::parse(&plain).unwrap();
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    reply.set_rcode(Rcode::BADVERS);
    assert!(!reply.extended_error(3, "stale"), "no OPT, no options");
    assert_eq!((reply.finish(), buffer[3] & 0xf), (27, 2), "SERVFAIL");
}

#[test]
fn options_take_room_from_records_and_never_more_than_there_is() {
    let message = request("a.example", RecordType::A, Some(512));
    let query = Query::parse(&message).unwrap();
    let zone = zone(&[("a.example", a(0..100))]);
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let mut buffer = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    assert!(!reply.option(65_001, &[7; 512 - 27 - 11 - 4 + 1]));
    assert!(reply.option(65_001, &[7; 94]));
    answer_from_zone(&zone, &looked_up, &query, 0, &mut reply);
    assert!(
        !reply.option(65_001, &[8; 100]),
        "the records have taken the room"
    );
    assert!(
        reply.extended_error(1, &"long".repeat(90)),
        "the code fits without the text"
    );
    let length = reply.finish();
    assert!(length <= 512);
    let parsed = Message::from_octets(&buffer[..length]).unwrap();
    assert_eq!(parsed.header_counts().ancount(), (512 - 27 - 11 - 98) / 16);
    assert!(parsed.opt().is_some());
}

#[test]
fn ttls_can_be_lowered_for_data_that_may_be_stale() {
    let long = Rrset {
        ttl: 3600,
        ..a([1])
    };
    let zone = zone(&[("a.example", long), ("b.example", a([2]))]);
    for (qname, expected) in [
        ("a.example", "an a.example. 3 "),
        ("x.example", "ns example. 1 "),
    ] {
        let message = request(qname, RecordType::A, Some(1232));
        let query = Query::parse(&message).unwrap();
        let looked_up = LookupName::from_wire(query.qname).unwrap();
        let mut buffer = [0; 512];
        let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
        reply.limit_ttl(3);
        answer_from_zone(&zone, &looked_up, &query, 0, &mut reply);
        let length = reply.finish();
        assert!(read(&buffer[..length])[1].starts_with(expected));
    }
}

#[test]
fn a_reply_can_be_given_up_half_way() {
    let zone = zone(&[("a.example", a(0..100))]);
    let message = request("a.example", RecordType::A, Some(512));
    let query = Query::parse(&message).unwrap();
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let mut buffer = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    answer_from_zone(&zone, &looked_up, &query, 0, &mut reply);
    assert!(reply.is_truncated());
    reply.clear();
    reply.set_rcode(Rcode::SERVFAIL);
    let length = reply.finish();
    assert_eq!(read(&buffer[..length]), ["SERVFAIL"]);
    assert_eq!(length, 27 + 11);
}

#[test]
fn sections_are_filled_in_order_or_not_at_all() {
    let zone = zone(&[("a.example", a([1]))]);
    let message = request("a.example", RecordType::A, None);
    let query = Query::parse(&message).unwrap();
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let Lookup::Found(rrset) = zone.lookup(&looked_up, RecordType::A) else {
        panic!("not found")
    };
    let mut buffer = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    assert!(reply.additional(Owner::Name(name("b.example").as_wire()), rrset));
    assert!(!reply.answer(rrset, 0), "would be read as additional");
    let length = reply.finish();
    assert_eq!(read(&buffer[..length])[1], "ar b.example. 5 IN A 192.0.2.1");
}

/// A client that retries over a stream gets everything; until then what is additional to half an
/// answer would only mislead it.
#[test]
fn nothing_is_added_after_a_truncated_section() {
    let zone = zone(&[("a.example", a(0..100))]);
    let message = request("a.example", RecordType::A, Some(532));
    let query = Query::parse(&message).unwrap();
    let looked_up = LookupName::from_wire(query.qname).unwrap();
    let mut buffer = [0; 1232];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    answer_from_zone(&zone, &looked_up, &query, 0, &mut reply);
    assert!(reply.is_truncated() && reply.room() >= 13);
    let kind = (RecordType::TXT, Class::IN);
    assert!(!reply.record(Section::Additional, Owner::QUESTION, kind, 5, &[0]));
}

#[test]
fn records_of_no_zone_can_be_added() {
    let message = request("whoami.example", RecordType::A, Some(1232));
    let query = Query::parse(&message).unwrap();
    let mut buffer = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
    let text = RecordData::txt(b"callsign").unwrap();
    let srv = RecordData::srv(0, 0, 53, &name("ns"));
    let kind = (RecordType::TXT, Class::CH);
    assert!(reply.record(
        Section::Answer,
        Owner::QUESTION,
        kind,
        u32::MAX,
        text.as_bytes()
    ));
    let owner = name("_udp.whoami.example");
    let owner = Owner::Name(owner.as_wire());
    assert!(reply.record(
        Section::Additional,
        owner,
        (RecordType::SRV, Class::IN),
        0,
        srv.as_bytes()
    ));
    let long = RecordData::txt(&[b'x'; 500]).unwrap();
    assert!(!reply.record(
        Section::Additional,
        owner,
        (RecordType::TXT, Class::IN),
        0,
        long.as_bytes()
    ));
    let length = reply.finish();
    assert_eq!(
        read(&buffer[..length]),
        [
            "NOERROR",
            "an whoami.example. 2147483647 CH TXT \"callsign\"",
            "ar _udp.whoami.example. 0 IN SRV 0 0 53 ns",
        ]
    );
}

#[test]
fn a_buffer_too_small_for_the_question_is_refused() {
    let message = request("a.example", RecordType::A, None);
    let query = Query::parse(&message).unwrap();
    for length in 0..27 + 11 {
        let mut buffer = vec![0; length];
        assert!(Reply::start(&query, Transport::DATAGRAM, &mut buffer).is_err());
    }
}

/// If this fails, names below a DNAME record are not found, or clients that know no DNAME are lost
/// (RFC 6672 §3).
#[test]
fn names_below_a_dname_are_those_below_its_target() {
    let dname = |target: &str| Rrset::new(RecordType::DNAME, 7, [RecordData::cname(&name(target))]);
    let long = "long-label-to-make-the-name-too-long.".repeat(6) + "example";
    let zone = zone(&[
        ("old.example", dname("new.example")),
        ("old.example", a([9])),
        ("occluded.old.example", a([8])),
        ("www.new.example", a([1])),
        ("away.example", dname("other.test")),
        ("loop.example", dname("loop.example")),
        ("grow.example", dname("x.grow.example")),
        ("long.example", dname(&long)),
    ]);
    let redirected = [
        "NOERROR AA",
        "an old.example. 7 IN DNAME new.example.",
        "an www.old.example. 7 IN CNAME www.new.example.",
    ];
    let answered = [&redirected[..], &["an www.new.example. 5 IN A 192.0.2.1"]].concat();
    assert_eq!(ask(&zone, "www.old.example", RecordType::A), answered);
    assert_eq!(ask(&zone, "www.old.example", RecordType::CNAME), redirected);
    assert_eq!(
        ask(&zone, "occluded.old.example", RecordType::A),
        [
            "NXDOMAIN AA",
            redirected[1],
            "an occluded.old.example. 7 IN CNAME occluded.new.example.",
            SOA,
        ]
    );
    // The name itself is not redirected.
    assert_eq!(
        ask(&zone, "old.example", RecordType::A),
        ["NOERROR AA", "an old.example. 5 IN A 192.0.2.9"]
    );
    assert_eq!(
        ask(&zone, "w.away.example", RecordType::A),
        [
            "NOERROR AA",
            "an away.example. 7 IN DNAME other.test.",
            "an w.away.example. 7 IN CNAME w.other.test.",
        ]
    );
    assert_eq!(ask(&zone, "w.loop.example", RecordType::A).len(), 1 + 2);
    assert_eq!(ask(&zone, "w.grow.example", RecordType::A).len(), 1 + 1 + 8);
    let lines = ask(
        &zone,
        "some-more-labels.and-others.long.example",
        RecordType::A,
    );
    assert_eq!((lines[0].as_str(), lines.len()), ("YXDOMAIN AA", 1 + 1));
}

/// If this fails, clients of servers that name their zone's servers along with answers get those
/// instead of what they asked for.
#[test]
fn the_zones_own_servers_go_along_where_they_fit() {
    let servers = Rrset::new(
        RecordType::NS,
        5,
        [
            RecordData::ns(&name("ns.example")),
            RecordData::ns(&name("far.test")),
        ],
    );
    let zone = zone(&[
        ("example", servers),
        ("ns.example", a([1])),
        ("one.example", a([2])),
        ("many.example", a(0..28)),
    ]);
    let ask = |qname: &str, rtype| {
        let message = request(qname, rtype, None);
        let query = Query::parse(&message).unwrap();
        let looked_up = LookupName::from_wire(query.qname).unwrap();
        let mut buffer = [0; 512];
        let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).unwrap();
        let asked = Asked {
            servers: true,
            ..Asked::by_query(&query, &looked_up, 0)
        };
        respond(&zone, zone.lookup(&looked_up, rtype), &asked, &mut reply);
        let length = reply.finish();
        read(&buffer[..length])
    };
    assert_eq!(
        ask("one.example", RecordType::A),
        [
            "NOERROR AA",
            "an one.example. 5 IN A 192.0.2.2",
            "ns example. 5 IN NS ns.example.",
            "ns example. 5 IN NS far.test.",
            "ar ns.example. 5 IN A 192.0.2.1",
        ]
    );
    assert_eq!(
        ask("example", RecordType::NS),
        [
            "NOERROR AA",
            "an example. 5 IN NS ns.example.",
            "an example. 5 IN NS far.test.",
            "ar ns.example. 5 IN A 192.0.2.1",
        ]
    );
    let many = ask("many.example", RecordType::A);
    assert_eq!((many[0].as_str(), many.len()), ("NOERROR AA", 1 + 28));
}

mod signed;
