//! Addresses that a node publishes, followed while they change.
//!
//! What to publish is said by one or several [`AddressSelection`]s; [`watch`] turns them into the
//! current [`Addresses`] and keeps these current: DHCP, VPNs and hot-plugged interfaces change
//! them while the node runs.

mod follow;
mod select;
mod system;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

pub use follow::watch;

use crate::networks;

/// The most addresses that are published; further ones are left out and said.
///
/// A record has 16 KiB for everything, and no client tries so many.
pub const LIMIT: usize = 64;

/// Which addresses to publish: one word of the `address` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressSelection {
    /// What people mean by "my address": the addresses, IPv4 and IPv6, of the interfaces that the
    /// default routes use.
    ///
    /// Where there is no default route, those of all interfaces except the bridges and veth pairs
    /// of containers; where that leaves nothing, those of the latter; at last the loopback
    /// addresses.
    Auto,
    /// The addresses of one interface.
    Interface(String),
    /// The addresses that lie in a network, on whatever interface.
    Network(Network),
    /// Exactly this address, whether an interface has it or not: behind a translation of
    /// addresses (NAT) the one that others can reach is none of ours.
    Address(IpAddr),
}

impl AddressSelection {
    /// Reads `auto`, `eth0`, `10.0.0.0/8` or `10.0.0.5`.
    ///
    /// # Errors
    ///
    /// One line: a word that is none of these, or only link-local addresses (169.254.0.0/16,
    /// fe80::/10), which nobody on another link can use.
    pub fn parse(word: &str) -> Result<Self, String> {
        if word == "auto" {
            return Ok(Self::Auto);
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return match address.to_canonical() {
                address if select::is_link_local(address) => Err(format!(
                    "{address} is a link-local address: machines on other links cannot use it"
                )),
                address if !select::is_unicast(address) => {
                    Err(format!("{address} is not the address of one machine"))
                }
                address => Ok(Self::Address(address)),
            };
        }
        if word.contains('/') {
            return Network::parse(word).map(Self::Network);
        }
        let looks_like_address = word.contains(':')
            || word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let is_name =
            (1..=15).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
        if looks_like_address || !is_name {
            return Err(format!(
                "{word:?} is neither an address nor a network nor an interface: \
                 accepted are auto, eth0, 10.0.0.0/8, 10.0.0.5"
            ));
        }
        Ok(Self::Interface(word.to_owned()))
    }
}

impl fmt::Display for AddressSelection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Interface(name) => formatter.write_str(name),
            Self::Network(network) => network.fmt(formatter),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}

/// The addresses that share a prefix (RFC 4632 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`. Bits behind the prefix may be set; they count for nothing.
    ///
    /// # Errors
    ///
    /// One line: no address, a prefix that is too long for it, or a link-local network.
    pub fn parse(word: &str) -> Result<Self, String> {
        let wrong = || format!("{word:?} is no network: one is written 10.0.0.0/8 or fd00::/64");
        let (address, prefix) = word.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return Err(format!(
                "{word:?} is no network: the prefix has at most {bits} bits"
            ));
        }
        let least = if address.is_ipv4() { 16 } else { 10 };
        if select::is_link_local(address) && prefix >= least {
            return Err(format!(
                "{word} has link-local addresses only: machines on other links cannot use them"
            ));
        }
        Ok(Self { address, prefix })
    }

    /// Whether `address` lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        networks::Network::new(self.address, self.prefix).contains(address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// The addresses to publish at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The addresses, each once: in the order of the selections, of an interface's index in the
    /// kernel, IPv4 before IPv6. Never a link-local one; empty where nothing was found.
    pub list: Vec<IpAddr>,
    /// Whether there are addresses but other machines can use none of them.
    pub only_loopback: bool,
    /// Those of the list that were asked for by [`AddressSelection::Address`] and are on no
    /// interface of this machine.
    pub elsewhere: Vec<IpAddr>,
    /// How many more there were than [`LIMIT`].
    pub left_out: usize,
}
