//! Replies of others, passed on, changed and made to fit.

use super::*;
use crate::query::Query;
use crate::record::{Class, RecordType};
use crate::reply::Transport;
use crate::request::{Request, RequestEdns};

const NAME: &[u8] = b"\x04hOst\x07Example\0";

fn request(udp_size: Option<u16>) -> Vec<u8> {
    let mut request = Request::new(NAME, RecordType::A);
    request.edns = udp_size.map(|udp_size| RequestEdns {
        udp_size,
        ..RequestEdns::default()
    });
    request.to_bytes()
}

/// A message with this many addresses, each after a name server that it needs.
fn message(addresses: u8) -> Message {
    let bytes = Request::new(&NAME.to_ascii_lowercase(), RecordType::A).to_bytes();
    let query = Query::parse(&bytes).unwrap();
    let mut out = vec![0; 65_535];
    let mut reply = Reply::start(&query, Transport::Stream, &mut out).unwrap();
    reply.set_recursion_available(true);
    let a = (RecordType::A, Class::IN);
    for address in 0..addresses {
        reply.record(
            Section::Answer,
            Owner::QUESTION,
            a,
            300,
            &[192, 0, 2, address],
        );
    }
    let ns = (RecordType::NS, Class::IN);
    reply.record(Section::Authority, Owner::At(17), ns, 60, b"\x02ns\0");
    reply.record(
        Section::Additional,
        Owner::Name(b"\x02ns\0"),
        a,
        2,
        &[192, 0, 2, 200],
    );
    let length = reply.finish();
    Message::parse(&out[..length]).unwrap()
}

/// What a client gets when the reply is made by `write`.
fn reply(request: &[u8], roomy: bool, write: impl FnOnce(&mut Reply<'_>)) -> Message {
    let query = Query::parse(request).unwrap();
    let mut out = vec![0; 65_535];
    let mut reply = match roomy {
        true => Reply::start_roomy(&query, Transport::DATAGRAM, &mut out).unwrap(),
        false => Reply::start(&query, Transport::DATAGRAM, &mut out).unwrap(),
    };
    write(&mut reply);
    let length = reply.finish();
    assert_eq!(
        out[12..12 + NAME.len()],
        *NAME,
        "the letters are the client's"
    );
    assert!(length <= query.edns.map_or(512, |edns| usize::from(edns.udp_size)));
    Message::parse(&out[..length]).unwrap()
}

fn ttls(message: &Message) -> Vec<u32> {
    message.records().map(|record| record.ttl).collect()
}

/// If this fails, clients keep what they got from a cache for longer than its owner allows.
#[test]
fn a_message_is_passed_on_with_its_age() {
    let message = message(2);
    let got = reply(&request(None), false, |reply| reply.relay(&message, 10, 1));
    assert_eq!(ttls(&got), [290, 290, 50, 1]);
    assert!(got.is_recursion_available() && !got.is_authoritative());
    let owners: Vec<_> = got.records().map(|it| it.owner().to_string()).collect();
    assert_eq!(
        owners,
        ["host.example.", "host.example.", "example.", "ns."]
    );
    let got = reply(&request(None), false, |reply| reply.relay(&message, 0, 9));
    assert_eq!(ttls(&got), [300, 300, 60, 2]);
}

/// If this fails, a client gets more than it can take, or half a record.
#[test]
fn what_does_not_fit_is_left_out_whole() {
    let message = message(100);
    for roomy in [false, true] {
        let got = reply(&request(None), roomy, |reply| reply.relay(&message, 5, 0));
        assert!(got.is_truncated());
        // 30 octets of header and question leave room for 30 addresses of 16.
        assert_eq!(got.records().count(), 30, "roomy: {roomy}");
        let got = reply(&request(Some(1232)), roomy, |reply| {
            reply.relay(&message, 5, 0);
        });
        assert!(got.is_truncated());
        assert_eq!(got.records().count(), 74, "roomy: {roomy}");
    }
    // Without the additional section it would fit.
    let message = self::message(29);
    for roomy in [false, true] {
        let got = reply(&request(None), roomy, |reply| reply.relay(&message, 0, 0));
        assert!(!got.is_truncated());
        assert_eq!(got.section(Section::Additional).count(), 0);
        assert_eq!(got.section(Section::Authority).count(), 1);
    }
}

/// If this fails, a name that was looked up under another name comes back under that one.
#[test]
fn an_answer_to_another_question_keeps_its_names() {
    let other = request(None);
    let other = [&other[..12], b"\x01x\0\0\x01\0\x01"].concat();
    let message = message(1);
    let query = Query::parse(&other).unwrap();
    let mut out = [0; 512];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut out).unwrap();
    reply.relay(&message, 100, 5);
    let length = reply.finish();
    let got = Message::parse(&out[..length]).unwrap();
    assert_eq!(ttls(&got), [200, 5, 5]);
    let owners: Vec<_> = got.records().map(|it| it.owner().to_string()).collect();
    assert_eq!(owners, ["host.example.", "example.", "ns."]);
}

/// If this fails, what plugins change in a reply destroys it.
#[test]
fn a_written_reply_can_be_changed() {
    let message = message(3);
    let got = reply(&request(None), true, |reply| {
        reply.relay(&message, 0, 0);
        assert_eq!(reply.record_count(), 5);
        assert_eq!(reply.written().count(), 5);
        reply.map_ttls(|record| match record.section {
            Section::Answer => u32::MAX,
            _ => record.ttl + 1,
        });
        reply.remove_from(Section::Additional);
    });
    let longest = 0x7fff_ffff;
    assert_eq!(ttls(&got), [longest, longest, longest, 61]);
    let got = reply(&request(None), true, |reply| {
        reply.relay(&message, 0, 0);
        reply.remove_from(Section::Authority);
        reply.remove_from(Section::Additional);
        reply.record(
            Section::Authority,
            Owner::QUESTION,
            (RecordType::TXT, Class::IN),
            1,
            b"\x01x",
        );
    });
    assert_eq!(ttls(&got), [300, 300, 300, 1]);
    let got = reply(&request(None), true, |reply| {
        reply.relay(&message, 0, 0);
        reply.remove_from(Section::Answer);
    });
    assert_eq!(ttls(&got), []);
}

/// If this fails, a long text about an error crowds out the answer, or makes the reply too long.
#[test]
fn options_never_make_a_reply_too_long() {
    let message = message(100);
    let text = "x".repeat(600);
    let got = reply(&request(Some(512)), true, |reply| {
        reply.relay(&message, 0, 0);
        assert!(reply.extended_error(3, &text));
    });
    assert!(got.is_truncated());
    assert!(got.records().count() > 20);
}

/// If this fails, clients that do not understand AD are sent it, or those that do are not.
#[test]
fn ad_is_told_to_those_who_understand_it() {
    for (understood, dnssec_ok, told) in [
        (false, false, false),
        (true, false, true),
        (false, true, true),
    ] {
        let mut request = Request::new(NAME, RecordType::A);
        request.authentic_data = understood;
        request.edns = Some(RequestEdns {
            dnssec_ok,
            ..RequestEdns::default()
        });
        let got = reply(&request.to_bytes(), false, |reply| {
            reply.set_authentic(true);
        });
        assert_eq!(got.is_authentic(), told);
    }
}

/// If this fails, what a cache keeps is not what its first client was told.
#[test]
fn what_is_written_becomes_a_message() {
    let bytes = request(Some(1232));
    let query = Query::parse(&bytes).unwrap();
    let mut out = vec![0; 65_535];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut out).unwrap();
    let original = message(3);
    reply.relay(&original, 0, 0);
    reply.set_rcode(crate::Rcode::new(23));
    reply.set_authoritative(true);
    reply.extended_error(3, "stale");
    let mut kept = reply.to_message().unwrap();
    assert_eq!(kept.qname(), NAME);
    assert_eq!(kept.rcode().value(), 23);
    assert!(kept.is_authoritative() && kept.is_recursion_available());
    assert!(!kept.is_truncated() && kept.edns().is_none());
    let seen = |message: &Message| -> Vec<(Section, u32, Vec<u8>)> {
        let records = message.records();
        records
            .map(|record| (record.section, record.ttl, record.data()))
            .collect()
    };
    assert_eq!(seen(&kept), seen(&original));
    kept.map_ttls(|record| record.ttl * 2);
    let doubled = seen(&original)
        .into_iter()
        .map(|(section, ttl, data)| (section, 2 * ttl, data));
    assert_eq!(seen(&kept), doubled.collect::<Vec<_>>());
}
