//! A running container, as far as names need it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::api::{Detail, EndpointSettings};

/// A container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The whole id: 64 hexadecimal digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// What it calls itself; empty where it has no say in that.
    pub hostname: String,
    /// The domain that it thinks it is in; mostly empty.
    pub domainname: String,
    /// The image as it was asked for.
    pub image: String,
    /// When it was made, in a form whose order is that of time.
    pub created: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment variables, as other programs read names from them.
    pub environment: BTreeMap<String, String>,
    /// The networks that it is in, by name.
    pub networks: BTreeMap<String, Attachment>,
    /// How it has its networks.
    pub mode: NetworkMode,
    /// The ports that it says it serves, ascending.
    pub ports: Vec<Port>,
    /// Those that are reached through the host.
    pub published: Vec<Published>,
    /// Whether its processes are frozen.
    pub paused: bool,
    /// The verdict of its health check.
    pub health: Health,
    /// Where it runs, if that is another host.
    pub origin: Option<Arc<Origin>>,
}

/// Another host that a container runs on, and how it is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What the host calls itself.
    pub host: String,
    /// The host's addresses, where the container is reached through these: at its published ports
    /// if it has any, or else at its own. Where there are none, it is reached at its own addresses.
    pub addresses: Vec<IpAddr>,
}

/// A container in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The network's id.
    pub network: String,
    /// Its address there.
    pub ipv4: Option<Ipv4Addr>,
    /// Its other address there.
    pub ipv6: Option<Ipv6Addr>,
    /// Further names in this network.
    pub aliases: Vec<String>,
}

impl Attachment {
    /// Its addresses in the network.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.ipv4.map(IpAddr::V4);
        v4.into_iter().chain(self.ipv6.map(IpAddr::V6))
    }
}

/// How a container has its networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// It has networks of its own.
    #[default]
    Own,
    /// It uses the host's.
    Host,
    /// It uses those of another container, which has this id or name.
    Of(String),
    /// It has none.
    None,
}

/// A port and its protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
}

impl Port {
    /// Reads `5672/tcp`; without a protocol it is TCP.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        Some(Self {
            number: number.parse().ok().filter(|number| *number > 0)?,
            protocol: protocol.to_ascii_lowercase(),
        })
    }
}

/// A port that is reached through the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The container's port.
    pub port: Port,
    /// The host's port.
    pub host_port: u16,
    /// The host's address; [`None`] for all of them.
    pub host_address: Option<IpAddr>,
}

/// The verdict of a health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is no check.
    #[default]
    Unchecked,
    /// There was no verdict yet.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl Health {
    /// The verdict of this word; that of an unknown one is none.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "starting" => Self::Starting,
            "healthy" => Self::Healthy,
            "unhealthy" => Self::Unhealthy,
            _ => Self::Unchecked,
        }
    }

    /// The word for it, empty where there is no check.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unchecked => "",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Container {
    /// The container that an inspection shows; [`None`] where it does not run.
    #[must_use]
    pub fn of(detail: Detail) -> Option<Self> {
        if !detail.state.running || detail.state.restarting || detail.id.is_empty() {
            return None;
        }
        let mode = NetworkMode::of(&detail.host_config.network_mode);
        let settings = detail.network_settings;
        let short = detail.id.get(..12).unwrap_or(&detail.id).to_owned();
        let networks = settings.networks.into_iter();
        let networks = networks.map(|(name, endpoint)| {
            let attachment = attachment(endpoint, &short);
            (name, attachment)
        });
        let ports = detail
            .config
            .exposed_ports
            .keys()
            .chain(settings.ports.keys());
        let mut ports: Vec<Port> = ports.filter_map(|text| Port::parse(text)).collect();
        ports.sort_unstable();
        ports.dedup();
        let mut published = Vec::new();
        for (port, bindings) in &settings.ports {
            let Some(port) = Port::parse(port) else {
                continue;
            };
            for binding in bindings.iter().flatten() {
                let host_address: Option<IpAddr> = binding.host_ip.parse().ok();
                if let Ok(host_port) = binding.host_port.0.parse() {
                    published.push(Published {
                        port: port.clone(),
                        host_port,
                        host_address: host_address.filter(|address| !address.is_unspecified()),
                    });
                }
            }
        }
        published.sort();
        published.dedup();
        let state = detail.state;
        let health = match state.health.status.as_str() {
            "" => state.healthcheck.status.as_str(),
            status => status,
        };
        let variables = detail.config.env.iter();
        let variables = variables.filter_map(|line| line.split_once('='));
        Some(Self {
            name: detail.name.trim_start_matches('/').to_owned(),
            // A container without networks of its own bears another's name.
            hostname: match mode {
                NetworkMode::Host | NetworkMode::Of(_) => String::new(),
                NetworkMode::Own | NetworkMode::None => detail.config.hostname,
            },
            domainname: detail.config.domainname.trim_end_matches('.').to_owned(),
            image: detail.config.image,
            created: detail.created,
            labels: detail
                .config
                .labels
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect(),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            networks: networks.collect(),
            mode,
            ports,
            published,
            paused: state.paused,
            health: Health::of(health),
            id: detail.id,
            origin: None,
        })
    }

    /// The first twelve digits of its id, by which people call it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Its addresses in all networks.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.values().flat_map(Attachment::addresses)
    }
}

impl NetworkMode {
    fn of(text: &str) -> Self {
        match text {
            "host" => Self::Host,
            "none" => Self::None,
            _ => match text.split_once(':') {
                // Podman says `ns:PATH`, `slirp4netns:...`, `pasta:...` for networks of its own kind.
                Some(("container", other)) => Self::Of(other.to_owned()),
                _ => Self::Own,
            },
        }
    }
}

fn attachment(endpoint: EndpointSettings, short_id: &str) -> Attachment {
    let mut aliases = endpoint.aliases;
    aliases.extend(endpoint.dns_names);
    // Before 1.45 the short id stands among them; it is a name of its own kind.
    aliases.retain(|alias| !alias.is_empty() && alias != short_id);
    aliases.sort_unstable();
    aliases.dedup();
    Attachment {
        network: endpoint.network_id,
        ipv4: endpoint
            .ip_address
            .parse()
            .ok()
            .filter(|it: &Ipv4Addr| !it.is_unspecified()),
        ipv6: endpoint
            .global_ipv6_address
            .parse()
            .ok()
            .filter(|it: &Ipv6Addr| !it.is_unspecified()),
        aliases,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(text: &str) -> Option<Container> {
        Container::of(serde_json::from_str(text).unwrap())
    }

    const RABBIT: &str = r#"{"Id":"0123456789abcdef","Name":"/rabbit_1","Created":"2026-01-01T00:00:00Z",
        "State":{"Running":true,"Paused":true,"Health":{"Status":"healthy"}},
        "Config":{"Hostname":"rabbit_1","Domainname":"mq.","Image":"rabbitmq:3","Labels":{"a":"b"},
                  "Env":["PATH=/bin","NAME=x=y","odd"],"ExposedPorts":{"5672/tcp":{},"53/udp":{},"x":{}}},
        "HostConfig":{"NetworkMode":"app_default"},
        "NetworkSettings":{"IPAddress":"","Ports":{"5672/tcp":[{"HostIp":"0.0.0.0","HostPort":"15672"},
            {"HostIp":"::","HostPort":"15672"},{"HostIp":"127.0.0.1","HostPort":"1"}],"80/tcp":null},
          "Networks":{"app_default":{"NetworkID":"n1","IPAddress":"172.18.0.2","GlobalIPv6Address":"fd00::2",
            "Aliases":["mq","0123456789ab","mq"],"DNSNames":["rabbit_1"]},"other":{"IPAddress":""}}}}"#;

    /// If this fails, a container has other addresses, names or ports than the engine says.
    #[test]
    fn an_inspection_becomes_a_container() {
        let rabbit = container(RABBIT).unwrap();
        assert_eq!(
            (rabbit.name.as_str(), rabbit.short_id()),
            ("rabbit_1", "0123456789ab")
        );
        assert_eq!(rabbit.domainname, "mq");
        assert_eq!(rabbit.environment["NAME"], "x=y");
        let attachment = &rabbit.networks["app_default"];
        assert_eq!(attachment.aliases, ["mq", "rabbit_1"]);
        let addresses: Vec<String> = rabbit.addresses().map(|it| it.to_string()).collect();
        assert_eq!(addresses, ["172.18.0.2", "fd00::2"]);
        let ports: Vec<u16> = rabbit.ports.iter().map(|port| port.number).collect();
        assert_eq!(ports, [53, 80, 5672]);
        let published: Vec<_> = rabbit
            .published
            .iter()
            .map(|it| (it.host_port, it.host_address))
            .collect();
        assert_eq!(published, [(1, Some([127, 0, 0, 1].into())), (15672, None)]);
        assert!(rabbit.paused);
        assert_eq!(rabbit.health, Health::Healthy);
    }

    /// If this fails, names lead to containers that are dead, or to the host under another's name.
    #[test]
    fn what_does_not_run_is_none_and_borrowed_networks_are_told() {
        assert_eq!(container(r#"{"Id":"a","State":{"Running":false}}"#), None);
        assert_eq!(
            container(r#"{"Id":"a","State":{"Running":true,"Restarting":true}}"#),
            None
        );
        let mode = |mode: &str| {
            let text = format!(
                r#"{{"Id":"a","State":{{"Running":true}},"Config":{{"Hostname":"h"}},"HostConfig":{{"NetworkMode":"{mode}"}}}}"#
            );
            let container = container(&text).unwrap();
            (container.mode, container.hostname)
        };
        assert_eq!(mode("host"), (NetworkMode::Host, String::new()));
        assert_eq!(
            mode("container:abc"),
            (NetworkMode::Of("abc".into()), String::new())
        );
        assert_eq!(mode("none"), (NetworkMode::None, "h".into()));
        assert_eq!(mode("bridge"), (NetworkMode::Own, "h".into()));
        assert_eq!(mode("slirp4netns:x"), (NetworkMode::Own, "h".into()));
    }
}
