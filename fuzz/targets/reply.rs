//! Any reply of another server: no panic, and what is passed on is a reply to the client's question
//! that a client can read.

#![no_main]

use answer::{Message, Query, Reply, Request, Transport};
use domain::base::{Message as Independent, ParsedName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    for record in message.records() {
        let _ = (record.owner(), record.data(), record.target());
    }
    // The same question in the client's letters.
    let name: Vec<u8> = message.qname().iter().map(|byte| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { *byte }).collect();
    let mut request = Request::new(&name, message.qtype());
    request.class = answer::Class(u16::from_be_bytes(*message.question().last_chunk().expect("a class")));
    let before: Vec<_> = message.records().map(|record| (record.owner(), record.rtype, record.ttl)).collect();
    let message = message.with_letters(&name);
    let after: Vec<_> = message.records().map(|record| (record.owner(), record.rtype, record.ttl)).collect();
    assert_eq!(before, after, "letters' case is all that changes");
    assert_eq!(message.qname(), name);
    let request = request.to_bytes();
    let query = Query::parse(&request).expect("a query of our own");
    for (transport, roomy) in [(Transport::DATAGRAM, false), (Transport::DATAGRAM, true), (Transport::Stream, false)] {
        let mut out = vec![0; 65_535];
        let start = if roomy { Reply::start_roomy } else { Reply::start };
        let mut reply = start(&query, transport, &mut out).expect("room");
        reply.relay(&message, 0, 0);
        let length = reply.finish();
        assert!(transport == Transport::Stream || length <= 1232, "{length}");
        let reply = Independent::from_octets(&out[..length]).expect("a header");
        assert_eq!(&out[12..12 + name.len()], &name[..], "the client's letters");
        for section in [reply.answer(), reply.authority(), reply.additional()] {
            for record in section.expect("a section") {
                let record = record.expect("a whole record");
                let _: ParsedName<_> = record.owner();
            }
        }
    }
});
