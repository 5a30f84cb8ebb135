//! Whether an upstream is this server itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;

use super::super::BlockDraft;

/// Where containers of Docker find the engine's resolver. Packets to it are led elsewhere before they
/// reach a socket, so whoever listens on all addresses does not get them.
const DOCKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// Whether queries to an address would come back to this block.
pub(super) fn is_served(block: &BlockDraft, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let port = block.zones.iter().any(|zone| zone.port == address.port());
    let mut binds = block.binds.iter().map(|bind| bind.address.ip());
    port && match block.binds.is_empty() {
        true => is_here(ip),
        false => {
            binds.any(|bound| bound.to_canonical() == ip || bound.is_unspecified() && is_here(ip))
        }
    }
}

/// Whether an address is this machine's, so that who listens on all of them gets what is sent there.
pub(super) fn is_here(ip: IpAddr) -> bool {
    if ip == DOCKER {
        return false;
    }
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let Ok(interfaces) = getifaddrs() else {
        return false;
    };
    let mut addresses = interfaces.filter_map(|interface| interface.address);
    addresses.any(|address| {
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        let v6 = || address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip()));
        v4.or_else(v6) == Some(ip)
    })
}
