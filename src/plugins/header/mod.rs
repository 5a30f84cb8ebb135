//! `header`: sets and clears flags of replies, and of queries for the plugins behind it.

use answer::Request;
use corefile::{Diagnostic, Directive, Token};

use super::{After, Build, Classes, Definition, Exchange, Part, Plugin, Setup, Step};

/// See the module.
pub const HEADER: Definition = Definition {
    name: "header",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
header {
    [query|response] set|clear aa|ra|rd...
}";
const RULE: &str = "[query|response] set|clear aa|ra|rd...";

const FLAGS: &[(&str, Flag)] = &[
    ("aa", Flag::Authoritative),
    ("ra", Flag::RecursionAvailable),
    ("rd", Flag::RecursionDesired),
];

/// A flag of the header (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Authoritative,
    RecursionAvailable,
    RecursionDesired,
}

/// One flag and what it is to be.
type Rule = (Flag, bool);

/// Which way a rule is for.
#[derive(Clone, Copy)]
enum Way {
    Query,
    Response,
}

fn setup(setup: &mut Setup<'_>) {
    let mut header = Header::default();
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_arguments(SYNTAX));
        for option in directive.options() {
            if let Some((way, rules)) = setup.diagnostics.keep(rules(option)) {
                match way {
                    Way::Query => header.query.extend(rules),
                    Way::Response => header.response.extend(rules),
                }
            }
        }
        if directive.options().is_empty() {
            let error = Diagnostic::error(directive.name.span, "`header` without a rule");
            setup.diagnostics.push(
                error
                    .label("changes nothing")
                    .help(format!("syntax: {SYNTAX}")),
            );
        }
    }
    setup.add(Box::new(header));
}

/// What a line of the block says. Without a way it is for replies, as in older Corefiles.
fn rules(option: &Directive) -> Result<(Way, Vec<Rule>), Diagnostic> {
    option.no_block(RULE)?;
    let words = option.arguments.as_slice();
    let (way, action, flags) = match keyword(&option.name, "rule", WAYS)? {
        (Some(way), _) => match words {
            [action, flags @ ..] => (way, keyword(action, "action", ACTIONS)?, flags),
            [] => return Err(too_short(option)),
        },
        (None, state) => (Way::Response, state, words),
    };
    if flags.is_empty() {
        return Err(too_short(option));
    }
    let flags = flags
        .iter()
        .map(|word| Ok((keyword(word, "flag", FLAGS)?, action)));
    Ok((way, flags.collect::<Result<_, _>>()?))
}

/// The first words of a rule: a way, or an action, which is for replies.
const WAYS: &[(&str, (Option<Way>, bool))] = &[
    ("query", (Some(Way::Query), false)),
    ("response", (Some(Way::Response), false)),
    ("set", (None, true)),
    ("clear", (None, false)),
];

const ACTIONS: &[(&str, bool)] = &[("set", true), ("clear", false)];

/// What a word means; its letters' case does not matter.
fn keyword<T: Copy>(word: &Token, what: &str, known: &[(&str, T)]) -> Result<T, Diagnostic> {
    let found = known
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
    match found {
        Some((_, value)) => Ok(*value),
        None => word.one_of(what, known),
    }
}

fn too_short(option: &Directive) -> Diagnostic {
    Diagnostic::error(option.line(), "a rule without flags")
        .label("expected `set` or `clear`, and flags")
        .help(format!("syntax: {RULE}"))
}

#[derive(Debug, Default)]
struct Header {
    query: Vec<Rule>,
    response: Vec<Rule>,
}

impl Header {
    /// What RD is to be in the query. The other two flags have no meaning there.
    fn recursion_desired(&self) -> Option<bool> {
        let mut rules = self.query.iter().rev();
        let rule = rules.find(|(flag, _)| *flag == Flag::RecursionDesired);
        rule.map(|(_, state)| *state)
    }
}

impl Part for Header {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        match self.recursion_desired() {
            Some(wanted) if wanted != exchange.query.recursion_desired => {
                let request = Request {
                    recursion_desired: wanted,
                    ..Request::like(exchange.query)
                };
                let asking = exchange.below().ask(&request);
                asking.then(exchange, |exchange, answer| {
                    exchange.adopt(answer);
                    Step::Answered
                })
            }
            _ => Step::Next,
        }
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        let reply = &mut exchange.reply;
        for (flag, state) in &self.response {
            match flag {
                Flag::Authoritative => reply.set_authoritative(*state),
                Flag::RecursionAvailable => reply.set_recursion_available(*state),
                Flag::RecursionDesired => reply.set_recursion_desired(*state),
            }
        }
        After::Done
    }
}

#[cfg(test)]
mod tests;
