//! Every reply to a well-formed query must be a message that an independent parser reads to its
//! last octet, within its limit, and about the question that was asked.

#![expect(
    clippy::expect_used,
    reason = "clippy sees the tests' helpers as code that is not a test"
)]

use answer::{
    Lookup, LookupName, Name, Query, RecordData, RecordType, Reply, Rrset, Soa, Transport, Zone,
    answer_from_zone,
};
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;
use proptest::prelude::*;

const TYPES: [RecordType; 12] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::DS,
    RecordType::SRV,
    RecordType::MX,
    RecordType::SOA,
    RecordType::ANY,
    RecordType::HTTPS,
    RecordType(65_280),
];

fn any_name() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec!["a", "b", "c", "*", "a-label-of-some-length"]);
    (
        prop::collection::vec(label, 0..4),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(labels, inside)| {
            let apex = Name::parse(if inside { "zone.test" } else { "test" }).expect("a name");
            labels.iter().fold(apex, |name, label| {
                name.prepend(label.as_bytes()).expect("short")
            })
        })
}

fn any_rrset() -> impl Strategy<Value = Rrset> {
    let rtype = prop::sample::select(TYPES.to_vec());
    let one = (any_name(), 0..600_usize, any::<u16>());
    (rtype, prop::collection::vec(one, 0..60)).prop_map(|(rtype, values)| {
        let data = values.iter().map(|(target, size, number)| match rtype {
            RecordType::A => RecordData::a(u32::from(*number).into()),
            RecordType::AAAA => RecordData::aaaa(u128::from(*number).into()),
            RecordType::CNAME => RecordData::cname(target),
            RecordType::NS => RecordData::ns(target),
            RecordType::SRV => RecordData::srv(1, 2, *number, target),
            RecordType::MX => RecordData::mx(*number, target),
            RecordType::HTTPS => {
                RecordData::raw([&[0, 1], target.as_wire()].concat()).expect("short")
            }
            RecordType::DS => RecordData::raw([0, 1, 8, 2, 1, 2, 3, 4]).expect("short"),
            _ => RecordData::txt(&vec![b'x'; *size]).expect("short"),
        });
        let one_only = rtype == RecordType::CNAME;
        Rrset::new(rtype, 60, data.take(if one_only { 1 } else { usize::MAX }))
    })
}

fn any_zone() -> impl Strategy<Value = Zone> {
    prop::collection::vec((any_name(), any_rrset()), 0..40).prop_map(|records| {
        let apex = Name::parse("zone.test").expect("a name");
        let mut edit = Zone::new(apex.clone(), 300, &Soa::new(apex.clone(), apex, 7)).edit();
        for (name, rrset) in &records {
            // Conflicts and names outside are refused; the rest makes the zone.
            let _ = edit.set(name, rrset);
        }
        edit.finish()
    })
}

#[derive(Clone, Debug)]
struct Sent {
    name: Name,
    rtype: RecordType,
    flags: [u8; 2],
    udp_size: Option<u16>,
    largest: Option<u16>,
    rotation: u32,
    buffer: usize,
    option: usize,
}

impl Sent {
    fn to_wire(&self) -> Vec<u8> {
        let flags = [self.flags[0] & 0x07, self.flags[1]];
        let mut message = vec![7, 9, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
        message[11] = u8::from(self.udp_size.is_some());
        message.extend(self.name.as_wire().iter().map(u8::to_ascii_uppercase));
        message.extend_from_slice(&self.rtype.0.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        if let Some(size) = self.udp_size {
            message.extend_from_slice(&[0, 0, 41]);
            message.extend_from_slice(&size.to_be_bytes());
            message.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
        }
        message
    }
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (
        any_name(),
        prop::sample::select(TYPES.to_vec()),
        any::<[u8; 2]>(),
        any::<Option<u16>>(),
        prop::option::of(400..2000_u16),
        any::<u32>(),
        prop_oneof![Just(65_535_usize), 200..2000_usize],
        0..300_usize,
    )
        .prop_map(
            |(name, rtype, flags, udp_size, largest, rotation, buffer, option)| Sent {
                name,
                rtype,
                flags,
                udp_size,
                largest,
                rotation,
                buffer,
                option,
            },
        )
}

/// Reads a reply to its last octet. Each answer must belong to the name that was asked, or to the
/// target of the alias before it. Returns how many answers there are.
fn check(reply: &[u8], sent: &[u8], asked: &Sent) -> Result<u32, TestCaseError> {
    let unreadable = |error| TestCaseError::fail(format!("{error}"));
    let message = Message::from_octets(reply).expect("a header");
    let question_end = 12 + asked.name.as_wire().len() + 4;
    prop_assert!(message.header().qr());
    prop_assert!(!message.header().ad());
    prop_assert_eq!(message.header().rd(), asked.flags[0] & 1 != 0);
    prop_assert_eq!(message.header().cd(), asked.flags[1] & 0x10 != 0);
    prop_assert_eq!(message.header().id(), 0x0709);
    prop_assert_eq!(
        &reply[12..question_end],
        &sent[12..question_end],
        "the question as sent"
    );
    prop_assert_eq!(message.opt().is_some(), asked.udp_size.is_some());
    let mut owner = asked.name.to_string();
    let mut answers = 0;
    let mut section = message.answer().map_err(unreadable)?;
    for number in 0..3 {
        for record in section.by_ref() {
            let record = record
                .map_err(unreadable)?
                .to_any_record::<AllRecordData<_, ParsedName<_>>>()
                .map_err(unreadable)?;
            if number > 0 {
                continue;
            }
            answers += 1;
            let shown = format!("{}.", record.owner());
            prop_assert!(
                shown.eq_ignore_ascii_case(&owner),
                "{} is not {}",
                shown,
                owner
            );
            if let AllRecordData::Cname(alias) = record.data() {
                owner = format!("{}.", alias.cname());
            }
        }
        match section.next_section().map_err(unreadable)? {
            Some(next) => section = next,
            None => break,
        }
    }
    prop_assert_eq!(
        end_of(&message),
        reply.len(),
        "octets after the last record"
    );
    Ok(answers)
}

/// Where the last record of a message ends.
fn end_of(message: &Message<&[u8]>) -> usize {
    let mut section = message.additional().expect("it was read before");
    section.by_ref().for_each(drop);
    section.pos()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_reply_can_be_read(zone in any_zone(), all in prop::collection::vec(any_sent(), 40)) {
        for sent in &all {
            let bytes = sent.to_wire();
            let query = Query::parse(&bytes).expect("a well-formed query");
            let name = LookupName::from_wire(query.qname).expect("a checked name");
            let transport = match sent.largest {
                Some(largest) => Transport::Datagram { largest },
                None => Transport::Stream,
            };
            let mut buffer = vec![0xee; sent.buffer];
            let mut reply = Reply::start(&query, transport, &mut buffer).expect("enough room");
            reply.option(65_001, &vec![1; sent.option]);
            answer_from_zone(&zone, &name, &query, sent.rotation, &mut reply);
            let truncated = reply.is_truncated();
            let length = reply.finish();
            let limit = usize::from(match sent.largest {
                Some(largest) => sent.udp_size.unwrap_or(512).min(largest).max(512),
                None => u16::MAX,
            })
            .min(sent.buffer);
            prop_assert!(length <= limit);
            prop_assert!(buffer[limit..].iter().all(|octet| *octet == 0xee), "past the limit");
            prop_assert!(!(truncated && sent.largest.is_none()), "no TC over a stream");
            prop_assert_eq!(buffer[2] & 0x02 != 0, truncated, "a client's TC comes back");
            let answers = check(&buffer[..length], &bytes, sent)?;
            if let Lookup::Found(rrset) = zone.lookup(&name, query.qtype) {
                // The largest set here takes 60 × 620 octets and fits a stream's full length.
                let complete = answers == rrset.count();
                prop_assert!(answers <= rrset.count());
                prop_assert!(complete || truncated || (sent.largest.is_none() && limit < 65_535));
            }
        }
    }
}
