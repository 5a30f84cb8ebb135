//! From `rewrite` directives to rules.

use std::fmt::Display;
use std::str::FromStr;

use answer::{MAX_TTL, Name, Rcode};
use corefile::{Diagnostic, Directive, Token};
use regex::Regex;

use super::super::regular::expression;
use super::super::{Definition, Setup};
use super::Rewrite;
use super::edns::{Action, Data, EdnsOption, EdnsRule};
use super::matching::{Matching, largest_reference};
use super::rule::{AnswerRule, Field, NameRule, Rule};

/// See the module of `rewrite`.
pub const REWRITE: Definition = Definition {
    name: "rewrite",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
rewrite [continue|stop] name [exact|prefix|suffix|substring|regex] FROM TO [answer auto | answer name FROM TO | answer value FROM TO]...
rewrite [continue|stop] type FROM TO
rewrite [continue|stop] class FROM TO
rewrite [continue|stop] ttl [exact|prefix|suffix|substring|regex] NAME SECONDS|LEAST-MOST|-MOST|LEAST-
rewrite [continue|stop] rcode [exact|prefix|suffix|substring|regex] NAME FROM TO
rewrite [continue|stop] cname [exact|prefix|suffix|substring|regex] FROM TO
rewrite [continue|stop] edns0 local set|append|replace CODE DATA|0xHEX|{VARIABLE} [revert]
rewrite [continue|stop] edns0 nsid set|append|replace [revert]
rewrite [continue|stop] edns0 subnet set|append|replace V4_BITS V6_BITS [revert]
rewrite [continue|stop] edns0 local unset CODE
rewrite [continue|stop] edns0 nsid|subnet unset
rewrite [continue|stop] {
    FIELD...
}";

const NAME_SYNTAX: &str = "name [exact|prefix|suffix|substring|regex] FROM TO [answer auto | answer name FROM TO | answer value FROM TO]...";
const TTL_SYNTAX: &str =
    "ttl [exact|prefix|suffix|substring|regex] NAME SECONDS|LEAST-MOST|-MOST|LEAST-";
const RCODE_SYNTAX: &str = "rcode [exact|prefix|suffix|substring|regex] NAME FROM TO";
const CNAME_SYNTAX: &str = "cname [exact|prefix|suffix|substring|regex] FROM TO";
const LOCAL_SYNTAX: &str =
    "edns0 local set|append|replace CODE DATA|0xHEX|{VARIABLE} [revert], or edns0 local unset CODE";
const NSID_SYNTAX: &str = "edns0 nsid set|append|replace|unset [revert]";
const SUBNET_SYNTAX: &str =
    "edns0 subnet set|append|replace V4_BITS V6_BITS [revert], or edns0 subnet unset";

fn setup(setup: &mut Setup<'_>) {
    let mut rules = Vec::new();
    for directive in setup.directives {
        rules.extend(setup.diagnostics.keep(rule(directive)));
    }
    setup.add(Box::new(Rewrite { rules }));
}

fn rule(directive: &Directive) -> Result<Rule, Diagnostic> {
    // In a block the words go on, over as many lines as there are.
    let lines = directive.options().iter();
    let in_block = lines.flat_map(|line| std::iter::once(&line.name).chain(&line.arguments));
    let mut words = Words {
        all: directive.arguments.iter().chain(in_block).collect(),
        next: 0,
        directive,
        syntax: SYNTAX,
    };
    for line in directive.options() {
        line.no_block(SYNTAX)?;
    }
    let goes_on = match words.peek() {
        Some("continue") => words.skip(true),
        Some("stop") => words.skip(false),
        _ => false,
    };
    let field = words.take("field")?;
    let field = match field.text.to_ascii_lowercase().as_str() {
        "name" => Field::Name(words.name()?),
        "type" => {
            words.syntax = "type FROM TO";
            Field::Type(words.parsed("type")?, words.parsed("type")?)
        }
        "class" => {
            words.syntax = "class FROM TO";
            Field::Class(words.parsed("class")?, words.parsed("class")?)
        }
        "ttl" => {
            words.syntax = TTL_SYNTAX;
            let names = words.matching(2)?;
            let (least, most) = ttl_range(words.take("TTL")?)?;
            Field::Ttl { names, least, most }
        }
        "rcode" => {
            words.syntax = RCODE_SYNTAX;
            let names = words.matching(3)?;
            let code = "response code";
            let (from, to): (Rcode, Rcode) = (words.parsed(code)?, words.parsed(code)?);
            Field::Rcode { names, from, to }
        }
        "cname" => {
            words.syntax = CNAME_SYNTAX;
            let from = words.matching(2)?;
            let to = words.replacement(&from)?;
            Field::Cname { from, to }
        }
        "edns0" => Field::Edns(words.edns()?),
        "answer" => {
            return Err(
                Diagnostic::error(field.span, "a change of the answer stands alone")
                    .label("expected a name rule before it")
                    .help(format!("syntax: {NAME_SYNTAX}")),
            );
        }
        _ => {
            let fields = ["name", "type", "class", "ttl", "rcode", "cname", "edns0"];
            return Err(field.unknown("field", &fields));
        }
    };
    words.end()?;
    Ok(Rule { goes_on, field })
}

/// The words of a rule, one after the other.
struct Words<'d> {
    all: Vec<&'d Token>,
    next: usize,
    directive: &'d Directive,
    /// What is being read, for messages.
    syntax: &'static str,
}

impl<'d> Words<'d> {
    fn peek(&self) -> Option<&'d str> {
        self.all.get(self.next).map(|word| word.text.as_str())
    }

    /// Passes a word over; gives what it means.
    fn skip<T>(&mut self, meaning: T) -> T {
        self.next += 1;
        meaning
    }

    fn take(&mut self, what: &str) -> Result<&'d Token, Diagnostic> {
        let Some(word) = self.all.get(self.next) else {
            let last = self
                .all
                .last()
                .map_or(self.directive.line(), |word| word.span);
            return Err(Diagnostic::error(last, format!("the {what} is missing"))
                .label("expected after this")
                .help(format!("syntax: {}", self.syntax)));
        };
        Ok(self.skip(word))
    }

    fn end(&self) -> Result<(), Diagnostic> {
        let rest = self.all.get(self.next..).unwrap_or_default();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            return Ok(());
        };
        let message = format!("{} is too much", first.shown());
        Err(Diagnostic::error(first.span.to(last.span), message)
            .label("not expected")
            .help(format!("syntax: {}", self.syntax)))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, what: &str) -> Result<T, Diagnostic> {
        let word = self.take(what)?;
        word.text.parse().map_err(|error: T::Err| {
            Diagnostic::error(word.span, format!("{} is no {what}", word.shown()))
                .label(error.to_string())
        })
    }

    /// Reads `[KIND] NAME`, behind which so many words follow with the name, at least.
    fn matching(&mut self, least: usize) -> Result<Matching, Diagnostic> {
        let left = self.all.len().saturating_sub(self.next);
        // As many words as there must be, and the first is no kind of match.
        if left <= least {
            let word = self.take("name")?;
            return Ok(Matching::Exact(name(word)?));
        }
        let kind = self.take("name")?;
        let word = |words: &mut Self| words.take("name");
        Ok(match kind.text.to_ascii_lowercase().as_str() {
            "exact" => Matching::Exact(name(word(self)?)?),
            "prefix" => Matching::Prefix(absolute(word(self)?)),
            "suffix" => Matching::Suffix(absolute(word(self)?)),
            "substring" => Matching::Substring(absolute(word(self)?)),
            "regex" => Matching::Regex(expression(word(self)?)?),
            _ => {
                let kinds = ["exact", "prefix", "suffix", "substring", "regex"];
                return Err(kind.unknown("kind of match", &kinds));
            }
        })
    }

    /// What takes the place of what was found.
    fn replacement(&mut self, from: &Matching) -> Result<String, Diagnostic> {
        let word = self.take("new name")?;
        match from {
            Matching::Exact(_) => return name(word),
            Matching::Regex(regex) => references(word, regex)?,
            Matching::Prefix(_) | Matching::Suffix(_) | Matching::Substring(_) => {}
        }
        Ok(absolute(word))
    }

    fn name(&mut self) -> Result<NameRule, Diagnostic> {
        self.syntax = NAME_SYNTAX;
        let from = self.matching(2)?;
        let to = self.replacement(&from)?;
        let mut rule = NameRule {
            auto: matches!(from, Matching::Exact(_)),
            answers: Vec::new(),
            from,
            to,
        };
        let mut auto = None;
        while let Some(word) = self.all.get(self.next) {
            // A second change of the answer may follow without another `answer`.
            if word.text == "answer" {
                self.next += 1;
            } else if auto.is_none() && rule.answers.is_empty() {
                break;
            }
            let what = self.take("kind of change")?;
            let kinds = [("auto", None), ("name", Some(false)), ("value", Some(true))];
            let Some(targets) = what.one_of("change of the answer", &kinds)? else {
                (rule.auto, auto) = (true, Some(what));
                continue;
            };
            let from = expression(self.take("expression")?)?;
            let to = self.take("new name")?;
            references(to, &from)?;
            let (from, to) = (Matching::Regex(from), absolute(to));
            rule.answers.push(AnswerRule { targets, from, to });
        }
        let names = rule.answers.iter().any(|answer| !answer.targets);
        match auto {
            Some(word) if names => Err(Diagnostic::error(
                word.span,
                "`answer auto` and `answer name` contradict each other",
            )
            .label("names are changed by the other rule")
            .help("leave one of them out")),
            _ => Ok(rule),
        }
    }

    fn edns(&mut self) -> Result<EdnsRule, Diagnostic> {
        let kinds = [
            ("local", LOCAL_SYNTAX),
            ("nsid", NSID_SYNTAX),
            ("subnet", SUBNET_SYNTAX),
        ];
        let kind = self.take("option")?;
        self.syntax = kind.one_of("option", &kinds)?;
        let actions = [
            ("set", Action::Set),
            ("append", Action::Append),
            ("replace", Action::Replace),
            ("unset", Action::Unset),
        ];
        let action = self.take("action")?.one_of("action", &actions)?;
        let unset = action == Action::Unset;
        let option = match kind.text.as_str() {
            "nsid" => EdnsOption::Nsid,
            "subnet" if unset => EdnsOption::Subnet { v4: 0, v6: 0 },
            "subnet" => EdnsOption::Subnet {
                v4: self.take("number of bits")?.integer(0..=32)?,
                v6: self.take("number of bits")?.integer(0..=128)?,
            },
            _ => {
                let code = option_code(self.take("option code")?)?;
                let data = match unset {
                    true => Data::Octets(Vec::new()),
                    false => data(self.take("data")?)?,
                };
                EdnsOption::Local(code, data)
            }
        };
        // Options of the answer never reach the client, so there is nothing to turn back.
        if !unset && self.peek() == Some("revert") {
            self.next += 1;
        }
        Ok(EdnsRule { action, option })
    }
}

/// A whole name, as text.
fn name(word: &Token) -> Result<String, Diagnostic> {
    let name = Name::parse(&word.text).map_err(|error| {
        Diagnostic::error(word.span, format!("{} is no name", word.shown()))
            .label(error.to_string())
    })?;
    Ok(name.to_string())
}

/// A part of a name in lower case. As in CoreDNS it ends with a dot, whether that is written or not.
fn absolute(word: &Token) -> String {
    let mut text = word.text.to_ascii_lowercase();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// Checks that the expression has the groups that a replacement names.
fn references(word: &Token, regex: &Regex) -> Result<(), Diagnostic> {
    let groups = regex.captures_len().saturating_sub(1);
    match largest_reference(&word.text) {
        Some(largest) if largest > groups => Err(Diagnostic::error(
            word.span,
            format!("the expression has no group {{{largest}}}"),
        )
        .label(match groups {
            0 => "it has no groups".to_owned(),
            1 => "it has one group".to_owned(),
            groups => format!("it has {groups} groups"),
        })),
        _ => Ok(()),
    }
}

/// `SECONDS`, `LEAST-MOST`, `-MOST` or `LEAST-`.
fn ttl_range(word: &Token) -> Result<(u32, u32), Diagnostic> {
    let seconds = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        digits.then(|| text.parse().ok().filter(|ttl| *ttl <= MAX_TTL))?
    };
    let range = match word.text.split_once('-') {
        None => seconds(&word.text).map(|ttl| (ttl, ttl)),
        Some(("", "")) => None,
        Some((least, "")) => seconds(least).map(|least| (least, MAX_TTL)),
        Some(("", most)) => seconds(most).map(|most| (0, most)),
        Some((least, most)) => seconds(least).zip(seconds(most)),
    };
    range.filter(|(least, most)| least <= most).ok_or_else(|| {
        Diagnostic::error(word.span, format!("{} is no TTL", word.shown()))
            .label("expected seconds: `30`, `30-60`, `-60` or `30-`")
    })
}

fn option_code(word: &Token) -> Result<u16, Diagnostic> {
    let parsed = match word.text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => word.text.parse(),
    };
    parsed.map_err(|_| {
        Diagnostic::error(word.span, format!("{} is no option code", word.shown()))
            .label("expected a number from 0 to 65535, or from 0x0 to 0xffff")
    })
}

fn data(word: &Token) -> Result<Data, Diagnostic> {
    let text = word.text.as_str();
    if let Some(digits) = text.strip_prefix("0x") {
        return octets(digits).map(Data::Octets).ok_or_else(|| {
            Diagnostic::error(word.span, format!("{} is no data", word.shown()))
                .label("expected two hexadecimal digits for each octet")
        });
    }
    let Some(variable) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return Ok(Data::Octets(text.as_bytes().to_vec()));
    };
    let mut known = Data::VARIABLES.iter();
    if let Some((_, data)) = known.find(|(name, _)| *name == text) {
        return Ok(data.clone());
    }
    // A label has its plugin before a slash.
    if variable.trim_start_matches('/').contains('/') {
        return Ok(Data::Label(variable.trim_start_matches('/').to_owned()));
    }
    let names: Vec<&str> = Data::VARIABLES.iter().map(|(name, _)| *name).collect();
    Err(word.unknown(
        "variable",
        &[names.as_slice(), &["{PLUGIN/LABEL}"]].concat(),
    ))
}

/// Octets from pairs of hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}
