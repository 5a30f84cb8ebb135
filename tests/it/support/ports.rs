//! Ports that nobody else has.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to outgoing connections, so that one is still free when a
/// server that was killed comes back to it.
const FIRST: u16 = 10_000;

/// How many ports there are to choose from.
const COUNT: u16 = 20_000;

/// A port that nobody uses for UDP or TCP, and that no other test takes as long as this lives,
/// neither of this run nor of another one on this machine.
pub(crate) struct Port {
    /// Its number.
    pub(crate) number: u16,
    /// A name that only one process can have at a time, and that ends with it.
    _taken: UnixListener,
}

impl Port {
    pub(crate) fn take() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Runs begin in different places: they rarely meet.
        let start = std::process::id().wrapping_mul(1009) % u32::from(COUNT);
        for _ in 0..COUNT {
            let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + ((start + next) % u32::from(COUNT)) as u16;
            let name = SocketAddr::from_abstract_name(format!("callsign-test-port-{number}"));
            let Ok(taken) = UnixListener::bind_addr(&name.expect("a short name")) else {
                continue;
            };
            let address = (Ipv4Addr::UNSPECIFIED, number);
            if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
                return Self {
                    number,
                    _taken: taken,
                };
            }
        }
        panic!("no port is free");
    }
}
