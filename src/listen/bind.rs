//! Getting hold of an address.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

use super::Listener;
use crate::config::ListenAddress;
use crate::reason;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The sockets of an address, not yet served.
#[derive(Debug)]
pub struct Bound {
    pub(super) address: ListenAddress,
    pub(super) local: SocketAddr,
    pub(super) tcp: TcpListener,
    pub(super) udp: Vec<UdpSocket>,
}

/// Why an address cannot be had.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: ListenAddress,
    /// The protocol whose socket could not be bound.
    pub protocol: &'static str,
    /// The system's reason.
    pub error: io::Error,
}

impl BindError {
    /// Whether another port may be had where this one cannot: it is in use, or needs a privilege.
    #[must_use]
    pub fn is_about_the_port(&self) -> bool {
        matches!(
            self.error.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        )
    }

    /// Whether another program has it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    /// The reason in a few words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.error.kind() {
            io::ErrorKind::AddrInUse => format!("in use by another program ({})", self.protocol),
            io::ErrorKind::PermissionDenied => "not permitted without privilege".to_owned(),
            io::ErrorKind::AddrNotAvailable => "not an address of this machine".to_owned(),
            _ => format!("{}: {}", self.protocol, reason::of(&self.error)),
        }
    }
}

impl BindError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let port = self.address.port();
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                Some(format!("`ss -lunpt sport = :{port}` shows who has it; `-p PORT` serves on another one"))
            }
            io::ErrorKind::PermissionDenied => Some(
                "ports below 1024 need root or CAP_NET_BIND_SERVICE; `-p PORT` serves on another one".to_owned(),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "cannot listen on {}: {}",
            self.address,
            self.reason()
        )
    }
}

impl Bound {
    /// The address as it was asked for.
    #[must_use]
    pub fn address(&self) -> ListenAddress {
        self.address
    }
}

/// Binds the addresses that are wanted and not held yet, each with as many sockets for UDP as
/// `workers` says.
///
/// # Errors
///
/// The first address that cannot be had. No socket is left behind.
pub fn bind_missing(
    wanted: &[ListenAddress],
    held: &[Listener],
    workers: impl Fn(ListenAddress) -> usize,
) -> Result<Vec<Bound>, BindError> {
    let mut new: Vec<Bound> = Vec::new();
    for &address in wanted {
        if held.iter().any(|listener| listener.address() == address) {
            continue;
        }
        let ours = held
            .iter()
            .map(|listener| (listener.address(), listener.lock()));
        let ours = ours.chain(new.iter().map(|bound| (bound.address, bound.tcp.as_fd())));
        let overlapping: Vec<BorrowedFd<'_>> = ours
            .filter(|(other, _)| other.overlaps(address))
            .map(|(_, socket)| socket)
            .collect();
        let how = How {
            workers: workers(address),
            only_v6: leaves_v4(address, wanted),
            ours: &overlapping,
        };
        new.push(bind_address(address, &how)?);
    }
    Ok(new)
}

/// Whether a socket of this address must leave IPv4 alone: somebody asked for `::` and for an
/// address of IPv4 at the same port.
fn leaves_v4(address: ListenAddress, wanted: &[ListenAddress]) -> bool {
    let is_v4 = |other: &ListenAddress| {
        other.port() == address.port()
            && matches!(other, ListenAddress::One(other) if other.is_ipv4())
    };
    matches!(address, ListenAddress::One(_)) && wanted.iter().any(is_v4)
}

/// How an address is bound.
struct How<'a> {
    workers: usize,
    only_v6: bool,
    /// Our own TCP sockets that overlap with it.
    ours: &'a [BorrowedFd<'a>],
}

fn bind_address(address: ListenAddress, how: &How<'_>) -> Result<Bound, BindError> {
    let port = match address {
        ListenAddress::One(socket) => return bind_socket(address, socket, how),
        ListenAddress::Every(port) => port,
    };
    match bind_socket(address, (Ipv6Addr::UNSPECIFIED, port).into(), how) {
        Err(error) if has_no_v6(&error.error) => {
            bind_socket(address, (Ipv4Addr::UNSPECIFIED, port).into(), how)
        }
        result => result,
    }
}

/// Whether the machine has IPv6 switched off.
fn has_no_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

/// Binds the TCP socket of an address that is not for DNS, beside the sockets of other such
/// addresses that are held or wanted as well.
///
/// # Errors
///
/// It cannot be had.
pub fn bind_stream(
    address: ListenAddress,
    wanted: &[ListenAddress],
    held: &[(ListenAddress, BorrowedFd<'_>)],
) -> Result<TcpListener, BindError> {
    let overlapping = held.iter().filter(|(other, _)| other.overlaps(address));
    let overlapping: Vec<BorrowedFd<'_>> = overlapping.map(|(_, socket)| *socket).collect();
    let how = How {
        workers: 0,
        only_v6: leaves_v4(address, wanted),
        ours: &overlapping,
    };
    let bound = match address {
        ListenAddress::One(socket) => bind_tcp(socket, &how),
        ListenAddress::Every(port) => match bind_tcp((Ipv6Addr::UNSPECIFIED, port).into(), &how) {
            Err(error) if has_no_v6(&error) => bind_tcp((Ipv4Addr::UNSPECIFIED, port).into(), &how),
            result => result,
        },
    };
    bound.map_err(|error| BindError {
        address,
        protocol: "TCP",
        error,
    })
}

fn bind_socket(
    address: ListenAddress,
    socket: SocketAddr,
    how: &How<'_>,
) -> Result<Bound, BindError> {
    let failed = |protocol| {
        move |error| BindError {
            address,
            protocol,
            error,
        }
    };
    let tcp = bind_tcp(socket, how).map_err(failed("TCP"))?;
    let local = tcp.local_addr().map_err(failed("TCP"))?;
    let udp = bind_udp(local, how).map_err(failed("UDP"))?;
    Ok(Bound {
        address,
        local,
        tcp,
        udp,
    })
}

/// Binds the socket for TCP, which nobody can share: of several programs one gets the port.
///
/// Where a socket of our own overlaps (`bind` moved from one address to all of them), both may
/// share for just this moment.
fn bind_tcp(address: SocketAddr, how: &How<'_>) -> io::Result<TcpListener> {
    let result = share(how.ours, true).and_then(|()| open_tcp(address, how));
    share(how.ours, false)?;
    result
}

fn open_tcp(address: SocketAddr, how: &How<'_>) -> io::Result<TcpListener> {
    let tcp = open(address, SockType::Stream, how)?;
    // Connections of an earlier process that are still being closed do not hold the port.
    setsockopt(&tcp, sockopt::ReuseAddr, &true)?;
    setsockopt(&tcp, sockopt::ReusePort, &!how.ours.is_empty())?;
    bind(tcp.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&tcp, Backlog::new(BACKLOG)?)?;
    setsockopt(&tcp, sockopt::ReusePort, &false)?;
    Ok(tcp.into())
}

/// A socket that does not block, not yet bound.
fn open(address: SocketAddr, kind: SockType, how: &How<'_>) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let opened = socket(family, kind, flags, None)?;
    if address.is_ipv6() {
        setsockopt(&opened, sockopt::Ipv6V6Only, &how.only_v6)?;
    }
    Ok(opened)
}

fn share(sockets: &[BorrowedFd<'_>], on: bool) -> io::Result<()> {
    for socket in sockets {
        setsockopt(socket, sockopt::ReusePort, &on)?;
    }
    Ok(())
}

fn bind_udp(address: SocketAddr, how: &How<'_>) -> io::Result<Vec<UdpSocket>> {
    let bind_one = |shared: bool| -> io::Result<UdpSocket> {
        let udp = open(address, SockType::Datagram, how)?;
        setsockopt(&udp, sockopt::ReusePort, &shared)?;
        bind(udp.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(udp.into())
    };
    if how.ours.is_empty() {
        // A program that shares the port, as ours do, shows only to one that does not.
        drop(bind_one(false)?);
    }
    (0..how.workers.max(1)).map(|_| bind_one(true)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    fn one(text: &str) -> ListenAddress {
        ListenAddress::One(text.parse().unwrap())
    }

    /// A free port that the kernel gives to no client meanwhile.
    fn free_port() -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = 28_000 + (std::process::id() % 400) as u16 * 10;
        loop {
            let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 500;
            if TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
                return port;
            }
        }
    }

    fn refusal(wanted: &[ListenAddress]) -> String {
        bind_missing(wanted, &[], |_| 1).unwrap_err().to_string()
    }

    /// If this fails, a second server joins the first one's UDP sockets and takes half of its
    /// queries, or nobody learns why it has no port.
    #[test]
    fn a_port_belongs_to_one_program() {
        let address = ListenAddress::Every(free_port());
        let first = bind_missing(&[address], &[], |_| 2).unwrap();
        assert_eq!(first[0].udp.len(), 2);
        let expected = format!("cannot listen on {address}: in use by another program (TCP)");
        assert_eq!(refusal(&[address]), expected);
        let inside = one(&format!("127.0.0.1:{}", address.port()));
        assert!(refusal(&[inside]).ends_with("in use by another program (TCP)"));
        drop(first);
        bind_missing(&[address], &[], |_| 1).unwrap();
    }

    /// If this fails, a server answers TCP on a port whose UDP belongs to somebody else.
    #[test]
    fn a_udp_port_that_somebody_shares_is_in_use() {
        let flags = SockFlag::SOCK_CLOEXEC;
        let other = socket(AddressFamily::Inet, SockType::Datagram, flags, None).unwrap();
        setsockopt(&other, sockopt::ReusePort, &true).unwrap();
        let free = SocketAddr::from(([127, 0, 0, 77], 0));
        bind(other.as_raw_fd(), &SockaddrStorage::from(free)).unwrap();
        let other = UdpSocket::from(other);
        let address = ListenAddress::One(other.local_addr().unwrap());
        assert!(refusal(&[address]).ends_with("in use by another program (UDP)"));
    }

    /// If this fails, a Corefile with one block for all addresses and one for a single address
    /// does not start, though CoreDNS serves it.
    #[test]
    fn our_own_addresses_may_overlap_and_stay_locked() {
        let port = free_port();
        let addresses = [
            ListenAddress::Every(port),
            one(&format!("127.0.0.1:{port}")),
        ];
        let bound = bind_missing(&addresses, &[], |_| 2).unwrap();
        for address in addresses {
            assert!(refusal(&[address]).contains("in use"), "{address}");
        }
        drop(bound);
        bind_missing(&[addresses[1], addresses[0]], &[], |_| 1).unwrap();
    }

    /// If this fails, a `bind` with both wildcard addresses cannot start.
    #[test]
    fn both_wildcard_addresses_may_be_named() {
        let port = free_port();
        let addresses = [
            one(&format!("[::]:{port}")),
            one(&format!("0.0.0.0:{port}")),
        ];
        bind_missing(&addresses, &[], |_| 1).unwrap();
    }

    /// If this fails, nobody learns that an address is misspelt.
    #[test]
    fn an_address_of_another_machine_is_named() {
        assert_eq!(
            refusal(&[one("192.0.2.1:1053")]),
            "cannot listen on 192.0.2.1:1053: not an address of this machine"
        );
    }
}
