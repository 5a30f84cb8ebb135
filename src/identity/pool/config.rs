//! What a pool is told to do.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::identity::address::AddressSelection;
use crate::identity::health::HealthCheck;
use crate::identity::hooks::Hook;
use crate::identity::record::Port;
use crate::store::{Slot, Space};

/// What a pool is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// What the pool is called in the Corefile.
    pub pool: String,
    /// Its names.
    pub space: Space,
    /// Whether this node wants a name, or only answers for those of others.
    pub claim: bool,
    /// How long a claim outlives its last renewal.
    pub ttl: Duration,
    /// How long the slot waits for its node; [`None`] for not at all.
    pub sticky: Option<Duration>,
    /// The node key where it was configured.
    pub node: Option<String>,
    /// Which addresses to publish.
    pub addresses: Vec<AddressSelection>,
    /// The port of our DNS server.
    pub dns_port: Option<u16>,
    /// Named ports to publish.
    pub ports: BTreeMap<String, Port>,
    /// Free text to publish.
    pub meta: BTreeMap<String, String>,
    /// What must pass before the node is answered for.
    pub health: Option<HealthCheck>,
    /// What to run when something happens.
    pub hooks: Vec<Hook>,
}

impl PoolConfig {
    /// What a pool is called where nobody says.
    pub const POOL: &str = "node";

    /// Its pattern where nobody says.
    pub const PATTERN: &str = "{{.Pool}}{{.ID}}.cluster.internal.";

    /// How many slots it has where nobody says.
    pub const LIMIT: Slot = 1000;

    /// How long a claim outlives its last renewal where nobody says.
    pub const TTL: Duration = Duration::from_secs(20);

    /// A pool whose names are claimed, not kept for anybody, and published with this machine's
    /// addresses and nothing else.
    #[must_use]
    pub fn new(pool: impl Into<String>, space: Space) -> Self {
        Self {
            pool: pool.into(),
            space,
            claim: true,
            ttl: Self::TTL,
            sticky: None,
            node: None,
            addresses: vec![AddressSelection::Auto],
            dns_port: None,
            ports: BTreeMap::new(),
            meta: BTreeMap::new(),
            health: None,
            hooks: Vec::new(),
        }
    }
}
