//! `nsid`: tells clients that ask which server has answered (RFC 5001).

use corefile::Diagnostic;

use super::hostname::hostname;
use super::{After, Build, Classes, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const NSID: Definition = Definition {
    name: "nsid",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "nsid [DATA...]";

/// The option's code (RFC 5001 §4).
const OPTION: u16 = 3;

/// The longest identifier, in octets: it must not crowd out the answer.
const LONGEST: usize = 255;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut data = None;
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_block(SYNTAX));
        if let [first, .., last] | [first @ last] = directive.arguments.as_slice() {
            let words: Vec<&str> = directive.arguments.iter().map(|it| &*it.text).collect();
            let joined = words.join(" ");
            if joined.len() > LONGEST {
                let span = first.span.to(last.span);
                let message = format!("an identifier of {} octets", joined.len());
                let error = Diagnostic::error(span, message);
                setup
                    .diagnostics
                    .push(error.label("expected at most 255 octets"));
            }
            data = Some(joined);
        }
    }
    setup.add(Box::new(Planned(data)));
}

/// The identifier, if the Corefile says one.
struct Planned(Option<String>);

impl Part for Planned {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let data = self.0.unwrap_or_else(hostname);
        Ok(Box::new(Nsid(data.into_bytes().into())))
    }
}

struct Nsid(Box<[u8]>);

impl Plugin for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        let asked = |edns: &answer::Edns<'_>| edns.option(OPTION).is_some();
        if exchange.query.edns.as_ref().is_some_and(asked) {
            exchange.reply.option(OPTION, &self.0);
        }
        After::Done
    }
}

#[cfg(test)]
mod tests {
    use answer::{Class, RecordType, Request};

    use super::OPTION;
    use crate::plugins::harness::Server;

    /// The options of the reply, or nothing where there is no OPT record.
    fn options(server: &Server, change: impl Fn(&mut Request)) -> Option<Vec<u8>> {
        let mut request = Request::new(b"\0", RecordType::A);
        if let Some(edns) = &mut request.edns {
            edns.push_option(OPTION, b"");
        }
        change(&mut request);
        let reply = server.serve(&request).unwrap();
        reply.edns().map(|edns| edns.options.to_vec())
    }

    /// If this fails, nobody can tell which of several servers behind one address is the one that
    /// misbehaves.
    #[test]
    fn who_asks_is_told() {
        let server = Server::block("nsid node 4\nwhoami");
        let told = Some(b"\0\x03\0\x06node 4".to_vec());
        assert_eq!(options(&server, |_| ()), told);
        // Nobody answers queries for addresses in that class, and yet it is told who does not.
        let server = Server::block("nsid node 4\nchaos");
        let failed = options(&server, |it| it.class = Class(3)).unwrap();
        assert!(failed.starts_with(b"\0\x03\0\x06node 4"));
        let own = options(&Server::block("nsid\nwhoami"), |_| ()).unwrap();
        assert!(own.len() > 4, "the name of the machine");
    }

    /// If this fails, clients get octets that they did not ask for, some of which cannot read them.
    #[test]
    fn nobody_else_is_told() {
        let server = Server::block("nsid node4\nwhoami");
        assert_eq!(options(&server, |it| it.edns = None), None);
        assert_eq!(
            options(&server, |it| it.edns = Some(Default::default())),
            Some(vec![])
        );
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        let long = "x ".repeat(129);
        assert!(Server::mistakes(&format!("nsid {long}")).contains("identifier of 257 octets"));
        assert!(Server::mistakes("nsid {\n}").contains("takes no block"));
        assert!(Server::mistakes("nsid\nnsid").contains("given twice"));
    }
}
