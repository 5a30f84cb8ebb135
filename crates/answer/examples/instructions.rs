//! Answers one kind of query a number of times, for `scripts/instructions` to count what that
//! takes: `instructions CASE`. The zone is that of a cluster of 10,000 nodes.

mod shared;

use std::hint::black_box;

use answer::{Message, Name, RecordData, RecordType, Rrset, Soa, Zone, answer_from_zone};
use shared::{Result, reply, request};

/// How many names the zone has.
const NAMES: u32 = 10_000;

/// How many queries are answered.
const QUERIES: u32 = 1000;

fn main() -> Result<()> {
    let case = std::env::args().nth(1).unwrap_or_default();
    let zone = zone()?;
    let question = |number: u32| match case.as_str() {
        "address" | "kept" => Ok((format!("worker{number}.tf.local"), RecordType::A)),
        "no-name" => Ok((format!("nobody{number}.tf.local"), RecordType::A)),
        "no-data" => Ok((format!("worker{number}.tf.local"), RecordType::AAAA)),
        "wildcard" => Ok((format!("x{number}.wild.tf.local"), RecordType::A)),
        "service" => Ok(("_grpc._tcp.tf.local".to_owned(), RecordType::SRV)),
        "list" => Ok(("worker.tf.local".to_owned(), RecordType::A)),
        "referral" => Ok((format!("x{number}.cut.tf.local"), RecordType::A)),
        _ => Err(format!("there is no case {case:?}")),
    };
    let requests = (0..QUERIES).map(|number| {
        let (name, rtype) = question(number * 7919 % NAMES)?;
        request(&name, rtype)
    });
    let requests = requests.collect::<Result<Vec<_>>>()?;
    let mut buffer = vec![0; 1232];
    let mut kept = Vec::new();
    if case == "kept" {
        for request in &requests {
            let length = answered(&zone, request, &mut buffer);
            kept.push(Message::parse(&buffer[..length])?);
        }
    }
    let mut octets = 0;
    for (number, request) in requests.iter().enumerate() {
        octets += match kept.get(number) {
            Some(message) => retold(message, black_box(request), &mut buffer),
            None => answered(&zone, black_box(request), &mut buffer),
        };
        black_box(&buffer);
    }
    println!("{octets}");
    Ok(())
}

/// What is counted: from the bytes of a request to those of its reply.
#[inline(never)]
fn answered(zone: &Zone, request: &[u8], buffer: &mut [u8]) -> usize {
    reply(request, buffer, |query, name, reply| {
        answer_from_zone(zone, name, query, 7, reply);
    })
}

/// What is counted: the same from a reply that was kept.
#[inline(never)]
fn retold(kept: &Message, request: &[u8], buffer: &mut [u8]) -> usize {
    reply(request, buffer, |_, _, reply| reply.relay(kept, 3, 0))
}

fn zone() -> Result<Zone> {
    let name = |text: &str| Name::parse(text);
    let soa = Soa::new(name("ns.tf.local")?, name("hostmaster.tf.local")?, 1);
    let mut edit = Zone::new(name("tf.local")?, 5, &soa).edit();
    let mut set = |owner: &str, rtype, data: Vec<RecordData>| -> Result<()> {
        edit.set(&Name::parse(owner)?, &Rrset::new(rtype, 5, data))?;
        Ok(())
    };
    for number in 0..NAMES {
        let address = vec![RecordData::a(number.into())];
        set(&format!("worker{number}.tf.local"), RecordType::A, address)?;
    }
    let all = (0..50).map(|number| RecordData::a(number.into()));
    set("worker.tf.local", RecordType::A, all.collect())?;
    let any = vec![RecordData::a(77.into())];
    set("*.wild.tf.local", RecordType::A, any)?;
    let target = RecordData::srv(0, 0, 2222, &name("worker7.tf.local")?);
    set("_grpc._tcp.tf.local", RecordType::SRV, vec![target])?;
    let server = vec![RecordData::ns(&name("ns.cut.tf.local")?)];
    set("cut.tf.local", RecordType::NS, server)?;
    set(
        "ns.cut.tf.local",
        RecordType::A,
        vec![RecordData::a(9.into())],
    )?;
    Ok(edit.finish())
}
