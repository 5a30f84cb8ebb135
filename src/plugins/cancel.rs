//! `cancel`: how long a query may wait.

use std::time::Duration;

use corefile::{Diagnostic, Directive};

use super::{Build, Classes, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const CANCEL: Definition = Definition {
    name: "cancel",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "cancel [TIMEOUT]";

/// The time without an argument, as in CoreDNS: a little more than its plugins wait by themselves.
const USUAL: Duration = Duration::from_millis(5001);

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut timeout = USUAL;
    for directive in setup.directives {
        if let Some(Some(given)) = setup.diagnostics.keep(read(directive)) {
            timeout = given;
        }
    }
    setup.add(Box::new(Cancel(timeout)));
}

fn read(directive: &Directive) -> Result<Option<Duration>, Diagnostic> {
    directive.no_block(SYNTAX)?;
    let word = directive.optional_argument(SYNTAX)?;
    let range = Duration::from_nanos(1)..=Duration::MAX;
    word.map(|word| word.duration(range)).transpose()
}

/// How long a query may wait after it has come.
#[derive(Debug)]
struct Cancel(Duration);

impl Part for Cancel {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Cancel {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        exchange.deadline = exchange.client.received.checked_add(self.0);
        Step::Next
    }
}

#[cfg(test)]
mod tests {
    use answer::{Rcode, RecordType};

    use crate::plugins::harness::Server;

    /// If this fails, queries that wait for something that never comes pile up longer than the
    /// operator allows.
    #[test]
    fn who_waits_longer_is_told_servfail() {
        for (timeout, delay, rcode) in [
            ("1ms", "delay 1 1h", Rcode::SERVFAIL),
            ("1h", "delay 1 1ms", Rcode::NOERROR),
            // What need not wait is not cut short, however late it is.
            ("1ns", "delay 0", Rcode::NOERROR),
        ] {
            let server = Server::block(&format!(
                "cancel {timeout}\nerratic {{\n drop 0\n {delay}\n}}"
            ));
            let reply = server.ask("a.example.", RecordType::A);
            assert_eq!(reply.rcode(), rcode, "{delay} of {timeout}");
        }
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        assert_eq!(Server::mistakes("cancel\nwhoami"), "");
        for wrong in ["0s", "-1s", "5", "soon"] {
            let mistakes = Server::mistakes(&format!("cancel {wrong}"));
            assert!(mistakes.contains("expected a duration"), "{mistakes}");
        }
        assert!(Server::mistakes("cancel 1s 2s").contains("syntax: cancel [TIMEOUT]"));
        assert!(Server::mistakes("cancel\ncancel").contains("given twice"));
    }
}
