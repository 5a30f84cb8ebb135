//! Addresses of IPv4 in addresses of IPv6 (RFC 6052 §2.2).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The lengths that a prefix can have, in bits.
pub(super) const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// Where the octet is that is always 0.
const RESERVED: usize = 8;

/// The first bits of all addresses that are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The first octets, and 0 behind them.
    octets: [u8; 16],
    /// How many octets there are.
    length: usize,
}

impl Prefix {
    /// The prefix that is known to all: `64:ff9b::/96` (RFC 6052 §2.1).
    pub(super) const WELL_KNOWN: Self = Self {
        octets: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        length: 12,
    };

    /// The prefix of so many bits that begins this address; [`None`] for a length that none has.
    pub(super) fn new(address: Ipv6Addr, bits: u8) -> Option<Self> {
        let length = usize::from(bits) / 8;
        let mut octets = address.octets();
        octets.get_mut(length..)?.fill(0);
        LENGTHS.contains(&bits).then_some(Self { octets, length })
    }

    /// Whether the octet that is to be 0 in each address is another in the prefix.
    pub(super) fn is_odd(&self) -> bool {
        self.octets.get(RESERVED) != Some(&0)
    }

    /// Where the octets of an address go.
    fn places(&self) -> impl Iterator<Item = usize> {
        (self.length..16).filter(|place| *place != RESERVED).take(4)
    }

    /// The address that stands for one of IPv4.
    pub(super) fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.octets;
        for (place, octet) in self.places().zip(address.octets()) {
            if let Some(target) = octets.get_mut(place) {
                *target = octet;
            }
        }
        octets.into()
    }

    /// The address that one stands for, where it is made with this prefix.
    pub(super) fn embedded(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        let mut found = [0; 4];
        for (target, place) in found.iter_mut().zip(self.places()) {
            *target = *octets.get(place)?;
        }
        let found = Ipv4Addr::from(found);
        (self.embed(found) == address).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the translator sends packets to other hosts than the client means. The table
    /// is that of RFC 6052 §2.4.
    #[test]
    fn addresses_stand_where_translators_look_for_them() {
        let address = Ipv4Addr::new(192, 0, 2, 33);
        for (prefix, bits, made) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::c000:221"),
        ] {
            let prefix = Prefix::new(prefix.parse().unwrap(), bits).unwrap();
            let made: Ipv6Addr = made.parse().unwrap();
            assert_eq!(prefix.embed(address), made);
            assert_eq!(prefix.embedded(made), Some(address));
            let other = Ipv6Addr::from_bits(made.to_bits() ^ 1 << 127);
            assert_eq!(prefix.embedded(other), None);
        }
        let well_known = Prefix::new("64:ff9b::1".parse().unwrap(), 96).unwrap();
        assert_eq!(well_known, Prefix::WELL_KNOWN);
        assert!(!well_known.is_odd());
        assert!(
            Prefix::new("1:2:3:4:500::".parse().unwrap(), 96)
                .unwrap()
                .is_odd()
        );
        assert_eq!(Prefix::new("64:ff9b::".parse().unwrap(), 72), None);
    }
}
