//! Reading the rules.

use answer::RecordType;
use corefile::{Diagnostic, Directive, Token};

use super::{Acl, Action, Rule, Rules};
use crate::networks::{Network, Networks};
use crate::plugins::zones::Zones;
use crate::plugins::{Definition, Setup};

/// See the module.
pub const ACL: Definition = Definition {
    name: "acl",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
acl [ZONES...] {
    allow|block|filter|drop [type TYPE...|*] [net NETWORK...|*]
}";
const RULE: &str = "allow|block|filter|drop [type TYPE...|*] [net NETWORK...|*]";

const ACTIONS: &[(&str, Action)] = &[
    ("allow", Action::Allow),
    ("block", Action::Block),
    ("filter", Action::Filter),
    ("drop", Action::Drop),
];

fn setup(setup: &mut Setup<'_>) {
    let mut acl = Acl(Vec::new());
    for directive in setup.directives {
        let found = &mut *setup.diagnostics;
        let zones = Zones::read(&directive.arguments, setup.block, found);
        let mut rules = Vec::new();
        for option in directive.options() {
            rules.extend(rule(option, &mut |mistake| found.push(mistake)));
        }
        if directive.options().is_empty() {
            let warning = Diagnostic::warning(directive.name.span, "`acl` without a rule");
            let warning = warning.label("everything is allowed");
            found.push(warning.help(format!("syntax: {SYNTAX}")));
        }
        acl.0.push(Rules { zones, rules });
    }
    setup.add(Box::new(acl));
}

/// The rule that a line says; [`None`] if there is a mistake in it.
fn rule(option: &Directive, mistake: &mut impl FnMut(Diagnostic)) -> Option<Rule> {
    let mut fine = true;
    let mut keep = |result: Result<(), Diagnostic>| {
        fine &= result.is_ok();
        result.map_err(&mut *mistake).is_ok()
    };
    keep(option.no_block(RULE));
    let action = lower(&option.name).one_of("action", ACTIONS);
    let action = action.map_err(|error| keep(Err(error))).ok();
    let (mut types, mut networks) = (Some(Vec::new()), Some(Vec::new()));
    let mut words = option.arguments.as_slice();
    while let [first, rest @ ..] = words {
        let length = rest.iter().take_while(|word| section(word).is_none());
        let (own, others) = rest.split_at(length.count());
        words = others;
        let section = section(first);
        if own.is_empty() && section.is_some() {
            let error = Diagnostic::error(first.span, format!("{} of nothing", first.shown()));
            keep(Err(error
                .label("expected words behind it")
                .help(format!("syntax: {RULE}"))));
        }
        match section {
            Some(Section::Type) => {
                for word in own {
                    keep(read(word, &mut types, record_type));
                }
            }
            Some(Section::Net) => {
                for word in own {
                    keep(read(word, &mut networks, Network::read));
                }
            }
            None => {
                keep(Err(lower(first).unknown("section", &["type", "net"])));
            }
        }
    }
    let rule = Rule {
        action: action?,
        types: types.filter(|types| !types.is_empty()).map(|mut types| {
            types.sort_unstable();
            types.dedup();
            types.into()
        }),
        networks: networks
            .filter(|networks| !networks.is_empty())
            .map(|networks| Networks::new(&networks)),
    };
    fine.then_some(rule)
}

/// The parts of a rule.
#[derive(Clone, Copy)]
enum Section {
    Type,
    Net,
}

fn section(word: &Token) -> Option<Section> {
    match &*word.text.to_ascii_lowercase() {
        "type" => Some(Section::Type),
        "net" => Some(Section::Net),
        _ => None,
    }
}

/// Adds what a word means to a list; `*` makes it one of everything, which is [`None`].
fn read<T>(
    word: &Token,
    list: &mut Option<Vec<T>>,
    one: impl Fn(&Token) -> Result<T, Diagnostic>,
) -> Result<(), Diagnostic> {
    if word.text == "*" {
        *list = None;
        return Ok(());
    }
    let value = one(word)?;
    if let Some(list) = list {
        list.push(value);
    }
    Ok(())
}

fn record_type(word: &Token) -> Result<RecordType, Diagnostic> {
    let rtype = word.text.parse();
    rtype.map_err(|error: answer::BadMnemonic| Diagnostic::error(word.span, error.to_string()))
}

/// The word in lower case: letters' case does not matter here.
fn lower(word: &Token) -> Token {
    Token {
        text: word.text.to_ascii_lowercase(),
        ..word.clone()
    }
}
