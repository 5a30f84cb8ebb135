//! The words of the directive, and how single ones are read.

use std::collections::BTreeSet;

use corefile::{Diagnostic, Directive, Token};

use crate::docker::names::{Compat, NameTemplate, Source};

/// The options.
pub(super) const OPTIONS: &[&str] = &[
    "endpoint",
    "tls",
    "names",
    "name",
    "label_prefix",
    "compat",
    "bare",
    "fqdn",
    "networks",
    "view",
    "host_address",
    "published",
    "expose",
    "ttl",
    "negative_ttl",
    "stale",
    "health",
    "paused",
    "order",
    "ptr",
    "resync",
    "reconnect",
    "share",
    "routed",
    "fallthrough",
];

/// The options that add to what other lines of the same name say.
pub(super) const ADDING: &[&str] = &[
    "endpoint",
    "name",
    "compat",
    "bare",
    "fqdn",
    "networks",
    "host_address",
    "routed",
];

/// The sources of names.
const SOURCES: &[(&str, Source)] = &[
    ("name", Source::Name),
    ("hostname", Source::Hostname),
    ("alias", Source::Alias),
    ("compose", Source::Compose),
    ("id", Source::Id),
    ("image", Source::Image),
    ("label", Source::Label),
    ("network", Source::Network),
    ("twin", Source::Twin),
];

/// The programs whose labels are understood.
pub(super) const COMPAT: &[(&str, Compat)] = &[
    ("dnsdock", Compat::Dnsdock),
    ("coredns", Compat::Coredns),
    ("registrator", Compat::Registrator),
    ("dps", Compat::Dps),
    ("resolvable", Compat::Resolvable),
];

pub(super) fn sources(words: &[Token]) -> Result<BTreeSet<Source>, Diagnostic> {
    words
        .iter()
        .map(|word| word.one_of("source of names", SOURCES))
        .collect()
}

pub(super) fn seconds(option: &Directive, syntax: &str) -> Result<u32, Diagnostic> {
    option.one_argument(syntax)?.integer(0..=3600)
}

pub(super) fn template(word: &Token) -> Result<NameTemplate, Diagnostic> {
    NameTemplate::parse(&word.text).map_err(|error| {
        let mut span = word.span;
        // A quoted word has other places in the file than in its text.
        if !word.quoted && word.text.len() == (span.end - span.start) as usize {
            span.start += error.offset as u32;
            span.end = span.start + error.length.max(1) as u32;
        }
        Diagnostic::error(span, format!("{} is no template of a name", word.shown()))
            .label(error.to_string())
    })
}
