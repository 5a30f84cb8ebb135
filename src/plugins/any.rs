//! `any`: a short answer to queries for all types of a name (RFC 8482 §4.2).
//!
//! Whoever asks for everything gets one HINFO record instead. It cannot be used to make a small
//! query into a large reply, and nothing is looked up for it.

use answer::{Class, Owner, RecordType, Section};

use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const ANY: Definition = Definition {
    name: "any",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "any";

/// The record's TTL in seconds: CoreDNS's, after the number of the RFC.
const TTL: u32 = 8482;

/// The record's data: two strings after their lengths (RFC 1035 §3.3.2).
const DATA: &[u8] = b"\x0dANY obsoleted\x0cSee RFC 8482";

fn setup(setup: &mut Setup<'_>) {
    setup.bare(SYNTAX);
    setup.add(Box::new(Any));
}

#[derive(Debug)]
struct Any;

impl Part for Any {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if exchange.query.qtype != RecordType::ANY {
            return Step::Next;
        }
        let kind = (RecordType::HINFO, Class::IN);
        exchange
            .reply
            .record(Section::Answer, Owner::QUESTION, kind, TTL, DATA);
        Step::Answered
    }
}

#[cfg(test)]
mod tests {
    use answer::RecordType;

    use crate::plugins::harness::{Server, answers};

    /// If this fails, ANY queries are a tool for attacks again, or others are answered with
    /// nonsense.
    #[test]
    fn only_queries_for_everything_are_answered() {
        let server = Server::block("any\nwhoami");
        assert_eq!(
            answers(&server.ask("a.example.", RecordType::ANY)),
            ["a.example. 8482 HINFO \\rANY obsoleted\\x0cSee RFC 8482"]
        );
        assert_eq!(answers(&server.ask("a.example.", RecordType::A)), [""; 0]);
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn it_is_one_word() {
        assert_eq!(Server::mistakes("any"), "");
        assert!(Server::mistakes("any all").contains("syntax: any"));
        assert!(Server::mistakes("any {\n}").contains("takes no block"));
        assert!(Server::mistakes("any\nany").contains("given twice"));
    }
}
