//! Which of a machine's addresses the selections mean. Pure: what the machine has is an argument.

use std::net::IpAddr;

use super::{AddressSelection, Addresses, LIMIT};

/// What a machine has.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// The addresses of interfaces that are up, in the order in which they should be published.
    pub(super) addresses: Vec<Assigned>,
    /// The names of the interfaces that the default routes use, one for each family at most.
    pub(super) default_interfaces: Vec<String>,
}

/// An address of an interface.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub(super) interface: String,
    pub(super) loopback: bool,
    pub(super) address: IpAddr,
    /// A deprecated or temporary IPv6 address (RFC 4862 §5.5.4, RFC 8981): it goes away or changes
    /// soon, so it is published only where its family has no other.
    pub(super) passing: bool,
}

/// Finds what `selections` mean on `machine`.
pub(super) fn select(selections: &[AddressSelection], machine: &Machine) -> Addresses {
    let usable: Vec<&Assigned> = machine
        .addresses
        .iter()
        .filter(|assigned| is_unicast(assigned.address) && !is_link_local(assigned.address))
        .collect();
    let of = |accept: &dyn Fn(&Assigned) -> bool| lasting(&usable, accept);
    let mut addresses = Addresses::default();
    for selection in selections {
        let found = match selection {
            AddressSelection::Auto => automatic(&usable, &machine.default_interfaces),
            AddressSelection::Interface(name) => of(&|assigned| assigned.interface == *name),
            AddressSelection::Network(network) => {
                of(&|assigned| network.contains(assigned.address))
            }
            AddressSelection::Address(address) => {
                let ours = usable.iter().any(|assigned| assigned.address == *address);
                if !ours && !addresses.elsewhere.contains(address) {
                    addresses.elsewhere.push(*address);
                }
                vec![*address]
            }
        };
        for address in found {
            if !addresses.list.contains(&address) {
                addresses.list.push(address);
            }
        }
    }
    addresses.left_out = addresses.list.len().saturating_sub(LIMIT);
    addresses.list.truncate(LIMIT);
    let all_loopback = addresses.list.iter().all(IpAddr::is_loopback);
    addresses.only_loopback = all_loopback && !addresses.list.is_empty();
    addresses
}

/// What [`AddressSelection::Auto`] means: the first of these that finds anything.
fn automatic(usable: &[&Assigned], default_interfaces: &[String]) -> Vec<IpAddr> {
    let routed = |assigned: &Assigned| {
        !assigned.loopback && default_interfaces.contains(&assigned.interface)
    };
    let own = |assigned: &Assigned| !assigned.loopback && !is_of_containers(&assigned.interface);
    let any = |assigned: &Assigned| !assigned.loopback;
    let steps: [&dyn Fn(&Assigned) -> bool; 4] = [&routed, &own, &any, &|_| true];
    steps
        .iter()
        .map(|accept| lasting(usable, accept))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// The accepted addresses, without the passing ones of a family that has lasting ones.
fn lasting(usable: &[&Assigned], accept: &dyn Fn(&Assigned) -> bool) -> Vec<IpAddr> {
    let accepted: Vec<_> = usable.iter().filter(|assigned| accept(assigned)).collect();
    let lasts = accepted
        .iter()
        .any(|assigned| assigned.address.is_ipv6() && !assigned.passing);
    accepted
        .iter()
        .filter(|assigned| !(assigned.passing && lasts))
        .map(|assigned| assigned.address)
        .collect()
}

/// Whether the name of an interface is one that container engines and hypervisors give to their
/// bridges and to the machine's ends of their containers' links.
fn is_of_containers(interface: &str) -> bool {
    const PREFIXES: [&str; 7] = ["docker", "br-", "veth", "virbr", "cni", "podman", "lxcbr"];
    PREFIXES.iter().any(|prefix| interface.starts_with(prefix))
}

/// Whether `address` means something on one link only (RFC 3927, RFC 4291 §2.5.6).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether `address` can be that of one machine.
pub(super) fn is_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}
