//! Prints how long an answer takes, from request bytes to reply bytes, over a zone of 10,000
//! names: `cargo run --release -p answer --example nanoseconds`.

mod shared;

use std::hint::black_box;
use std::time::Instant;

use answer::{Name, RecordData, RecordType, Rrset, Soa, Zone, answer_from_zone};
use shared::{Result, reply, request};

const NAMES: u32 = 10_000;
const ROUNDS: u32 = 200;

fn main() -> Result<()> {
    let (zone, seconds) = build(NAMES)?;
    println!(
        "{NAMES} names: {seconds:.3} s, {} octets each",
        zone.memory() / NAMES as usize
    );

    let address = |number| (format!("worker{number}.tf.local"), RecordType::A);
    measure("A", &zone, address)?;
    measure("NODATA", &zone, |number| {
        (format!("worker{number}.tf.local"), RecordType::AAAA)
    })?;
    measure("NXDOMAIN", &zone, |number| {
        (format!("nobody{number}.tf.local"), RecordType::A)
    })?;
    let mut edit = zone.edit();
    let text = Rrset::new(RecordType::TXT, 5, [RecordData::txt(b"any")?]);
    edit.set(&Name::parse("*.wild.tf.local")?, &text)?;
    let server = RecordData::ns(&Name::parse("ns.elsewhere")?);
    edit.set(
        &Name::parse("cut.tf.local")?,
        &Rrset::new(RecordType::NS, 5, [server]),
    )?;
    let zone = edit.finish();
    measure("A, zone with cuts and wildcards", &zone, address)?;
    measure("wildcard", &zone, |number| {
        (format!("x{number}.wild.tf.local"), RecordType::TXT)
    })?;
    measure("referral", &zone, |number| {
        (format!("x{number}.cut.tf.local"), RecordType::A)
    })?;

    let (zone, seconds) = build(1_000_000)?;
    let megabytes = zone.memory() as f64 / 1e6;
    println!("1,000,000 names: {seconds:.3} s, {megabytes:.0} MB");
    let start = Instant::now();
    let mut changed = zone.clone();
    for number in 0..100u32 {
        let mut edit = changed.edit();
        let name = Name::parse(&format!("worker{}.tf.local", number * 7919))?;
        edit.set(
            &name,
            &Rrset::new(RecordType::A, 9, [RecordData::a(number.into())]),
        )?;
        changed = edit.finish();
    }
    println!(
        "one change in it: {:.1} µs",
        start.elapsed().as_secs_f64() * 1e6 / 100.0
    );
    Ok(())
}

fn build(names: u32) -> Result<(Zone, f64)> {
    let start = Instant::now();
    let soa = Soa::new(
        Name::parse("ns.tf.local")?,
        Name::parse("hostmaster.tf.local")?,
        1,
    );
    let mut edit = Zone::new(Name::parse("tf.local")?, 5, &soa).edit();
    for number in 0..names {
        let name = Name::parse(&format!("worker{number}.tf.local"))?;
        edit.set(
            &name,
            &Rrset::new(RecordType::A, 5, [RecordData::a(number.into())]),
        )?;
    }
    Ok((edit.finish(), start.elapsed().as_secs_f64()))
}

/// Asks for `NAMES` names in turn, spread so that the caches do not guess the next one.
fn measure(what: &str, zone: &Zone, question: impl Fn(u32) -> (String, RecordType)) -> Result<()> {
    let mut requests = Vec::new();
    for number in 0..NAMES {
        let (qname, rtype) = question(number * 7919 % NAMES);
        requests.push(request(&qname, rtype)?);
    }
    let mut buffer = [0; 1232];
    let mut octets = 0;
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        let start = Instant::now();
        for request in &requests {
            octets += answer(zone, black_box(request), round, &mut buffer);
            black_box(&buffer);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let each = best * 1e9 / f64::from(NAMES);
    let size = octets as f64 / f64::from(NAMES * ROUNDS);
    println!("{each:6.1} ns  {what} ({size:.0} octets)");
    Ok(())
}

fn answer(zone: &Zone, request: &[u8], rotation: u32, buffer: &mut [u8]) -> usize {
    reply(request, buffer, |query, name, reply| {
        answer_from_zone(zone, name, query, rotation, reply);
    })
}
