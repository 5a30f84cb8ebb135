//! `whoami`: tells the client its own address and port.
//!
//! Every name is answered, whatever the type, as CoreDNS does: the answer section is empty; the
//! additional section has the client's address and an SRV record with its port, under `_udp.` or
//! `_tcp.` before the name. Names keep the letters' case of the question.

use std::net::IpAddr;

use answer::{Class, MAX_NAME, Owner, RecordType, Section};

use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step, Transport};

/// See the module.
pub const WHOAMI: Definition = Definition {
    name: "whoami",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "whoami";

fn setup(setup: &mut Setup<'_>) {
    setup.bare(SYNTAX);
    setup.add(Box::new(WhoAmI));
}

#[derive(Debug)]
struct WhoAmI;

impl Part for WhoAmI {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for WhoAmI {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        exchange.reply.set_authoritative(true);
        match exchange.client.peer.ip().to_canonical() {
            IpAddr::V4(address) => {
                add(exchange, Owner::QUESTION, RecordType::A, &address.octets());
            }
            IpAddr::V6(address) => {
                add(
                    exchange,
                    Owner::QUESTION,
                    RecordType::AAAA,
                    &address.octets(),
                );
            }
        }
        let label: &[u8] = match exchange.client.transport {
            Transport::Udp => b"\x04_udp",
            Transport::Tcp => b"\x04_tcp",
        };
        let question = exchange.query.qname;
        let mut owner = [0; MAX_NAME];
        // A name that has no room for another label goes without the port.
        if let Some((start, rest)) = owner.split_at_mut_checked(label.len())
            && let Some(end) = rest.get_mut(..question.len())
        {
            start.copy_from_slice(label);
            end.copy_from_slice(question);
            let owner = owner
                .get(..label.len() + question.len())
                .unwrap_or_default();
            let [high, low] = exchange.client.peer.port().to_be_bytes();
            // Priority and weight 0, and the root for a target: this is about the port alone.
            let data = [0, 0, 0, 0, high, low, 0];
            add(exchange, Owner::Name(owner), RecordType::SRV, &data);
        }
        Step::Answered
    }
}

/// Adds one record with TTL 0 to the additional section.
fn add(exchange: &mut Exchange<'_, '_>, owner: Owner<'_>, rtype: RecordType, data: &[u8]) {
    exchange
        .reply
        .record(Section::Additional, owner, (rtype, Class::IN), 0, data);
}
