//! The directive's words.

use std::time::Duration;

use corefile::{Diagnostic, Directive, Token};
use regex::RegexBuilder;

use super::Parts;
use super::folder::Naming;
use super::follow::Source;
use crate::plugins::zonefiles;
use crate::plugins::zones::Zones;
use crate::plugins::{Definition, Setup};

/// See the module.
pub const AUTO: Definition = Definition {
    name: "auto",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
auto [ZONES...] {
    directory DIR [REGEXP TEMPLATE] [TIMEOUT]
    reload DURATION
    upstream
}";

const DIRECTORY: &str = "directory DIR [REGEXP TEMPLATE] [TIMEOUT]";

const OPTIONS: &[&str] = &["directory", "reload", "upstream"];

/// The largest regular expression, compiled, in octets.
const LARGEST_EXPRESSION: usize = 1 << 20;

fn setup(setup: &mut Setup<'_>) {
    let mut sources = Vec::new();
    for directive in setup.directives {
        sources.extend(source(directive, setup));
    }
    if !sources.is_empty() {
        setup.add(Box::new(Parts(sources)));
    }
}

fn source(directive: &Directive, setup: &mut Setup<'_>) -> Option<Source> {
    let zones = Zones::read(&directive.arguments, setup.block, setup.diagnostics);
    let mut folder = None;
    let mut reload = None;
    let mut seen: Vec<&Directive> = Vec::new();
    for line in directive.options() {
        if let Some(first) = seen.iter().find(|first| first.name() == line.name()) {
            setup.diagnostics.push(line.repeated(first));
            continue;
        }
        seen.push(line);
        let read = line.no_block(line.name()).and_then(|()| match line.name() {
            "directory" => self::folder(line).map(|read| folder = Some(read)),
            "reload" => zonefiles::reload(line).map(|read| reload = Some(read)),
            "upstream" => zonefiles::upstream(line),
            _ => Err(line.name.unknown("option", OPTIONS)),
        });
        setup.diagnostics.keep(read);
    }
    if !seen.iter().any(|line| line.name() == "directory") {
        let message = "auto has no folder";
        let diagnostic = Diagnostic::error(directive.line(), message);
        setup
            .diagnostics
            .push(diagnostic.help(format!("add: {DIRECTORY}")));
    }
    let Folder {
        path,
        naming,
        timeout,
    } = folder?;
    let folder = setup.block.path(&path.text);
    if !folder.is_dir() {
        let message = format!("{} is no folder", folder.display());
        let warning = Diagnostic::warning(path.span, message);
        setup
            .diagnostics
            .push(warning.label("its zones will be served once it is there"));
    }
    Some(Source {
        folder,
        naming,
        zones,
        reload: reload.or(timeout).unwrap_or(Some(Duration::from_secs(60))),
    })
}

/// What `directory` says.
struct Folder {
    path: Token,
    naming: Naming,
    /// How often to look, as older Corefiles have it.
    timeout: Option<Option<Duration>>,
}

fn folder(line: &Directive) -> Result<Folder, Diagnostic> {
    let words = line.between(1, 4, DIRECTORY)?;
    let (path, naming, timeout) = match words {
        [path] => (path, None, None),
        [path, timeout] => (path, None, Some(timeout)),
        [path, pattern, template] => (path, Some((pattern, template)), None),
        [path, pattern, template, timeout] => (path, Some((pattern, template)), Some(timeout)),
        // `between` leaves no other number of words.
        _ => return Err(Diagnostic::error(line.line(), DIRECTORY)),
    };
    Ok(Folder {
        path: path.clone(),
        naming: match naming {
            Some((pattern, template)) => Naming {
                pattern: expression(pattern, &pattern.text)?,
                template: braced(&template.text),
            },
            None => Naming {
                pattern: expression(path, r"db\.(.*)")?,
                template: "${1}".into(),
            },
        },
        timeout: timeout.map(self::timeout).transpose()?,
    })
}

/// A number of seconds, or a duration.
fn timeout(word: &Token) -> Result<Option<Duration>, Diagnostic> {
    let seconds = || word.text.parse().ok().map(Duration::from_secs);
    let read = corefile::duration(&word.text).or_else(seconds);
    let Some(interval) = read else {
        let diagnostic = Diagnostic::error(word.span, format!("{} is no time", word.shown()));
        return Err(diagnostic.label("expected seconds or a duration such as 1m"));
    };
    Ok((!interval.is_zero()).then_some(interval))
}

fn expression(word: &Token, text: &str) -> Result<regex::Regex, Diagnostic> {
    let built = RegexBuilder::new(text)
        .size_limit(LARGEST_EXPRESSION)
        .build();
    built.map_err(|error| {
        let reason = error.to_string();
        let last = reason.lines().last().unwrap_or_default().trim();
        let last = last.strip_prefix("error: ").unwrap_or(last);
        let message = format!("{} is no regular expression", word.shown());
        Diagnostic::error(word.span, message).label(last)
    })
}

/// The template with `{1}`, as Corefiles have groups, written `${1}`, as they are filled in.
fn braced(template: &str) -> String {
    template.replace("${", "{").replace('{', "${")
}
