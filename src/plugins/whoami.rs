//! `whoami`: tells the client its own address and port.
//!
//! Every name is answered, whatever the type, as CoreDNS does: the answer section is empty; the
//! additional section has the client's address and an SRV record with its port, under `_udp.` or
//! `_tcp.` before the name. Names keep the letters' case of the question.

use answer::{
    Lookup, LookupName, MAX_NAME, Name, Owner, RecordData, RecordType, Rrset, Section, Soa, Zone,
};

use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step, Transport};

/// See the module.
pub const WHOAMI: Definition = Definition {
    name: "whoami",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "whoami";

fn setup(setup: &mut Setup<'_>) {
    for directive in setup.directives {
        setup.keep(
            directive
                .no_arguments(SYNTAX)
                .and_then(|()| directive.no_block(SYNTAX)),
        );
    }
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
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
        let (rtype, address) = RecordData::address(exchange.peer.ip().to_canonical());
        add(exchange, Owner::QUESTION, rtype, address);
        let label: &[u8] = match exchange.transport {
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
            let length = label.len() + question.len();
            let port = RecordData::srv(0, 0, exchange.peer.port(), &Name::root());
            add(
                exchange,
                Owner::Name(owner.get(..length).unwrap_or_default()),
                RecordType::SRV,
                port,
            );
        }
        Step::Answered
    }
}

/// Adds one record to the additional section. Records reach a reply through a zone, so this makes
/// one for the moment: nobody asks `whoami` often enough for that to matter.
fn add(exchange: &mut Exchange<'_, '_>, owner: Owner<'_>, rtype: RecordType, data: RecordData) {
    let name = Name::root();
    let soa = Soa::new(name.clone(), name.clone(), 0);
    let mut edit = Zone::new(name.clone(), 0, &soa).edit();
    if edit.set(&name, &Rrset::new(rtype, 0, [data])).is_err() {
        return;
    }
    let zone = edit.finish();
    if let Lookup::Found(record) = zone.lookup(&LookupName::from(&name), rtype) {
        exchange
            .reply
            .records(Section::Additional, owner, record, 0);
    }
}
