//! `local`: answers for `localhost` and for the reverse names of this machine's own networks, so
//! that such queries go no further (RFC 6761 §6.3, RFC 6303 §4).

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};

use answer::{
    Class, LookupName, Name, Owner, RecordData, RecordType, Rrset, Section, Soa, Zone,
    answer_from_zone,
};
use corefile::{Diagnostic, Directive};

use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const LOCAL: Definition = Definition {
    name: "local",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "local { localhost_prefix on|off }";
const LOCALHOST_PREFIX: &str = "localhost_prefix on|off";

/// The TTL of every record in seconds: a week, for nothing of it ever changes.
const TTL: u32 = 604_800;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut planned = Planned { prefix: true };
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_arguments(SYNTAX));
        for option in directive.options() {
            let result = match option.name() {
                "localhost_prefix" => prefix(option).map(|on| planned.prefix = on),
                _ => Err(option.name.unknown("option", &["localhost_prefix"])),
            };
            setup.diagnostics.keep(result);
        }
    }
    setup.add(Box::new(planned));
}

fn prefix(option: &Directive) -> Result<bool, Diagnostic> {
    option.no_block(LOCALHOST_PREFIX)?;
    let word = option.one_argument(LOCALHOST_PREFIX)?;
    word.one_of("setting", &[("on", true), ("off", false)])
}

#[derive(Debug)]
struct Planned {
    prefix: bool,
}

impl Part for Planned {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let local = Local::new(self.prefix).map_err(|error| error.to_string())?;
        Ok(Box::new(local))
    }
}

struct Local {
    zones: Vec<Zone>,
    /// The data of the SOA record of every zone.
    soa: RecordData,
    /// Whether names that begin with `localhost` are answered too.
    prefix: bool,
}

impl Local {
    fn new(prefix: bool) -> Result<Self, Box<dyn Error>> {
        let localhost = Name::parse("localhost.")?;
        let soa = Soa {
            primary: localhost.clone(),
            mailbox: Name::parse("root.localhost.")?,
            serial: 1,
            refresh: 0,
            retry: 0,
            expire: 0,
            minimum: TTL,
        };
        let zone = |apex: &str, records: &[(&str, Rrset)]| {
            let apex = Name::parse(apex)?;
            let mut edit = Zone::new(apex.clone(), TTL, &soa).edit();
            edit.set(&apex, &one(RecordType::NS, RecordData::ns(&localhost)))?;
            for (owner, rrset) in records {
                edit.set(&Name::parse(owner)?, rrset)?;
            }
            Ok::<Zone, Box<dyn Error>>(edit.finish())
        };
        let v4 = one(RecordType::A, RecordData::a(Ipv4Addr::LOCALHOST));
        let v6 = one(RecordType::AAAA, RecordData::aaaa(Ipv6Addr::LOCALHOST));
        let pointer = one(RecordType::PTR, RecordData::ptr(&localhost));
        let zones = vec![
            zone(
                "localhost.",
                &[
                    ("localhost.", v4.clone()),
                    ("localhost.", v6.clone()),
                    ("*.localhost.", v4),
                    ("*.localhost.", v6),
                ],
            )?,
            zone("0.in-addr.arpa.", &[])?,
            zone("127.in-addr.arpa.", &[("1.0.0.127.in-addr.arpa.", pointer)])?,
            zone("255.in-addr.arpa.", &[])?,
        ];
        Ok(Self {
            zones,
            soa: RecordData::soa(&soa),
            prefix,
        })
    }

    /// Whether the name is one that a resolver made of `localhost` and a search domain.
    fn is_searched(&self, name: &LookupName) -> bool {
        self.prefix && name.label_count() > 1 && name.label(0) == b"localhost"
    }

    /// Answers for such a name. It is in no zone of ours, so it is its own.
    fn answer_searched(&self, exchange: &mut Exchange<'_, '_>) {
        let rtype = exchange.query.qtype;
        let (section, rtype, data) = match rtype {
            RecordType::A => (Section::Answer, rtype, &Ipv4Addr::LOCALHOST.octets()[..]),
            RecordType::AAAA => (Section::Answer, rtype, &Ipv6Addr::LOCALHOST.octets()[..]),
            _ => (Section::Authority, RecordType::SOA, self.soa.as_bytes()),
        };
        let reply = &mut exchange.reply;
        reply.set_authoritative(true);
        reply.record(section, Owner::QUESTION, (rtype, Class::IN), TTL, data);
    }
}

fn one(rtype: RecordType, data: RecordData) -> Rrset {
    Rrset::new(rtype, TTL, [data])
}

impl Plugin for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let name = &exchange.name;
        let own = |zone: &&Zone| name.is_at_or_below(zone.apex());
        if let Some(zone) = self.zones.iter().find(own) {
            let (query, rotation) = (exchange.query, exchange.rotation);
            answer_from_zone(zone, name, query, rotation, &mut exchange.reply);
            return Step::Answered;
        }
        if self.is_searched(name) {
            self.answer_searched(exchange);
            return Step::Answered;
        }
        Step::Next
    }
}

#[cfg(test)]
mod tests {
    use answer::{Rcode, RecordType, Section};

    use crate::plugins::harness::{Server, answers};

    const LOOPBACK: &str = "604800 A 127.0.0.1";

    /// If this fails, programs that ask DNS for `localhost` do not find their own machine.
    #[test]
    fn localhost_and_all_below_it_are_this_machine() {
        let server = Server::block("local\nwhoami");
        for name in ["localhost.", "LocalHost.", "a.localhost.", "a.b.localhost."] {
            let v4 = server.ask(name, RecordType::A);
            assert_eq!(
                answers(&v4),
                [format!("{} {LOOPBACK}", name.to_lowercase())]
            );
            let v6 = server.ask(name, RecordType::AAAA);
            assert!(answers(&v6)[0].ends_with(" AAAA ::1"), "{name}");
            let other = server.ask(name, RecordType::MX);
            assert_eq!((other.rcode(), answers(&other).len()), (Rcode::NOERROR, 0));
            let soa = other.section(Section::Authority).next().unwrap();
            assert_eq!(soa.owner().to_string(), "localhost.");
        }
        let servers = server.ask("localhost.", RecordType::NS);
        assert_eq!(answers(&servers), ["localhost. 604800 NS localhost."]);
    }

    /// If this fails, queries for the machine's own addresses leave it, or a name that exists is
    /// said not to.
    #[test]
    fn reverse_names_of_local_networks_are_answered() {
        let server = Server::block("local\nwhoami");
        let pointer = server.ask("1.0.0.127.in-addr.arpa.", RecordType::PTR);
        assert_eq!(
            answers(&pointer),
            ["1.0.0.127.in-addr.arpa. 604800 PTR localhost."]
        );
        for (name, rcode) in [
            ("127.in-addr.arpa.", Rcode::NOERROR),
            ("0.0.127.in-addr.arpa.", Rcode::NOERROR),
            ("2.0.0.127.in-addr.arpa.", Rcode::NXDOMAIN),
            ("0.in-addr.arpa.", Rcode::NOERROR),
            ("1.2.3.0.in-addr.arpa.", Rcode::NXDOMAIN),
            ("255.255.255.255.in-addr.arpa.", Rcode::NXDOMAIN),
        ] {
            let reply = server.ask(name, RecordType::PTR);
            assert_eq!((reply.rcode(), answers(&reply).len()), (rcode, 0), "{name}");
            let soa = reply.section(Section::Authority).next().unwrap();
            assert_eq!(soa.rtype, RecordType::SOA);
            assert!(name.ends_with(&soa.owner().to_string()));
        }
        let other = server.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR);
        assert_eq!(other.section(Section::Additional).count(), 2, "whoami's");
    }

    /// If this fails, `localhost` with a search domain is looked up elsewhere, or names that only
    /// look like it are hijacked.
    #[test]
    fn a_search_domain_behind_localhost_can_be_let_through() {
        let server = Server::block("local\nwhoami");
        let found = server.ask("localhost.example.", RecordType::A);
        assert_eq!(answers(&found), [format!("localhost.example. {LOOPBACK}")]);
        let none = server.ask("localhost.example.", RecordType::TXT);
        assert_eq!(none.section(Section::Authority).count(), 1);
        let not = server.ask("localhosts.example.", RecordType::A);
        assert_eq!(answers(&not), [""; 0]);
        for off in ["off", "on"] {
            let server = Server::block(&format!("local {{\nlocalhost_prefix {off}\n}}\nwhoami"));
            let found = server.ask("localhost.example.", RecordType::A);
            assert_eq!(answers(&found).is_empty(), off == "off");
            assert_eq!(answers(&server.ask("localhost.", RecordType::A)).len(), 1);
        }
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        let mistakes = Server::mistakes("local x {\nlocalhost_prefix maybe\nprefix on\n}");
        for part in [
            "syntax: local {",
            "accepted here: on, off",
            "unknown option `prefix`",
        ] {
            assert!(mistakes.contains(part), "{mistakes}");
        }
        assert!(Server::mistakes("local\nlocal").contains("given twice"));
    }
}
