//! How large a reply can be.

use crate::query::Query;

/// The largest datagram that we say we can take, and that we send unless told otherwise: what
/// fits through every path without fragments (<https://www.dnsflagday.net/2020/>).
pub const OUR_UDP_SIZE: u16 = 1232;

/// What every client can take in a datagram (RFC 1035 §4.2.1).
pub(super) const LEAST_UDP_SIZE: u16 = 512;

/// How the reply travels, and so how large it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: as much as the client says that it takes, 512 octets if it says nothing, and
    /// never more than `largest` (which counts as 512 if it is less). What does not fit is left
    /// out and TC is set.
    Datagram {
        /// The largest reply, in octets.
        largest: u16,
    },
    /// A stream with lengths (RFC 1035 §4.2.2): 65,535 octets. What does not fit is left out.
    Stream,
}

impl Transport {
    /// A datagram of the usual size, [`OUR_UDP_SIZE`].
    pub const DATAGRAM: Transport = Transport::Datagram {
        largest: OUR_UDP_SIZE,
    };

    /// How many octets the reply to this query can have.
    pub(super) fn limit(self, query: &Query<'_>) -> usize {
        match self {
            Self::Datagram { largest } => {
                let advertised = query.edns.map_or(LEAST_UDP_SIZE, |edns| edns.udp_size);
                usize::from(advertised.min(largest).max(LEAST_UDP_SIZE))
            }
            Self::Stream => usize::from(u16::MAX),
        }
    }
}
