//! Containers of the model.

use std::collections::BTreeMap;

/// A container of the model.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) networks: BTreeMap<String, Attached>,
    pub(crate) paused: bool,
    /// `healthy`, `unhealthy`, `starting`; empty without a check.
    pub(crate) health: &'static str,
    /// `NAME=VALUE`.
    pub(crate) environment: Vec<String>,
    /// Its ports, each with that of the host.
    pub(crate) published: Vec<(u16, u16)>,
    /// How it has its networks: `bridge`, `host`.
    pub(crate) mode: &'static str,
    pub(super) created: u64,
}

/// A container in a network.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) address: String,
    pub(crate) aliases: Vec<String>,
}

impl Container {
    /// A container with this name, which is its hostname too, and no network.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            id: String::new(),
            name: name.into(),
            hostname: name.into(),
            labels: BTreeMap::new(),
            networks: BTreeMap::new(),
            paused: false,
            health: "",
            environment: Vec::new(),
            published: Vec::new(),
            mode: "bridge",
            created: 0,
        }
    }

    pub(crate) fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = hostname.into();
        self
    }

    /// In a network, with this address and these aliases.
    pub(crate) fn network(mut self, network: &str, address: &str, aliases: &[&str]) -> Self {
        let aliases = aliases.iter().map(|&alias| alias.into()).collect();
        let address = address.into();
        self.networks
            .insert(network.into(), Attached { address, aliases });
        self
    }

    /// With a TCP port that is published at one of the host.
    pub(crate) fn published(mut self, port: u16, host_port: u16) -> Self {
        self.published.push((port, host_port));
        self
    }

    /// One of the replicas of a service, in the project's own network.
    pub(crate) fn compose(project: &str, service: &str, number: u32, address: &str) -> Self {
        let mut it = Self::new(&format!("{project}-{service}-{number}"));
        it.hostname.clear();
        let labels = [
            ("project", project),
            ("service", service),
            ("container-number", &number.to_string()),
            ("oneoff", "False"),
        ];
        it.labels = labels
            .map(|(key, value)| (format!("com.docker.compose.{key}"), value.into()))
            .into();
        it.network(&format!("{project}_default"), address, &[service])
    }
}
