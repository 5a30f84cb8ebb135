//! What Linux says about interfaces, addresses and routes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::select::{Assigned, Machine};

/// Reads what this machine has. Takes microseconds, but longer where there are many routes or
/// interfaces come and go.
///
/// # Errors
///
/// The kernel does not list its addresses. Without routes or IPv6 flags (no `/proc`), the list is
/// all there is.
pub(super) fn read() -> io::Result<Machine> {
    // The calling thread's network namespace, as getifaddrs sees it.
    let file = |name: &str| {
        let bytes = fs::read(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let flags = ipv6_flags(&file("if_inet6"));
    let mut found: Vec<_> = getifaddrs()?
        .filter(|entry| entry.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|entry| assigned(&entry, &flags))
        .collect();
    found.sort_by_cached_key(|assigned| {
        let index = if_nametoindex(assigned.interface.as_str()).unwrap_or(u32::MAX);
        (index, assigned.address.is_ipv6())
    });
    let routes = [
        default_ipv4(&file("route")),
        default_ipv6(&file("ipv6_route")),
    ];
    Ok(Machine {
        addresses: found,
        default_interfaces: routes.into_iter().flatten().collect(),
    })
}

fn assigned(entry: &InterfaceAddress, flags: &BTreeMap<Ipv6Addr, u8>) -> Option<Assigned> {
    let storage = entry.address.as_ref()?;
    let address = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(address), _) => IpAddr::V4(address.ip()),
        (_, Some(address)) => IpAddr::V6(address.ip()),
        _ => return None,
    };
    let flags = match address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(address) => flags.get(&address).copied().unwrap_or(0),
    };
    if flags & (TENTATIVE | DUPLICATE) != 0 {
        return None;
    }
    // An IPv4 address may have a label, `eth0:1`, in the place of its interface's name.
    let interface = entry.interface_name.split(':').next().unwrap_or_default();
    Some(Assigned {
        interface: interface.to_owned(),
        loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
        address,
        passing: flags & (TEMPORARY | DEPRECATED) != 0,
    })
}

// The flags of an address, from linux/if_addr.h.
const TEMPORARY: u8 = 0x01;
const DUPLICATE: u8 = 0x08;
const DEPRECATED: u8 = 0x20;
const TENTATIVE: u8 = 0x40;

/// Reads `if_inet6`: address, index, prefix, scope, flags (all hexadecimal), interface.
pub(super) fn ipv6_flags(text: &str) -> BTreeMap<Ipv6Addr, u8> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let flags = u8::from_str_radix(words.nth(3)?, 16).ok()?;
        Some((Ipv6Addr::from_bits(address), flags))
    });
    lines.collect()
}

/// Reads `route`: the interface of the default route with the lowest metric. The columns are
/// interface, destination, gateway, flags, references, use, metric, mask.
pub(super) fn default_ipv4(text: &str) -> Option<String> {
    let routes = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            interface,
            "00000000",
            _,
            flags,
            _,
            _,
            metric,
            "00000000",
            ..,
        ] = words.as_slice()
        else {
            return None;
        };
        usable(flags)?;
        Some((metric.parse::<u32>().ok()?, *interface))
    });
    lowest(routes)
}

/// Reads `ipv6_route`: as [`default_ipv4`]. The columns are destination, its prefix, source, its
/// prefix, next hop, metric, references, use, flags, interface.
pub(super) fn default_ipv6(text: &str) -> Option<String> {
    let routes = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            destination,
            "00",
            _,
            "00",
            _,
            metric,
            _,
            _,
            flags,
            interface,
        ] = words.as_slice()
        else {
            return None;
        };
        usable(flags)?;
        let everywhere = destination.bytes().all(|digit| digit == b'0');
        everywhere.then_some((u32::from_str_radix(metric, 16).ok()?, *interface))
    });
    lowest(routes)
}

/// Whether a route is up and lets packets through, by its flags from linux/route.h.
fn usable(flags: &str) -> Option<()> {
    const UP: u32 = 0x0001;
    const REJECT: u32 = 0x0200;
    let flags = u32::from_str_radix(flags, 16).ok()?;
    (flags & (UP | REJECT) == UP).then_some(())
}

fn lowest<'a>(routes: impl Iterator<Item = (u32, &'a str)>) -> Option<String> {
    routes
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, interface)| interface.to_owned())
}
