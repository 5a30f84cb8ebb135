//! Networks as people write them, and whether an address lies in one.

use std::net::IpAddr;

use corefile::{Diagnostic, Token};

/// One network: all addresses of a family with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// The first address. One that is an IPv4 address in IPv6's form is an IPv4 address here.
    pub(crate) first: IpAddr,
    /// How many bits are the same, at most 32 or 128.
    pub(crate) length: u8,
}

impl Network {
    /// The network that a word means: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    pub(crate) fn read(word: &Token) -> Result<Self, Diagnostic> {
        Self::parse(&word.text).ok_or_else(|| {
            Diagnostic::error(word.span, format!("{} is not a network", word.shown()))
                .label("expected an address, or an address and a length: `10.0.0.0/8`")
        })
    }

    /// The same of a text; [`None`] where it is no network.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = bits(address);
        let length = match length {
            Some(length) if length.bytes().all(|it| it.is_ascii_digit()) => length.parse().ok()?,
            Some(_) => return None,
            None => bits,
        };
        (length <= bits).then(|| Self::new(address, length))
    }

    /// The network with the first bits of an address, as many as it has at most.
    pub(crate) fn new(address: IpAddr, length: u8) -> Self {
        let length = length.min(bits(address));
        let first = masked(address, length);
        match (address, address.to_canonical()) {
            // Of a part of IPv6's addresses that is written like IPv4's.
            (IpAddr::V6(_), IpAddr::V4(_)) if length >= 96 => Self {
                first: first.to_canonical(),
                length: length - 96,
            },
            _ => Self { first, length },
        }
    }

    /// Whether an address lies in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.length) == self.first
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with nothing but its first bits.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(it) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((it.to_bits() & mask).into())
        }
        IpAddr::V6(it) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((it.to_bits() & mask).into())
        }
    }
}

/// Many networks: sorted ranges without gaps or overlaps between neighbours, so that a search costs
/// the logarithm of their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// These networks together.
    pub(crate) fn new(networks: &[Network]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for Network { first, length } in networks {
            let length = u32::from(*length);
            match first {
                IpAddr::V4(first) => {
                    let first = first.to_bits();
                    v4.push((first, first | u32::MAX.checked_shr(length).unwrap_or(0)));
                }
                IpAddr::V6(first) => {
                    let first = first.to_bits();
                    v6.push((first, first | u128::MAX.checked_shr(length).unwrap_or(0)));
                }
            }
        }
        Self {
            v4: merged(v4, |it| it.checked_add(1)),
            v6: merged(v6, |it| it.checked_add(1)),
        }
    }

    /// Whether an address lies in one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => found(&self.v4, address.to_bits()),
            IpAddr::V6(address) => found(&self.v6, address.to_bits()),
        }
    }
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if next(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged.into()
}

fn found<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= value);
    let range = behind.checked_sub(1).and_then(|index| ranges.get(index));
    range.is_some_and(|(_, last)| value <= *last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap_or_else(|| panic!("{text} is a network"))
    }

    /// If this fails, a rule for a network is applied to others, or to none.
    #[test]
    fn networks_have_the_addresses_of_their_prefix() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0", "9.255.255.255"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "10.0.0.1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::a00:1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
        ] {
            let (inside, outside) = (inside.parse().unwrap(), outside.parse().unwrap());
            let network = network(text);
            assert!(network.contains(inside), "{text}");
            assert!(!network.contains(outside), "{text}");
            let networks = Networks::new(&[network]);
            assert!(networks.contain(inside) && !networks.contain(outside));
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10/8", "::/+1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
        assert!(!Networks::default().contain([127, 0, 0, 1].into()));
    }

    proptest! {
        /// If this fails, the search among many networks finds another answer than looking at
        /// each, and clients are let in or kept out by chance.
        #[test]
        fn many_networks_are_as_each_one(
            nets in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            addresses in prop::collection::vec(any::<u32>(), 0..40),
        ) {
            let nets: Vec<Network> = nets
                .into_iter()
                .map(|(it, length)| Network {
                    first: masked(IpAddr::V4((it & 0xff00_ff00).into()), length),
                    length,
                })
                .collect();
            let networks = Networks::new(&nets);
            let ends = nets.iter().filter_map(|net| match net.first {
                IpAddr::V4(it) => Some(it.to_bits().wrapping_sub(1)),
                IpAddr::V6(_) => None,
            });
            for address in addresses.into_iter().chain(ends) {
                let address = IpAddr::V4(address.into());
                prop_assert_eq!(
                    networks.contain(address),
                    nets.iter().any(|net| net.contains(address))
                );
            }
        }
    }
}
