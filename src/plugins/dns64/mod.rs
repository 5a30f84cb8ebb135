//! `dns64`: IPv6 addresses for hosts that have none, made of their IPv4 addresses, for clients
//! behind a translator (RFC 6147).

mod prefix;
mod setup;

use std::net::{IpAddr, Ipv6Addr};

use answer::{
    Class, LookupName, Message, Name, Rcode, RecordType, RelayedRecord, Request, Section,
};

use super::{After, Build, Exchange, Part, Plugin, Resume, Step};
use crate::resolver::{Answer, Asking};
use prefix::Prefix;

pub use setup::DNS64;

/// The longest TTL of an address that is made where nothing says how long the host will have none
/// of its own, in seconds (RFC 6147 §5.1.7).
const LONGEST: u32 = 600;

#[derive(Debug)]
struct Dns64 {
    prefix: Prefix,
    /// Whether hosts get addresses that have some of their own.
    translate_all: bool,
    /// Whether clients are served that ask over IPv4.
    allow_ipv4: bool,
}

impl Part for Dns64 {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Dns64 {
    fn name(&self) -> &'static str {
        "dns64"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if exchange.query.qtype != RecordType::PTR || !self.serves(exchange) {
            return Step::Next;
        }
        match reversed(&exchange.name).and_then(|address| self.prefix.embedded(address)) {
            Some(address) => point(exchange, &Name::reverse(IpAddr::V4(address))),
            None => Step::Next,
        }
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        if exchange.query.qtype != RecordType::AAAA
            || !self.serves(exchange)
            || !self.is_wanting(exchange)
        {
            return After::Done;
        }
        let request = Request {
            rtype: RecordType::A,
            ..Request::like(exchange.query)
        };
        let prefix = self.prefix;
        let longest = longest_ttl(exchange);
        match exchange.below().ask(&request) {
            Asking::Ready(answer) => {
                if has_addresses(&answer.message) {
                    synthesize(exchange, answer, prefix, longest);
                }
                After::Done
            }
            Asking::Waiting(waiting) => {
                let Some(message) = exchange.reply.to_message() else {
                    return After::Done;
                };
                let before = Answer {
                    message,
                    origin: exchange.origin,
                    failure: exchange.failure.take(),
                    withheld: false,
                };
                After::Defer(Box::pin(async move {
                    let answer = waiting.await;
                    let resume: Resume = Box::new(move |exchange| {
                        match has_addresses(&answer.message) {
                            true => synthesize(exchange, answer, prefix, longest),
                            false => exchange.adopt(before),
                        }
                        Step::Answered
                    });
                    resume
                }))
            }
        }
    }
}

impl Dns64 {
    /// Whether the client is one behind the translator that does not check signatures itself: what
    /// is made here has none (RFC 6147 §5.5).
    fn serves(&self, exchange: &Exchange<'_, '_>) -> bool {
        let query = exchange.query;
        let checks = query.checking_disabled && query.edns.is_some_and(|edns| edns.dnssec_ok);
        let v6 = exchange.client.peer.ip().to_canonical().is_ipv6();
        !checks && (v6 || self.allow_ipv4)
    }

    /// Whether the reply has no address for the client: the name exists, or so it seems, and has
    /// none but some of IPv4 in IPv6's form (RFC 6147 §5.1.2, §5.1.4).
    fn is_wanting(&self, exchange: &Exchange<'_, '_>) -> bool {
        let reply = &exchange.reply;
        if reply.rcode() == Rcode::NXDOMAIN || reply.is_withheld() {
            return false;
        }
        let mut sets = reply.written_sets();
        while let Some(set) = sets.next(reply) {
            let own = set.section == Section::Answer && set.rtype == RecordType::AAAA;
            let usable = |index| reply.address_of(&set, index);
            let usable = |index| usable(index).is_some_and(|it| it.to_canonical().is_ipv6());
            if own && !self.translate_all && (0..set.count).any(usable) {
                return false;
            }
        }
        true
    }
}

/// How long the host has no address of its own, as the reply says.
fn longest_ttl(exchange: &Exchange<'_, '_>) -> u32 {
    let mut records = exchange.reply.written();
    let soa = records
        .find(|record| record.section == Section::Authority && record.rtype == RecordType::SOA);
    soa.map_or(LONGEST, |soa| soa.ttl)
}

fn has_addresses(message: &Message) -> bool {
    let mut records = message.section(Section::Answer);
    message.rcode() == Rcode::NOERROR && records.any(|record| record.rtype == RecordType::A)
}

/// Writes the answer to a query for A as one for AAAA. All but the addresses stays as it is
/// (RFC 6147 §5.3.3); signatures of theirs would be wrong.
fn synthesize(exchange: &mut Exchange<'_, '_>, answer: Answer, prefix: Prefix, longest: u32) {
    let message = &answer.message;
    let reply = &mut exchange.reply;
    reply.clear();
    reply.set_authoritative(message.is_authoritative());
    reply.set_recursion_available(message.is_recursion_available());
    for record in message.records() {
        let mut relayed = RelayedRecord::of(&record);
        let mut rtype = record.rtype;
        if record.section == Section::Answer && rtype == RecordType::A {
            let Ok(address) = <[u8; 4]>::try_from(relayed.data.as_slice()) else {
                continue;
            };
            relayed.data = prefix.embed(address.into()).octets().into();
            relayed.ttl = relayed.ttl.min(longest);
            rtype = RecordType::AAAA;
        }
        let covered = relayed.data.first_chunk().copied().map(u16::from_be_bytes);
        if rtype == RecordType::RRSIG
            && record.section == Section::Answer
            && covered == Some(RecordType::A.0)
        {
            continue;
        }
        reply.put_relayed(record.section, (rtype, record.class), &relayed);
    }
    if message.is_truncated() {
        reply.set_truncated();
    }
    exchange.origin = answer.origin;
    exchange.failure = answer.failure;
}

/// Answers a query for the name of a made address with an alias of the name of the address in it,
/// and with what that has (RFC 6147 §5.3.1).
fn point(exchange: &mut Exchange<'_, '_>, target: &Name) -> Step {
    let request = Request {
        name: target.as_wire().into(),
        ..Request::like(exchange.query)
    };
    let target = target.clone();
    let asking = exchange.server().ask(&request);
    asking.then(exchange, move |exchange, answer| {
        let message = &answer.message;
        let records = || message.section(Section::Answer);
        let ttl = records().map(|record| record.ttl).min();
        let alias = RelayedRecord {
            owner: exchange.name.to_name(),
            ttl: ttl.unwrap_or(LONGEST),
            data: target.as_wire().into(),
        };
        let reply = &mut exchange.reply;
        reply.set_rcode(message.rcode());
        reply.set_recursion_available(message.is_recursion_available());
        let kind = (RecordType::CNAME, Class::IN);
        reply.put_relayed(Section::Answer, kind, &alias);
        for record in message.records() {
            let kind = (record.rtype, record.class);
            reply.put_relayed(record.section, kind, &RelayedRecord::of(&record));
        }
        if message.is_truncated() {
            reply.set_truncated();
        }
        exchange.origin = answer.origin;
        exchange.failure = answer.failure;
        Step::Answered
    })
}

/// The address whose name this is below `ip6.arpa.` (RFC 3596 §2.5).
fn reversed(name: &LookupName) -> Option<Ipv6Addr> {
    const NIBBLES: usize = 32;
    if name.label_count() != NIBBLES + 2 || name.suffix(NIBBLES) != b"\x03ip6\x04arpa\0" {
        return None;
    }
    let mut address: u128 = 0;
    for index in (0..NIBBLES).rev() {
        let [digit] = name.label(index) else {
            return None;
        };
        let nibble = char::from(*digit).to_digit(16)?;
        address = address << 4 | u128::from(nibble);
    }
    Some(Ipv6Addr::from_bits(address))
}

#[cfg(test)]
mod tests;
