//! Port 53 of some addresses only: what is served without a Corefile where another program has the
//! port at one of them, such as systemd-resolved at 127.0.0.53.
//!
//! Containers ask port 53 and no other. So it is served at every address of the machine where it is
//! free, and at those that appear later, such as the one that a container engine gives to its bridge.

use std::net::{IpAddr, SocketAddr};

use tokio::sync::watch;
use tracing::{debug, info};

use super::instance::Server;
use crate::config::ListenAddress;
use crate::identity::address::{self, AddressSelection, Addresses};
use crate::listen::{Holder, Listener, bind_missing, holders};
use crate::plugins::bind::interfaces;

/// The beginnings of names of interfaces that belong to programs which start a resolver for them: an
/// address there that is new is left to it.
const WITH_RESOLVERS: &[&str] = &["virbr", "lxcbr", "lxdbr", "incusbr", "podman", "cni-podman"];

/// The default network of Podman has no resolver.
const WITHOUT_RESOLVER: &[&str] = &["podman0", "cni-podman0"];

/// Where the port is free, and who has it elsewhere.
pub(super) struct Free {
    /// The addresses, 127.0.0.1 first where it is among them.
    pub(super) addresses: Vec<SocketAddr>,
    /// Why not all of them, in a few words.
    pub(super) why: String,
}

/// Finds the addresses at which a port that cannot be had everywhere can be had; [`None`] if that
/// would help nobody, since the other program has it at all addresses.
pub(super) fn free(port: u16) -> Option<Free> {
    let all = of_this_machine(port);
    let is_free = |address: &SocketAddr| bind_missing(&[one(*address)], &[], |_| 1).is_ok();
    let addresses: Vec<SocketAddr> = all.iter().copied().filter(is_free).collect();
    // Who has all addresses of IPv4 has left nothing that is of use.
    let is_useful = |it: &SocketAddr| it.is_ipv4() || all.iter().all(SocketAddr::is_ipv6);
    addresses.iter().any(is_useful).then(|| Free {
        why: format!("port {port} is in use{}", shown(&holders(port))),
        addresses,
    })
}

/// Tells when addresses of this machine come and go.
pub(super) fn watch() -> watch::Receiver<Addresses> {
    let everywhere = ["0.0.0.0/0", "::/0"].map(AddressSelection::parse);
    address::watch(everywhere.into_iter().flatten().collect())
}

/// Waits until the addresses have changed; for ever where nobody watches them.
pub(super) async fn changed(watched: &mut Option<watch::Receiver<Addresses>>) {
    if let Some(watched) = watched
        && watched.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

impl Server {
    /// Serves addresses that are new, and lets go of those that are gone. Nothing else changes.
    pub(super) fn follow_addresses(&mut self) {
        let now = of_this_machine(self.options.dns_port);
        let (stay, gone) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|it: &Listener| now.contains(&it.local()));
        self.listeners = stay;
        for listener in gone {
            self.options.addresses.retain(|it| *it != listener.local());
            info!(
                "{} is served no more: the machine has it no longer",
                listener.local()
            );
            self.let_go(listener);
        }
        for address in now {
            if !self.options.addresses.contains(&address) && !is_of_a_resolver(address.ip()) {
                self.serve_too(address);
            }
        }
        let addresses = self.options.addresses.iter().copied().map(one);
        self.served_at(&addresses.collect::<Vec<_>>());
    }

    fn serve_too(&mut self, address: SocketAddr) {
        let wanted = one(address);
        // That somebody else has it is no news.
        let Ok(bound) = bind_missing(&[wanted], &self.listeners, |_| 1) else {
            return;
        };
        for bound in bound {
            match self.listen(bound, wanted) {
                Ok(()) => {
                    self.options.addresses.push(address);
                    info!("{address} is served too");
                }
                Err(error) => debug!("cannot serve {address}: {error}"),
            }
        }
    }
}

fn one(address: SocketAddr) -> ListenAddress {
    ListenAddress::One(address)
}

/// The addresses of this machine that mean the same on all of its links, with a port; those of
/// loopback first, IPv4 before IPv6.
fn of_this_machine(port: u16) -> Vec<SocketAddr> {
    let addresses = interfaces().into_iter().map(|(_, address)| address.ip());
    let mut addresses: Vec<IpAddr> = addresses.filter(|it| !is_link_local(*it)).collect();
    addresses.sort_by_key(|it| (!it.is_loopback(), it.is_ipv6()));
    addresses.dedup();
    let with_port = addresses.into_iter().map(|it| SocketAddr::new(it, port));
    with_port.collect()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    }
}

/// Whether an address is on an interface whose program is about to start a resolver there.
fn is_of_a_resolver(address: IpAddr) -> bool {
    let interfaces = interfaces();
    let mut having = interfaces.iter().filter(|(_, it)| it.ip() == address);
    having.any(|(name, _)| {
        WITH_RESOLVERS.iter().any(|it| name.starts_with(it))
            && !WITHOUT_RESOLVER.contains(&name.as_str())
    })
}

/// At which addresses a port is in use, and by whom.
fn shown(holders: &[Holder]) -> String {
    let shown = holders.iter().map(|holder| match &holder.program {
        Some(program) => format!("{} ({program})", holder.address),
        None => holder.address.to_string(),
    });
    let shown: Vec<String> = shown.collect();
    match shown.is_empty() {
        true => " elsewhere".to_owned(),
        false => format!(" at {}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the start says nothing useful about who has the port.
    #[test]
    fn holders_are_named() {
        let holder = |address: &str, program: Option<&str>| Holder {
            address: address.parse().unwrap(),
            program: program.map(ToOwned::to_owned),
        };
        let two = [
            holder("127.0.0.53", Some("systemd-resolve")),
            holder("10.0.0.1", None),
        ];
        assert_eq!(shown(&two), " at 127.0.0.53 (systemd-resolve), 10.0.0.1");
        assert_eq!(shown(&[]), " elsewhere");
    }

    /// If this fails, the line that the user copies asks another address than the shortest, or an
    /// address is bound twice, which fails.
    #[test]
    fn loopback_comes_first() {
        let addresses = of_this_machine(53);
        assert_eq!(addresses.first(), Some(&([127, 0, 0, 1], 53).into()));
        let mut distinct = addresses.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), addresses.len());
    }
}
