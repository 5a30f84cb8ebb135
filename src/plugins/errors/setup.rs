//! From an `errors` directive to what it tells.

use std::time::Duration;

use corefile::{Diagnostic, Directive};
use regex::RegexBuilder;

use super::super::{Definition, Setup};
use super::{Kind, Parts};
use crate::lines::Level;

/// See the module.
pub const ERRORS: Definition = Definition {
    name: "errors",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
errors [stdout] {
    stacktrace
    consolidate DURATION REGEXP [warning|error|info|debug] [show_first]
}";
const LINE: &str = "errors [stdout]";
const CONSOLIDATE: &str = "consolidate DURATION REGEXP [warning|error|info|debug] [show_first]";

/// Each of them is tried for each error.
const MOST_KINDS: usize = 32;

/// The largest regular expression, compiled, in octets.
const LARGEST_REGEXP: usize = 1 << 20;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut kinds = Vec::new();
    for directive in setup.directives {
        let found = &mut *setup.diagnostics;
        found.keep(target(directive));
        for option in directive.options() {
            let kind = match option.name() {
                "stacktrace" => {
                    found.keep(option.no_arguments("stacktrace"));
                    found.keep(option.no_block("stacktrace"));
                    setup.process.stacktrace = true;
                    continue;
                }
                "consolidate" => consolidate(option),
                _ => {
                    let options = ["stacktrace", "consolidate"];
                    Err(option.name.unknown("option", &options))
                }
            };
            kinds.extend(found.keep(kind));
            if kinds.len() > MOST_KINDS {
                let message = format!("more than {MOST_KINDS} kinds of errors");
                found.push(Diagnostic::error(option.line(), message).label("one too many"));
                break;
            }
        }
    }
    setup.add(Box::new(Parts(kinds)));
}

fn target(directive: &Directive) -> Result<(), Diagnostic> {
    let word = directive.optional_argument(LINE)?;
    word.map_or(Ok(()), |word| word.one_of("target", &[("stdout", ())]))
}

fn consolidate(option: &Directive) -> Result<Kind, Diagnostic> {
    option.no_block(CONSOLIDATE)?;
    let words = option.between(2, 4, CONSOLIDATE)?;
    let [period, like, rest @ ..] = words else {
        return Err(Diagnostic::error(option.line(), "words are missing"));
    };
    let mut kind = Kind {
        like: RegexBuilder::new(&like.text)
            .size_limit(LARGEST_REGEXP)
            .build()
            .map_err(|error| {
                let message = format!("{} is no regular expression", like.shown());
                let reason = error.to_string();
                let label = reason.lines().last().unwrap_or_default().to_owned();
                Diagnostic::error(like.span, message).label(label)
            })?,
        period: period.duration(Duration::from_nanos(1)..=Duration::from_secs(86_400))?,
        shown_period: period.text.clone(),
        level: Level::Error,
        show_first: false,
    };
    let levels = [
        ("warning", Some(Level::Warning)),
        ("error", Some(Level::Error)),
        ("info", Some(Level::Info)),
        ("debug", Some(Level::Debug)),
        ("show_first", None),
    ];
    for word in rest {
        match word.one_of("level", &levels)? {
            Some(level) if !kind.show_first => kind.level = level,
            None if !kind.show_first => kind.show_first = true,
            _ => {
                let message = format!("{} stands behind `show_first`", word.shown());
                let error = Diagnostic::error(word.span, message).label("not expected");
                return Err(error.help(format!("syntax: {CONSOLIDATE}")));
            }
        }
    }
    Ok(kind)
}
