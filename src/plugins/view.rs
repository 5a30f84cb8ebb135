//! `view`: says whose queries a server block is for.
//!
//! Several blocks may serve the same zone at the same address where each but the last has a view:
//! the first whose view a query is for gets it. It is no plugin on the way of a query: which block
//! gets it is decided before.

use corefile::{Diagnostic, Directive};
use expression::Expression;

use super::conditions::{self, FUNCTIONS, Facts};
use super::{Build, Definition, Exchange, Incoming, Part, Plugin, Setup, Step};

/// See the module.
pub const VIEW: Definition = Definition {
    name: "view",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
view NAME {
    expr EXPRESSION
}";

const EXPR_SYNTAX: &str = "expr EXPRESSION";

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    for directive in setup.directives {
        let name = setup.diagnostics.keep(directive.one_argument(SYNTAX));
        let mut conditions = Vec::new();
        for option in directive.options() {
            let result = match option.name() {
                "expr" => condition(option),
                _ => Err(option.name.unknown("option", &["expr"])),
            };
            conditions.extend(setup.diagnostics.keep(result));
        }
        if directive.options().is_empty() {
            setup.diagnostics.push(
                Diagnostic::error(directive.line(), "this view has no condition")
                    .label("expected a block with `expr` after this")
                    .help(format!("syntax: {EXPR_SYNTAX}")),
            );
        }
        setup.block.view = Some(directive.line());
        if let Some(name) = name {
            setup.add(Box::new(View {
                name: name.text.clone(),
                conditions,
            }));
        }
    }
}

fn condition(option: &Directive) -> Result<Expression, Diagnostic> {
    option.no_block(EXPR_SYNTAX)?;
    let words = option.at_least(1, EXPR_SYNTAX)?;
    conditions::read(words, |text| Expression::condition(text, &FUNCTIONS))
}

/// Whose queries a block is for.
#[derive(Debug)]
pub struct View {
    name: String,
    /// All must hold.
    conditions: Vec<Expression>,
}

impl View {
    /// Its name, as metrics and labels have it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the block is for a query. It is not where that cannot be decided.
    #[must_use]
    pub fn admits(&self, incoming: &Incoming<'_>) -> bool {
        let facts = Facts::new(*incoming);
        let mut conditions = self.conditions.iter();
        conditions.all(|condition| condition.holds(&facts).unwrap_or(false))
    }
}

impl Part for View {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for View {
    fn name(&self) -> &'static str {
        "view"
    }

    fn view(&self) -> Option<&View> {
        Some(self)
    }

    fn metadata(&self, label: &str, _incoming: &Incoming<'_>) -> Option<String> {
        (label == "view/name").then(|| self.name.clone())
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }
}

#[cfg(test)]
mod tests {
    use answer::RecordType;

    use crate::plugins::harness::{Server, answers};

    /// The address that a client is told for a name by these blocks.
    fn told(blocks: &str, from: &str, name: &str) -> String {
        let server = Server::corefile(blocks).from(from);
        let answers = answers(&server.ask(name, RecordType::A));
        let last = answers.first().and_then(|answer| answer.rsplit(' ').next());
        last.unwrap_or("nothing").to_owned()
    }

    /// A block for a zone in which `a.example` and `b.example` have this address.
    fn block(zone: &str, address: &str, view: &str) -> String {
        format!("{zone}:53 {{\n{view}\nhosts {{\n{address} a.example b.example\n}}\n}}\n")
    }

    /// If this fails, clients of one network are told what is meant for another.
    #[test]
    fn the_first_block_whose_view_admits_a_query_gets_it() {
        let blocks = block(
            "example",
            "192.0.2.1",
            "view ten {\nexpr incidr(client_ip(), '10.0.0.0/8')\n}",
        ) + &block(
            "example",
            "192.0.2.2",
            "view both {\nexpr incidr(client_ip(), '172.16.0.0/12')\nexpr name() startsWith 'a.'\n}",
        ) + &block("example", "192.0.2.3", "");
        for (from, name, address) in [
            ("10.0.0.1", "a.example.", "192.0.2.1"),
            ("172.16.0.1", "a.example.", "192.0.2.2"),
            ("172.16.0.1", "b.example.", "192.0.2.3"),
            ("192.0.2.9", "a.example.", "192.0.2.3"),
            ("::ffff:10.0.0.1", "a.example.", "192.0.2.1"),
        ] {
            assert_eq!(told(&blocks, from, name), address, "{from} {name}");
        }
    }

    /// If this fails, queries that no view of a zone is for are refused though a zone above it is
    /// served.
    #[test]
    fn without_a_view_for_it_a_query_goes_to_the_zone_above() {
        let never = "view never {\nexpr metadata('view/name') != 'never'\n}";
        let blocks = block("example", "192.0.2.1", never) + &block(".", "192.0.2.2", "");
        assert_eq!(told(&blocks, "10.0.0.1", "a.example."), "192.0.2.2");
        let server = Server::corefile(&block("example", "192.0.2.1", never));
        let reply = server.ask("a.example.", RecordType::A);
        assert_eq!(reply.rcode(), answer::Rcode::REFUSED);
    }

    /// If this fails, a condition that cannot be decided lets everybody in.
    #[test]
    fn what_cannot_be_decided_does_not_hold() {
        let view = "view odd {\nexpr !incidr(name(), '10.0.0.0/8')\n}";
        let blocks = block(".", "192.0.2.1", view) + &block(".", "192.0.2.2", "");
        assert_eq!(told(&blocks, "10.0.0.1", "a.example."), "192.0.2.2");
    }

    /// If this fails, logs and metrics do not say by which view a query came.
    #[test]
    fn the_name_is_a_label() {
        let view = "view inside {\nexpr true\n}\nwhoami";
        let server = Server::block(view);
        let label = server.metadata("a.", "view/name");
        assert_eq!(label.as_deref(), Some("inside"));
        assert_eq!(server.metadata("a.", "view/other"), None);
    }

    /// If this fails, mistakes in views pass unseen or are shown elsewhere.
    #[test]
    fn mistakes_are_shown_where_they_are() {
        let mistakes = Server::mistakes("view a {\nexpr name() == 'a' && nam() == 'x'\n}");
        assert!(mistakes.contains("Corefile:3:23"), "{mistakes}");
        assert!(mistakes.contains("^^^ did you mean `name`?"), "{mistakes}");
        for (view, message) in [
            ("view a", "no condition"),
            ("view {\nexpr true\n}", "syntax: view NAME"),
            ("view a {\nexpr\n}", "at least one argument"),
            ("view a {\nexpr name()\n}", "no condition"),
            ("view a {\nexp true\n}", "unknown option `exp`"),
            (
                "view a {\nexpr true\n}\nview b {\nexpr true\n}",
                "given twice",
            ),
        ] {
            let mistakes = Server::mistakes(view);
            assert!(mistakes.contains(message), "{view}:\n{mistakes}");
        }
    }
}
