//! What containers say about their names in labels, ours and those of other programs.

use std::net::IpAddr;

use super::claims::Compose;
use super::options::{Compat, NameOptions};
use crate::docker::Container;

/// What a container's labels ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// It has no names at all: it wants none, or has no label where only labels count.
    pub ignored: bool,
    /// Names as they were written: below the zones, or whole ones.
    pub names: Vec<String>,
    /// Whether everything below these names is answered like them.
    pub wildcard: bool,
    /// The TTL of its records, in seconds.
    pub ttl: Option<u32>,
    /// The addresses that are told instead of its own.
    pub addresses: Vec<IpAddr>,
    /// The only networks that count, by name.
    pub networks: Vec<String>,
    /// Texts of its names.
    pub texts: Vec<String>,
    /// Services by name, such as `_mqtt._tcp`, with their ports.
    pub services: Vec<(String, u16)>,
    /// Labels that were not understood, each with what is wrong.
    pub problems: Vec<String>,
}

impl Wishes {
    /// Reads the labels of a container.
    pub fn read(container: &Container, options: &NameOptions) -> Self {
        let mut wishes = Self::default();
        for (key, value) in &container.labels {
            if let Some(key) = key.strip_prefix(&options.label_prefix) {
                wishes.ours(key, value.trim());
            }
        }
        for compat in &options.compat {
            wishes.others(*compat, container);
        }
        let mut labels = container.labels.keys();
        wishes.ignored |=
            options.labelled_only && !labels.any(|key| key.starts_with(&options.label_prefix));
        wishes
    }

    fn ours(&mut self, key: &str, value: &str) {
        let understood = match key {
            "ignore" => is_yes(value).map(|yes| self.ignored |= yes),
            "wildcard" => is_yes(value).map(|yes| self.wildcard |= yes),
            "name" | "names" => {
                self.names.extend(words(value));
                Some(())
            }
            "network" | "networks" => {
                self.networks.extend(words(value));
                Some(())
            }
            "txt" => {
                self.texts.push(value.to_owned());
                Some(())
            }
            "ttl" => value
                .parse()
                .ok()
                .filter(|ttl| *ttl <= 86_400)
                .map(|ttl| self.ttl = Some(ttl)),
            "ip" => words(value)
                .map(|word| word.parse().ok())
                .collect::<Option<Vec<IpAddr>>>()
                .map(|addresses| self.addresses.extend(addresses)),
            _ => key.strip_prefix("srv.").and_then(|service| {
                let is_service = service.starts_with('_') && service.contains("._");
                let port = value.parse().ok().filter(|port| *port > 0);
                port.filter(|_| is_service)
                    .map(|port| self.services.push((service.to_owned(), port)))
            }),
        };
        if understood.is_none() {
            self.problems
                .push(format!("label {key}={value:?} is not understood"));
        }
    }

    fn others(&mut self, compat: Compat, container: &Container) {
        let label = |key: &str| container.labels.get(key).map(String::as_str);
        let variable = |key: &str| container.environment.get(key).map(String::as_str);
        match compat {
            Compat::Dnsdock => {
                self.ignored |= label("com.dnsdock.ignore").is_some();
                self.names
                    .extend(words(label("com.dnsdock.alias").unwrap_or_default()));
                let name = label("com.dnsdock.name").unwrap_or(&container.name);
                let image = super::template::image_name(&container.image);
                let image = label("com.dnsdock.image").unwrap_or(image);
                match image {
                    "" => self.names.push(name.to_owned()),
                    image => self.names.push(format!("{name}.{image}")),
                }
                if let Some(ttl) = label("com.dnsdock.ttl").and_then(|ttl| ttl.parse().ok()) {
                    self.ttl = Some(ttl);
                }
                let address: Option<IpAddr> =
                    label("com.dnsdock.ip_addr").and_then(|it| it.parse().ok());
                self.addresses.extend(address);
            }
            Compat::Coredns => {
                let hosts = label("coredns.dockerdiscovery.host").unwrap_or_default();
                self.names.extend(words(hosts));
            }
            Compat::Registrator => {
                self.ignored |=
                    variable("SERVICE_IGNORE").is_some() || label("SERVICE_IGNORE").is_some();
                self.names
                    .extend(words(label("SERVICE_NAME").unwrap_or_default()));
            }
            Compat::Dps | Compat::Resolvable => {}
        }
        self.names.extend(compat.in_variables(container));
    }

    /// The names that are read from variables.
    pub fn in_variables(container: &Container, options: &NameOptions) -> Vec<String> {
        let compat = options.compat.iter();
        compat.flat_map(|it| it.in_variables(container)).collect()
    }

    /// Whether names depend on a label.
    pub fn reads(key: &str, options: &NameOptions) -> bool {
        let mut templates = options.templates.iter();
        key.starts_with(&options.label_prefix)
            || Compose::reads(key)
            || options.compat.iter().any(|it| it.reads(key))
            || templates.any(|it| it.reads(key))
    }
}

impl Compat {
    /// The names that a program's users write into variables.
    fn in_variables(self, container: &Container) -> Vec<String> {
        let variable = match self {
            Self::Dnsdock | Self::Coredns => return Vec::new(),
            // A label says it better.
            Self::Registrator if container.labels.contains_key("SERVICE_NAME") => {
                return Vec::new();
            }
            Self::Registrator => "SERVICE_NAME",
            Self::Dps => "HOSTNAMES",
            Self::Resolvable => "DNS_RESOLVES",
        };
        let text = container.environment.get(variable);
        words(text.map(String::as_str).unwrap_or_default()).collect()
    }

    /// Whether a program's users write names, or what belongs to them, into a label.
    fn reads(self, key: &str) -> bool {
        match self {
            Self::Dnsdock => key.starts_with("com.dnsdock."),
            Self::Coredns => key == "coredns.dockerdiscovery.host",
            Self::Registrator => key == "SERVICE_NAME",
            Self::Dps | Self::Resolvable => false,
        }
    }
}

/// The words of a list with commas or blanks.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split([',', ' ', '\t', '\n']);
    words
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
}

fn is_yes(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
