//! The directive's words.

use std::time::Duration;

use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::EtcdPart;
use super::follow::Terms;
use super::path::LONGEST_PATH;
use crate::plugins::setup::PlannedPart;
use crate::plugins::zones::{Fallthrough, Zones};
use crate::plugins::{BlockDraft, Definition, Setup};
use crate::store::etcd::{Credentials, EtcdOptions, Tls};

/// See the module.
pub const ETCD: Definition = Definition {
    name: "etcd",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
etcd [ZONES...] {
    path PATH
    endpoint URL...
    credentials USER PASSWORD
    tls [CERT KEY] [CA]
    fallthrough [ZONES...]
    min-lease-ttl DURATION
    max-lease-ttl DURATION
    stale DURATION
}";

const OPTIONS: &[&str] = &[
    "path",
    "endpoint",
    "credentials",
    "tls",
    "fallthrough",
    "min-lease-ttl",
    "max-lease-ttl",
    "stale",
];

/// What CoreDNS once had and now passes over.
const OBSOLETE: &[&str] = &["stubzones", "debug", "upstream"];

const DAY: Duration = Duration::from_secs(86_400);

fn setup(setup: &mut Setup<'_>) {
    for directive in setup.directives {
        if let Some(part) = part(directive, setup) {
            setup.block.parts.push(PlannedPart {
                span: directive.line(),
                part: Box::new(part),
            });
        }
    }
}

/// What the lines say.
struct Lines<'a> {
    path: String,
    endpoints: &'a [Token],
    credentials: Option<Credentials>,
    tls: Option<Tls>,
    fallthrough: Fallthrough,
    lease: (Duration, Duration),
    stale: Duration,
}

fn part(directive: &Directive, setup: &mut Setup<'_>) -> Option<EtcdPart> {
    let found = &mut *setup.diagnostics;
    let zones = Zones::read(&directive.arguments, setup.block, found);
    let mut lines = Lines {
        path: "/skydns".to_owned(),
        endpoints: &[],
        credentials: None,
        tls: None,
        fallthrough: Fallthrough::default(),
        lease: (Duration::from_secs(30), DAY),
        stale: Duration::from_secs(3600),
    };
    let mut seen: Vec<&Directive> = Vec::new();
    for line in directive.options() {
        if let Some(first) = seen.iter().find(|first| first.name() == line.name()) {
            found.push(line.repeated(first));
            continue;
        }
        seen.push(line);
        let read = option(&mut lines, line, setup.block, found);
        found.keep(read);
    }
    let find = |name| seen.iter().find(|line| line.name() == name);
    let (least, most) = lines.lease;
    if least > most
        && let Some(line) = find("min-lease-ttl").or(find("max-lease-ttl"))
    {
        let message = "`min-lease-ttl` is longer than `max-lease-ttl`";
        found.push(Diagnostic::error(line.line(), message));
    }
    let options = options(directive, &lines, find("tls").map(|line| &line.name), found)?;
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    Some(EtcdPart {
        options,
        terms: Terms {
            path: lines.path,
            lease: (seconds(least), seconds(most)),
            stale: lines.stale,
        },
        zones,
        fallthrough: lines.fallthrough,
    })
}

fn option<'a>(
    lines: &mut Lines<'a>,
    line: &'a Directive,
    block: &BlockDraft,
    found: &mut Diagnostics,
) -> Result<(), Diagnostic> {
    if OBSOLETE.contains(&line.name()) {
        let message = format!("{} means nothing any more", line.name.shown());
        found.push(Diagnostic::warning(line.name.span, message).label("can be removed"));
        return Ok(());
    }
    line.no_block(line.name())?;
    match line.name() {
        "path" => lines.path = path(line.one_argument("path PATH")?)?,
        "endpoint" => lines.endpoints = line.at_least(1, "endpoint URL...")?,
        "credentials" => {
            let [user, password] = line.exactly("credentials USER PASSWORD")?;
            let (user, password) = (user.text.clone(), password.text.clone());
            lines.credentials = Some(Credentials { user, password });
        }
        "tls" => {
            let words = line.between(0, 3, "tls [CERT KEY] [CA]")?;
            lines.tls = Some(Tls::of_words(words, |path| block.path(path)));
        }
        "fallthrough" => lines.fallthrough = Fallthrough::read(&line.arguments, found),
        "min-lease-ttl" => {
            let word = line.one_argument("min-lease-ttl DURATION")?;
            lines.lease.0 = word.duration(Duration::ZERO..=DAY * 365)?;
        }
        "max-lease-ttl" => {
            let word = line.one_argument("max-lease-ttl DURATION")?;
            lines.lease.1 = word.duration(Duration::from_secs(1)..=DAY * 365)?;
        }
        "stale" => {
            let word = line.one_argument("stale DURATION")?;
            lines.stale = word.duration(Duration::ZERO..=DAY * 365)?;
        }
        _ => return Err(line.name.unknown("option", OPTIONS)),
    }
    Ok(())
}

/// A path with a slash before each of its parts and none behind the last.
fn path(word: &Token) -> Result<String, Diagnostic> {
    let parts = word.text.split('/').filter(|part| !part.is_empty());
    let path: String = parts.flat_map(|part| ["/", part]).collect();
    match path.len() {
        ..=LONGEST_PATH => Ok(path),
        _ => {
            let message = format!("{} is too long for a path", word.shown());
            let label = format!("{LONGEST_PATH} bytes at most");
            Err(Diagnostic::error(word.span, message).label(label))
        }
    }
}

fn options(
    directive: &Directive,
    lines: &Lines<'_>,
    tls: Option<&Token>,
    found: &mut Diagnostics,
) -> Option<EtcdOptions> {
    let endpoints: Vec<String> = match lines.endpoints {
        [] if lines.tls.is_some() => vec!["https://localhost:2379".to_owned()],
        [] => vec!["http://localhost:2379".to_owned()],
        words => words.iter().map(|word| url(&word.text, lines)).collect(),
    };
    let mut errors: Vec<Diagnostic> = lines
        .endpoints
        .iter()
        .zip(&endpoints)
        .filter_map(|(word, endpoint)| {
            let error = EtcdOptions::check_endpoint(endpoint).err()?;
            Some(Diagnostic::error(word.span, error))
        })
        .collect();
    let options = EtcdOptions {
        endpoints,
        credentials: lines.credentials.clone(),
        tls: lines.tls.clone(),
        ..EtcdOptions::default()
    };
    if errors.is_empty()
        && let Err(error) = options.check()
    {
        // What is left is how endpoints and certificates go together.
        let word = tls.or(lines.endpoints.first()).unwrap_or(&directive.name);
        errors.push(Diagnostic::error(word.span, error));
    }
    let fine = errors.is_empty();
    found.extend(errors);
    fine.then_some(options)
}

/// An endpoint as a URL: etcd's own clients take `localhost:2379` too.
fn url(endpoint: &str, lines: &Lines<'_>) -> String {
    match (endpoint.contains("://"), &lines.tls) {
        (true, _) => endpoint.to_owned(),
        (false, Some(_)) => format!("https://{endpoint}"),
        (false, None) => format!("http://{endpoint}"),
    }
}
