//! Networks as `incidr` takes them.

use std::net::IpAddr;

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// The bits, the rest 0; those of an IPv4 address stand first.
    bits: u128,
    length: u32,
    is_v4: bool,
}

impl Network {
    /// Reads `ADDRESS/LENGTH`; bits behind the length mean nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        if length.len() > 3 || !length.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let length: u32 = length.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then(|| Self {
            bits: bits(address) & mask(length),
            length,
            is_v4: address.is_ipv4(),
        })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits(address) & mask(self.length) == self.bits
    }
}

/// Reads an address, which may stand in brackets.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(length: u32) -> u128 {
    match length {
        0 => 0,
        length => u128::MAX << (128 - length.min(128)),
    }
}
