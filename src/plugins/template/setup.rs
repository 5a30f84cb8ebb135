//! From `template` directives to rules.

use std::str::FromStr;

use answer::{Class, Rcode, RecordType, Section};
use corefile::{Diagnostic, Diagnostics, Directive, Token};
use expression::Expression;
use regex::Regex;
use template::{Program, ProgramField};

use super::super::zones::{Fallthrough, Zones};
use super::super::{BlockDraft, Definition, Setup, conditions, regular};
use super::{Record, Rule, Templates, data};

/// See the module of `template`.
pub const TEMPLATE: Definition = Definition {
    name: "template",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
template CLASS TYPE [ZONES...] {
    match REGEX...
    var NAME EXPRESSION
    expr EXPRESSION
    answer RECORD...
    additional RECORD...
    authority RECORD...
    rcode CODE
    ederror CODE [TEXT]
    fallthrough [ZONES...]
    upstream
}";

const OPTIONS: [&str; 10] = [
    "match",
    "var",
    "expr",
    "answer",
    "additional",
    "authority",
    "rcode",
    "ederror",
    "fallthrough",
    "upstream",
];

fn setup(setup: &mut Setup<'_>) {
    let mut rules = Vec::new();
    for directive in setup.directives {
        rules.extend(rule(directive, setup.block, setup.diagnostics));
    }
    setup.add(Box::new(Templates { rules }));
}

fn rule(directive: &Directive, block: &BlockDraft, found: &mut Diagnostics) -> Option<Rule> {
    let words = found.keep(directive.at_least(2, SYNTAX));
    let (class, rtype, zones) = match words {
        Some([class, rtype, zones @ ..]) => (
            found.keep(parsed::<Class>(class, "class")),
            found.keep(parsed::<RecordType>(rtype, "type")),
            Zones::read(zones, block, found),
        ),
        _ => (None, None, Zones::read(&[], block, &mut Diagnostics::new())),
    };
    let mut rule = Rule {
        class: class.unwrap_or(Class::IN),
        rtype: rtype.unwrap_or(RecordType::ANY),
        zones,
        expressions: Vec::new(),
        conditions: Vec::new(),
        variables: Vec::new(),
        records: Vec::new(),
        rcode: Rcode::NOERROR,
        extended_error: None,
        fallthrough: Fallthrough::default(),
    };
    let functions = data::functions();
    let mut records: Vec<(Section, &Token)> = Vec::new();
    let mut rcode: Option<&Directive> = None;
    let mut ederror: Option<&Directive> = None;
    for option in directive.options() {
        found.keep(option.no_block(SYNTAX));
        match option.name() {
            "match" => {
                for word in found
                    .keep(option.at_least(1, "match REGEX..."))
                    .into_iter()
                    .flatten()
                {
                    rule.expressions
                        .extend(found.keep(regular::expression(word)));
                }
            }
            "var" => {
                const VAR: &str = "var NAME EXPRESSION";
                if let Some([name, words @ ..]) = found.keep(option.at_least(2, VAR)) {
                    let read = conditions::read(words, |text| Expression::parse(text, &functions));
                    let name = found.keep(variable(name, &rule.variables));
                    rule.variables.extend(name.zip(found.keep(read)));
                }
            }
            "expr" => {
                if let Some(words) = found.keep(option.at_least(1, "expr EXPRESSION")) {
                    let read =
                        conditions::read(words, |text| Expression::condition(text, &functions));
                    rule.conditions.extend(found.keep(read));
                }
            }
            "answer" => add(&mut records, Section::Answer, option, found),
            "additional" => add(&mut records, Section::Additional, option, found),
            "authority" => add(&mut records, Section::Authority, option, found),
            "rcode" => {
                if let Some(first) = rcode.replace(option) {
                    found.push(option.repeated(first));
                }
                let code = option.one_argument("rcode CODE");
                let code = code.and_then(|word| parsed(word, "response code"));
                rule.rcode = found.keep(code).unwrap_or(rule.rcode);
            }
            "ederror" => {
                if let Some(first) = ederror.replace(option) {
                    found.push(option.repeated(first));
                }
                let words = option.between(1, 2, "ederror CODE [TEXT]");
                let error = words.and_then(|words| match words {
                    [code, text @ ..] => {
                        let text = text.first().map_or("", |text| &text.text);
                        Ok(Some((code.integer(0..=u16::MAX)?, text.to_owned())))
                    }
                    [] => Ok(None),
                });
                rule.extended_error = found.keep(error).flatten();
            }
            "fallthrough" => rule.fallthrough = Fallthrough::read(&option.arguments, found),
            // Aliases are always followed.
            "upstream" => {}
            _ => found.push(option.name.unknown("option", &OPTIONS)),
        }
    }
    let answers = |(section, _): &(Section, &Token)| *section != Section::Additional;
    if rule.rcode == Rcode::NOERROR && !records.iter().any(answers) && rcode.is_none() {
        found.push(
            Diagnostic::error(directive.line(), "this template has no answer")
                .label("expected `answer`, `authority` or `rcode` in its block")
                .help(format!("syntax: {SYNTAX}")),
        );
    }
    let names = rule.variables.iter().map(|(name, _)| name.clone());
    let fields = data::fields(groups(&rule.expressions), names.collect());
    for (section, word) in records {
        let program = found.keep(program(word, &fields));
        rule.records
            .extend(program.map(|program| Record { section, program }));
    }
    if rule.expressions.is_empty() {
        rule.expressions.extend(Regex::new(".*").ok());
    }
    Some(rule)
}

fn parsed<T: FromStr>(word: &Token, what: &str) -> Result<T, Diagnostic> {
    word.text.parse().map_err(|_| {
        Diagnostic::error(word.span, format!("{} is no {what}", word.shown()))
            .label(format!("expected a {what}"))
    })
}

/// The name of a new variable.
fn variable(word: &Token, known: &[(String, Expression)]) -> Result<String, Diagnostic> {
    let name = &word.text;
    let wrong = |label: &str| {
        let message = format!("{} cannot be the name of a variable", word.shown());
        Err(Diagnostic::error(word.span, message).label(label))
    };
    if !name
        .chars()
        .all(|it| it == '_' || it.is_ascii_alphanumeric())
        || name.is_empty()
    {
        return wrong("expected letters, digits and `_`");
    }
    if known.iter().any(|(known, _)| known == name) {
        return wrong("there is one already");
    }
    Ok(name.clone())
}

fn add<'d>(
    records: &mut Vec<(Section, &'d Token)>,
    section: Section,
    option: &'d Directive,
    found: &mut Diagnostics,
) {
    let syntax = "answer|additional|authority RECORD...";
    let words = found.keep(option.at_least(1, syntax));
    records.extend(words.into_iter().flatten().map(|word| (section, word)));
}

/// The names and numbers of what expressions find.
fn groups(expressions: &[Regex]) -> Vec<String> {
    let mut groups: Vec<String> = vec!["0".into()];
    for regex in expressions {
        let numbered = regex.capture_names().enumerate();
        groups.extend(numbered.flat_map(|(number, name)| {
            let name = name.map(ToOwned::to_owned);
            [Some(number.to_string()), name].into_iter().flatten()
        }));
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn program(word: &Token, fields: &[ProgramField]) -> Result<Program, Diagnostic> {
    Program::parse(&word.text, fields).map_err(|error| {
        let meant = error.unknown.as_ref().and_then(|unknown| {
            let candidates = unknown.candidates.iter().map(String::as_str);
            corefile::nearest(&unknown.word, candidates)
        });
        let label = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "in this template".to_owned(),
        };
        Diagnostic::error(word.part(error.offset, error.length), error.message)
            .label(label)
            .help(error.help)
    })
}
