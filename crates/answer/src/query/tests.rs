use proptest::prelude::*;

use super::*;

const FORMERR: Rejected = Rejected::Reply(Rcode::FORMERR);

/// A query for `WwW.a.` A IN with RD, the four counts as given, and `rest` after the question.
fn request(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [qd, an, ns, ar] = counts;
    let mut message = vec![0xab, 0xcd, 1, 0x10, 0, qd, 0, an, 0, ns, 0, ar];
    message.extend_from_slice(b"\x03WwW\x01a\0\0\x01\0\x01");
    message.extend_from_slice(rest);
    message
}

/// An OPT record: UDP size 4096, DO.
fn opt(version: u8, options: &[u8]) -> Vec<u8> {
    let mut record = vec![
        0,
        0,
        41,
        0x10,
        0,
        0,
        version,
        0x80,
        0,
        0,
        options.len() as u8,
    ];
    record.extend_from_slice(options);
    record
}

#[test]
fn a_plain_query_is_read_as_it_was_sent() {
    let message = request([1, 0, 0, 0], b"");
    let query = Query::parse(&message).unwrap();
    assert_eq!(query.id, 0xabcd);
    assert!(query.recursion_desired && query.checking_disabled && !query.authentic_data);
    assert_eq!(query.qname, b"\x03WwW\x01a\0");
    assert_eq!((query.qtype, query.qclass), (RecordType::A, Class::IN));
    assert_eq!(query.question(), &message[12..]);
    assert!(query.edns.is_none());
}

#[test]
fn edns_is_read() {
    let message = request([1, 0, 0, 1], &opt(0, b"\0\x03\0\x02hi\0\x0a\0\0"));
    let edns = Query::parse(&message).unwrap().edns.unwrap();
    assert_eq!(
        (edns.udp_size, edns.version, edns.dnssec_ok),
        (4096, 0, true)
    );
    assert_eq!(
        edns.options().collect::<Vec<_>>(),
        [(3, &b"hi"[..]), (10, b"")]
    );
    assert_eq!(edns.option(10), Some(&b""[..]));
    assert_eq!(edns.option(11), None);
}

#[test]
fn a_later_edns_version_reaches_the_server_whatever_its_options_are() {
    let message = request([1, 0, 0, 1], &opt(1, b"\0"));
    assert_eq!(Query::parse(&message).unwrap().edns.unwrap().version, 1);
}

#[test]
fn replies_and_fragments_of_headers_get_no_answer() {
    let mut message = request([1, 0, 0, 0], b"");
    assert_eq!(Query::parse(&message[..11]).unwrap_err(), Rejected::Ignore);
    message[2] |= 0x80;
    assert_eq!(Query::parse(&message).unwrap_err(), Rejected::Ignore);
}

#[test]
fn other_opcodes_are_not_implemented_whatever_follows() {
    for opcode in 1..16 {
        let message = [0, 0, opcode << 3, 0, 9, 9, 9, 9, 9, 9, 9, 9];
        assert_eq!(
            Query::parse(&message).unwrap_err(),
            Rejected::Reply(Rcode::NOTIMP)
        );
    }
}

#[test]
fn counts_have_bounds() {
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04";
    let both = [&record[..], record].concat();
    for (counts, rest, fine) in [
        ([0, 0, 0, 0], &b""[..], false),
        ([2, 0, 0, 0], b"", false),
        ([1, 1, 0, 0], record, true),
        ([1, 1, 1, 0], &both, true),
        ([1, 2, 0, 0], &both, false),
        ([1, 0, 2, 0], &both, false),
        ([1, 0, 0, 2], &both, true),
        ([1, 0, 0, 3], &[&both[..], record].concat(), false),
        ([1, 0, 0, 1], b"", false),
    ] {
        assert_eq!(
            Query::parse(&request(counts, rest)).is_ok(),
            fine,
            "{counts:?}"
        );
    }
}

#[test]
fn malformed_opt_records_are_refused() {
    let good = opt(0, b"");
    let mut owned = good.clone();
    owned.splice(0..1, *b"\x01a\0");
    for (counts, rest) in [
        ([1, 0, 0, 2], [&good[..], &good].concat()),
        ([1, 1, 0, 0], good.clone()),
        ([1, 0, 1, 0], good.clone()),
        ([1, 0, 0, 1], owned),
        ([1, 0, 0, 1], opt(0, b"\0\x03\0\x05hi")),
        ([1, 0, 0, 1], opt(0, b"\0")),
    ] {
        assert_eq!(
            Query::parse(&request(counts, &rest)).unwrap_err(),
            FORMERR,
            "{rest:?}"
        );
    }
}

#[test]
fn a_malformed_question_is_refused() {
    let header = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for question in [
        &b"\xc0\x0c\0\x01\0\x01"[..],
        b"\x01a",
        b"\0\0\x01\0",
        b"",
        b"\x01a\x80\0\x01",
    ] {
        let message = [&header[..], question].concat();
        assert_eq!(Query::parse(&message).unwrap_err(), FORMERR, "{question:?}");
    }
    let overlong = [&header[..], &b"\x01a".repeat(128), b"\0\0\x01\0\x01"].concat();
    assert_eq!(Query::parse(&overlong).unwrap_err(), FORMERR);
}

#[test]
fn octets_after_the_last_record_are_refused() {
    assert_eq!(
        Query::parse(&request([1, 0, 0, 0], b"\0")).unwrap_err(),
        FORMERR
    );
}

#[test]
fn a_rejection_repeats_identifier_opcode_and_rd() {
    let mut out = [9; 20];
    let request = [1, 2, 0x2f, 0xff, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    assert_eq!(reject(&request, Rcode::NOTIMP, &mut out), Some(12));
    assert_eq!(out[..12], [1, 2, 0xa9, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(reject(&request[..11], Rcode::NOTIMP, &mut out), None);
    assert_eq!(reject(&request, Rcode::NOTIMP, &mut out[..11]), None);
}

proptest! {
    // A stranger's bytes must never stop the server.
    #[test]
    fn no_bytes_panic(message in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Query::parse(&message);
    }

    // The same, near enough to valid queries that every branch is reached; and what is accepted
    // must be what the bytes say.
    #[test]
    fn no_mutation_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04";
        let rest = [&record[..], record, record, &opt(0, b"\0\x03\0\x02hi")].concat();
        let mut message = request([1, 1, 1, 2], &rest);
        for (index, value) in changes {
            let position = index.index(message.len());
            message[position] = value;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        if let Ok(query) = Query::parse(&message) {
            prop_assert_eq!(query.head, &message[..query.head.len()]);
            prop_assert_eq!(query.qname.len() + 4, query.question().len());
            prop_assert!(crate::LookupName::from_wire(query.qname).is_some());
        }
    }
}
