use super::*;

const QUESTION: &[u8] = b"\x03www\x07example\0\0\x01\0\x01";

/// A reply with these counts and records behind the question.
fn message(flags: [u8; 2], counts: [u8; 3], records: &[&[u8]]) -> Vec<u8> {
    let [an, ns, ar] = counts;
    let mut bytes = vec![0x12, 0x34, flags[0], flags[1], 0, 1, 0, an, 0, ns, 0, ar];
    bytes.extend_from_slice(QUESTION);
    records
        .iter()
        .for_each(|record| bytes.extend_from_slice(record));
    bytes
}

/// `www.example. 300 IN CNAME` to the name `a` below `example.`
const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x04\x01a\xc0\x10";

/// The address of that name, whose owner points into the data of the alias before it.
const ADDRESS: &[u8] = b"\xc0\x29\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

/// OPT with DO, the upper bits of the code 1, and one option.
const OPT: &[u8] = b"\0\0\x29\x04\xd0\x01\0\x80\0\0\x06\0\x0f\0\x02\0\x03";

#[test]
fn records_are_read_with_their_names() {
    let bytes = message([0x84, 0x80], [2, 0, 1], &[ALIAS, ADDRESS, OPT, b"trailing"]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.question(), QUESTION);
    assert_eq!(message.qname(), b"\x03www\x07example\0");
    assert_eq!(message.qtype(), RecordType::A);
    assert_eq!(message.rcode(), Rcode::BADVERS);
    assert!(message.is_authoritative() && message.is_recursion_available());
    assert!(message.edns().unwrap().dnssec_ok);
    let records: Vec<_> = message.records().collect();
    let owners: Vec<String> = records.iter().map(|it| it.owner().to_string()).collect();
    assert_eq!(owners, ["www.example.", "a.example."]);
    assert_eq!(records[0].data(), b"\x01a\x07example\0");
    assert_eq!(records[0].target().unwrap().to_string(), "a.example.");
    assert_eq!(records[1].data(), [192, 0, 2, 1]);
    assert_eq!((records[0].ttl, records[1].ttl), (300, 60));
    assert_eq!(message.body(), [ALIAS, ADDRESS].concat());
}

#[test]
fn what_is_no_reply_is_refused() {
    let ok = message([0x80, 0], [1, 0, 0], &[ALIAS]);
    assert!(Message::parse(&ok).is_ok());
    for length in 0..ok.len() {
        assert!(Message::parse(&ok[..length]).is_err(), "{length}");
    }
    let query = message([0x01, 0], [0, 0, 0], &[]);
    assert!(Message::parse(&query).is_err());
    let notify = message([0xa0, 0], [0, 0, 0], &[]);
    assert!(Message::parse(&notify).is_err());
}

/// If this fails, a hostile upstream has names read whose end is what happens to follow, and so our
/// reply, in which something else does, cannot be read.
#[test]
fn names_do_not_run_into_the_pointers_that_lead_to_them() {
    // To the class of the question, which is the length of a label that is this pointer's first
    // octet; the second is the length of the next.
    let record = [&b"\xc0\x1c\0\x10\0\x01\0\0\0\0\0\x28"[..], &[0; 40]].concat();
    let bytes = message([0x80, 0], [1, 0, 0], &[&record]);
    assert!(Message::parse(&bytes).is_err());
}

/// If this fails, a hostile upstream can keep a thread busy or reads what is not there.
#[test]
fn pointers_that_do_not_lead_backwards_are_refused() {
    for owner in [
        &b"\xc0\x1d"[..], // to itself
        b"\x01a\xc0\x1d", // to the label before it
        b"\xc0\x1f",      // forward
        b"\xc0\x00",      // into the header
        b"\x40a",         // a kind of label that is none
    ] {
        let record = [owner, &ALIAS[2..]].concat();
        let bytes = message([0x80, 0], [1, 0, 0], &[&record]);
        assert!(Message::parse(&bytes).is_err(), "{owner:?}");
    }
}

#[test]
fn data_that_does_not_suit_its_type_is_refused() {
    for record in [
        &b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x03abc"[..],
        b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x03\x01a\x01",
        b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x04\x01a\0x",
        b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x02\0\0",
        b"\xc0\x0c\0\x0f\0\x01\0\0\0\0\0\x01\0",
    ] {
        let bytes = message([0x80, 0], [1, 0, 0], &[record]);
        assert!(Message::parse(&bytes).is_err(), "{record:?}");
    }
}

#[test]
fn there_is_one_opt_record_and_it_is_in_its_place() {
    for (counts, records) in [
        ([1, 0, 0], &[OPT][..]),
        ([0, 0, 2], &[OPT, OPT]),
        (
            [0, 0, 2],
            &[OPT, b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"],
        ),
    ] {
        let bytes = message([0x80, 0], counts, records);
        assert!(Message::parse(&bytes).is_err(), "{counts:?}");
    }
    let signed = [OPT, b"\0\0\xfa\0\xff\0\0\0\0\0\x01x"];
    let message = Message::parse(&message([0x80, 0], [0, 0, 2], &signed)).unwrap();
    assert_eq!(message.records().count(), 0);
}
