//! What the operator says about names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use answer::Name;

use super::{NameTemplate, Source};
use crate::networks::Network;

/// How names are made of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOptions {
    /// The zones that every container has names in; at least one.
    pub zones: Vec<Name>,
    /// Which names a container has.
    pub sources: BTreeSet<Source>,
    /// Further names.
    pub templates: Vec<NameTemplate>,
    /// What labels that are meant for us begin with, the dot included.
    pub label_prefix: String,
    /// Whose labels and variables are read too.
    pub compat: BTreeSet<Compat>,
    /// Which names are also answered without a zone; none means that none is.
    pub bare: BTreeSet<Source>,
    /// The domains below which hostnames and labels that are whole names are honoured.
    pub fqdn: Vec<Name>,
    /// Which networks count. All do where there is no rule.
    pub networks: Vec<NetworkRule>,
    /// Whether the host's address and ports are told instead of the containers' own.
    pub published: bool,
    /// Whether only containers with a label of ours have names.
    pub labelled_only: bool,
    /// The TTL of all records, in seconds.
    pub ttl: u32,
    /// How long it may be remembered that a name does not exist, in seconds.
    pub negative_ttl: u32,
    /// Who is left out of names that mean several containers.
    pub health: HealthPolicy,
    /// Whether paused containers stay in names that mean several.
    pub keep_paused: bool,
    /// What addresses point back to.
    pub pointer: Pointer,
}

impl Default for NameOptions {
    fn default() -> Self {
        Self {
            zones: Name::parse("docker.").into_iter().collect(),
            sources: Source::USUAL.into(),
            templates: Vec::new(),
            label_prefix: "dns.".into(),
            compat: BTreeSet::new(),
            bare: BTreeSet::new(),
            fqdn: Vec::new(),
            networks: Vec::new(),
            published: false,
            labelled_only: false,
            ttl: 5,
            negative_ttl: 1,
            health: HealthPolicy::Any,
            keep_paused: false,
            pointer: Pointer::Hostname,
        }
    }
}

impl Source {
    /// The names that containers have unless the operator says otherwise.
    pub const USUAL: [Self; 8] = [
        Self::Name,
        Self::Label,
        Self::Alias,
        Self::Compose,
        Self::Hostname,
        Self::Id,
        Self::Network,
        Self::Twin,
    ];

    /// Those of them that are answered without a zone, where that is wanted.
    pub const USUAL_BARE: [Self; 6] = [
        Self::Name,
        Self::Label,
        Self::Alias,
        Self::Compose,
        Self::Hostname,
        Self::Twin,
    ];
}

/// Other programs whose labels and variables are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compat {
    /// dnsdock: `com.dnsdock.*`, and `NAME.IMAGE`.
    Dnsdock,
    /// coredns-dockerdiscovery: `coredns.dockerdiscovery.host`.
    Coredns,
    /// registrator: `SERVICE_NAME`, `SERVICE_IGNORE`.
    Registrator,
    /// dns-proxy-server: `HOSTNAMES`.
    Dps,
    /// resolvable: `DNS_RESOLVES`.
    Resolvable,
}

/// A rule about which networks count: the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRule {
    /// Whether networks that fit are left out.
    pub excluded: bool,
    /// Which networks fit.
    pub(super) matcher: NetworkMatcher,
}

/// Which networks a [`NetworkRule`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NetworkMatcher {
    /// The one with this name.
    Name(String),
    /// Those whose addresses lie in this prefix.
    Prefix(Network),
}

impl NetworkRule {
    /// Reads `NAME`, `!NAME`, `CIDR` or `!CIDR`.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let (excluded, word) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        // A word without a slash is a name, also one that could be an address.
        let network = word.contains('/').then(|| Network::parse(word)).flatten();
        Self {
            excluded,
            matcher: match network {
                Some(network) => NetworkMatcher::Prefix(network),
                None => NetworkMatcher::Name(word.to_owned()),
            },
        }
    }

    fn fits(&self, network: &str, address: IpAddr) -> bool {
        match &self.matcher {
            NetworkMatcher::Name(name) => name == network,
            NetworkMatcher::Prefix(network) => network.contains(address),
        }
    }
}

/// Whether an address counts by these rules. Where nothing fits, it does if there are only rules
/// that leave networks out.
pub(in crate::docker) fn counts(rules: &[NetworkRule], network: &str, address: IpAddr) -> bool {
    match rules.iter().find(|rule| rule.fits(network, address)) {
        Some(rule) => !rule.excluded,
        None => rules.iter().all(|rule| rule.excluded),
    }
}

/// Whether an address is among those that these rules mean. Without rules none is.
pub(in crate::docker) fn is_among(rules: &[NetworkRule], network: &str, address: IpAddr) -> bool {
    let rule = rules.iter().find(|rule| rule.fits(network, address));
    rule.is_some_and(|rule| !rule.excluded)
}

/// Whom a failing health check takes out of names that mean several containers. Where nobody would
/// be left, all stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthPolicy {
    /// Nobody.
    Any,
    /// Those whose check fails.
    NotUnhealthy,
    /// All that have a check which does not pass, those that have just started among them.
    Healthy,
}

/// What the address of a container points back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// What the container calls itself: programs check that it is the same.
    Hostname,
    /// The container's name.
    Name,
    /// Both.
    All,
    /// Nothing.
    Off,
}
