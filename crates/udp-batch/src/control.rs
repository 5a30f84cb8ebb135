//! Control messages: the address that a datagram was sent to, and the one that a reply leaves
//! from (`IP_PKTINFO` in ip(7); `IPV6_PKTINFO` in ipv6(7) and RFC 3542, section 6).
//!
//! The layout is the kernel's: a header of length (a `size_t` that counts the header too), level
//! and type, then the data, all aligned to the machine's word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Family;

/// Bytes for the control messages of one datagram. Packet information takes 40; the rest is for
/// what else may be switched on for a socket that somebody else made.
pub(crate) const CAPACITY: usize = 128;

const WORD: usize = size_of::<usize>();
const HEADER: usize = (WORD + 4 + 4).next_multiple_of(WORD);

/// Room for the control messages of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CAPACITY]);

/// Where a datagram arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// The address to reply from, in its canonical form; `None` when that is not known, or is
    /// one that nothing may be sent from (multicast, broadcast).
    pub(crate) address: Option<IpAddr>,
    /// The index of the network interface; 0 when it is not known.
    pub(crate) interface: u32,
}

impl Local {
    pub(crate) const UNKNOWN: Self = Self {
        address: None,
        interface: 0,
    };
}

/// Finds the packet information among received control messages.
pub(crate) fn decode(mut messages: &[u8]) -> Local {
    while let Some((header, _)) = messages.split_first_chunk::<HEADER>() {
        let Some((length, level, kind)) = header_fields(header) else {
            break;
        };
        let Some(data) = messages.get(HEADER..length) else {
            break;
        };
        let found = match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => in_pktinfo(data),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => in6_pktinfo(data),
            _ => None,
        };
        if let Some(local) = found {
            return local;
        }
        messages = messages
            .get(length.next_multiple_of(WORD)..)
            .unwrap_or_default();
    }
    Local::UNKNOWN
}

/// Writes the control message that makes a datagram of a `family` socket leave from `local`.
/// Gives its length in bytes: 0 when there is nothing to say and routing shall choose.
pub(crate) fn encode(control: &mut Control, family: Family, local: Local) -> usize {
    let Some(address) = local.address else {
        return 0;
    };
    let mut data = [0; 20];
    let (level, kind, length) = match (family, address) {
        (Family::V4, IpAddr::V4(v4)) => {
            // struct in_pktinfo: index, address to send from, address of the header. Index 0:
            // the way back is routing's choice, it need not be the interface of arrival.
            data[4..8].copy_from_slice(&v4.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
        }
        (Family::V4, IpAddr::V6(_)) => return 0,
        (Family::V6, address) => {
            // struct in6_pktinfo: address, index.
            let v6 = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            data[..16].copy_from_slice(&v6.octets());
            // A link-local address means something only together with its interface.
            let interface = if v6.is_unicast_link_local() {
                local.interface
            } else {
                0
            };
            data[16..].copy_from_slice(&interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20)
        }
    };
    let bytes = &mut control.0;
    bytes[..WORD].copy_from_slice(&(HEADER + length).to_ne_bytes());
    bytes[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
    bytes[WORD + 4..WORD + 8].copy_from_slice(&kind.to_ne_bytes());
    bytes[HEADER..HEADER + length].copy_from_slice(&data[..length]);
    (HEADER + length).next_multiple_of(WORD)
}

/// Length, level and type; `None` for a length that is shorter than the header itself.
fn header_fields(header: &[u8; HEADER]) -> Option<(usize, i32, i32)> {
    let (length, rest) = header.split_first_chunk::<WORD>()?;
    let (level, rest) = rest.split_first_chunk::<4>()?;
    let kind = rest.first_chunk::<4>()?;
    let length = usize::from_ne_bytes(*length);
    (length >= HEADER).then_some((
        length,
        i32::from_ne_bytes(*level),
        i32::from_ne_bytes(*kind),
    ))
}

fn in_pktinfo(data: &[u8]) -> Option<Local> {
    let (interface, rest) = data.split_first_chunk::<4>()?;
    // The second field and not the third: for a broadcast the third is the broadcast address.
    let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
    Some(Local {
        address: sender(address.into()),
        interface: u32::from_ne_bytes(*interface),
    })
}

fn in6_pktinfo(data: &[u8]) -> Option<Local> {
    let (address, rest) = data.split_first_chunk::<16>()?;
    let interface = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
    let address = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
    Some(Local {
        address: sender(address),
        interface,
    })
}

/// The address if a datagram may be sent from it.
fn sender(address: IpAddr) -> Option<IpAddr> {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    (!broadcast && !address.is_multicast() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(address: &str, interface: u32) -> Local {
        Local {
            address: Some(address.parse().unwrap()),
            interface,
        }
    }

    fn round(family: Family, sent: Local) -> Local {
        let mut control = Control([0xFF; CAPACITY]);
        let length = encode(&mut control, family, sent);
        decode(&control.0[..length])
    }

    /// If this fails, replies leave from another address than the one asked, and resolvers
    /// discard them.
    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(
            round(Family::V4, local("192.0.2.1", 3)),
            local("192.0.2.1", 0)
        );
        assert_eq!(
            round(Family::V6, local("192.0.2.1", 3)),
            local("192.0.2.1", 0)
        );
        assert_eq!(
            round(Family::V6, local("2001:db8::1", 3)),
            local("2001:db8::1", 0)
        );
    }

    /// If this fails, a query to a link-local address is answered on no interface.
    #[test]
    fn only_a_link_local_address_keeps_its_interface() {
        assert_eq!(round(Family::V6, local("fe80::1", 3)), local("fe80::1", 3));
    }

    /// If this fails, the kernel refuses the reply for its source address.
    #[test]
    fn nothing_is_sent_from_an_address_of_many_or_of_another_family() {
        for address in ["ff02::1", "224.0.0.251", "255.255.255.255", "::", "0.0.0.0"] {
            assert_eq!(
                round(Family::V6, local(address, 3)).address,
                None,
                "{address}"
            );
        }
        let mut control = Control([0; CAPACITY]);
        assert_eq!(encode(&mut control, Family::V4, local("2001:db8::1", 0)), 0);
        assert_eq!(encode(&mut control, Family::V6, Local::UNKNOWN), 0);
    }

    /// If this fails, a socket with time stamps switched on loses the address asked.
    #[test]
    fn other_messages_are_passed_over() {
        let mut wanted = Control([0; CAPACITY]);
        let length = encode(&mut wanted, Family::V4, local("192.0.2.1", 0));
        let mut other = [0; HEADER + WORD];
        other[..WORD].copy_from_slice(&(HEADER + 1).to_ne_bytes());
        let all = [&other[..], &wanted.0[..length]].concat();
        assert_eq!(decode(&all), local("192.0.2.1", 0));
    }

    /// If this fails, control messages that make no sense panic the worker or hold it for ever.
    #[test]
    fn damaged_messages_are_no_information() {
        let mut control = Control([0; CAPACITY]);
        let length = encode(&mut control, Family::V6, local("2001:db8::1", 0));
        for cut in 0..HEADER + 20 {
            assert_eq!(decode(&control.0[..cut]), Local::UNKNOWN, "{cut} bytes");
        }
        for claimed in [0, 1, HEADER - 1, length + 1, usize::MAX] {
            control.0[..WORD].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(
                decode(&control.0[..length]),
                Local::UNKNOWN,
                "length {claimed}"
            );
        }
    }

    /// If this fails, the layout assumed here is not the one of this machine's C library.
    #[test]
    #[expect(unsafe_code, reason = "asks the C library for its own layout")]
    fn the_layout_is_that_of_the_c_library() {
        assert_eq!(HEADER, size_of::<libc::cmsghdr>());
        assert_eq!(
            (12, 20),
            (
                size_of::<libc::in_pktinfo>(),
                size_of::<libc::in6_pktinfo>()
            )
        );
        let mut control = Control([0; CAPACITY]);
        for (family, length) in [(Family::V4, 12), (Family::V6, 20)] {
            // SAFETY: CMSG_SPACE and CMSG_LEN only calculate.
            let (space, whole) = unsafe { (libc::CMSG_SPACE(length), libc::CMSG_LEN(length)) };
            assert_eq!(
                encode(&mut control, family, local("192.0.2.1", 0)),
                space as usize
            );
            assert_eq!(control.0[..WORD], (whole as usize).to_ne_bytes());
        }
    }
}
