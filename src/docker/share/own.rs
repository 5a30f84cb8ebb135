//! The values of our own containers. What has not changed is not made anew.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::reach::{Reaching, Unreachable};
use super::{ShareOptions, value};
use crate::docker::names::{NameOptions, Wishes, network_owner};
use crate::docker::{Container, EngineState};
use crate::networks::Network;
use crate::store::board::Values;

/// Makes the values of our own containers.
#[derive(Debug)]
pub struct Own {
    names: NameOptions,
    share: ShareOptions,
    /// What the host calls itself.
    host: String,
    addresses: Vec<IpAddr>,
    /// The names and the subnets of its bridges.
    bridges: Vec<(String, Network)>,
    made: HashMap<String, Made>,
}

/// What was made of a container.
#[derive(Debug)]
struct Made {
    container: Arc<Container>,
    owner: Option<Arc<Container>>,
    value: Result<Arc<[u8]>, Reason>,
}

/// Why a container is not shared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// It has no names.
    Ignored,
    Unreachable(Unreachable),
    /// It says too much, or something that nobody understands.
    Unfit(String),
}

/// A container that others do not get to see, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Its id.
    pub id: String,
    /// Why, for people.
    pub reason: String,
}

impl Own {
    /// Nothing yet.
    #[must_use]
    pub fn new(names: NameOptions, share: ShareOptions) -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default();
        Self {
            names,
            share,
            host: host.to_string_lossy().into_owned(),
            addresses: Vec::new(),
            bridges: Vec::new(),
            made: HashMap::new(),
        }
    }

    /// The values of the containers that these engines run, on a host with these addresses.
    pub fn values(&mut self, engines: &[EngineState], addresses: &[IpAddr]) -> Values {
        let bridges = bridges(engines);
        if self.addresses != addresses || self.bridges != bridges {
            self.addresses = addresses.to_vec();
            self.bridges = bridges;
            self.made.clear();
        }
        let mut before = std::mem::take(&mut self.made);
        let mut values = BTreeMap::new();
        for engine in engines {
            for (id, container) in engine.containers.iter() {
                if self.made.contains_key(id) {
                    continue;
                }
                let owner = network_owner(container, engine);
                let known = before
                    .remove(id)
                    .filter(|it| it.owner == owner && Arc::ptr_eq(&it.container, container));
                let made = known.unwrap_or_else(|| Made {
                    value: self.value(container, owner.as_deref()),
                    container: Arc::clone(container),
                    owner,
                });
                if let Ok(value) = &made.value {
                    values.insert(id.clone(), Arc::clone(value));
                }
                self.made.insert(id.clone(), made);
            }
        }
        Arc::new(values)
    }

    /// The containers among them that others do not get to see, in no order. Those that want no
    /// names are none of these.
    pub fn hidden(&self) -> impl Iterator<Item = Hidden> {
        self.made.iter().filter_map(|(id, made)| {
            let reason = match made.value.as_ref().err()? {
                Reason::Ignored => return None,
                Reason::Unreachable(reason) => reason.to_string(),
                Reason::Unfit(reason) => reason.clone(),
            };
            let id = id.clone();
            Some(Hidden { id, reason })
        })
    }

    fn value(&self, container: &Container, owner: Option<&Container>) -> Result<Arc<[u8]>, Reason> {
        let wishes = Wishes::read(container, &self.names);
        if wishes.ignored {
            return Err(Reason::Ignored);
        }
        let reaching = Reaching {
            names: &self.names,
            routed: &self.share.routed,
            host: &self.addresses,
            bridges: &self.bridges,
            on_one_machine: self.share.is_on_one_machine(),
        };
        let reach = reaching.of(owner, &wishes).map_err(Reason::Unreachable)?;
        value::write(container, owner, reach, &reaching, &wishes, &self.host)
            .map(Arc::from)
            .map_err(Reason::Unfit)
    }
}

/// The names and the subnets of the bridges of these engines.
fn bridges(engines: &[EngineState]) -> Vec<(String, Network)> {
    let networks = engines.iter().flat_map(|engine| engine.networks.values());
    let bridges = networks.filter(|network| network.driver == "bridge");
    let subnets = bridges.flat_map(|bridge| {
        let subnets = bridge.subnets.iter();
        subnets.map(|(address, length)| (bridge.name.clone(), Network::new(*address, *length)))
    });
    subnets.collect()
}
