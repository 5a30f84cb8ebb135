//! Who has a port of this machine.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

/// The most open files of other programs that are looked at.
const MOST_FILES: usize = 200_000;

/// A listening TCP socket, as linux/tcp_states.h numbers it.
const LISTENING: &str = "0A";

/// A UDP socket that is bound and has no peer.
const BOUND: &str = "07";

/// An address at which a port is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The address; unspecified where it is all of a family.
    pub address: IpAddr,
    /// The name of the program, where the system tells: to root, and about one's own.
    pub program: Option<String>,
}

/// Finds out who has a port in this network namespace, each address once. Reads `/proc`; where that
/// says nothing, nothing is found.
#[must_use]
pub fn holders(port: u16) -> Vec<Holder> {
    let mut sockets = Vec::new();
    for (file, state) in [
        ("tcp", LISTENING),
        ("tcp6", LISTENING),
        ("udp", BOUND),
        ("udp6", BOUND),
    ] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        sockets.extend(bound_to(port, state, &text.unwrap_or_default()));
    }
    let programs = programs(sockets.iter().map(|(_, inode)| *inode));
    let mut found: Vec<Holder> = Vec::new();
    for (address, inode) in sockets {
        if !found.iter().any(|it| it.address == address) {
            found.push(Holder {
                address,
                program: programs.get(&inode).cloned().flatten(),
            });
        }
    }
    found
}

/// Reads a table of sockets (proc_pid_net(5)): the addresses of those in this state at a port, each
/// with the number of its socket.
fn bound_to(port: u16, state: &str, text: &str) -> Vec<(IpAddr, u64)> {
    let sockets = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, its_port) = words.get(1)?.split_once(':')?;
        let fits = u16::from_str_radix(its_port, 16).ok()? == port && *words.get(3)? == state;
        let inode = words.get(9)?.parse().ok()?;
        fits.then_some((read_address(address)?, inode))
    });
    sockets.collect()
}

/// An address as the kernel prints it: words of 32 bits in the machine's own order of octets.
fn read_address(text: &str) -> Option<IpAddr> {
    let word = |start: usize| {
        let digits = text.get(start..start + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

/// The programs that have these sockets open.
fn programs(inodes: impl Iterator<Item = u64>) -> HashMap<u64, Option<String>> {
    let mut found: HashMap<u64, Option<String>> = inodes.map(|inode| (inode, None)).collect();
    let mut left = MOST_FILES;
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        for file in fs::read_dir(path.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            left = left.saturating_sub(1);
            let Some(inode) = socket(&file.path()) else {
                continue;
            };
            if let Some(program) = found.get_mut(&inode) {
                let name = fs::read_to_string(path.join("comm")).ok();
                *program = name.map(|name| plain(name.trim_end()));
            }
        }
        if left == 0 {
            break;
        }
    }
    found
}

/// The number of the socket that an open file is.
fn socket(file: &Path) -> Option<u64> {
    let target = fs::read_link(file).ok()?;
    let number = target.to_str()?.strip_prefix("socket:[")?;
    number.strip_suffix(']')?.parse().ok()
}

/// A program may call itself anything.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// If this fails, nobody is told which program keeps port 53 from them.
    #[test]
    fn a_socket_is_found_with_its_program() {
        for address in ["127.0.0.76:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address).unwrap();
            let local = socket.local_addr().unwrap();
            let found = holders(local.port());
            let ours = found.iter().find(|it| it.address == local.ip());
            let name = fs::read_to_string("/proc/self/comm").unwrap();
            let program = ours.and_then(|it| it.program.as_deref());
            assert_eq!(program, Some(name.trim_end()), "{address}: {found:?}");
        }
    }

    /// If this fails, a strange line in the kernel's table is taken for somebody at the port.
    #[test]
    fn only_sockets_at_the_port_count() {
        let line = |local: &str, state: &str| {
            format!("  0: {local} 00000000:0000 {state} 0:0 0:0 0 101 0 4711 2 0 0")
        };
        let address = "35000035";
        let own = read_address(address).unwrap();
        let found = |text: &str| bound_to(53, BOUND, text);
        assert_eq!(found(&line("35000035:0035", BOUND)), [(own, 4711)]);
        for other in [
            line("35000035:0036", BOUND),
            line("35000035:0035", LISTENING),
            line("3500003:0035", BOUND),
            line("\u{e4}\u{e4}\u{e4}\u{e4}:0035", BOUND),
            "sl local_address".to_owned(),
            String::new(),
        ] {
            assert_eq!(found(&other), [], "{other}");
        }
    }
}
