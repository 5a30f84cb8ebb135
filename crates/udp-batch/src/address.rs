//! Socket addresses as the kernel writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The length in bytes of the longest address: `sockaddr_in6`.
pub(crate) const LENGTH: usize = size_of::<libc::sockaddr_in6>();

/// Room for a `sockaddr_in` or a `sockaddr_in6` (ip(7), ipv6(7)). The family is in host byte
/// order, the port in network byte order, the interface index in host byte order.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Address(pub(crate) [u8; LENGTH]);

/// Which kind of address a socket uses, and so which control messages it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Reads what the kernel wrote; `None` when it is neither IPv4 nor IPv6, or cut off (of length 0:
/// nobody). The address is as written: an IPv4 peer of an IPv6 socket is `::ffff:a.b.c.d`.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Family, SocketAddr)> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some((Family::V4, SocketAddr::from((address, port))))
        }
        libc::AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (address, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            let flow = u32::from_be_bytes(*flow);
            let address = SocketAddrV6::new(Ipv6Addr::from(*address), port, flow, scope);
            Some((Family::V6, SocketAddr::V6(address)))
        }
        _ => None,
    }
}

/// The address that people know: `::ffff:a.b.c.d` becomes `a.b.c.d`; all else stays.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that the C library's own structures have in memory.
    #[expect(unsafe_code, reason = "reads what the C library wrote")]
    fn written_by_libc(address: SocketAddr) -> Vec<u8> {
        let address = socket2::SockAddr::from(address);
        // SAFETY: the pointer and the length are those of one initialised address.
        unsafe { std::slice::from_raw_parts(address.as_ptr().cast(), address.len() as usize) }
            .to_vec()
    }

    /// If this fails, replies go to another peer than the one that asked.
    #[test]
    fn reads_both_families() {
        for text in [
            "192.0.2.7:53",
            "[2001:db8::7]:65535",
            "[fe80::1%7]:1053",
            "0.0.0.0:0",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            let family = if address.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            };
            assert_eq!(
                decode(&written_by_libc(address)),
                Some((family, address)),
                "{text}"
            );
        }
    }

    /// If this fails, a short or foreign address panics the worker or is taken for a peer.
    #[test]
    fn refuses_what_is_cut_off_or_foreign() {
        let whole = written_by_libc("[2001:db8::7]:53".parse().unwrap());
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length} bytes");
        }
        let mut unix = whole;
        unix[..2].copy_from_slice(&u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes());
        assert_eq!(decode(&unix), None);
    }

    /// If this fails, an access list of IPv4 networks does not match on a dual-stack socket.
    #[test]
    fn mapped_addresses_become_ipv4() {
        let canonical_text = |text: &str| canonical(text.parse().unwrap()).to_string();
        assert_eq!(canonical_text("[::ffff:192.0.2.7]:53"), "192.0.2.7:53");
        assert_eq!(canonical_text("[fe80::1%7]:53"), "[fe80::1%7]:53");
        assert_eq!(canonical_text("192.0.2.7:53"), "192.0.2.7:53");
    }
}
