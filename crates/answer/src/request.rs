//! Writing queries: to other servers, and to ourselves.

use crate::query::{EdnsOptions, HEADER, Query};
use crate::record::{Class, RecordType};
use crate::reply::OUR_UDP_SIZE;

/// A query to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The message's identifier.
    pub id: u16,
    /// RD: others may be asked.
    pub recursion_desired: bool,
    /// AD: the AD bit of the reply is understood (RFC 6840 §5.7).
    pub authentic_data: bool,
    /// CD: signatures are checked by whoever asks (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The name in uncompressed wire form, in the case in which it is sent.
    pub name: Box<[u8]>,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: Class,
    /// What the OPT record says; `None` for none.
    pub edns: Option<RequestEdns>,
}

/// What the OPT record of a [`Request`] says (RFC 6891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEdns {
    /// The largest reply over UDP that can be taken, in octets.
    pub udp_size: u16,
    /// DO: signatures are wanted (RFC 3225).
    pub dnssec_ok: bool,
    /// The options in wire form: each its code and length in two octets, then its data.
    pub options: Vec<u8>,
}

impl Default for RequestEdns {
    /// The usual size and nothing else.
    fn default() -> Self {
        Self {
            udp_size: OUR_UDP_SIZE,
            dnssec_ok: false,
            options: Vec::new(),
        }
    }
}

impl RequestEdns {
    /// The options, each with its code and data.
    pub fn options(&self) -> EdnsOptions<'_> {
        EdnsOptions::new(&self.options)
    }

    /// Adds an option. One that is too long for an OPT record is left out.
    pub fn push_option(&mut self, code: u16, data: &[u8]) {
        let Ok(length) = u16::try_from(data.len()) else {
            return;
        };
        if self.options.len() + 4 + data.len() > usize::from(u16::MAX) {
            return;
        }
        self.options.extend_from_slice(&code.to_be_bytes());
        self.options.extend_from_slice(&length.to_be_bytes());
        self.options.extend_from_slice(data);
    }
}

impl Request {
    /// A query for a name in uncompressed wire form, with RD and the usual OPT record, identifier 0.
    pub fn new(name: &[u8], rtype: RecordType) -> Self {
        Self {
            id: 0,
            recursion_desired: true,
            authentic_data: false,
            checking_disabled: false,
            name: name.into(),
            rtype,
            class: Class::IN,
            edns: Some(RequestEdns::default()),
        }
    }

    /// The same query as one that was received, its EDNS options included.
    pub fn like(query: &Query<'_>) -> Self {
        Self {
            id: query.id,
            recursion_desired: query.recursion_desired,
            authentic_data: query.authentic_data,
            checking_disabled: query.checking_disabled,
            name: query.qname.into(),
            rtype: query.qtype,
            class: query.qclass,
            edns: query.edns.map(|edns| RequestEdns {
                udp_size: edns.udp_size,
                dnssec_ok: edns.dnssec_ok,
                options: edns.options.to_vec(),
            }),
        }
    }

    /// The message as it is sent (RFC 1035 §4.1).
    pub fn to_bytes(&self) -> Vec<u8> {
        let bit = |set: bool, mask: u8| if set { mask } else { 0 };
        let [id0, id1] = self.id.to_be_bytes();
        let flags0 = bit(self.recursion_desired, 0x01);
        let flags1 = bit(self.authentic_data, 0x20) | bit(self.checking_disabled, 0x10);
        let additional = u8::from(self.edns.is_some());
        let options = self.edns.as_ref().map_or(0, |edns| edns.options.len());
        let mut bytes = Vec::with_capacity(HEADER + self.name.len() + 4 + 11 + options);
        bytes.extend_from_slice(&[id0, id1, flags0, flags1, 0, 1, 0, 0, 0, 0, 0, additional]);
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.rtype.0.to_be_bytes());
        bytes.extend_from_slice(&self.class.0.to_be_bytes());
        if let Some(edns) = &self.edns {
            bytes.push(0);
            bytes.extend_from_slice(&RecordType::OPT.0.to_be_bytes());
            bytes.extend_from_slice(&edns.udp_size.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, bit(edns.dnssec_ok, 0x80), 0]);
            // `push_option` keeps the sum within the field.
            bytes.extend_from_slice(&(edns.options.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&edns.options);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, what we ask ourselves or others is not what the client asked.
    #[test]
    fn a_query_is_written_as_it_was_read() {
        let mut request = Request::new(b"\x04Host\x07eXample\0", RecordType::AAAA);
        request.id = 0x1234;
        request.checking_disabled = true;
        request.authentic_data = true;
        let mut edns = RequestEdns {
            udp_size: 4096,
            dnssec_ok: true,
            options: Vec::new(),
        };
        edns.push_option(10, b"12345678");
        edns.push_option(3, b"");
        request.edns = Some(edns);
        let bytes = request.to_bytes();
        let query = Query::parse(&bytes).unwrap();
        assert_eq!(query.qname, b"\x04Host\x07eXample\0");
        assert_eq!(query.edns.unwrap().option(10), Some(&b"12345678"[..]));
        assert_eq!(Request::like(&query), request);
        assert_eq!(Request::like(&query).to_bytes(), bytes);
    }

    #[test]
    fn an_option_that_does_not_fit_is_left_out() {
        let mut edns = RequestEdns::default();
        edns.push_option(1, &[0; 65_000]);
        edns.push_option(2, &[0; 600]);
        assert_eq!(edns.options.len(), 65_004);
    }
}
