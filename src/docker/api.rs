//! What the engine says, as far as names need it.
//!
//! Versions of the engine, and Podman, differ in what they leave out, rename and send as `null`.
//! So nothing here is required, and a value of an unexpected kind counts as absent: one strange
//! container must not cost the others their names.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A map in which a value of an unexpected kind spoils only itself.
pub type Map<T> = BTreeMap<String, T>;

/// `GET /version`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// The engine's version.
    #[serde(default, deserialize_with = "lenient")]
    pub version: String,
    /// The latest version of the interface that it speaks.
    #[serde(default, deserialize_with = "lenient")]
    pub api_version: String,
    /// The earliest one.
    #[serde(default, deserialize_with = "lenient", rename = "MinAPIVersion")]
    pub min_api_version: String,
}

/// One container of `GET /containers/json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    /// The whole id.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// Its names, each with a slash before it; those with a second slash are links.
    #[serde(default, deserialize_with = "lenient")]
    pub names: Vec<String>,
    /// `running`, `paused`.
    #[serde(default, deserialize_with = "lenient")]
    pub state: String,
    /// Its networks.
    #[serde(default, deserialize_with = "lenient")]
    pub network_settings: NetworkSettings,
}

/// `GET /containers/ID/json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Detail {
    /// The whole id.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// Its name with a slash before it.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// When it was made, as RFC 3339 writes it.
    #[serde(default, deserialize_with = "lenient")]
    pub created: String,
    /// Whether it runs.
    #[serde(default, deserialize_with = "lenient")]
    pub state: State,
    /// What it was made of.
    #[serde(default, deserialize_with = "lenient")]
    pub config: Config,
    /// How it is connected to the host.
    #[serde(default, deserialize_with = "lenient")]
    pub host_config: HostConfig,
    /// Its networks and published ports.
    #[serde(default, deserialize_with = "lenient")]
    pub network_settings: NetworkSettings,
}

/// Whether a container runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// Also while it is paused.
    #[serde(default, deserialize_with = "lenient")]
    pub running: bool,
    /// Whether its processes are frozen.
    #[serde(default, deserialize_with = "lenient")]
    pub paused: bool,
    /// Between a death and the next start.
    #[serde(default, deserialize_with = "lenient")]
    pub restarting: bool,
    /// The verdict of its health check.
    #[serde(default, deserialize_with = "lenient")]
    pub health: HealthState,
    /// Podman's older name for the same.
    #[serde(default, deserialize_with = "lenient")]
    pub healthcheck: HealthState,
}

/// The verdict of a health check.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthState {
    /// `starting`, `healthy`, `unhealthy`; empty or `none` without a check.
    #[serde(default, deserialize_with = "lenient")]
    pub status: String,
}

/// What a container was made of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// What it calls itself.
    #[serde(default, deserialize_with = "lenient")]
    pub hostname: String,
    /// The domain that it thinks it is in.
    #[serde(default, deserialize_with = "lenient")]
    pub domainname: String,
    /// The image as it was asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub image: String,
    /// Labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Map<Text>,
    /// `NAME=VALUE`.
    #[serde(default, deserialize_with = "lenient")]
    pub env: Vec<String>,
    /// `5672/tcp`.
    #[serde(default, deserialize_with = "lenient")]
    pub exposed_ports: Map<Value>,
}

/// How a container is connected to the host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// `bridge`, `host`, `none`, `container:ID`, or a network's name.
    #[serde(default, deserialize_with = "lenient")]
    pub network_mode: String,
}

/// A container's networks and published ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// By the network's name.
    #[serde(default, deserialize_with = "lenient")]
    pub networks: Map<EndpointSettings>,
    /// `5672/tcp` → where it is reached on the host.
    #[serde(default, deserialize_with = "lenient")]
    pub ports: Map<Option<Vec<Binding>>>,
}

/// A container in a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointSettings {
    /// The network's id.
    #[serde(default, deserialize_with = "lenient", rename = "NetworkID")]
    pub network_id: String,
    /// Other names in the network.
    #[serde(default, deserialize_with = "lenient")]
    pub aliases: Vec<String>,
    /// All names in the network (since 1.44).
    #[serde(default, deserialize_with = "lenient", rename = "DNSNames")]
    pub dns_names: Vec<String>,
    /// Empty where there is none.
    #[serde(default, deserialize_with = "lenient", rename = "IPAddress")]
    pub ip_address: String,
    /// Empty where there is none.
    #[serde(default, deserialize_with = "lenient", rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
}

/// Where a port is reached on the host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Binding {
    /// The host's address, or one that stands for all.
    #[serde(default, deserialize_with = "lenient")]
    pub host_ip: String,
    /// The host's port.
    #[serde(default, deserialize_with = "lenient")]
    pub host_port: Text,
}

/// One network of `GET /networks`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSummary {
    /// Its id.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// `bridge`, `overlay`, `macvlan`, ...
    #[serde(default, deserialize_with = "lenient")]
    pub driver: String,
    /// Its subnets.
    #[serde(default, deserialize_with = "lenient", rename = "IPAM")]
    pub ipam: Ipam,
}

/// How addresses are given in a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    /// One for each subnet.
    #[serde(default, deserialize_with = "lenient")]
    pub config: Vec<Subnet>,
}

/// A subnet of a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    /// `172.17.0.0/16`.
    #[serde(default, deserialize_with = "lenient")]
    pub subnet: String,
    /// The host's address in it.
    #[serde(default, deserialize_with = "lenient")]
    pub gateway: String,
}

/// One object of `GET /events`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Event {
    /// `container`, `network`, ...; missing before 1.22.
    #[serde(default, deserialize_with = "lenient", rename = "Type")]
    pub kind: String,
    /// What happened.
    #[serde(default, deserialize_with = "lenient", rename = "Action")]
    pub action: String,
    /// The same before 1.22, and beside it until 1.51.
    #[serde(default, deserialize_with = "lenient")]
    pub status: String,
    /// The container's id, in the same versions.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// To whom.
    #[serde(default, deserialize_with = "lenient", rename = "Actor")]
    pub actor: Actor,
}

/// What an event is about.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Actor {
    /// The id of the container or network.
    #[serde(default, deserialize_with = "lenient", rename = "ID")]
    pub id: String,
    /// More about it, a container's labels among them.
    #[serde(default, deserialize_with = "lenient", rename = "Attributes")]
    pub attributes: Map<Text>,
}

/// A message of the engine about what it could not do.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Complaint {
    /// For people.
    #[serde(default, deserialize_with = "lenient", alias = "cause")]
    pub message: String,
}

/// A text that some versions write as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        }))
    }
}

/// A value, or its default where something else stands there.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, one value that a later engine writes otherwise makes a container vanish.
    #[test]
    fn what_is_missing_or_strange_counts_as_absent() {
        let detail: Detail = serde_json::from_str(
            r#"{"Id": "abc", "Name": 7, "State": {"Running": true, "Health": null, "Paused": "no"},
                "Config": {"Hostname": "h", "Labels": null, "ExposedPorts": [], "Env": null},
                "HostConfig": "none", "Unknown": {"a": [1]},
                "NetworkSettings": {"Networks": {"a": {"IPAddress": "10.0.0.2", "Aliases": null}},
                                    "Ports": {"80/tcp": null, "90/tcp": [{"HostIp": "", "HostPort": 90}]}}}"#,
        )
        .unwrap();
        assert_eq!((detail.id.as_str(), detail.name.as_str()), ("abc", ""));
        assert!(detail.state.running && !detail.state.paused);
        assert_eq!(detail.config.hostname, "h");
        assert_eq!(detail.network_settings.networks["a"].ip_address, "10.0.0.2");
        let bindings = detail.network_settings.ports["90/tcp"].as_ref().unwrap();
        assert_eq!(bindings[0].host_port, Text("90".into()));
        let nothing: Detail = serde_json::from_str("{}").unwrap();
        assert!(!nothing.state.running);
        let settings: NetworkSettings = serde_json::from_str(r#"{"Networks": {"a": 3}}"#).unwrap();
        assert!(settings.networks.is_empty());
    }
}
