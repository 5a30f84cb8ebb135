//! How other hosts reach a container: never at the address that it has in a bridge of its own host.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::docker::names::{NameOptions, NetworkRule, Wishes, counts, is_among};
use crate::docker::{Container, NetworkMode, Published};
use crate::networks::Network;

/// How others reach a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// At its own addresses in networks that are routed, or at those that its labels tell.
    Directly,
    /// At these addresses of its host: at the ports that are published there, or at its own where
    /// there are none of these.
    ThroughHost(BTreeSet<IpAddr>, Vec<Published>),
}

/// Why others do not reach a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// It has no port on the host, and no network that others reach.
    NothingPublished,
    /// Its ports are published at loopback addresses, or at those of bridges.
    PublishedHere,
    /// It has no network at all.
    NoNetwork,
    /// The container whose network it uses does not run.
    OwnerGone,
    /// The host has no address that others reach.
    NoHostAddress,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NothingPublished => "it publishes no port and is in no `routed` network",
            Self::PublishedHere => "its ports are published for this machine only",
            Self::NoNetwork => "it has no network",
            Self::OwnerGone => "the container whose networks it uses does not run",
            Self::NoHostAddress => "this host has no address that others reach: set `host_address`",
        })
    }
}

/// What decides how a container is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaching<'r> {
    pub(super) names: &'r NameOptions,
    /// The networks that are routed.
    pub(super) routed: &'r [NetworkRule],
    /// The host's addresses.
    pub(super) host: &'r [IpAddr],
    /// The names and the subnets of the host's bridges.
    pub(super) bridges: &'r [(String, Network)],
    /// Whether others are on this machine too.
    pub(super) on_one_machine: bool,
}

impl Reaching<'_> {
    /// How a container is reached that uses the networks of `owner`.
    pub(super) fn of(
        &self,
        owner: Option<&Container>,
        wishes: &Wishes,
    ) -> Result<Reach, Unreachable> {
        if !wishes.addresses.is_empty() {
            return Ok(Reach::Directly);
        }
        let owner = owner.ok_or(Unreachable::OwnerGone)?;
        let through_host = |addresses: BTreeSet<IpAddr>, published| {
            if addresses.is_empty() {
                return Err(Unreachable::NoHostAddress);
            }
            Ok(Reach::ThroughHost(addresses, published))
        };
        if owner.mode == NetworkMode::Host {
            return through_host(self.host_addresses().collect(), Vec::new());
        }
        let is_routed = owner.networks.iter().any(|(network, attachment)| {
            let mut addresses = attachment.addresses();
            addresses.any(|it| self.is_routed(network, it, wishes))
        });
        let prefers_host = self.names.published && !owner.published.is_empty();
        if is_routed && !prefers_host {
            return Ok(Reach::Directly);
        }
        let published: Vec<Published> = owner
            .published
            .iter()
            .filter(|it| it.host_address.is_none_or(|address| self.counts(address)))
            .cloned()
            .collect();
        if published.is_empty() {
            return Err(
                match (owner.mode == NetworkMode::None, owner.published.is_empty()) {
                    (true, _) => Unreachable::NoNetwork,
                    (false, true) => Unreachable::NothingPublished,
                    (false, false) => Unreachable::PublishedHere,
                },
            );
        }
        let mut addresses = BTreeSet::new();
        for published in &published {
            match published.host_address {
                Some(address) => {
                    addresses.insert(address);
                }
                None => addresses.extend(self.host_addresses()),
            }
        }
        through_host(addresses, published)
    }

    /// Whether others reach an address that a container has in a network.
    pub(super) fn is_routed(&self, network: &str, address: IpAddr, wishes: &Wishes) -> bool {
        is_among(self.routed, network, address)
            && counts(&self.names.networks, network, address)
            && (wishes.networks.is_empty() || wishes.networks.iter().any(|it| it == network))
    }

    fn host_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.host.iter().copied().filter(|it| self.counts(*it))
    }

    /// Whether an address of the host leads to it from where the others are, and not to themselves.
    fn counts(&self, address: IpAddr) -> bool {
        let mut bridges = self.bridges.iter();
        let is_in_bridge = bridges.any(|(name, subnet)| {
            subnet.contains(address) && !is_among(self.routed, name, address)
        });
        self.on_one_machine || !address.is_loopback() && !is_in_bridge
    }
}
