//! `minimal`: leaves out of replies what the client did not ask for and can do without.

use answer::{Rcode, RecordType, Reply, Section};

use super::{After, Build, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const MINIMAL: Definition = Definition {
    name: "minimal",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "minimal";

fn setup(setup: &mut Setup<'_>) {
    setup.bare(SYNTAX);
    setup.add(Box::new(Minimal));
}

#[derive(Debug)]
struct Minimal;

impl Part for Minimal {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        let qtype = exchange.query.qtype;
        // A transfer has no other sections, and is none of our business.
        if !matches!(qtype, RecordType::AXFR | RecordType::IXFR)
            && is_complete(&exchange.reply, qtype)
        {
            exchange.reply.remove_from(Section::Authority);
        }
        After::Done
    }
}

/// Whether the reply is good without its authority and additional sections: it answers the
/// question, or it has neither the SOA of a negative answer nor the servers of a referral.
fn is_complete(reply: &Reply<'_>, qtype: RecordType) -> bool {
    if reply.rcode() != Rcode::NOERROR {
        return false;
    }
    let mut records = reply.written();
    let wanted = |rtype: RecordType| rtype == qtype || qtype == RecordType::ANY;
    let needed = |rtype: RecordType| matches!(rtype, RecordType::SOA | RecordType::NS);
    let answers = records.by_ref().find(|record| match record.section {
        Section::Answer => wanted(record.rtype),
        // Where this is found first, there is no answer.
        Section::Authority => needed(record.rtype),
        _ => false,
    });
    answers.is_none_or(|record| record.section == Section::Answer)
}

#[cfg(test)]
mod tests {
    use answer::{Class, Message, Owner, Query, Rcode, RecordType, Reply, Request, Section};

    use super::*;
    use crate::plugins::harness::Server;

    /// What is left of a reply to a query for A with these records.
    fn complete(rcode: Rcode, records: &[(Section, RecordType)]) -> bool {
        let bytes = Request::new(b"\x01a\0", RecordType::A).to_bytes();
        let query = Query::parse(&bytes).unwrap();
        let mut out = [0; 512];
        let mut reply = Reply::start(&query, answer::Transport::DATAGRAM, &mut out).unwrap();
        reply.set_rcode(rcode);
        for (section, rtype) in records {
            reply.record(*section, Owner::QUESTION, (*rtype, Class::IN), 1, b"data");
        }
        is_complete(&reply, RecordType::A)
    }

    /// If this fails, resolvers cannot remember that a name does not exist, or do not find the
    /// servers that they are referred to.
    #[test]
    fn what_negative_answers_and_referrals_need_stays() {
        use Section::{Additional, Answer, Authority};
        let answer = (Answer, RecordType::A);
        let alias = (Answer, RecordType::CNAME);
        let soa = (Authority, RecordType::SOA);
        let servers = (Authority, RecordType::NS);
        let glue = (Additional, RecordType::A);
        assert!(complete(Rcode::NOERROR, &[answer, servers, glue]));
        assert!(complete(Rcode::NOERROR, &[alias, answer, servers]));
        assert!(complete(Rcode::NOERROR, &[alias]));
        assert!(complete(Rcode::NOERROR, &[glue]));
        assert!(!complete(Rcode::NOERROR, &[servers, glue]), "a referral");
        assert!(!complete(Rcode::NOERROR, &[soa]), "no data");
        assert!(!complete(Rcode::NOERROR, &[alias, soa]), "no data");
        assert!(!complete(Rcode::NOERROR, &[alias, servers, glue]));
        assert!(!complete(Rcode::NXDOMAIN, &[alias, soa]));
    }

    /// If this fails, replies are as long with the directive as without.
    #[test]
    fn the_rest_is_left_out() {
        let sections = |server: &Server, rtype| {
            let reply: Message = server.ask("localhost.", rtype);
            let count = |section| reply.section(section).count();
            [Section::Answer, Section::Authority, Section::Additional].map(count)
        };
        let whole = Server::block("local\nwhoami");
        assert_eq!(sections(&whole, RecordType::NS), [1, 0, 2]);
        let minimal = Server::block("minimal\nlocal\nwhoami");
        // `local` answers before `minimal` is asked.
        assert_eq!(sections(&minimal, RecordType::NS), [1, 0, 2]);
        let reply = minimal.ask("example.", RecordType::A);
        assert_eq!(reply.records().count(), 0, "whoami's additional records");
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn it_is_one_word() {
        assert!(Server::mistakes("minimal yes").contains("syntax: minimal"));
    }
}
