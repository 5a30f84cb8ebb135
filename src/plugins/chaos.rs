//! `chaos`: what server this is, as TXT records of class CH (RFC 4892).

use answer::{Class, Name, Owner, RecordType, Section};
use corefile::{Diagnostic, Token};

use super::hostname::hostname;
use super::{Build, Classes, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const CHAOS: Definition = Definition {
    name: "chaos",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "chaos [VERSION [AUTHORS...]]";

/// The class that these names are asked in (RFC 1035 §3.2.4).
const CH: Class = Class(3);

/// The longest string of a TXT record, in octets (RFC 1035 §3.3).
const LONGEST: usize = 255;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut chaos = Planned {
        version: format!("Callsign-{}", env!("CARGO_PKG_VERSION")),
        authors: vec!["The Callsign contributors".into()],
    };
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_block(SYNTAX));
        for word in &directive.arguments {
            setup.diagnostics.keep(fits(word));
        }
        if let [version, authors @ ..] = directive.arguments.as_slice() {
            chaos.version.clone_from(&version.text);
            if !authors.is_empty() {
                chaos.authors = authors.iter().map(|author| author.text.clone()).collect();
                chaos.authors.sort_unstable();
                chaos.authors.dedup();
            }
        }
    }
    setup.add(Box::new(chaos));
}

fn fits(word: &Token) -> Result<(), Diagnostic> {
    match word.text.len() {
        0..=LONGEST => Ok(()),
        length => Err(
            Diagnostic::error(word.span, format!("a text of {length} octets"))
                .label("expected at most 255 octets"),
        ),
    }
}

#[derive(Debug)]
struct Planned {
    version: String,
    authors: Vec<String>,
}

impl Part for Planned {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let version = vec![text(&self.version)];
        let authors: Vec<Text> = self.authors.iter().map(|author| text(author)).collect();
        let hostname = vec![text(&hostname())];
        let named = |name: &str, texts: &[Text]| match Name::parse(name) {
            Ok(name) => Ok((name, texts.to_vec())),
            Err(error) => Err(error.to_string()),
        };
        Ok(Box::new(Chaos(vec![
            named("version.bind.", &version)?,
            named("version.server.", &version)?,
            named("authors.bind.", &authors)?,
            named("hostname.bind.", &hostname)?,
            named("id.server.", &hostname)?,
        ])))
    }
}

/// A TXT record's data.
type Text = Box<[u8]>;

/// One string after its length, cut if it is too long.
fn text(text: &str) -> Text {
    let octets = text.as_bytes();
    let octets = octets.get(..LONGEST).unwrap_or(octets);
    // The cut is what the length fits.
    let length = octets.len() as u8;
    [&[length], octets].concat().into()
}

/// Each name and the data of its TXT records.
struct Chaos(Vec<(Name, Vec<Text>)>);

impl Plugin for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn classes(&self) -> Classes {
        Classes::Answered
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if exchange.query.qclass != CH || exchange.query.qtype != RecordType::TXT {
            return Step::Next;
        }
        let asked = exchange.name.as_wire();
        let Some((_, texts)) = self.0.iter().find(|(name, _)| name.as_wire() == asked) else {
            return Step::Next;
        };
        for text in texts {
            let kind = (RecordType::TXT, CH);
            exchange
                .reply
                .record(Section::Answer, Owner::QUESTION, kind, 0, text);
        }
        Step::Answered
    }
}

#[cfg(test)]
mod tests {
    use answer::{Class, Message, Name, Rcode, RecordType, Request, Section};

    use super::CH;
    use crate::plugins::harness::Server;

    fn ask(server: &Server, name: &str, rtype: RecordType, class: Class) -> Message {
        let mut request = Request::new(Name::parse(name).unwrap().as_wire(), rtype);
        request.class = class;
        server.serve(&request).unwrap()
    }

    fn texts(server: &Server, name: &str) -> Vec<String> {
        let reply = ask(server, name, RecordType::TXT, CH);
        assert_eq!(reply.rcode(), Rcode::NOERROR, "{name}");
        let records = reply.section(Section::Answer);
        let texts = records.map(|record| {
            assert_eq!((record.class, record.ttl), (CH, 0));
            String::from_utf8(record.data()[1..].to_vec()).unwrap()
        });
        texts.collect()
    }

    /// If this fails, who looks after many servers cannot tell which one has answered, or which
    /// version runs there.
    #[test]
    fn it_says_what_and_where_it_is() {
        let server = Server::block("chaos");
        for name in ["version.bind.", "version.server.", "VERSION.BIND."] {
            assert_eq!(
                texts(&server, name),
                [concat!("Callsign-", env!("CARGO_PKG_VERSION"))]
            );
        }
        let hostname = texts(&server, "hostname.bind.");
        assert!(hostname.len() == 1 && !hostname[0].is_empty());
        assert_eq!(texts(&server, "id.server."), hostname);
        assert_eq!(texts(&server, "authors.bind.").len(), 1);
        let server = Server::block("chaos \"none of your business\" Zoe \"Ann O.\" Zoe");
        assert_eq!(texts(&server, "version.bind."), ["none of your business"]);
        assert_eq!(texts(&server, "authors.bind."), ["Ann O.", "Zoe"]);
    }

    /// If this fails, ordinary queries are answered with the server's version, or other queries of
    /// the class with nonsense.
    #[test]
    fn other_queries_are_not_its_business() {
        let server = Server::block("chaos\nwhoami");
        let ordinary = ask(&server, "version.bind.", RecordType::TXT, Class::IN);
        assert_eq!(ordinary.section(Section::Answer).count(), 0);
        assert_eq!(ordinary.section(Section::Additional).count(), 2, "whoami's");
        for (name, rtype) in [
            ("version.bind.", RecordType::A),
            ("other.bind.", RecordType::TXT),
        ] {
            let reply = ask(&server, name, rtype, CH);
            assert_eq!(reply.records().count(), 0);
            assert_ne!(reply.rcode(), Rcode::NOERROR);
        }
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        assert_eq!(Server::mistakes("chaos 1.0 me"), "");
        let long = "x".repeat(256);
        assert!(Server::mistakes(&format!("chaos {long}")).contains("a text of 256 octets"));
        assert!(Server::mistakes("chaos {\n}").contains("takes no block"));
        assert!(Server::mistakes("chaos\nchaos").contains("given twice"));
    }
}
