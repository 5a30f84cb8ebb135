//! What the examples that measure answers have in common.

use answer::{LookupName, Name, Query, RecordType, Reply, Transport};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A query with EDNS, as resolvers send it.
pub(crate) fn request(name: &str, rtype: RecordType) -> Result<Vec<u8>> {
    let mut request = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    request.extend_from_slice(Name::parse(name)?.as_wire());
    request.extend_from_slice(&rtype.0.to_be_bytes());
    request.extend_from_slice(b"\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0");
    Ok(request)
}

/// From the bytes of a request to those of its reply, which `write` writes; returns their number.
#[inline(always)]
pub(crate) fn reply(
    request: &[u8],
    buffer: &mut [u8],
    write: impl FnOnce(&Query<'_>, &LookupName, &mut Reply<'_>),
) -> usize {
    let Ok(query) = Query::parse(request) else {
        return 0;
    };
    let Some(name) = LookupName::from_wire(query.qname) else {
        return 0;
    };
    let Ok(mut reply) = Reply::start(&query, Transport::DATAGRAM, buffer) else {
        return 0;
    };
    write(&query, &name, &mut reply);
    reply.finish()
}
