//! Where an upstream is: an address, or a name that has to be looked up.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use answer::{Name, RecordType, Request, Section};
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::https::{Client, Resource};
use super::stream::{Connections, Dial, Limits};
use super::udp::Sockets;
use super::upstream::Upstream;
use crate::mutex::locked;
use crate::reason;

/// How long the addresses of a name are used before it is looked up again.
const REFRESH: Duration = Duration::from_secs(60);

/// How long a look-up may take.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The most addresses of a name that are used.
const MOST_ADDRESSES: usize = 16;

/// The sockets and connections to one address.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) sockets: Sockets,
    pub(super) streams: Connections,
    pub(super) https: Option<Client>,
}

/// What every endpoint of an upstream has in common.
pub(super) struct Making {
    pub(super) source: Option<IpAddr>,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(super) limits: Limits,
    pub(super) resource: Option<Resource>,
}

impl Making {
    pub(super) fn endpoint(&self, address: SocketAddr) -> Endpoint {
        let Self {
            source,
            tls,
            limits,
            resource,
        } = self;
        let dial = Dial {
            address,
            source: *source,
            tls: tls.clone(),
        };
        let https = resource.clone();
        Endpoint {
            address,
            sockets: Sockets::new(address, *source),
            https: https.map(|resource| Client::new(dial.clone(), resource, *limits)),
            streams: Connections::new(dial, *limits),
        }
    }
}

/// Where an upstream is.
pub(super) enum Place {
    /// At an address.
    At(Arc<Endpoint>),
    /// At what a name stands for.
    Named(Box<Named>),
}

/// A name and what is known of it.
pub(super) struct Named {
    pub(super) host: String,
    pub(super) port: u16,
    /// Who is asked for its addresses; if nobody, the system is.
    pub(super) resolvers: Vec<Arc<Upstream>>,
    pub(super) making: Making,
    known: Mutex<Option<Known>>,
    /// One look-up at a time.
    looking: tokio::sync::Mutex<()>,
}

struct Known {
    addresses: Vec<IpAddr>,
    endpoint: Arc<Endpoint>,
    /// Until when it need not be looked up again.
    fresh: Instant,
}

impl Place {
    /// The endpoint to ask.
    pub(super) async fn endpoint(&self) -> Result<Arc<Endpoint>, Failure> {
        match self {
            Self::At(endpoint) => Ok(endpoint.clone()),
            Self::Named(named) => named.endpoint().await,
        }
    }

    /// An endpoint has failed: another address of the name is used next, if there is one.
    pub(super) fn failed(&self, endpoint: &Arc<Endpoint>) {
        if let Self::Named(named) = self {
            named.failed(endpoint);
        }
    }
}

impl Named {
    pub(super) fn new(
        host: String,
        port: u16,
        resolvers: Vec<Arc<Upstream>>,
        making: Making,
    ) -> Self {
        Self {
            host,
            port,
            resolvers,
            making,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// What is known, and whether that is still fresh.
    fn known(&self) -> Option<(Arc<Endpoint>, bool)> {
        let known = locked(&self.known);
        let known = known.as_ref()?;
        Some((known.endpoint.clone(), Instant::now() < known.fresh))
    }

    async fn endpoint(&self) -> Result<Arc<Endpoint>, Failure> {
        if let Some((endpoint, true)) = self.known() {
            return Ok(endpoint);
        }
        let Ok(_looking) = self.looking.try_lock() else {
            // Somebody looks already: what was true a minute ago will do meanwhile.
            if let Some((endpoint, _)) = self.known() {
                return Ok(endpoint);
            }
            let looked = timeout(LOOK_UP, self.looking.lock()).await;
            drop(looked);
            let known = self.known().map(|(endpoint, _)| endpoint);
            return known.ok_or_else(|| self.unknown("it cannot be looked up"));
        };
        match timeout(LOOK_UP, self.look_up())
            .await
            .unwrap_or(Err(Failure::Silent))
        {
            Ok(addresses) => Ok(self.learn(addresses)),
            Err(failure) => {
                // Names do not move often: the old address is better than none.
                if let Some(known) = &mut *locked(&self.known) {
                    known.fresh = Instant::now() + REFRESH / 10;
                    return Ok(known.endpoint.clone());
                }
                Err(self.unknown(&failure.to_string()))
            }
        }
    }

    fn unknown(&self, why: &str) -> Failure {
        Failure::network(format!("no address of {}: {why}", self.host))
    }

    fn learn(&self, addresses: Vec<IpAddr>) -> Arc<Endpoint> {
        let fresh = Instant::now() + REFRESH;
        let mut known = locked(&self.known);
        if let Some(known) = &mut *known
            && addresses.contains(&known.endpoint.address.ip())
        {
            // Its connections stay.
            (known.addresses, known.fresh) = (addresses, fresh);
            return known.endpoint.clone();
        }
        let first = addresses.first().copied().unwrap_or(IpAddr::V4(0.into()));
        let endpoint = Arc::new(self.making.endpoint((first, self.port).into()));
        *known = Some(Known {
            addresses,
            endpoint: endpoint.clone(),
            fresh,
        });
        endpoint
    }

    fn failed(&self, endpoint: &Arc<Endpoint>) {
        let mut known = locked(&self.known);
        let Some(known) = &mut *known else { return };
        if !Arc::ptr_eq(&known.endpoint, endpoint) {
            return;
        }
        let failed = endpoint.address.ip();
        let place = known.addresses.iter().position(|it| *it == failed);
        known
            .addresses
            .rotate_left(place.map_or(0, |place| place + 1));
        if let Some(next) = known.addresses.first().filter(|next| **next != failed) {
            known.endpoint = Arc::new(self.making.endpoint((*next, self.port).into()));
        }
        // It may have moved.
        known.fresh = Instant::now();
    }

    /// The addresses that can be used: of the family of our own address, if we have one.
    async fn look_up(&self) -> Result<Vec<IpAddr>, Failure> {
        let mut addresses = if self.resolvers.is_empty() {
            let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
            let found = found.map_err(|error| Failure::network(reason::of(&error)))?;
            found.map(|address| address.ip()).collect()
        } else {
            self.ask_resolvers().await?
        };
        if let Some(source) = self.making.source {
            addresses.retain(|address| address.is_ipv4() == source.is_ipv4());
        }
        addresses.truncate(MOST_ADDRESSES);
        match addresses.is_empty() {
            true => Err(Failure::network("it has none")),
            false => Ok(addresses),
        }
    }

    async fn ask_resolvers(&self) -> Result<Vec<IpAddr>, Failure> {
        let name = Name::parse(&self.host).map_err(|error| Failure::network(error.to_string()))?;
        let mut failure = Failure::Silent;
        for resolver in &self.resolvers {
            let mut addresses = Vec::new();
            for rtype in [RecordType::A, RecordType::AAAA] {
                let request = Request::new(name.as_wire(), rtype);
                // Boxed, for a resolver is an upstream too.
                match Box::pin(resolver.ask(&request, false)).await {
                    Err(error) => failure = error,
                    Ok(message) => addresses.extend(
                        message
                            .section(Section::Answer)
                            .filter(|record| record.rtype == rtype)
                            .filter_map(|record| as_address(record.raw_data())),
                    ),
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(failure)
    }
}

fn as_address(data: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(data).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from))
        .ok()
}
