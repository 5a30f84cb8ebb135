//! From a `docker` directive to what it says.

mod share;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::super::zones::{Fallthrough, Zones};
use super::super::{BlockDraft, Definition, Setup};
use super::{AnswerOptions, Audience, Options};
use crate::config;
use crate::docker::names::{HealthPolicy, NameOptions, NetworkRule, Pointer, Source};
use crate::docker::places::ThisMachine;
use crate::docker::survey::Survey;
use crate::docker::{Endpoint, Pace, Places, TlsFiles};
use crate::identity::address::AddressSelection;

use share::routed;
use words::{ADDING, COMPAT, OPTIONS, seconds, sources, template};

/// See [`super`].
pub const DOCKER: Definition = Definition {
    name: "docker",
    syntax: "\
docker [ZONES...] {
    endpoint URL...
    tls CERT KEY CA
    names SOURCE...
    name TEMPLATE
    label_prefix PREFIX
    compat PROGRAM...
    bare [SOURCE...]|off|fallthrough
    fqdn ZONES...
    networks [!]NAME|[!]CIDR...
    view client|all|NETWORK...
    host_address auto|INTERFACE|CIDR|IP...
    published
    expose all|labelled
    ttl SECONDS
    negative_ttl SECONDS
    stale DURATION|off
    health any|not_unhealthy|healthy
    paused keep|drop
    order shuffle|stable
    ptr hostname|name|all|off
    resync DURATION|off
    reconnect MIN MAX
    share etcd URL... | local [PATH] {
        credentials USER PASSWORD
        tls [CERT KEY] [CA]
        prefix PATH
        ttl DURATION
    }
    routed NETWORK|CIDR...
    fallthrough [ZONES...]
}",
    setup,
};

fn setup(setup: &mut Setup<'_>) {
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
    if let [directive, ..] = setup.directives
        && let Some(options) = options(directive, setup.block, setup.diagnostics)
    {
        setup.block.options.containers = Some(Survey {
            engines: options.engines.clone(),
            names: options.names.clone(),
            host: options.host.clone(),
            share: options.share.clone(),
        });
        setup.add(Box::new(options));
    }
}

/// What the lines say; [`None`] where something is wrong, which is in `found`.
fn options(directive: &Directive, block: &BlockDraft, found: &mut Diagnostics) -> Option<Options> {
    let mut reader = Reader {
        names: NameOptions::default(),
        answer: AnswerOptions {
            zones: Vec::new(),
            bare: false,
            bare_passed_on: false,
            audience: Audience::Clients,
            rotates: true,
            // For ever.
            stale: Duration::MAX,
            fallthrough: Fallthrough::default(),
        },
        endpoints: Vec::new(),
        tls: None,
        bare: None,
        host: Vec::new(),
        pace: Pace::default(),
        share: None,
        routed: Vec::new(),
        found,
        block,
    };
    if !directive.arguments.is_empty() {
        let zones = Zones::read(&directive.arguments, block, reader.found);
        reader.names.zones = zones.iter().cloned().collect();
        reader.refuse_root(&directive.arguments);
    }
    let mut seen: Vec<&Directive> = Vec::new();
    for option in directive.options() {
        if let Some(first) = seen.iter().find(|it| it.name() == option.name())
            && !ADDING.contains(&option.name())
        {
            reader.found.push(option.repeated(first));
            continue;
        }
        seen.push(option);
        let result = reader.option(option);
        reader.found.keep(result);
    }
    let share = reader.share();
    let engines = reader.engines(directive);
    let serves_all = block.zones.iter().any(|zone| zone.name.is_root());
    let bare = reader.bare.take();
    let bare = bare.unwrap_or_else(|| {
        if serves_all {
            Source::USUAL_BARE.into()
        } else {
            BTreeSet::new()
        }
    });
    let Reader {
        mut names,
        mut answer,
        mut host,
        pace,
        ..
    } = reader;
    names.bare = bare;
    answer.bare = !names.bare.is_empty();
    answer.zones.clone_from(&names.zones);
    if host.is_empty() {
        host.push(AddressSelection::Auto);
    }
    Some(Options {
        engines: engines?,
        names,
        answer,
        host,
        pace,
        share,
    })
}

struct Reader<'r> {
    names: NameOptions,
    answer: AnswerOptions,
    endpoints: Vec<&'r Token>,
    tls: Option<TlsFiles>,
    bare: Option<BTreeSet<Source>>,
    host: Vec<AddressSelection>,
    pace: Pace,
    share: Option<&'r Directive>,
    /// The networks that are routed, and the words that say so.
    routed: Vec<(&'r Token, NetworkRule)>,
    found: &'r mut Diagnostics,
    block: &'r BlockDraft,
}

impl<'r> Reader<'r> {
    fn option(&mut self, option: &'r Directive) -> Result<(), Diagnostic> {
        if option.name() != "share" {
            option.no_block("an option of one line")?;
        }
        match option.name() {
            "endpoint" => self
                .endpoints
                .extend(option.at_least(1, "endpoint URL...")?),
            "tls" => {
                let [certificate, key, authority] = option.exactly("tls CERT KEY CA")?;
                self.tls = Some(TlsFiles {
                    authority: self.file(authority)?,
                    identity: Some((self.file(certificate)?, self.file(key)?)),
                });
            }
            "names" => self.names.sources = sources(option.at_least(1, "names SOURCE...")?)?,
            "name" => {
                let word = option.one_argument("name TEMPLATE")?;
                self.names.templates.push(template(word)?);
            }
            "label_prefix" => {
                let word = option.one_argument("label_prefix PREFIX")?;
                self.names.label_prefix = format!("{}.", word.text.trim_end_matches('.'));
            }
            "compat" => {
                for word in option.at_least(1, "compat PROGRAM...")? {
                    self.names.compat.insert(word.one_of("program", COMPAT)?);
                }
            }
            "bare" => self.bare(&option.arguments)?,
            "fqdn" => {
                for word in option.at_least(1, "fqdn ZONES...")? {
                    self.names.fqdn.extend(config::zones(word)?);
                }
                self.refuse_root(&option.arguments);
            }
            "networks" => {
                let words = option.at_least(1, "networks [!]NAME|[!]CIDR...")?;
                self.names
                    .networks
                    .extend(words.iter().map(|word| NetworkRule::parse(&word.text)));
            }
            "view" => {
                let words = option.at_least(1, "view client|all|NETWORK...")?;
                self.answer.audience = match words {
                    [word] if word.text == "client" => Audience::Clients,
                    [word] if word.text == "all" => Audience::Nobody,
                    words => {
                        Audience::Networks(words.iter().map(|word| word.text.clone()).collect())
                    }
                };
            }
            "host_address" => {
                for word in option.at_least(1, "host_address auto|INTERFACE|CIDR|IP...")? {
                    let selection = AddressSelection::parse(&word.text)
                        .map_err(|message| Diagnostic::error(word.span, message))?;
                    self.host.push(selection);
                }
            }
            "published" => {
                option.no_arguments("published")?;
                self.names.published = true;
            }
            "expose" => {
                let word = option.one_argument("expose all|labelled")?;
                let labelled = word.one_of("setting", &[("all", false), ("labelled", true)])?;
                self.names.labelled_only = labelled;
            }
            "ttl" => self.names.ttl = seconds(option, "ttl SECONDS")?,
            "negative_ttl" => self.names.negative_ttl = seconds(option, "negative_ttl SECONDS")?,
            "stale" => {
                const SYNTAX: &str = "stale DURATION|off";
                let word = option.one_argument(SYNTAX)?;
                self.answer.stale = match word.text.as_str() {
                    "off" => Duration::ZERO,
                    _ => word.duration(Duration::ZERO..=Duration::MAX)?,
                };
            }
            "health" => {
                let policies = [
                    ("any", HealthPolicy::Any),
                    ("not_unhealthy", HealthPolicy::NotUnhealthy),
                    ("healthy", HealthPolicy::Healthy),
                ];
                let word = option.one_argument("health any|not_unhealthy|healthy")?;
                self.names.health = word.one_of("policy", &policies)?;
            }
            "paused" => {
                let word = option.one_argument("paused keep|drop")?;
                self.names.keep_paused =
                    word.one_of("setting", &[("keep", true), ("drop", false)])?;
            }
            "order" => {
                let word = option.one_argument("order shuffle|stable")?;
                let orders = [("shuffle", true), ("rotate", true), ("stable", false)];
                self.answer.rotates = word.one_of("order", &orders)?;
            }
            "ptr" => {
                let pointers = [
                    ("hostname", Pointer::Hostname),
                    ("name", Pointer::Name),
                    ("all", Pointer::All),
                    ("off", Pointer::Off),
                ];
                let word = option.one_argument("ptr hostname|name|all|off")?;
                self.names.pointer = word.one_of("setting", &pointers)?;
            }
            "resync" => {
                let word = option.one_argument("resync DURATION|off")?;
                self.pace.resync = match word.text.as_str() {
                    "off" => None,
                    _ => Some(word.duration(Duration::from_secs(1)..=Duration::from_secs(86_400))?),
                };
            }
            "reconnect" => {
                let [least, most] = option.exactly("reconnect MIN MAX")?;
                let range = Duration::from_millis(10)..=Duration::from_secs(3600);
                let least = least.duration(range.clone())?;
                self.pace.reconnect = (least, most.duration(least..=*range.end())?);
            }
            "share" => self.share = Some(option),
            "routed" => {
                for word in option.at_least(1, "routed NETWORK|CIDR...")? {
                    let rule = routed(word);
                    self.routed
                        .extend(self.found.keep(rule).map(|rule| (word, rule)));
                }
            }
            "fallthrough" => {
                self.answer.fallthrough = Fallthrough::read(&option.arguments, self.found);
            }
            _ => return Err(option.name.unknown("option", OPTIONS)),
        }
        Ok(())
    }

    fn bare(&mut self, words: &[Token]) -> Result<(), Diagnostic> {
        match words {
            [] => self.bare = Some(Source::USUAL_BARE.into()),
            [word] if word.text == "off" => self.bare = Some(BTreeSet::new()),
            [word] if word.text == "fallthrough" => self.answer.bare_passed_on = true,
            words => self.bare.get_or_insert_default().extend(sources(words)?),
        }
        Ok(())
    }

    /// A file that must be there.
    fn file(&self, word: &Token) -> Result<PathBuf, Diagnostic> {
        let path = self.block.path(&word.text);
        match std::fs::File::open(&path) {
            Ok(_) => Ok(path),
            Err(error) => {
                let message = format!(
                    "cannot read {}: {}",
                    path.display(),
                    crate::reason::of(&error)
                );
                Err(Diagnostic::error(word.span, message))
            }
        }
    }

    /// The root as a zone of containers would make every name in the world one of theirs.
    fn refuse_root(&mut self, words: &[Token]) {
        for word in words {
            if config::zones(word).is_ok_and(|zones| zones.iter().any(Name::is_root)) {
                let error = Diagnostic::error(word.span, "the root cannot be a zone of containers");
                let help = "names without a zone are answered with `bare`";
                self.found
                    .push(error.label("expected a zone such as `docker`").help(help));
            }
        }
    }

    fn engines(&mut self, directive: &Directive) -> Option<Vec<Places>> {
        if self.endpoints.is_empty() {
            return match Places::usual(&ThisMachine) {
                Ok(places) => Some(vec![places]),
                Err(message) => {
                    self.found
                        .push(Diagnostic::error(directive.name.span, message));
                    None
                }
            };
        }
        let mut engines = Vec::new();
        for word in std::mem::take(&mut self.endpoints) {
            match Endpoint::parse(&word.text, self.tls.as_ref()) {
                Ok(endpoint) => engines.push(Places::named(endpoint)),
                Err(message) => {
                    let error = format!("{} is no engine's address", word.shown());
                    self.found
                        .push(Diagnostic::error(word.span, error).label(message));
                }
            }
        }
        Some(engines)
    }
}
