//! The configuration of a start without a Corefile: the node claims a name on this machine and
//! answers for it and for this machine's containers, and asks the machine's own name servers about
//! all other names.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{DNS_PORT, Text};
use crate::docker::Places;
use crate::docker::places::ThisMachine;
use crate::plugins::forward;
use crate::reason;

/// Where a machine says which name servers it asks: see resolv.conf(5).
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where systemd-resolved says which name servers it asks itself. In [`RESOLV_CONF`] it names only
/// its own address then.
pub(crate) const RESOLVED_CONF: &str = "/run/systemd/resolve/resolv.conf";

/// The most of that file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 16;

/// The most name servers that are asked; the C library takes as many from that file.
const MOST_SERVERS: usize = 3;

/// Where systemd-resolved answers.
const RESOLVED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// The lines that are always there.
const NAME: &str = "
    identity node {
        pattern node{{.ID}}.cluster.internal.
        limit 1000
        store local
    }";

/// Who may ask about everything else. A server that asks others for everybody is abused to flood
/// third parties, and what containers there are is nobody's business; nobody has said here whom this
/// one is for. Containers' own networks are private ones.
const PRIVATE_CLIENTS: &str = "
    acl cluster.internal {
        allow
    }
    acl {
        allow net 127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16
        allow net ::1 fc00::/7 fe80::/10
        block
    }";

/// The names of containers.
const CONTAINERS: &str = "
    docker";

/// Reads which name servers this machine asks.
pub(crate) fn resolv_conf() -> io::Result<String> {
    servers_in(RESOLV_CONF)
}

fn servers_in(path: &str) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads which name servers this machine has, and makes the configuration for a server on `port` of
/// these addresses, or of all of the machine where there are none.
pub(super) fn text(port: u16, addresses: &[SocketAddr]) -> Text {
    let asked = servers_in(RESOLVED_CONF).unwrap_or_default();
    let read = resolv_conf().map(|text| without_circle(text, asked, port, addresses));
    let engine = Places::usual(&ThisMachine).map(drop);
    with(read, port, addresses, engine)
}

/// Where the only server is systemd-resolved, and that `asks` this server among others, those others:
/// each question would go in a circle between the two.
fn without_circle(text: String, asks: String, port: u16, addresses: &[SocketAddr]) -> String {
    let is_resolved = |server: &SocketAddr| RESOLVED.contains(&server.ip());
    let servers = forward::all_servers(&text);
    if servers.is_empty() || !servers.iter().all(is_resolved) {
        return text;
    }
    let all = forward::all_servers(&asks).len();
    let others = forward::other_servers(&asks, port, addresses).len();
    match 0 < others && others < all {
        true => asks,
        false => text,
    }
}

/// The same, for what was read, and for what is wrong with where the engine is said to be.
fn with(
    resolv_conf: io::Result<String>,
    port: u16,
    addresses: &[SocketAddr],
    engine: Result<(), String>,
) -> Text {
    let (servers, mut remark) = match resolv_conf {
        Ok(text) => {
            let mut servers = forward::other_servers(&text, port, addresses);
            servers.truncate(MOST_SERVERS);
            let remark = match servers.is_empty() {
                true => {
                    format!("Forwarding nothing: {RESOLV_CONF} names no server other than this one")
                }
                false => format!(
                    "Forwarding other names to {}, for clients in private networks",
                    shown(&servers)
                ),
            };
            (servers, remark)
        }
        Err(error) => {
            let reason = reason::of(&error);
            let remark = format!("Forwarding nothing: cannot read {RESOLV_CONF}: {reason}");
            (Vec::new(), remark)
        }
    };
    let containers = match engine {
        Ok(()) => true,
        Err(problem) => {
            // Nobody has asked for containers here: all else is served.
            remark = format!("No names of containers: {problem}\n{remark}");
            false
        }
    };
    Text {
        name: "built-in".to_owned(),
        directory: PathBuf::new(),
        text: corefile(addresses, &servers, containers),
        remark: Some(remark),
    }
}

/// The Corefile that serves these addresses and asks these servers, in this order.
fn corefile(addresses: &[SocketAddr], servers: &[SocketAddr], containers: bool) -> String {
    let mut text = ". {\n".to_owned();
    if !addresses.is_empty() {
        text.push_str("    bind");
        for address in addresses {
            let _ = write!(text, " {}", address.ip());
        }
        // There may be many addresses.
        text.push_str("\n    multisocket 1\n");
    }
    let _ = write!(text, "    errors{NAME}");
    if containers {
        text.push_str(CONTAINERS);
    }
    text.push_str(PRIVATE_CLIENTS);
    if !servers.is_empty() {
        text.push_str("\n    cache\n    forward .");
        for server in servers {
            // Writing to a string does not fail.
            let _ = write!(text, " {server}");
        }
        text.push_str(" {\n        policy sequential\n        except cluster.internal\n    }");
    }
    text.push_str("\n}\n");
    text
}

fn shown(servers: &[SocketAddr]) -> String {
    let shown = servers.iter().map(|server| match server.port() {
        DNS_PORT => server.ip().to_string(),
        _ => server.to_string(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check;

    fn remark(resolv_conf: &str, port: u16) -> String {
        with(Ok(resolv_conf.to_owned()), port, &[], Ok(()))
            .remark
            .unwrap_or_default()
    }

    /// If this fails, a start without a Corefile fails with a message about a file that nobody wrote.
    #[test]
    fn it_is_right_with_and_without_servers() {
        for resolv_conf in [
            "",
            "nameserver 198.51.100.53\n",
            "nameserver 127.0.0.1\nnameserver ::1\n",
            "nameserver fe80::1%1\nnameserver 2001:db8::53\n",
            "nameserver 127.0.0.53\noptions edns0\nsearch .\n",
            "no such line\nnameserver\nnameserver x\n",
        ] {
            for port in [DNS_PORT, 1053] {
                let text = with(Ok(resolv_conf.to_owned()), port, &[], Ok(()));
                let mut sources = corefile::Sources::new();
                let checked = check(&mut sources, &text, port, &corefile::ProcessEnvironment);
                let warnings = checked.map(|configuration| configuration.warnings.len());
                assert_eq!(warnings, Ok(0), "{resolv_conf:?}\n{}", text.text);
            }
        }
        let unreadable = with(Err(io::ErrorKind::NotFound.into()), DNS_PORT, &[], Ok(()));
        assert_eq!(unreadable.text, corefile(&[], &[], true));
    }

    /// If this fails, a machine whose systemd-resolved asks this server waits for seconds for each name
    /// that is nowhere: the two ask each other. Or what systemd-resolved knows of a VPN is not asked,
    /// though nothing goes in a circle.
    #[test]
    fn systemd_resolved_is_not_asked_where_it_asks_this_server() {
        let ours = ["127.0.0.1:53".parse().unwrap()];
        let stub = "nameserver 127.0.0.53\noptions edns0\n";
        let both = "nameserver 127.0.0.1\nnameserver 198.51.100.1\n";
        let chosen = |text: &str, asks: &str| {
            without_circle(text.to_owned(), asks.to_owned(), DNS_PORT, &ours)
        };
        assert_eq!(chosen(stub, both), both);
        assert_eq!(chosen(stub, "nameserver 198.51.100.1\n"), stub);
        assert_eq!(chosen(stub, "nameserver 127.0.0.1\n"), stub);
        assert_eq!(chosen(stub, ""), stub);
        assert_eq!(chosen("", both), "");
        let other = "nameserver 198.51.100.2\n";
        assert_eq!(chosen(other, both), other);
    }

    /// If this fails, a wrong DOCKER_HOST keeps the server from starting, though nobody has asked it
    /// for containers, or nobody learns why these have no names.
    #[test]
    fn it_does_without_an_engine_that_is_no_address() {
        let problem = "DOCKER_HOST=fd://: fd:// is none of them".to_owned();
        let text = with(Ok(String::new()), DNS_PORT, &[], Err(problem.clone()));
        assert!(!text.text.contains("docker"), "{}", text.text);
        let remark = text.remark.unwrap();
        let expected = format!("No names of containers: {problem}\nForwarding nothing");
        assert!(remark.starts_with(&expected), "{remark}");
    }

    /// If this fails, the page about the Corefile shows another one than is used.
    #[test]
    fn it_is_what_the_page_shows() {
        let server = "198.51.100.1:53";
        let text = corefile(&[], &[server.parse().unwrap()], true).replace(server, RESOLV_CONF);
        let shown: String = text.lines().map(|line| format!("    {line}\n")).collect();
        assert!(
            include_str!("../../docs/corefile.md").contains(&shown),
            "{shown}"
        );
    }

    /// If this fails, queries are forwarded to this server itself and wait for each other, or to
    /// nobody though there is somebody else.
    #[test]
    fn it_is_never_forwarded_to() {
        let nothing = "Forwarding nothing: /etc/resolv.conf names no server other than this one";
        let to = |servers: &str| {
            format!("Forwarding other names to {servers}, for clients in private networks")
        };
        let own = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 0.0.0.0\n";
        assert_eq!(remark(own, 53), nothing);
        assert_eq!(remark("nameserver 127.0.0.53\n", 53), nothing);
        assert_eq!(remark("nameserver ::ffff:127.0.0.1\n", 53), nothing);
        assert_eq!(remark("", 53), nothing);
        assert_eq!(remark("nameserver 127.0.0.53\n", 1053), to("127.0.0.53"));
        // In a container of Docker: packets to it come to the engine.
        assert_eq!(remark("nameserver 127.0.0.11\n", 53), to("127.0.0.11"));
        let mixed = format!("{own}nameserver 198.51.100.1\nnameserver 2001:db8::1\n");
        assert_eq!(remark(&mixed, 53), to("198.51.100.1, 2001:db8::1"));
        let many: String = (1..6)
            .map(|it| format!("nameserver 198.51.100.{it}\n"))
            .collect();
        assert_eq!(
            remark(&many, 53),
            to("198.51.100.1, 198.51.100.2, 198.51.100.3")
        );
        assert_eq!(
            with(Err(io::ErrorKind::PermissionDenied.into()), 53, &[], Ok(()))
                .remark
                .as_deref(),
            Some("Forwarding nothing: cannot read /etc/resolv.conf: permission denied")
        );
    }
}
