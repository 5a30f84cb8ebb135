use super::*;
use crate::{Class, Message, Owner, Query, Request, Transport};

const A: (RecordType, Class) = (RecordType::A, Class::IN);
const MX: (RecordType, Class) = (RecordType::MX, Class::IN);

/// Writes a reply to a query for `a.`, and gives it as a checked message.
fn reply(write: impl FnOnce(&mut Reply<'_>)) -> Message {
    let bytes = Request::new(b"\x01a\0", RecordType::MX).to_bytes();
    let query = Query::parse(&bytes).unwrap();
    let mut out = vec![0; 1232];
    let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut out).unwrap();
    write(&mut reply);
    let length = reply.finish();
    Message::parse(&out[..length]).unwrap()
}

fn sets(reply: &Reply<'_>) -> Vec<WrittenSet> {
    let mut sets = reply.written_sets();
    std::iter::from_fn(|| sets.next(reply)).collect()
}

/// If this fails, addresses of one host become those of another.
#[test]
fn addresses_change_places_within_their_set() {
    let message = reply(|reply| {
        for last in 1..=3 {
            reply.record(Section::Answer, Owner::QUESTION, A, 5, &[192, 0, 2, last]);
        }
        reply.record(Section::Additional, Owner::QUESTION, A, 5, &[192, 0, 2, 9]);
        reply.record(Section::Additional, Owner::Name(b"\x01b\0"), A, 5, &[0; 4]);
        let sets = sets(reply);
        assert_eq!(
            sets.iter().map(|it| it.count).collect::<Vec<_>>(),
            [3, 1, 1]
        );
        reply.swap_addresses(&sets[0], 0, 2);
        reply.swap_addresses(&sets[0], 1, 1);
        reply.swap_addresses(&sets[0], 1, 3);
        assert_eq!(reply.address_of(&sets[0], 0), Some([192, 0, 2, 3].into()));
        assert_eq!(reply.address_of(&sets[0], 3), None);
        assert_eq!(reply.owner_of(&sets[0]).unwrap().as_wire(), b"\x01a\0");
        assert_eq!(reply.owner_of(&sets[2]).unwrap().as_wire(), b"\x01b\0");
    });
    let last: Vec<u8> = message.records().map(|it| it.data()[3]).collect();
    assert_eq!(last, [3, 2, 1, 9, 0]);
}

/// If this fails, records with data of odd lengths, as a forged reply has them, are read wrongly.
#[test]
fn what_is_no_address_is_left_alone() {
    reply(|reply| {
        reply.record(Section::Answer, Owner::QUESTION, A, 5, &[1, 2, 3, 4]);
        reply.record(Section::Answer, Owner::QUESTION, A, 5, &[1, 2, 3]);
        let before = reply.message().to_vec();
        let set = sets(reply)[0];
        assert_eq!((set.count, reply.address_of(&set, 0)), (2, None));
        reply.swap_addresses(&set, 0, 1);
        assert_eq!(reply.message(), before);
        reply.clear();
        reply.record(Section::Answer, Owner::QUESTION, A, 5, &[1, 2, 3, 4]);
    });
}

/// If this fails, mail goes to a host whose name was put together from pieces of others.
#[test]
fn a_set_turns_unless_a_name_points_into_it() {
    let exchanges: [&[u8]; 3] = [
        b"\0\x01\x02m1\xc0\x0c",
        b"\0\x02\x01m\0",
        b"\0\x03\x03mmm\0",
    ];
    let data = |message: &Message| message.records().map(|it| it.data()).collect::<Vec<_>>();
    let write = |reply: &mut Reply<'_>| {
        for exchange in exchanges {
            reply.record(Section::Answer, Owner::QUESTION, MX, 5, exchange);
        }
    };
    let plain = data(&reply(write));
    for first in 0..6 {
        let turned = reply(|reply| {
            write(reply);
            let set = sets(reply)[0];
            assert!(reply.rotate(&set, first));
        });
        let mut expected = plain.clone();
        expected.rotate_left(first % 3);
        assert_eq!(data(&turned), expected);
    }
    reply(|reply| {
        write(reply);
        let set = sets(reply)[0];
        let host = reply.written().nth(1).unwrap().data as u16 + 2;
        reply.record(Section::Additional, Owner::At(host), A, 5, &[1; 4]);
        let before = reply.message().to_vec();
        assert!(!reply.rotate(&set, 1));
        assert_eq!(reply.message(), before);
    });
    reply(|reply| {
        // The second exchange ends with the first one's name.
        reply.record(Section::Answer, Owner::QUESTION, MX, 5, b"\0\x01\x02m1\0");
        let host = reply.written().next().unwrap().data as u16 + 2;
        let [high, low] = (0xc000 | host).to_be_bytes();
        reply.record(
            Section::Answer,
            Owner::QUESTION,
            MX,
            5,
            &[0, 2, 1, b'x', high, low],
        );
        let set = sets(reply)[0];
        assert!(!reply.rotate(&set, 1));
    });
}
