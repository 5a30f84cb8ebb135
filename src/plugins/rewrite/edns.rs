//! Rules about the options of a query's OPT record (RFC 6891 §6.1.2).

use std::net::IpAddr;

use answer::RequestEdns;

use super::super::Transport;
use super::draft::Draft;

/// Option codes (RFC 5001 §2.3, RFC 7871 §6).
const NSID: u16 = 3;
const CLIENT_SUBNET: u16 = 8;

/// A rule about one option.
#[derive(Clone, Debug)]
pub(super) struct EdnsRule {
    pub(super) action: Action,
    pub(super) option: EdnsOption,
}

/// What is done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The query has it afterwards, whether it had one or not.
    Set,
    /// It is added where the query has none.
    Append,
    /// It takes the place of one that the query has.
    Replace,
    /// The query does not have it afterwards.
    Unset,
}

/// An option and what it is made of.
#[derive(Clone, Debug)]
pub(super) enum EdnsOption {
    /// Any option, with this data.
    Local(u16, Data),
    /// The request for a name server's identifier.
    Nsid,
    /// So much of the client's address: leading bits for each family.
    Subnet { v4: u8, v6: u8 },
}

/// The data of an option.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Octets(Vec<u8>),
    /// The name asked for, as text.
    QueryName,
    /// The type asked for, in two octets.
    QueryType,
    /// The client's address, in 4 or 16 octets.
    ClientAddress,
    /// The client's port, in two octets.
    ClientPort,
    /// `udp` or `tcp`.
    Protocol,
    /// The address that was asked.
    ServerAddress,
    /// The port that was asked, in two octets.
    ServerPort,
    /// A label of a plugin.
    Label(String),
}

impl EdnsRule {
    /// Changes a query if the rule is for it. Returns whether it was.
    pub(super) fn apply(&self, draft: &mut Draft<'_, '_, '_>) -> bool {
        let (code, data) = match &self.option {
            _ if self.action == Action::Unset => (self.option.code(), Some(Vec::new())),
            EdnsOption::Local(code, data) => (*code, data.octets(draft)),
            EdnsOption::Nsid => (NSID, Some(Vec::new())),
            EdnsOption::Subnet { v4, v6 } => {
                let client = draft.exchange.client.peer.ip().to_canonical();
                (CLIENT_SUBNET, Some(subnet(client, *v4, *v6)))
            }
        };
        let Some(data) = data else {
            return false;
        };
        let edns = draft.request().edns.get_or_insert_default();
        change(edns, self.action, code, &data)
    }
}

impl EdnsOption {
    fn code(&self) -> u16 {
        match self {
            Self::Local(code, _) => *code,
            Self::Nsid => NSID,
            Self::Subnet { .. } => CLIENT_SUBNET,
        }
    }
}

impl Data {
    /// The variables that stand for data, with the braces.
    pub(super) const VARIABLES: &'static [(&'static str, Self)] = &[
        ("{qname}", Self::QueryName),
        ("{qtype}", Self::QueryType),
        ("{client_ip}", Self::ClientAddress),
        ("{client_port}", Self::ClientPort),
        ("{protocol}", Self::Protocol),
        ("{server_ip}", Self::ServerAddress),
        ("{server_port}", Self::ServerPort),
    ];

    /// What it is for this query; [`None`] where that is not known.
    fn octets(&self, draft: &mut Draft<'_, '_, '_>) -> Option<Vec<u8>> {
        let client = draft.exchange.client;
        Some(match self {
            Self::Octets(octets) => octets.clone(),
            Self::QueryName => draft.name().as_bytes().to_vec(),
            Self::QueryType => draft.rtype().0.to_be_bytes().to_vec(),
            Self::ClientAddress => octets(client.peer.ip().to_canonical()),
            Self::ClientPort => client.peer.port().to_be_bytes().to_vec(),
            Self::Protocol => match client.transport {
                Transport::Udp => b"udp".to_vec(),
                Transport::Tcp => b"tcp".to_vec(),
            },
            Self::ServerAddress => octets(client.local?.to_canonical()),
            Self::ServerPort => client.local_port.to_be_bytes().to_vec(),
            Self::Label(label) => {
                let value = draft.exchange.metadata(label)?;
                (!value.is_empty()).then(|| value.into_bytes())?
            }
        })
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The client subnet option's data (RFC 7871 §6): family, prefix length, 0, and as many octets of
/// the address as the length needs, the bits behind it 0.
fn subnet(client: IpAddr, v4: u8, v6: u8) -> Vec<u8> {
    let (family, length) = match client {
        IpAddr::V4(_) => (1, v4),
        IpAddr::V6(_) => (2, v6),
    };
    let mut data = vec![0, family, length, 0];
    let mut address = octets(client);
    address.truncate(usize::from(length).div_ceil(8));
    if let Some(last) = address.last_mut() {
        *last &= match length % 8 {
            0 => 0xff,
            bits => !(0xff >> bits),
        };
    }
    data.extend(address);
    data
}

/// Does with the first option of this code what the action says. Returns whether anything was done.
fn change(edns: &mut RequestEdns, action: Action, code: u16, data: &[u8]) -> bool {
    let mut changed = RequestEdns {
        options: Vec::new(),
        ..*edns
    };
    let mut found = false;
    for (other, old) in edns.options() {
        let first = other == code && !found;
        found |= other == code;
        match action {
            Action::Unset if other == code => {}
            Action::Set | Action::Replace if first => changed.push_option(code, data),
            _ => changed.push_option(other, old),
        }
    }
    let added = !found && matches!(action, Action::Set | Action::Append);
    if added {
        changed.push_option(code, data);
    }
    *edns = changed;
    added || found && action != Action::Append
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, servers behind this one are told other options than the rules say.
    #[test]
    fn each_action_does_what_it_says() {
        let one: &[(u16, &[u8])] = &[(1, b"a")];
        let two: &[(u16, &[u8])] = &[(1, b"a"), (2, b"b")];
        let new: &[(u16, &[u8])] = &[(1, b"a"), (2, b"x")];
        for (action, before, after) in [
            (Action::Set, one, new),
            (Action::Set, two, new),
            (Action::Append, one, new),
            (Action::Append, two, two),
            (Action::Replace, one, one),
            (Action::Replace, two, new),
            (Action::Unset, one, one),
            (Action::Unset, two, one),
        ] {
            let mut edns = RequestEdns::default();
            for (code, data) in before {
                edns.push_option(*code, data);
            }
            let changed = change(&mut edns, action, 2, b"x");
            let found: Vec<_> = edns.options().collect();
            assert_eq!(found, after, "{action:?}");
            assert_eq!(changed, before != after, "{action:?}");
        }
    }

    /// If this fails, other servers are told more of a client's address than was allowed, or refuse
    /// the option.
    #[test]
    fn no_more_of_an_address_is_told_than_was_said() {
        let of = |address: &str| subnet(address.parse().unwrap(), 20, 56);
        assert_eq!(of("192.0.255.1"), [0, 1, 20, 0, 192, 0, 240]);
        let v6 = of("2001:db8:1:2345::1");
        assert_eq!(v6, [0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 1, 0x23]);
        assert_eq!(subnet([192, 0, 2, 1].into(), 0, 0), [0, 1, 0, 0]);
        assert_eq!(subnet([192, 0, 2, 1].into(), 32, 0).len(), 8);
    }
}
