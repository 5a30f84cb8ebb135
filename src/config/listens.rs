//! Which zones are served at which address.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Span};

use crate::plugins::{BlockDraft, ZoneKey};

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenAddress {
    /// Every address of the machine, at this port.
    Every(u16),
    /// This one; it may be the wildcard address of one family.
    One(SocketAddr),
}

impl ListenAddress {
    /// The port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Every(port) => port,
            Self::One(address) => address.port(),
        }
    }

    /// Whether datagrams to `other` may reach a socket of `self`, or the other way round.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let wildcard = |it: Self| match it {
            Self::Every(_) => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            Self::One(address) => Some(address.ip()).filter(IpAddr::is_unspecified),
        };
        self.port() == other.port()
            && (wildcard(self).or(wildcard(other)).is_some() || self == other)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(port) => write!(formatter, "port {port}"),
            Self::One(address) => write!(formatter, "{address}"),
        }
    }
}

/// What is served at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: ListenAddress,
    /// The words of the Corefile that ask for it: the `bind` argument, or else the first key.
    pub span: Span,
    /// How many sockets for UDP it gets; [`None`] for one for each processor.
    pub sockets: Option<usize>,
    /// The zones with the number of the server block that serves each.
    pub zones: Vec<(Name, usize)>,
}

/// Collects what is served where, and finds zones that are served twice.
pub(super) fn endpoints(drafts: &[BlockDraft], diagnostics: &mut Diagnostics) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut numbers: HashMap<ListenAddress, usize> = HashMap::new();
    let mut seen = Seen::default();
    for (block, draft) in drafts.iter().enumerate() {
        for zone in &draft.zones {
            for (address, span) in addresses(draft, zone) {
                if diagnostics
                    .keep(seen.add(zone, address, block, draft.view))
                    .is_none()
                {
                    continue;
                }
                let number = *numbers.entry(address).or_insert_with(|| {
                    endpoints.push(Endpoint {
                        address,
                        span,
                        sockets: None,
                        zones: Vec::new(),
                    });
                    endpoints.len() - 1
                });
                if let Some(endpoint) = endpoints.get_mut(number) {
                    // As in CoreDNS, it is the first block at an address that says so.
                    endpoint.sockets = endpoint.sockets.or(draft.options.sockets);
                    endpoint.zones.push((zone.name.clone(), block));
                }
            }
        }
    }
    endpoints
}

fn addresses(draft: &BlockDraft, zone: &ZoneKey) -> Vec<(ListenAddress, Span)> {
    if draft.binds.is_empty() {
        return vec![(ListenAddress::Every(zone.port), zone.span)];
    }
    let at = |mut address: SocketAddr| {
        address.set_port(zone.port);
        ListenAddress::One(address)
    };
    draft
        .binds
        .iter()
        .map(|bind| (at(bind.address), bind.span))
        .collect()
}

/// The zones met so far. As in CoreDNS, a zone is served once at an address, unless the blocks that
/// do so have views; and one that is served everywhere cannot be served by another block at one
/// address as well.
#[derive(Default)]
struct Seen {
    at_address: HashMap<(Name, ListenAddress), Served>,
    at_port: HashMap<(Name, u16), (bool, Span)>,
}

/// The last block that serves a zone at an address.
struct Served {
    key: Span,
    block: usize,
    has_view: bool,
}

impl Seen {
    fn add(
        &mut self,
        zone: &ZoneKey,
        address: ListenAddress,
        block: usize,
        view: Option<Span>,
    ) -> Result<(), Diagnostic> {
        let ZoneKey { name, port, span } = zone;
        let before = self.at_address.get(&(name.clone(), address));
        if let Some(before) = before.filter(|it| !it.has_view || it.block == block) {
            let message = format!("cannot serve `{name}` on {address}: it is already defined");
            let error = Diagnostic::error(*span, message)
                .label("defined a second time here")
                .context(before.key, "defined here first");
            return Err(match view {
                Some(_) if before.block != block => error
                    .help("the first block takes all queries: put those with a `view` before it"),
                _ => error,
            });
        }
        let everywhere = matches!(address, ListenAddress::Every(_));
        match self.at_port.get(&(name.clone(), *port)) {
            Some((was_everywhere, first)) if everywhere != *was_everywhere => {
                let message = format!(
                    "cannot serve `{name}` on port {port} both everywhere and at a single address"
                );
                let (here, there) = if everywhere {
                    ("everywhere", "at one address")
                } else {
                    ("at one address", "everywhere")
                };
                return Err(Diagnostic::error(*span, message)
                    .label(format!("served {here} here"))
                    .context(*first, format!("served {there} here"))
                    .help("give both blocks a `bind`, or neither"));
            }
            _ => {}
        }
        let served = Served {
            key: *span,
            block,
            has_view: view.is_some(),
        };
        self.at_address.insert((name.clone(), address), served);
        self.at_port
            .entry((name.clone(), *port))
            .or_insert((everywhere, *span));
        Ok(())
    }
}
