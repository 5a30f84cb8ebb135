//! Records as SkyDNS's users and external-dns write them, asked as clients ask.

mod lookups;
mod setup;
mod state;

use std::sync::Arc;

use ::answer::{Message, Name, RecordType, Section};

use super::record::{Lease, Record};
use super::*;
use crate::plugins::harness::Server;

const PATH: &str = "/skydns";

/// A plugin with these keys and values for the zone `skydns.local.`.
fn etcd(values: &[(&str, &str)], lines: &str) -> Etcd {
    etcd_at(Trust::Current, values, lines)
}

fn etcd_at(trust: Trust, values: &[(&str, &str)], lines: &str) -> Etcd {
    let records = values.iter().map(|(key, value)| {
        let key = format!("{PATH}{key}");
        let lease = value.contains("leased").then(|| Arc::new(Lease::new(60)));
        Arc::new(Record::read(key.as_bytes(), PATH.len(), value.as_bytes(), lease).0)
    });
    let snapshot = Snapshot {
        tree: Tree::of(records.collect()),
        trust,
        serial: 7,
    };
    let words = |text: &str| {
        let mut sources = corefile::Sources::new();
        let text = format!("x {{\nline {text}\n}}");
        let environment = &corefile::ProcessEnvironment;
        let file = corefile::parse(&mut sources, "", "".as_ref(), &text, environment).unwrap();
        file.blocks[0].directives[0].arguments.clone()
    };
    let mut found = corefile::Diagnostics::new();
    let block = crate::plugins::BlockDraft::default();
    let fallthrough = match lines {
        "fallthrough" => Fallthrough::read(&[], &mut found),
        _ => Fallthrough::default(),
    };
    Etcd {
        served: Arc::new(Served {
            path: PATH.as_bytes().into(),
            zones: Zones::read(&words("skydns.local other.local"), &block, &mut found),
            fallthrough,
        }),
        records: Arc::new(Current::new(snapshot)),
        following: None,
    }
}

/// A server with these records, and a hosts file for names elsewhere.
fn server(values: &[(&str, &str)]) -> Server {
    elsewhere().and_zone("local.", vec![Box::new(etcd(values, ""))])
}

fn elsewhere() -> Server {
    Server::block("hosts /none {\n192.0.2.80 www.example.org\n2001:db8::80 www.example.org\n}")
}

/// The records of a section: `NAME TTL TYPE DATA`.
fn section(message: &Message, section: Section) -> Vec<String> {
    let records = message.section(section).map(|record| {
        let data = record.data();
        let numbers = |count: usize| -> String {
            let pairs = data[..2 * count].chunks(2);
            let numbers = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]).to_string());
            numbers.collect::<Vec<_>>().join(" ")
        };
        let name = |at: usize| Name::from_wire(&data[at..]).unwrap().to_string();
        let shown = match record.rtype {
            RecordType::A => {
                std::net::Ipv4Addr::from(<[u8; 4]>::try_from(&*data).unwrap()).to_string()
            }
            RecordType::AAAA => {
                std::net::Ipv6Addr::from(<[u8; 16]>::try_from(&*data).unwrap()).to_string()
            }
            RecordType::SRV => format!("{} {}", numbers(3), name(6)),
            RecordType::MX => format!("{} {}", numbers(1), name(2)),
            RecordType::TXT => data[1..].escape_ascii().to_string(),
            RecordType::SOA => "...".to_owned(),
            _ => name(0),
        };
        format!("{} {} {} {shown}", record.owner(), record.ttl, record.rtype)
    });
    records.collect()
}

fn answers(message: &Message) -> Vec<String> {
    section(message, Section::Answer)
}

fn additional(message: &Message) -> Vec<String> {
    section(message, Section::Additional)
}
