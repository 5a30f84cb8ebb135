//! From the claims to a name to its records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use answer::{Name, RecordData, RecordType, Rrset};

use super::options::{HealthPolicy, NameOptions, counts};
use super::zones::{Apex, Neighbourhood};
use super::{Claim, Source};
use crate::docker::{Container, Health, NetworkMode, Published};

/// What decides about the records of names besides the claims.
#[derive(Clone, Copy)]
pub(super) struct Deciding<'o> {
    pub(super) options: &'o NameOptions,
    /// The addresses of the host.
    pub(super) host: &'o [IpAddr],
    /// The networks of the client, if it is a container; [`None`] for everybody else.
    pub(super) client: Option<&'o Neighbourhood>,
}

/// RRsets by owner and type.
pub(super) type Records = BTreeMap<(Name, RecordType), Rrset>;

impl Deciding<'_> {
    /// The claims that the client can see, and of these the ones that count: those of the strongest
    /// source, without members that should not be sent anybody.
    pub(super) fn winners<'c>(&self, claims: &'c [Claim]) -> Vec<&'c Claim> {
        let visible: Vec<&Claim> = claims.iter().filter(|claim| self.sees(claim)).collect();
        // A claim without an address would only hide those that lead somewhere.
        let leads = |claim: &&Claim| {
            !self.addresses(claim).is_empty() || !claim.holder.wishes.texts.is_empty()
        };
        let strongest = visible
            .iter()
            .filter(|it| leads(it))
            .map(|it| it.source)
            .min();
        let mut winners: Vec<&Claim> = visible;
        winners.retain(|claim| Some(claim.source) == strongest && leads(claim));
        if winners.iter().any(|claim| claim.is_set) {
            self.keep_able(&mut winners);
        }
        winners.sort_by(|one, two| {
            let (one, two) = (&one.holder.container, &two.holder.container);
            (&one.created, &one.id).cmp(&(&two.created, &two.id))
        });
        winners
    }

    /// Whether the client shares a network with the claim's holder, on which the claim holds.
    fn sees(&self, claim: &Claim) -> bool {
        let Some(client) = self.client else {
            return true;
        };
        let Some(owner) = &claim.holder.network_owner else {
            return false;
        };
        let holds = |network: &str| claim.network.as_deref().is_none_or(|only| only == network);
        let mut networks = owner.networks.iter();
        networks.any(|(network, attachment)| {
            let is_same = match owner.origin {
                // Every engine has a network `bridge`.
                None => claim.holder.engine == client.engine,
                // On another host a network of this name is the same one only if it is reached.
                Some(_) => attachment.addresses().next().is_some(),
            };
            client.networks.contains(network.as_str()) && holds(network) && is_same
        })
    }

    /// Takes out whoever is paused or fails its health check, unless nobody would be left.
    fn keep_able(&self, winners: &mut Vec<&Claim>) {
        let healthy = |container: &Container| match self.options.health {
            HealthPolicy::Any => true,
            HealthPolicy::NotUnhealthy => container.health != Health::Unhealthy,
            HealthPolicy::Healthy => {
                matches!(container.health, Health::Healthy | Health::Unchecked)
            }
        };
        let able = |claim: &&Claim| {
            let container = &claim.holder.container;
            (self.options.keep_paused || !container.paused) && healthy(container)
        };
        if winners.iter().any(able) {
            winners.retain(able);
        }
    }

    /// The addresses that a claim leads to.
    pub(super) fn addresses(&self, claim: &Claim) -> BTreeSet<IpAddr> {
        let holder = &claim.holder;
        if !holder.wishes.addresses.is_empty() {
            return holder.wishes.addresses.iter().copied().collect();
        }
        let Some(owner) = &holder.network_owner else {
            return BTreeSet::new();
        };
        if let Some(origin) = &owner.origin
            && !origin.addresses.is_empty()
        {
            return origin.addresses.iter().copied().collect();
        }
        if owner.mode == NetworkMode::Host || self.options.published && !owner.published.is_empty()
        {
            return self.host.iter().copied().collect();
        }
        let mut addresses = BTreeSet::new();
        for (network, attachment) in &owner.networks {
            let is_meant = claim.network.as_deref().is_none_or(|only| only == network)
                && self
                    .client
                    .is_none_or(|client| client.networks.contains(network.as_str()))
                && (holder.wishes.networks.is_empty() || holder.wishes.networks.contains(network));
            if is_meant {
                let counted = attachment.addresses();
                addresses.extend(counted.filter(|it| counts(&self.options.networks, network, *it)));
            }
        }
        addresses
    }

    /// The records of a name that has these winners, and those of its services.
    pub(super) fn records(&self, name: &Name, winners: &[&Claim]) -> Records {
        let wished = winners
            .iter()
            .filter_map(|claim| claim.holder.wishes.ttl)
            .min();
        let ttl = wished.unwrap_or(self.options.ttl);
        let mut data: BTreeMap<(Name, RecordType), Vec<RecordData>> = BTreeMap::new();
        for claim in winners {
            for address in self.addresses(claim) {
                let (rtype, address) = RecordData::address(address);
                data.entry((name.clone(), rtype)).or_default().push(address);
            }
            for text in &claim.holder.wishes.texts {
                if let Ok(text) = RecordData::txt(text.as_bytes()) {
                    data.entry((name.clone(), RecordType::TXT))
                        .or_default()
                        .push(text);
                }
            }
            for (service, record) in self.services(claim) {
                if let Some(owner) = prepend(&service, name) {
                    data.entry((owner, RecordType::SRV))
                        .or_default()
                        .push(record);
                }
            }
        }
        let rrsets = data.into_iter().map(|(key, data)| {
            let rrset = Rrset::new(key.1, ttl, data);
            (key, rrset)
        });
        rrsets.collect()
    }

    /// The services behind a name, such as `_5672._tcp` and `_amqp._tcp`, with their SRV records.
    fn services(&self, claim: &Claim) -> Vec<(String, RecordData)> {
        let has_services = matches!(
            claim.source,
            Source::Name
                | Source::Label
                | Source::Template
                | Source::Alias
                | Source::Compose
                | Source::Hostname
        );
        let container = &claim.holder.container;
        let zone = match claim.apex {
            Apex::Zone(number) => self.options.zones.get(number),
            Apex::Domain(_) | Apex::Bare => self.options.zones.first(),
        };
        let target = zone.and_then(|zone| prepend(&container.name, zone));
        let (Some(target), true) = (target, has_services) else {
            return Vec::new();
        };
        let mut services = Vec::new();
        let mut add = |number: u16, protocol: &str, reached: u16| {
            let record = RecordData::srv(0, 0, reached, &target);
            services.push((format!("_{number}._{protocol}"), record.clone()));
            if let Some(name) = well_known(number) {
                services.push((format!("_{name}._{protocol}"), record));
            }
        };
        let owner = claim.holder.network_owner.as_ref().unwrap_or(container);
        let by_host =
            (self.options.published || owner.origin.is_some()) && !owner.published.is_empty();
        if by_host {
            for published in &owner.published {
                add(
                    published.port.number,
                    &published.port.protocol,
                    published.host_port,
                );
            }
        } else {
            for port in &container.ports {
                add(port.number, &port.protocol, port.number);
            }
        }
        for (service, port) in &claim.holder.wishes.services {
            let reached = if by_host {
                published_at(owner, service, *port)
            } else {
                Some(*port)
            };
            if let Some(port) = reached {
                services.push((service.clone(), RecordData::srv(0, 0, port, &target)));
            }
        }
        services
    }
}

/// The port of the host at which a service such as `_mqtt._tcp` is reached.
fn published_at(container: &Container, service: &str, port: u16) -> Option<u16> {
    let protocol = service.rsplit_once("._").map_or("tcp", |(_, it)| it);
    let mut published = container.published.iter();
    let is_meant = |it: &&Published| it.port.number == port && it.port.protocol == protocol;
    published.find(is_meant).map(|it| it.host_port)
}

/// A name of some labels before another one.
pub(super) fn prepend(relative: &str, name: &Name) -> Option<Name> {
    let labels: Vec<&str> = relative.split('.').collect();
    let mut name = name.clone();
    for label in labels.into_iter().rev() {
        name = name.prepend(label.as_bytes()).ok()?;
    }
    Some(name)
}

/// The names of services that people look for by name (IANA's registry of service names).
fn well_known(port: u16) -> Option<&'static str> {
    Some(match port {
        21 => "ftp",
        22 => "ssh",
        25 => "smtp",
        53 => "domain",
        80 => "http",
        143 => "imap",
        389 => "ldap",
        443 => "https",
        587 => "submission",
        636 => "ldaps",
        993 => "imaps",
        1883 => "mqtt",
        2379 => "etcd-client",
        2380 => "etcd-server",
        3306 => "mysql",
        4222 => "nats",
        4369 => "epmd",
        5432 => "postgresql",
        5671 => "amqps",
        5672 => "amqp",
        6379 => "redis",
        8080 => "http-alt",
        8883 => "secure-mqtt",
        9092 => "kafka",
        11211 => "memcache",
        27017 => "mongodb",
        _ => return None,
    })
}
