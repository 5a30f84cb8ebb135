//! A container as others get to see it: what names are made of, and how it is reached.
//!
//! No environment variable is in it, and of the labels only those that names are made of. Values of
//! others may say anything: they are read within bounds, and skipped as a whole where anything is
//! wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::reach::{Reach, Reaching};
use crate::docker::container::Origin;
use crate::docker::names::{NameOptions, Wishes};
use crate::docker::{Attachment, Container, Health, NetworkMode, Port, Published};

/// The version of the values that are written and read.
const VERSION: u32 = 1;

/// The largest value that is read, in bytes.
pub(super) const LIMIT: usize = 32 * 1024;

/// The most ports and the most published ports that are told; whoever publishes thousands means a
/// range, which no name can tell.
const MOST_PORTS: usize = 200;

/// The most addresses of any kind in a value.
const MOST_ADDRESSES: usize = 256;

/// The most networks, labels, or aliases in a network.
const MOST_ENTRIES: usize = 256;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Value {
    v: u32,
    /// What the host calls itself, for people.
    host: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    domainname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image: String,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<String, AttachmentValue>,
    /// The addresses of its host, where it is reached through that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    through: Vec<IpAddr>,
    /// `80/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    published: Vec<PublishedValue>,
    #[serde(skip_serializing_if = "is_false")]
    paused: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    health: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AttachmentValue {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    /// Where others reach it in this network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PublishedValue {
    /// The container's, `80/tcp`.
    port: String,
    /// The host's.
    host_port: u16,
}

/// The value of a container of ours that others reach so.
pub(super) fn write(
    container: &Container,
    owner: Option<&Container>,
    reach: Reach,
    reaching: &Reaching<'_>,
    wishes: &Wishes,
    host: &str,
) -> Result<Vec<u8>, String> {
    // One that uses another's networks has none of its own.
    let mut networks: BTreeMap<String, AttachmentValue> = BTreeMap::new();
    for (name, attachment) in &container.networks {
        networks.entry(name.clone()).or_default().aliases = attachment.aliases.clone();
    }
    let (through, published) = match reach {
        Reach::ThroughHost(addresses, published) => (addresses, published),
        Reach::Directly => {
            for (name, attachment) in owner.map(|it| &it.networks).into_iter().flatten() {
                let addresses = attachment.addresses();
                let routed: Vec<IpAddr> = addresses
                    .filter(|it| reaching.is_routed(name, *it, wishes))
                    .collect();
                if !routed.is_empty() {
                    networks.entry(name.clone()).or_default().addresses = routed;
                }
            }
            Default::default()
        }
    };
    let value = Value {
        v: VERSION,
        host: host.to_owned(),
        name: container.name.clone(),
        hostname: container.hostname.clone(),
        domainname: container.domainname.clone(),
        image: container.image.clone(),
        created: container.created.clone(),
        labels: labels(container, reaching.names),
        networks,
        through: through.into_iter().collect(),
        ports: container.ports.iter().take(MOST_PORTS).map(text).collect(),
        published: published
            .iter()
            .take(MOST_PORTS)
            .map(|it| PublishedValue {
                port: text(&it.port),
                host_port: it.host_port,
            })
            .collect(),
        paused: container.paused,
        health: container.health.word().to_owned(),
    };
    let bytes = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
    // What is written must be readable by everybody else.
    read(&container.id, &bytes)?;
    Ok(bytes)
}

/// The labels that names are made of, and as one of ours the names in variables that are read.
fn labels(container: &Container, options: &NameOptions) -> BTreeMap<String, String> {
    let labels = container.labels.iter();
    let read = labels.filter(|(key, _)| Wishes::reads(key, options));
    let mut labels: BTreeMap<String, String> = read
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let names = Wishes::in_variables(container, options);
    if !names.is_empty() {
        let label = labels
            .entry(format!("{}names", options.label_prefix))
            .or_default();
        *label = format!("{label} {}", names.join(" "));
    }
    labels
}

/// The container with this id that a value tells of.
///
/// # Errors
///
/// What is wrong with the value, in a few words.
pub(super) fn read(id: &str, bytes: &[u8]) -> Result<Container, String> {
    if bytes.len() > LIMIT {
        return Err(format!("more than {LIMIT} bytes"));
    }
    let is_id = |id: &str| {
        (12..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if !is_id(id) {
        return Err("the key is no container's id".to_owned());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    value.check()?;
    let attachment = |(name, value): (String, AttachmentValue)| {
        let mut attachment = Attachment {
            aliases: value.aliases,
            ..Attachment::default()
        };
        for address in value.addresses {
            match address {
                IpAddr::V4(address) => attachment.ipv4 = Some(address),
                IpAddr::V6(address) => attachment.ipv6 = Some(address),
            }
        }
        (name, attachment)
    };
    let published = value.published.iter().map(|it| {
        Some(Published {
            port: Port::parse(&it.port)?,
            host_port: it.host_port,
            host_address: None,
        })
    });
    let published: Option<Vec<Published>> = published.collect();
    let ports: Option<Vec<Port>> = value.ports.iter().map(|it| Port::parse(it)).collect();
    Ok(Container {
        id: id.to_owned(),
        name: value.name,
        hostname: value.hostname,
        domainname: value.domainname,
        image: value.image,
        created: value.created,
        labels: value.labels,
        environment: BTreeMap::new(),
        networks: value.networks.into_iter().map(attachment).collect(),
        mode: NetworkMode::Own,
        ports: ports.ok_or("a port that is none")?,
        published: published.ok_or("a published port that is none")?,
        paused: value.paused,
        health: Health::of(&value.health),
        origin: Some(Arc::new(Origin {
            host: value.host,
            addresses: value.through,
        })),
    })
}

impl Value {
    /// Whether it is of our version and within its bounds.
    fn check(&self) -> Result<(), String> {
        if self.v != VERSION {
            return Err(format!("version {}, not {VERSION}", self.v));
        }
        if self.name.is_empty() {
            return Err("no name".to_owned());
        }
        let networks = &self.networks;
        let texts = [&self.host, &self.name, &self.hostname, &self.domainname];
        let aliases = networks.values().flat_map(|it| &it.aliases);
        let mut texts = texts
            .into_iter()
            .chain([&self.image, &self.created])
            .chain(networks.keys())
            .chain(aliases)
            .chain(self.labels.keys());
        if texts.any(|text| text.chars().any(char::is_control)) {
            return Err("control characters".to_owned());
        }
        let most_aliases = networks.values().map(|it| it.aliases.len()).max();
        let addresses = networks.values().flat_map(|it| &it.addresses);
        let addresses: Vec<&IpAddr> = addresses.chain(&self.through).collect();
        if self.labels.len() > MOST_ENTRIES
            || networks.len() > MOST_ENTRIES
            || most_aliases.is_some_and(|most| most > MOST_ENTRIES)
            || self.ports.len() > MOST_PORTS
            || self.published.len() > MOST_PORTS
            || addresses.len() > MOST_ADDRESSES
        {
            return Err("more of something than there can be".to_owned());
        }
        let is_nobodys = |address: &&IpAddr| address.is_unspecified() || address.is_multicast();
        if addresses.into_iter().any(|it| is_nobodys(&it)) {
            return Err("an address that is nobody's".to_owned());
        }
        Ok(())
    }
}

fn text(port: &Port) -> String {
    format!("{}/{}", port.number, port.protocol)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(value: &bool) -> bool {
    !value
}
