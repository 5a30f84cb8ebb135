//! `bufsize`: bounds how long a reply may be as a datagram, so that it is not fragmented on its
//! way (RFC 6891 §6.2.5).

use corefile::{Diagnostic, Directive};

use super::{After, Build, Classes, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const BUFSIZE: Definition = Definition {
    name: "bufsize",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "bufsize [SIZE]";

/// The size without an argument, in octets.
const USUAL: u16 = answer::OUR_UDP_SIZE;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut size = USUAL;
    for directive in setup.directives {
        if let Some(Some(given)) = setup.diagnostics.keep(read(directive)) {
            size = given;
        }
    }
    setup.add(Box::new(BufSize(size)));
}

fn read(directive: &Directive) -> Result<Option<u16>, Diagnostic> {
    directive.no_block(SYNTAX)?;
    let word = directive.optional_argument(SYNTAX)?;
    word.map(|word| word.integer(512..=4096)).transpose()
}

/// The longest datagram, in octets.
#[derive(Debug)]
struct BufSize(u16);

impl Part for BufSize {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for BufSize {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        exchange.reply.limit_datagram(self.0);
        After::Done
    }
}

#[cfg(test)]
mod tests {
    use answer::{Class, Message, Name, RecordType, Request, RequestEdns};

    use crate::plugins::harness::Server;

    /// A long reply to a client that takes datagrams of this size.
    fn ask(server: &Server, udp_size: Option<u16>) -> (Message, usize) {
        let name = Name::parse("authors.bind.").unwrap();
        let mut request = Request::new(name.as_wire(), RecordType::TXT);
        request.class = Class(3);
        request.edns = udp_size.map(|udp_size| RequestEdns {
            udp_size,
            ..RequestEdns::default()
        });
        let bytes = server.serve_bytes(&request.to_bytes()).unwrap();
        (Message::parse(&bytes).unwrap(), bytes.len())
    }

    /// A block with a reply of about 1,100 octets.
    fn block(directive: &str) -> Server {
        let authors: Vec<String> = (0..5).map(|n| n.to_string().repeat(200)).collect();
        Server::block(&format!("{directive}\nchaos v {}", authors.join(" ")))
    }

    /// If this fails, replies are fragmented and lost on paths that the operator knows to be
    /// narrow.
    #[test]
    fn datagrams_are_cut_to_the_size() {
        for (directive, udp_size, records) in [
            ("", 4096, 5),
            ("bufsize", 4096, 5),
            ("bufsize 4096", 1232, 5),
            ("bufsize 700", 4096, 3),
            ("bufsize 512", 4096, 2),
            ("bufsize 1000", 700, 3),
        ] {
            let (reply, length) = ask(&block(directive), Some(udp_size));
            assert_eq!(
                (reply.records().count(), reply.is_truncated()),
                (records, records < 5),
                "{directive} and a client with {udp_size}"
            );
            assert!(length <= usize::from(udp_size));
            assert!(reply.edns().is_some());
        }
        let (reply, length) = ask(&block("bufsize 700"), None);
        assert!(reply.is_truncated() && length <= 512);
    }

    /// If this fails, clients that ask again over TCP get no more than before.
    #[test]
    fn streams_are_not_cut() {
        let (reply, _) = ask(&block("bufsize 512").over_tcp(), Some(512));
        assert_eq!((reply.records().count(), reply.is_truncated()), (5, false));
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        assert_eq!(Server::mistakes("bufsize 4096"), "");
        for wrong in ["511", "4097", "many"] {
            let mistakes = Server::mistakes(&format!("bufsize {wrong}"));
            assert!(mistakes.contains("from 512 to 4096"), "{mistakes}");
        }
        assert!(Server::mistakes("bufsize 600 700").contains("syntax: bufsize [SIZE]"));
        assert!(Server::mistakes("bufsize {\n}").contains("takes no block"));
        assert!(Server::mistakes("bufsize\nbufsize").contains("given twice"));
    }
}
