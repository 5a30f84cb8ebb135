//! From `forward` directives to plugins.

use std::sync::Arc;

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Directive};
use rustls::pki_types::ServerName;

use super::ask::Upstreams;
use super::health::Check;
use super::https::Resource;
use super::options::{self, Options};
use super::place::{Making, Named, Place};
use super::policy::Turn;
use super::stream::Limits;
use super::target::{self, Host, Scheme, Target};
use super::tls::Connectors;
use super::upstream::Upstream;
use super::{Forward, Passing, SYNTAX, Scope, ourselves};
use crate::config;
use crate::plugins::{BlockDraft, Build, Part, PlannedPart, Plugin, Setup};

/// The most upstreams of one directive, as in CoreDNS.
const MOST_UPSTREAMS: usize = 15;

pub(super) fn setup(setup: &mut Setup<'_>) {
    let mut parts = Vec::new();
    for directive in setup.directives {
        if let Some(part) = part(directive, setup.block, setup.diagnostics) {
            parts.push((directive.line(), part));
        }
    }
    // The longest FROM is asked first; of equals, the first in the file.
    let labels = |part: &ForwardPart| {
        let counts = part.scope.from.iter().map(Name::label_count);
        counts.max().unwrap_or_default()
    };
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(labels(part)));
    let mut later = Vec::new();
    for (_, part) in parts.iter_mut().rev() {
        part.later.clone_from(&later);
        later.push(part.scope.clone());
    }
    for (span, part) in parts {
        let part = Box::new(part);
        setup.block.parts.push(PlannedPart { span, part });
    }
}

fn part(directive: &Directive, block: &BlockDraft, found: &mut Diagnostics) -> Option<ForwardPart> {
    let mut options = options::read(directive, block, found);
    let words = found.keep(directive.at_least(2, SYNTAX.lines().next().unwrap_or_default()));
    let [from, to @ ..] = words? else { return None };
    let from = found.keep(config::zones(from));
    let mut targets = Vec::new();
    let mut left_out = 0;
    let mut mistakes = false;
    for word in to {
        let Some(parsed) = found.keep(target::parse(word, &block.path(&word.text))) else {
            mistakes = true;
            continue;
        };
        for target in parsed {
            match target.host {
                Host::Address(address) if ourselves::is_served(block, address) => {
                    left_out += 1;
                    let message = format!("upstream {target} is this server itself");
                    let warning = Diagnostic::warning(word.span, message);
                    found.push(warning.label("left out: queries would come back"));
                }
                _ => targets.push(target),
            }
        }
    }
    let last = to.last()?;
    let all = to.first()?.span.to(last.span);
    if targets.len() > MOST_UPSTREAMS {
        let message = format!("{} upstreams are more than {MOST_UPSTREAMS}", targets.len());
        found.push(Diagnostic::error(all, message).label("too many"));
    }
    if targets.is_empty() && !mistakes {
        let error = Diagnostic::error(all, "no upstream is left to forward to");
        found.push(match left_out {
            0 => error.label("no `nameserver` line in it"),
            _ => error
                .label("this server itself")
                .help("name other servers, or serve another address with `bind`"),
        });
    }
    let from = from?;
    let except = std::mem::take(&mut options.except);
    let domain = options.check_domain.take();
    let check_domain = domain.unwrap_or_else(|| usual_domain(&from, block));
    Some(ForwardPart {
        scope: Scope { from, except },
        targets,
        options,
        check_domain,
        later: Vec::new(),
    })
}

/// What a health check asks for: FROM, or the block's zone where that lies below it, since only names
/// of both are forwarded.
fn usual_domain(from: &[Name], block: &BlockDraft) -> Name {
    let from = from.first().cloned().unwrap_or_else(Name::root);
    let mut zones = block.zones.iter().map(|zone| &zone.name);
    let zone = zones.find(|zone| zone.is_at_or_below(&from)).cloned();
    zone.unwrap_or(from)
}

/// A `forward` that has been checked.
struct ForwardPart {
    scope: Scope,
    targets: Vec<Target>,
    options: Options,
    check_domain: Name,
    later: Vec<Scope>,
}

impl Part for ForwardPart {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let Self {
            scope,
            targets,
            options,
            check_domain,
            later,
        } = *self;
        let secure = |target: &Target| target.scheme != Scheme::Dns;
        let connectors = match targets.iter().any(secure) {
            true => Some(options.tls.load()?),
            false => None,
        };
        let check = Check {
            interval: options.check_interval,
            recursion_desired: options.check_recursion,
            domain: check_domain,
            max_fails: options.max_fails,
        };
        let maker = Maker {
            options: &options,
            check,
            connectors,
        };
        let resolvers = options.resolvers.iter();
        let resolvers: Result<Vec<_>, _> = resolvers
            .map(|address| maker.upstream(&Target::dns(*address), &[]))
            .collect();
        let resolvers = resolvers?;
        let all: Result<Vec<_>, _> = targets
            .iter()
            .map(|target| maker.upstream(target, &resolvers))
            .collect();
        Ok(Box::new(Forward {
            scope,
            upstreams: Arc::new(Upstreams {
                all: all?,
                policy: options.policy,
                turn: Turn::default(),
                fail_fast: options.fail_fast,
                max_attempts: options.max_attempts,
                failover: options.failover,
                counts: Default::default(),
            }),
            waiting: Arc::default(),
            max_concurrent: options.max_concurrent,
            passing: Arc::new(Passing {
                codes: options.next,
                no_data: options.next_on_nodata,
                later,
            }),
        }))
    }
}

/// What all upstreams of a directive are made from.
struct Maker<'a> {
    options: &'a Options,
    check: Check,
    connectors: Option<Connectors>,
}

impl Maker<'_> {
    fn upstream(
        &self,
        target: &Target,
        resolvers: &[Arc<Upstream>],
    ) -> Result<Arc<Upstream>, String> {
        let Options {
            expire,
            max_age,
            max_idle,
            read_timeout,
            source,
            way,
            ..
        } = *self.options;
        let tls = match (&self.connectors, target.scheme) {
            (None, _) | (_, Scheme::Dns) => None,
            (Some(connectors), Scheme::Tls) => {
                Some((connectors.dns.clone(), self.server_name(target)?))
            }
            (Some(connectors), Scheme::Https) => {
                Some((connectors.https.clone(), self.server_name(target)?))
            }
        };
        let resource = (target.scheme == Scheme::Https).then(|| Resource {
            method: self.options.method.clone(),
            authority: match &target.host {
                Host::Address(address) => address.to_string(),
                Host::Name(name) if target.port == 443 => name.clone(),
                Host::Name(name) => format!("{name}:{}", target.port),
            },
            path: target.path.clone(),
        });
        let making = Making {
            source,
            tls,
            limits: Limits {
                expire,
                max_age,
                max_idle,
            },
            resource,
        };
        let place = match &target.host {
            Host::Address(address) => {
                if source.is_some_and(|source| source.is_ipv4() != address.is_ipv4()) {
                    return Err(format!(
                        "upstream {target} cannot be reached from the source address, which is of the other family"
                    ));
                }
                Place::At(Arc::new(making.endpoint(*address)))
            }
            Host::Name(name) => {
                let named = Named::new(name.clone(), target.port, resolvers.to_vec(), making);
                Place::Named(Box::new(named))
            }
        };
        Ok(Arc::new(Upstream {
            shown: target.to_string().into(),
            scheme: target.scheme,
            place,
            way,
            read_timeout,
            check: self.check.clone(),
            health: Default::default(),
            own_letters: Default::default(),
            odd_letters: Default::default(),
            round_trip: Default::default(),
            counts: Default::default(),
        }))
    }

    /// The name that an upstream's certificate must have.
    fn server_name(&self, target: &Target) -> Result<ServerName<'static>, String> {
        let own = target.server_name.clone();
        let name = own
            .or_else(|| self.options.server_name.clone())
            .unwrap_or_else(|| match &target.host {
                Host::Address(address) => address.ip().to_string(),
                Host::Name(name) => name.trim_end_matches('.').to_owned(),
            });
        ServerName::try_from(name)
            .map_err(|_| format!("upstream {target} has no name that a certificate can have"))
    }
}
