//! From a container to the names that it claims.

use std::sync::Arc;

use answer::{Name, NameError};

use super::options::NameOptions;
use super::template::image_name;
use super::zones::Apex;
use super::{Claim, Holder, Source};
use crate::docker::Container;

/// What compose says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compose<'c> {
    pub(super) project: &'c str,
    pub(super) service: &'c str,
    pub(super) number: Option<&'c str>,
    /// Started by `compose run`, beside the service.
    pub(super) one_off: bool,
}

/// The most claims of one container, and the most things that are said to be wrong with it.
/// Whoever has more, by labels that an image brought along, say, has no use for them.
const MOST: usize = 1000;

/// What compose's labels begin with, Docker's or Podman's.
const COMPOSE: [&str; 2] = ["com.docker.compose.", "io.podman.compose."];

impl<'c> Compose<'c> {
    /// Whether a label is one of those that are read here.
    pub(super) fn reads(key: &str) -> bool {
        let key = COMPOSE.iter().find_map(|prefix| key.strip_prefix(prefix));
        matches!(
            key,
            Some("project" | "service" | "container-number" | "oneoff")
        )
    }

    /// Reads the labels of compose, Docker's or Podman's.
    pub(super) fn of(container: &'c Container) -> Option<Self> {
        let label = |key: &str| {
            let labels = COMPOSE.iter().map(|prefix| format!("{prefix}{key}"));
            labels
                .filter_map(|key| container.labels.get(&key))
                .next()
                .map(String::as_str)
                .filter(|it| !it.is_empty())
        };
        Some(Self {
            project: label("project")?,
            service: label("service")?,
            number: label("container-number"),
            one_off: label("oneoff").is_some_and(|it| it.eq_ignore_ascii_case("true")),
        })
    }
}

/// All that a container claims, and what is wrong with names that it would have.
pub(super) fn claims(holder: &Arc<Holder>, options: &NameOptions) -> (Vec<Claim>, Vec<String>) {
    let mut claiming = Claiming {
        holder,
        options,
        claims: Vec::new(),
        problems: holder.wishes.problems.clone(),
    };
    if !holder.wishes.ignored {
        claiming.all();
    }
    (claiming.claims, claiming.problems)
}

struct Claiming<'h> {
    holder: &'h Arc<Holder>,
    options: &'h NameOptions,
    claims: Vec<Claim>,
    problems: Vec<String>,
}

impl Claiming<'_> {
    fn all(&mut self) {
        let holder = self.holder.clone();
        let container = &*holder.container;
        self.identity(&container.name, Source::Name);
        // Who was given no hostname calls itself by its id. Others must find it so, without a zone
        // too: RabbitMQ names its nodes by what they call themselves.
        let is_hostname = container.hostname == container.short_id();
        if !is_hostname || !self.options.sources.contains(&Source::Hostname) {
            self.identity(container.short_id(), Source::Id);
        }
        for network in container.networks.keys() {
            let name = format!("{}.{network}", container.name);
            self.claim(&name, Source::Network, false, Some(network));
        }
        for (network, attachment) in &container.networks {
            for alias in &attachment.aliases {
                // Engines repeat these among the aliases; they have a right of their own.
                if *alias != container.name && *alias != container.hostname {
                    self.claim(alias, Source::Alias, true, Some(network));
                }
            }
        }
        self.compose(container);
        self.hostname(container);
        self.claim(image_name(&container.image), Source::Image, true, None);
        for name in &holder.wishes.names {
            self.label(name);
        }
        for template in &self.options.templates {
            if let Some(name) = template.render(container) {
                self.claim(&name, Source::Template, true, None);
            }
        }
    }

    fn compose(&mut self, container: &Container) {
        let Some(compose) = Compose::of(container) else {
            return;
        };
        let Compose {
            project,
            service,
            number,
            one_off,
        } = compose;
        // One-offs are numbered apart and belong to no set.
        if one_off {
            return;
        }
        if let Some(number) = number {
            self.claim(
                &format!("{number}.{service}.{project}"),
                Source::Compose,
                false,
                None,
            );
            self.claim(&format!("{service}-{number}"), Source::Compose, false, None);
            self.claim(&format!("{service}_{number}"), Source::Compose, false, None);
        }
        for name in [
            service.to_owned(),
            format!("{service}.{project}"),
            format!("{project}.{service}"),
            format!("tasks.{service}"),
        ] {
            self.claim(&name, Source::Compose, true, None);
        }
    }

    fn hostname(&mut self, container: &Container) {
        let hostname = container.hostname.as_str();
        if hostname.is_empty() {
            return;
        }
        let number = Compose::of(container)
            .filter(|it| !it.one_off && hostname != container.short_id())
            .and_then(|it| it.number);
        if let Some(number) = number {
            // Replicas that were all given one hostname are told apart by their numbers.
            self.claim(
                &format!("{hostname}-{number}"),
                Source::Hostname,
                false,
                None,
            );
            self.claim(
                &format!("{hostname}_{number}"),
                Source::Hostname,
                false,
                None,
            );
        }
        self.identity(hostname, Source::Hostname);
        if !container.domainname.is_empty() {
            let whole = format!("{hostname}.{}", container.domainname);
            self.whole(&whole, Source::Hostname);
            self.claim(&whole, Source::Hostname, false, None);
        } else if hostname.contains('.') {
            self.whole(hostname, Source::Hostname);
        }
    }

    /// A name that means one container, and its twin.
    fn identity(&mut self, name: &str, source: Source) {
        self.claim(name, source, false, None);
        if !self.options.sources.contains(&source) {
            return;
        }
        let twin = match (name.contains('_'), name.contains('-')) {
            (true, _) => name.replace('_', "-"),
            (false, true) => name.replace('-', "_"),
            (false, false) => return,
        };
        self.claim(&twin, Source::Twin, false, None);
    }

    /// A name of a label: a whole one where it ends in a dot or lies below an allowed domain.
    fn label(&mut self, name: &str) {
        let is_whole = name.ends_with('.');
        let honoured = self.whole(name.trim_end_matches('.'), Source::Label);
        if honoured {
            return;
        }
        let parsed = Name::parse(name);
        let zone = parsed.as_ref().ok().and_then(|name| {
            let mut zones = self.options.zones.iter();
            // What is called like the zone itself lies in it like everything else.
            zones.position(|zone| name != zone && name.is_at_or_below(zone))
        });
        match zone {
            // Somebody has written the zone as well.
            Some(zone) => self.push(parsed, name, Apex::Zone(zone), Source::Label, true, None),
            None if is_whole => self.complain(format!(
                "label name {name} lies below no domain of `fqdn`, so it is not answered"
            )),
            None => self.claim(name, Source::Label, true, None),
        }
    }

    fn complain(&mut self, problem: String) {
        if self.problems.len() < MOST && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// A whole name, where its domain is allowed. Returns whether it is.
    fn whole(&mut self, name: &str, source: Source) -> bool {
        if !self.options.sources.contains(&source) {
            return false;
        }
        let parsed = Name::parse(name);
        let Ok(whole) = &parsed else { return false };
        let allowed = self
            .options
            .fqdn
            .iter()
            .position(|domain| whole.is_at_or_below(domain));
        if let Some(number) = allowed {
            self.push(
                parsed,
                name,
                Apex::Domain(number),
                source,
                source == Source::Label,
                None,
            );
        }
        allowed.is_some()
    }

    /// A name below every zone, and without one where that is wanted.
    fn claim(&mut self, relative: &str, source: Source, is_set: bool, network: Option<&String>) {
        if relative.is_empty()
            || !self.options.sources.contains(&source) && source != Source::Template
        {
            return;
        }
        let network: Option<Arc<str>> = network.map(|network| network.as_str().into());
        for number in 0..self.options.zones.len() {
            let zone = &self.options.zones[number];
            let name = below(relative, zone);
            self.push(
                name,
                relative,
                Apex::Zone(number),
                source,
                is_set,
                network.as_ref(),
            );
        }
        if self.options.bare.contains(&source) && !relative.contains('.') {
            let name = Name::parse(relative);
            self.push(name, relative, Apex::Bare, source, is_set, network.as_ref());
        }
    }

    fn push(
        &mut self,
        name: Result<Name, NameError>,
        written: &str,
        apex: Apex,
        source: Source,
        is_set: bool,
        network: Option<&Arc<str>>,
    ) {
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                let problem = format!("{written:?} ({}) is no name: {error}", source.word());
                self.complain(problem);
                return;
            }
        };
        if self.claims.len() >= MOST {
            self.complain(format!(
                "it has more than {MOST} names; the rest is left out"
            ));
            return;
        }
        let mut names = vec![name];
        if source == Source::Label && self.holder.wishes.wildcard {
            names.extend(names[0].prepend(b"*"));
        }
        for name in names {
            let is_known = self.claims.iter().any(|claim| {
                (
                    claim.apex,
                    &claim.name,
                    claim.source,
                    claim.network.as_ref(),
                ) == (apex, &name, source, network)
            });
            if !is_known {
                self.claims.push(Claim {
                    name,
                    apex,
                    source,
                    is_set,
                    network: network.cloned(),
                    holder: self.holder.clone(),
                });
            }
        }
    }
}

/// A name of one or more labels below a zone.
fn below(relative: &str, zone: &Name) -> Result<Name, NameError> {
    let relative = relative.trim_end_matches('.');
    let wire = Name::parse(relative)?;
    let mut name = zone.clone();
    for label in wire.labels().collect::<Vec<_>>().into_iter().rev() {
        name = name.prepend(label)?;
    }
    Ok(name)
}
