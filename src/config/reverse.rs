//! Networks as reverse zones.

use std::fmt;
use std::net::IpAddr;

use answer::Name;

/// Why a text with a slash is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// What stands before the slash is no address.
    Address,
    /// What stands after the slash is no number of bits, or more than an address has (the number
    /// here: 32 or 128).
    Length(u8),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => formatter.write_str("expected an address before the slash"),
            Self::Length(most) => write!(
                formatter,
                "expected a number from 0 to {most} after the slash"
            ),
        }
    }
}

/// The reverse zones that cover a network such as `10.0.0.0/15` or `2001:db8::/33`.
///
/// DNS can cut only between labels, of 8 bits in IPv4 and of 4 in IPv6. A network that ends
/// elsewhere is the row of zones at the next cut: `10.0.0.0/15` is `0.10.in-addr.arpa.` and
/// `1.10.in-addr.arpa.`; there are at most 128 of them. Bits past the length are ignored.
///
/// # Errors
///
/// A [`NetworkError`].
pub fn zones(text: &str) -> Result<Vec<Name>, NetworkError> {
    let (address, length) = text.split_once('/').ok_or(NetworkError::Address)?;
    let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u32 = match length.parse() {
        Ok(length) if digits && length <= u32::from(most) => length,
        _ => return Err(NetworkError::Length(most)),
    };
    let (label_bits, bits) = match address {
        IpAddr::V4(address) => (8, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (4, address.to_bits()),
    };
    let first = if length == 0 {
        0
    } else {
        bits & (u128::MAX << (128 - length))
    };
    let cut = length.next_multiple_of(label_bits);
    let labels = (u32::from(most) - cut) / label_bits;
    let step = 1_u128.checked_shl(128 - cut).unwrap_or_default();
    let zones = (0..1_u128 << (cut - length)).map(|index| {
        let bits = first | (index * step);
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(((bits >> 96) as u32).into()),
            IpAddr::V6(_) => IpAddr::V6(bits.into()),
        };
        above(Name::reverse(address), labels)
    });
    Ok(zones.collect())
}

/// `name` without its first `labels` labels.
fn above(name: Name, labels: u32) -> Name {
    (0..labels).fold(name, |name, _| name.parent().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        zones(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// If this fails, reverse look-ups of a network reach no block, or the wrong one.
    #[test]
    fn networks_become_the_zones_at_the_next_cut() {
        assert_eq!(shown("10.0.0.0/8"), ["10.in-addr.arpa."]);
        assert_eq!(
            shown("10.0.0.0/15"),
            ["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]
        );
        assert_eq!(shown("10.1.2.3/32"), ["3.2.1.10.in-addr.arpa."]);
        assert_eq!(shown("0.0.0.0/0"), ["in-addr.arpa."]);
        assert_eq!(shown("::/0"), ["ip6.arpa."]);
        assert_eq!(shown("2001:db8::/33").len(), 8);
        assert_eq!(
            shown("2001:db8:8000::/33")[0],
            "8.8.b.d.0.1.0.0.2.ip6.arpa."
        );
        assert_eq!(shown("fe80::/127").len(), 2);
        let halves = shown("192.168.1.128/25");
        assert_eq!(halves.len(), 128);
        assert_eq!(halves[0], "128.1.168.192.in-addr.arpa.");
        assert_eq!(halves[127], "255.1.168.192.in-addr.arpa.");
    }

    /// If this fails, bits past the length change which zone is served.
    #[test]
    fn bits_past_the_length_are_ignored() {
        assert_eq!(shown("10.1.2.3/8"), ["10.in-addr.arpa."]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert_eq!(zones("example.org/24"), Err(NetworkError::Address));
        assert_eq!(zones("010.0.0.0/8"), Err(NetworkError::Address));
        assert_eq!(zones("10.0.0.0/33"), Err(NetworkError::Length(32)));
        assert_eq!(zones("::/129"), Err(NetworkError::Length(128)));
        assert_eq!(zones("10.0.0.0/"), Err(NetworkError::Length(32)));
        assert_eq!(zones("10.0.0.0/+8"), Err(NetworkError::Length(32)));
    }
}
