//! What a start says on standard output.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{DNS_PORT, Endpoint, ListenAddress, Origin};

/// The version as `-version` and the banner show it.
#[must_use]
pub fn version() -> String {
    let (os, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("Callsign-{}\n{os}/{machine}", env!("CARGO_PKG_VERSION"))
}

/// One line for each zone as CoreDNS writes them, then the version, then what the user should
/// know.
pub(super) fn banner(
    endpoints: &[Endpoint],
    other_port: Option<&str>,
    origin: &Origin,
    remark: Option<&str>,
) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for endpoint in endpoints {
        let mut zones: Vec<_> = endpoint.zones.iter().map(|(zone, _)| zone).collect();
        zones.sort();
        for zone in zones {
            let _ = match endpoint.address {
                ListenAddress::Every(port) => writeln!(text, "{zone}:{port}"),
                ListenAddress::One(address) => {
                    writeln!(text, "{zone}:{} on {}", address.port(), address.ip())
                }
            };
        }
    }
    let _ = writeln!(text, "{}", version());
    if *origin == Origin::BuiltIn {
        let port = endpoints
            .first()
            .map_or(DNS_PORT, |endpoint| endpoint.address.port());
        let _ = match other_port {
            Some(why) => writeln!(
                text,
                "No Corefile here, and {why}: serving {} on port {port} (UDP and TCP)",
                served(endpoints)
            ),
            None => writeln!(
                text,
                "No Corefile here: serving every address on port {port} (UDP and TCP)"
            ),
        };
    }
    if let Some(remark) = remark {
        let _ = writeln!(text, "{remark}");
    }
    text
}

/// The addresses that are served, as a part of a sentence.
fn served(endpoints: &[Endpoint]) -> String {
    let addresses = endpoints.iter().map(|endpoint| match endpoint.address {
        ListenAddress::Every(_) => "every address".to_owned(),
        ListenAddress::One(address) => address.ip().to_string(),
    });
    addresses.collect::<Vec<_>>().join(", ")
}

/// The line that shows a name with `dig`, asked of this machine.
pub(super) fn dig_line(name: &str, server: SocketAddr) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = match server.ip() {
        // A server of all addresses has this one, the shortest to type.
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    match server.port() {
        DNS_PORT => format!("dig +short {name} @{address}"),
        port => format!("dig +short {name} @{address} -p {port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the line that a new user copies does not work.
    #[test]
    fn the_dig_line_can_be_copied() {
        let line = |server: &str| dig_line("node1.cluster.internal.", server.parse().unwrap());
        assert_eq!(
            line("[::]:1053"),
            "dig +short node1.cluster.internal @127.0.0.1 -p 1053"
        );
        assert_eq!(
            line("192.0.2.1:53"),
            "dig +short node1.cluster.internal @192.0.2.1"
        );
        assert_eq!(line("[::1]:53"), "dig +short node1.cluster.internal @::1");
    }
}
