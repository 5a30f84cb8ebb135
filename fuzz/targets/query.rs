//! Any datagram: no panic, at most one reply, and one that a client can read.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use answer::{
    Name, Query, RecordData, RecordType, Rrset, Soa, Zone, answer_from_zone,
};
use callsign::counters::{Count, Tally};
use callsign::plugins::{Chain, Client, Exchange, Plugin, Step, Transport};
use callsign::routes::Routes;
use callsign::serve::{Served, serve};
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;
use libfuzzer_sys::fuzz_target;

/// Answers from a zone with aliases, a wildcard, a delegation and a service.
struct FromZone(Zone);

impl Plugin for FromZone {
    fn name(&self) -> &'static str {
        "zone"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let Exchange { query, name, reply, rotation, .. } = exchange;
        answer_from_zone(&self.0, name, query, *rotation, reply);
        Step::Answered
    }
}

static ROUTES: LazyLock<Arc<Routes>> = LazyLock::new(|| {
    let name = |text: &str| Name::parse(text).expect("a name");
    let apex = name("tf.local.");
    let mut edit = Zone::new(apex.clone(), 5, &Soa::new(name("ns.tf.local."), name("h.tf.local."), 1)).edit();
    let host = |last: u8| RecordData::a([192, 0, 2, last].into());
    for (owner, rtype, data) in [
        ("worker1.tf.local.", RecordType::A, (1..60).map(host).collect()),
        ("*.wild.tf.local.", RecordType::A, vec![host(1)]),
        ("alias.tf.local.", RecordType::CNAME, vec![RecordData::cname(&name("worker1.tf.local."))]),
        ("below.tf.local.", RecordType::NS, vec![RecordData::ns(&name("ns.below.tf.local."))]),
        ("ns.below.tf.local.", RecordType::A, vec![host(2)]),
        ("old.tf.local.", RecordType::DNAME, vec![RecordData::cname(&name("wild.tf.local."))]),
        ("_dns._udp.tf.local.", RecordType::SRV, vec![RecordData::srv(0, 0, 53, &name("worker1.tf.local."))]),
    ] {
        edit.set(&name(owner), &Rrset::new(rtype, 5, data)).expect("a record of the zone");
    }
    let chain = Arc::new(Chain::new(vec![Box::new(FromZone(edit.finish()))]));
    Arc::new(Routes::new([(apex, chain)]))
});

fuzz_target!(|request: &[u8]| {
    for transport in [Transport::Udp, Transport::Tcp] {
        let client = Client {
            peer: ([192, 0, 2, 1], 5353).into(),
            local: None,
            local_port: 53,
            transport,
            received: Instant::now(),
        };
        let mut out = vec![0; 65535];
        let mut tally = Tally::default();
        let served = serve(&ROUTES, &client, request, &mut out, 7, &mut tally);
        assert_eq!(tally.get(Count::Panics), 0);
        let Served::Reply(length) = served else { continue };
        assert!(request.len() >= 12 && length >= 12 && length <= out.len());
        assert_eq!(request[..2], out[..2], "the identifier is the client's");
        assert_eq!(out[2] & 0x80, 0x80, "a reply says that it is one");
        if transport == Transport::Udp {
            assert!(length <= 1232, "{length} octets are more than a datagram takes");
            let size = Query::parse(request).ok().and_then(|query| query.edns).map_or(512, |edns| edns.udp_size.max(512));
            assert!(length <= usize::from(size));
        }
        readable(&out[..length]);
    }
});

/// Reads every record with another implementation.
fn readable(reply: &[u8]) {
    let message = Message::from_octets(reply).expect("a header");
    if message.header_counts().qdcount() == 0 {
        return;
    }
    for record in message.iter() {
        let (record, _) = record.expect("a whole record");
        let data = record.to_record::<AllRecordData<_, ParsedName<_>>>();
        assert!(data.expect("well-formed data").is_some());
    }
}
