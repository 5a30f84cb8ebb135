//! The query that an upstream gets, and which options of its reply the client gets.

use answer::{Edns, Message, Query, Request, RequestEdns};

use super::Exchange;

/// EDNS options that are between two neighbours and mean nothing to the next: cookies (RFC 7873),
/// how long a connection lives (RFC 7828), padding (RFC 7830).
const OF_NEIGHBOURS: [u16; 3] = [10, 11, 12];

/// Client subnet (RFC 7871).
const CLIENT_SUBNET: u16 = 8;

/// Extended errors (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

/// A query of our own that asks what the client asks, with an OPT record in any case.
pub(super) fn request(query: &Query<'_>) -> Request {
    let mut edns = RequestEdns::default();
    if let Some(asked) = query.edns {
        edns.dnssec_ok = asked.dnssec_ok;
        for (code, data) in asked.options() {
            if !OF_NEIGHBOURS.contains(&code) {
                edns.push_option(code, data);
            }
        }
    }
    Request {
        id: 0,
        edns: Some(edns),
        ..Request::like(query)
    }
}

/// Passes on what an upstream says of its reply: extended errors, and how far it holds for the
/// client's subnet where the client has named one.
pub(super) fn pass_options(message: &Message, exchange: &mut Exchange<'_, '_>) {
    let Some(edns) = message.edns() else { return };
    let subnet = exchange
        .query
        .edns
        .is_some_and(|edns| edns.option(CLIENT_SUBNET).is_some());
    let options = Edns {
        udp_size: 0,
        version: 0,
        dnssec_ok: false,
        options: &edns.options,
    };
    for (code, data) in options.options() {
        let error = code == EXTENDED_ERROR && data.len() >= 2;
        if error || code == CLIENT_SUBNET && subnet {
            exchange.reply.option(code, data);
        }
    }
}
