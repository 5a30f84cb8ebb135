//! How long replies hold.

use answer::{Class, Owner, Query, Reply, Request, Transport};
use proptest::prelude::*;

use super::*;

/// A reply with these addresses and, where one is given, an SOA with this TTL and minimum.
fn message(ttls: &[u32], soa: Option<(u32, u32)>) -> Message {
    let request = Request::new(b"\x01a\0", RecordType::A).to_bytes();
    let query = Query::parse(&request).unwrap();
    let mut out = vec![0; 65_535];
    let mut reply = Reply::start(&query, Transport::Stream, &mut out).unwrap();
    for ttl in ttls {
        let a = (RecordType::A, Class::IN);
        reply.record(Section::Answer, Owner::QUESTION, a, *ttl, &[192, 0, 2, 1]);
    }
    if let Some((ttl, minimum)) = soa {
        let soa = (RecordType::SOA, Class::IN);
        let data = [&[0; 18][..], &minimum.to_be_bytes()].concat();
        reply.record(Section::Authority, Owner::QUESTION, soa, ttl, &data);
    }
    let length = reply.finish();
    Message::parse(&out[..length]).unwrap()
}

/// What is asked in it.
fn question() -> QuestionKind {
    QuestionKind {
        rtype: RecordType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
        recursion_desired: true,
    }
}

fn ttls(message: &Message) -> Vec<u32> {
    message.records().map(|record| record.ttl).collect()
}

proptest! {
    /// If this fails, an answer outlives its records or the bounds of the Corefile, or a client is
    /// told a TTL of 0 for something that holds.
    #[test]
    fn an_entry_holds_as_long_as_all_of_it_does(
        records in prop::collection::vec(0..=answer::MAX_TTL, 1..5),
        soa in prop::option::of((0..100_000_u32, 0..100_000_u32)),
        least in 0..100_u32,
        most in 1..10_000_u32,
        stored in 0..u64::from(u32::MAX),
        waits in prop::collection::vec(0..20_000_000_u64, 1..20),
    ) {
        let mut message = message(&records, soa);
        let kind = if soa.is_some() { Kind::Denial } else { Kind::Success };
        let soa = soa.map(|(ttl, minimum)| ttl.min(minimum));
        let own: Vec<u32> = records.into_iter().chain(soa).collect();
        let bounds = TtlBounds { least, most };
        let Some(lifetime) = bounds.apply(&mut message, kind) else {
            prop_assert!(own.contains(&0));
            return Ok(());
        };
        let told = ttls(&message);
        for (own, told) in own.iter().zip(&told) {
            prop_assert!(*told <= most && *told >= least.min(most));
            prop_assert!(told == own || own < &least || own > &most);
        }
        prop_assert_eq!(lifetime.as_secs(), u64::from(*told.iter().min().unwrap()));
        let entry = Entry::new(message, question(), kind, Moment(stored), lifetime);
        for wait in waits {
            match entry.age(Moment(stored + wait)) {
                Age::Fresh(age) => {
                    prop_assert!(u128::from(wait) < lifetime.as_millis());
                    prop_assert!(told.iter().all(|ttl| *ttl > age));
                    prop_assert_eq!(u64::from(age), wait / 1000);
                }
                Age::Over(over) => {
                    prop_assert_eq!(lifetime + over, Duration::from_millis(wait));
                }
            }
        }
        // A batch that was received before the reply was kept sees it as new.
        prop_assert_eq!(entry.age(Moment(0)), Age::Fresh(0));
    }
}

/// If this fails, entries that nobody wants any more are refreshed for ever, or popular ones never.
#[test]
fn popularity_ends_with_a_pause() {
    let bounds = TtlBounds {
        least: 0,
        most: 600,
    };
    let mut message = message(&[100], None);
    let lifetime = bounds.apply(&mut message, Kind::Success).unwrap();
    let entry = Entry::new(message, question(), Kind::Success, Moment(0), lifetime);
    let pause = Duration::from_secs(60);
    let ask = |seconds: u64| entry.asked(Moment(seconds * 1000), pause);
    assert_eq!(
        [ask(1), ask(60), ask(100), ask(161), ask(161)],
        [1, 2, 3, 1, 2]
    );
    let ends: Vec<_> = (0..100).filter(|age| entry.ends(*age, 10)).collect();
    assert_eq!(ends, (90..100).collect::<Vec<_>>());
}
