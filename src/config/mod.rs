//! From the text of a Corefile to typed server blocks.
//!
//! [`check`] is all of it: it parses, reads the keys, runs every directive's setup and looks for
//! zones that are served twice. It touches nothing outside, so `callsign check` and a start and a
//! reload all call it, and all show the same mistakes.

mod built_in;
pub mod keys;
mod listens;
pub mod options;
pub mod reverse;

use std::hash::{DefaultHasher, Hash, Hasher};

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Directive, ServerBlock, Sources, Token};

pub(crate) use built_in::{RESOLV_CONF, RESOLVED_CONF, resolv_conf};
pub use listens::{Endpoint, ListenAddress};
pub use options::{DNS_PORT, Origin, StartOptions, Text};

use crate::plugins::{
    BlockDraft, DIRECTIVES, PlannedBlock, ProcessOptions, SECRETS, Setup, ZoneKey, coredns,
};
use keys::{KeyError, Scheme};

/// A configuration that has been checked.
pub struct Configuration {
    /// Where to listen and what to serve there, in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// What is to be made of each server block, in the order of the file; [`Endpoint::zones`] has the
    /// numbers.
    pub blocks: Vec<PlannedBlock>,
    /// What the directives say about the process.
    pub process: ProcessOptions,
    /// What is odd but allowed.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a configuration. `sources` is given every file that was read, so that what is
/// found can be shown. Keys without a port mean `dns_port`.
///
/// # Errors
///
/// Everything that is wrong, with the warnings among it, in the order of the text.
pub fn check(
    sources: &mut Sources,
    text: &Text,
    dns_port: u16,
    environment: &dyn corefile::Environment,
) -> Result<Configuration, Vec<Diagnostic>> {
    let Text {
        name,
        directory,
        text,
        ..
    } = text;
    sources.hide(SECRETS);
    let file = corefile::parse(sources, name, directory, text, environment)?;
    let mut diagnostics = Diagnostics::new();
    diagnostics.extend(file.warnings);
    if file.blocks.is_empty() {
        let error = Diagnostic::error(
            None,
            format!("{name} has no server block, so nothing would be served"),
        );
        diagnostics.push(error.help("the smallest one is `. { whoami }`, on three lines"));
    }
    let mut drafts: Vec<BlockDraft> = file
        .blocks
        .iter()
        .map(|block| draft(block, dns_port, &mut diagnostics))
        .collect();
    // Directive by directive and not block by block, as in CoreDNS: what a directive of one block
    // leaves behind, a later directive of another may use.
    let mut process = ProcessOptions::default();
    for definition in DIRECTIVES {
        for (block, draft) in file.blocks.iter().zip(&mut drafts) {
            let directives = named(block, definition.name);
            if !directives.is_empty() {
                let diagnostics = &mut diagnostics;
                (definition.setup)(&mut Setup {
                    directives: &directives,
                    block: draft,
                    process: &mut process,
                    diagnostics,
                });
            }
        }
    }
    for directive in file.blocks.iter().flat_map(|block| &block.directives) {
        diagnostics.extend(unknown_directive(&directive.name));
    }
    let endpoints = listens::endpoints(&drafts, &mut diagnostics);
    let mut blocks: Vec<PlannedBlock> = drafts.into_iter().map(PlannedBlock::from).collect();
    for endpoint in &endpoints {
        for (_, block) in &endpoint.zones {
            if let Some(block) = blocks.get_mut(*block) {
                block.options.served_at(endpoint.address);
            }
        }
    }
    let ((endpoints, blocks), warnings) = diagnostics
        .into_result((endpoints, blocks))
        .map_err(sorted)?;
    Ok(Configuration {
        endpoints,
        blocks,
        process,
        warnings: sorted(warnings),
    })
}

/// What a configuration says, as a number that changes with it; of one that cannot be parsed,
/// what is wrong with it.
#[must_use]
pub fn digest(text: &Text, environment: &dyn corefile::Environment) -> u64 {
    let Text {
        name,
        directory,
        text,
        ..
    } = text;
    match corefile::parse(&mut Sources::new(), name, directory, text, environment) {
        Ok(file) => file.digest(),
        Err(mistakes) => {
            let mut hasher = DefaultHasher::new();
            for mistake in mistakes {
                mistake.message.hash(&mut hasher);
                mistake.span.hash(&mut hasher);
            }
            hasher.finish()
        }
    }
}

/// In the order of the text; what has no place comes last, as does the number of what was too
/// much.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| match diagnostic.span {
        Some(span) => (false, Some((span.file, span.start))),
        None => (true, None),
    });
    diagnostics
}

fn named<'a>(block: &'a ServerBlock, name: &str) -> Vec<&'a Directive> {
    block
        .directives
        .iter()
        .filter(|directive| directive.name() == name)
        .collect()
}

fn unknown_directive(word: &Token) -> Option<Diagnostic> {
    let names: Vec<&str> = DIRECTIVES
        .iter()
        .map(|definition| definition.name)
        .collect();
    if names.contains(&word.text.as_str()) {
        return None;
    }
    let Some(instead) = coredns::missing(&word.text) else {
        return Some(word.unknown("directive", &names));
    };
    let message = format!(
        "{} is a directive of CoreDNS that Callsign does not have",
        word.shown()
    );
    Some(
        Diagnostic::error(word.span, message)
            .label("not available here")
            .help(instead),
    )
}

/// What the keys of a block say.
fn draft(block: &ServerBlock, dns_port: u16, diagnostics: &mut Diagnostics) -> BlockDraft {
    let mut draft = BlockDraft::default();
    for token in &block.keys {
        match keys::parse(&token.text) {
            Err(error) => {
                let help = "a key is a zone (`example.org`, `.`) or a network (`10.0.0.0/24`), with `:PORT` after it if wanted";
                diagnostics.push(key_error(token, &error).help(help));
            }
            Ok(key) if key.scheme != Scheme::Dns => diagnostics.push(
                Diagnostic::error(
                    token.span,
                    format!("{} cannot be served yet", token.shown()),
                )
                .label("only DNS over UDP and TCP is served")
                .help("write the key without a scheme"),
            ),
            Ok(key) => {
                let port = key.port.unwrap_or(dns_port);
                for name in key.zones {
                    if !keys::has_preferred_syntax(&name) {
                        diagnostics.push(odd_zone(token, &name));
                    }
                    draft.zones.push(ZoneKey {
                        name,
                        port,
                        span: token.span,
                    });
                }
            }
        }
    }
    draft
}

fn odd_zone(token: &Token, name: &Name) -> Diagnostic {
    Diagnostic::warning(
        token.span,
        format!("zone `{name}` is not written as host names are"),
    )
    .label("letters, digits and hyphens are usual (RFC 1035, section 2.3.1)")
}

/// One of the ZONES of a directive, written like a key without a port: a name, or a network that
/// stands for its reverse zones.
///
/// # Errors
///
/// The word is neither.
pub fn zones(word: &Token) -> Result<Vec<Name>, Diagnostic> {
    keys::zones(&word.text).map_err(|error| {
        let help = "a zone is a name (`example.org`, `.`) or a network (`10.0.0.0/24`)";
        key_error(word, &error).help(help)
    })
}

fn key_error(token: &Token, error: &KeyError) -> Diagnostic {
    let at = |message: String, label: String| Diagnostic::error(token.span, message).label(label);
    let shown = token.shown();
    match error {
        KeyError::UnknownScheme(scheme) => {
            let names = Scheme::ALL.iter().map(|(name, _)| *name);
            let label = match corefile::nearest(scheme, names) {
                Some(meant) => format!("did you mean `{meant}://`?"),
                None => "no such scheme".to_owned(),
            };
            at(format!("{shown} has an unknown scheme"), label)
        }
        KeyError::PortMissing => at(
            format!("{shown} ends in a colon"),
            "expected a port after it, or no colon".into(),
        ),
        KeyError::BadPort(port) => at(
            format!("`{port}` is not a port"),
            "expected a number from 1 to 65535".into(),
        ),
        KeyError::BadNetwork(error) => at(format!("{shown} is not a network"), error.to_string()),
        KeyError::BadZone(error) => at(format!("{shown} is not a zone"), error.to_string()),
        KeyError::TooLong(length) => at(
            format!("{shown} is not a zone"),
            format!("it has {length} characters; a zone has at most 255"),
        ),
    }
}

/// Shows diagnostics one below the other, with an empty line between.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colored: bool) -> String {
    let shown = diagnostics.iter().map(|diagnostic| match colored {
        true => diagnostic.render_colored(sources),
        false => diagnostic.render(sources),
    });
    shown.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests;
