//! Answering allocates nothing, whatever the outcome: otherwise the speed of the server would
//! hang on the allocator, and its memory on what strangers ask.

#![expect(
    clippy::expect_used,
    reason = "clippy sees the tests' helpers as code that is not a test"
)]

use answer::{
    LookupName, Name, Query, RecordData, RecordType, Rejected, Reply, Rrset, Soa, Transport, Zone,
    answer_from_zone, reject,
};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn zone() -> Zone {
    let mut edit = Zone::new(name("z.test"), 5, &Soa::new(name("ns"), name("host"), 1)).edit();
    let mut set = |owner: &str, rtype, data: Vec<RecordData>| {
        edit.set(&name(owner), &Rrset::new(rtype, 5, data))
            .expect("a good RRset");
    };
    for number in 0..200u8 {
        let address = RecordData::a([10, 0, 0, number].into());
        set(
            &format!("worker{number}.z.test"),
            RecordType::A,
            vec![address],
        );
    }
    let all = (0..200)
        .map(|number| RecordData::a([10, 0, 0, number].into()))
        .collect();
    set("worker.z.test", RecordType::A, all);
    let hosts = (0..50)
        .map(|number| RecordData::srv(0, 0, number, &name(&format!("worker{number}.z.test"))));
    set("_x._tcp.z.test", RecordType::SRV, hosts.collect());
    set(
        "one.z.test",
        RecordType::CNAME,
        vec![RecordData::cname(&name("two.z.test"))],
    );
    set(
        "two.z.test",
        RecordType::CNAME,
        vec![RecordData::cname(&name("worker1.z.test"))],
    );
    set(
        "*.wild.z.test",
        RecordType::TXT,
        vec![RecordData::txt(b"any").expect("short")],
    );
    set(
        "cut.z.test",
        RecordType::NS,
        vec![RecordData::ns(&name("ns.cut.z.test"))],
    );
    set(
        "ns.cut.z.test",
        RecordType::A,
        vec![RecordData::a([10, 0, 0, 1].into())],
    );
    set(
        "old.z.test",
        RecordType::DNAME,
        vec![RecordData::cname(&name("wild.z.test"))],
    );
    edit.finish()
}

/// The same zone as far as a server sees it, signed: what is shown of signatures is opaque here.
fn signed(zone: &Zone) -> Zone {
    let mut edit = zone.edit();
    let names = zone.names();
    for (place, owner) in names.iter().enumerate() {
        let next = names.get(place + 1).unwrap_or(&names[0]);
        let nsec = [next.as_wire(), &[0, 1, 0x40]].concat();
        let covered = zone.rrsets(owner).map(|rrset| rrset.rtype());
        let signatures = covered.chain([RecordType::NSEC]).map(|covered| {
            let mut data = covered.0.to_be_bytes().to_vec();
            data.extend_from_slice(&[13, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            data.extend_from_slice(zone.apex().as_wire());
            data.extend_from_slice(&[7; 64]);
            RecordData::raw(data).expect("short")
        });
        let mut set = |rtype, data| {
            edit.set(owner, &Rrset::new(rtype, 5, data))
                .expect("a good RRset");
        };
        set(RecordType::RRSIG, signatures.collect());
        set(
            RecordType::NSEC,
            vec![RecordData::raw(nsec).expect("short")],
        );
    }
    edit.finish()
}

fn request(qname: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    message.extend_from_slice(name(qname).as_wire());
    message.extend_from_slice(&rtype.0.to_be_bytes());
    message.extend_from_slice(b"\0\x01\0\0\x29\x10\0\0\0\x80\0\0\x06\0\x03\0\x02hi");
    message
}

/// The whole way of one request, as a server goes it.
fn serve(zone: &Zone, request: &[u8], transport: Transport, out: &mut [u8]) -> usize {
    match Query::parse(request) {
        Ok(query) => {
            let Some(name) = LookupName::from_wire(query.qname) else {
                return 0;
            };
            let Ok(mut reply) = Reply::start(&query, transport, out) else {
                return 0;
            };
            answer_from_zone(zone, &name, &query, 12_345, &mut reply);
            let mut sets = reply.written_sets();
            while let Some(set) = sets.next(&reply) {
                reply.swap_addresses(&set, 0, set.count / 2);
                reply.rotate(&set, 1);
                reply.owner_of(&set);
            }
            reply.extended_error(3, "stale");
            reply.limit_datagram(1000);
            reply.limit_ttl(4);
            reply.finish()
        }
        Err(Rejected::Reply(rcode)) => reject(request, rcode, out).unwrap_or_default(),
        Err(Rejected::Ignore) => 0,
    }
}

#[test]
fn answering_allocates_nothing() {
    let zone = zone();
    let signed = signed(&zone);
    let mut requests: Vec<Vec<u8>> = [
        ("worker7.z.test", RecordType::A),
        ("worker7.z.test", RecordType::AAAA),
        ("worker.z.test", RecordType::A),
        ("_x._tcp.z.test", RecordType::SRV),
        ("one.z.test", RecordType::A),
        ("x.wild.z.test", RecordType::TXT),
        ("www.cut.z.test", RecordType::A),
        ("nothing.z.test", RecordType::A),
        ("elsewhere.test", RecordType::A),
        ("worker7.z.test", RecordType::ANY),
        ("x.old.z.test", RecordType::TXT),
    ]
    .into_iter()
    .map(|(qname, rtype)| request(qname, rtype))
    .collect();
    requests.push(b"\0\x01\x28\0\0\x01\0\0\0\0\0\0".to_vec());
    requests.push(vec![0xff; 600]);
    let mut out = vec![0; 65_535];
    let mut octets = 0;
    let counted = allocation_counter::measure(|| {
        for zone in [&zone, &signed] {
            for request in &requests {
                for transport in [Transport::DATAGRAM, Transport::Stream] {
                    octets += serve(zone, request, transport, &mut out);
                }
            }
        }
    });
    assert_eq!(counted.count_total, 0, "allocations while answering");
    assert!(octets > 7_000, "the replies were written: {octets} octets");
    // The counter counts: the same test with a zone built inside would fail.
    assert!(allocation_counter::measure(|| drop(zone.edit())).count_total > 0);
}
