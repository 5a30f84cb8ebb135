//! From `log` directives to rules.

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::super::{Definition, Setup};
use super::format::{self, Format};
use super::{Parts, Rule, Shown};
use crate::config;

/// See the module.
pub const LOG: Definition = Definition {
    name: "log",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
log [NAMES...] [FORMAT] {
    class success|denial|error|all...
}";
const CLASS: &str = "class success|denial|error|all...";

fn setup(setup: &mut Setup<'_>) {
    let mut rules = Vec::new();
    for directive in setup.directives {
        rules.extend(read(directive, setup.diagnostics));
    }
    setup.add(Box::new(Parts(rules)));
}

fn read(directive: &Directive, found: &mut Diagnostics) -> Vec<Rule> {
    let mut names: &[Token] = &directive.arguments;
    let mut format = Format::parse(format::COMMON).0;
    // As in CoreDNS, it is a brace that makes the last word a format.
    if let Some((last, others)) = names.split_last()
        && last.text.contains('{')
    {
        let (given, unknown) = Format::parse(&last.text);
        for field in unknown {
            let message = format!("a line of the log has no field `{{{field}}}`");
            found.push(
                Diagnostic::warning(last.span, message)
                    .label("it stays as it stands here")
                    .help(format!("fields: {}", format::names())),
            );
        }
        (format, names) = (given, others);
    }
    let classes = classes(directive, found);
    let zones: Vec<Name> = match names {
        [] => vec![Name::root()],
        names => names
            .iter()
            .filter_map(|name| found.keep(config::zones(name)))
            .flatten()
            .collect(),
    };
    let rule = |zone| Rule {
        zone,
        format: format.clone(),
        classes,
    };
    zones.into_iter().map(rule).collect()
}

fn classes(directive: &Directive, found: &mut Diagnostics) -> Shown {
    let mut shown = Shown::default();
    for option in directive.options() {
        if option.name() != "class" {
            found.push(option.name.unknown("option", &["class"]));
            continue;
        }
        found.keep(option.no_block(CLASS));
        let words = found.keep(option.at_least(1, CLASS)).unwrap_or_default();
        for word in words {
            let success = Shown {
                success: true,
                ..Shown::default()
            };
            let denial = Shown {
                denial: true,
                ..Shown::default()
            };
            let error = Shown {
                error: true,
                ..Shown::default()
            };
            let class = word.one_of(
                "class",
                &[
                    ("success", success),
                    ("denial", denial),
                    ("error", error),
                    ("all", Shown::ALL),
                ],
            );
            let class = found.keep(class).unwrap_or_default();
            shown = Shown {
                success: shown.success || class.success,
                denial: shown.denial || class.denial,
                error: shown.error || class.error,
            };
        }
    }
    match shown == Shown::default() {
        true => Shown::ALL,
        false => shown,
    }
}
