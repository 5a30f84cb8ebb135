//! A request, viewed in place.

use crate::rcode::Rcode;
use crate::record::{Class, RecordType};
use crate::wire::Reader;

/// The length of a message's header, in octets (RFC 1035 §4.1.1).
pub(crate) const HEADER: usize = 12;

/// A well-formed query with one question, borrowed from the bytes that were received.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The header and the question as they were received.
    head: &'a [u8],
    /// How many octets the whole message has.
    length: usize,
    /// The message's identifier, which the reply repeats.
    pub id: u16,
    /// RD: the client wants recursion.
    pub recursion_desired: bool,
    /// AD: the client understands the AD bit in a reply (RFC 6840 §5.7).
    pub authentic_data: bool,
    /// CD: the client checks signatures itself (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The name asked for in wire form, in the client's case: uncompressed, at most 255 octets.
    pub qname: &'a [u8],
    /// The type asked for.
    pub qtype: RecordType,
    /// The class asked for.
    pub qclass: Class,
    /// What the OPT record says; `None` when there is none.
    pub edns: Option<Edns<'a>>,
}

/// What a request that is no well-formed query deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// No reply at all: too short to be answered, or itself a reply (QR=1). Answering a reply
    /// could make two servers talk to each other for ever.
    Ignore,
    /// A reply with this code and nothing but a header; [`reject`] writes it.
    Reply(Rcode),
}

impl<'a> Query<'a> {
    /// Looks at a request without copying any of it.
    ///
    /// Each octet is looked at once and compression pointers are never followed, so a malformed
    /// packet costs less than an answer.
    ///
    /// # Errors
    ///
    /// * [`Rejected::Ignore`]: shorter than a header, or QR=1.
    /// * NOTIMP: an opcode other than QUERY.
    /// * FORMERR: not exactly one question; more than one record in the answer or authority
    ///   section or more than two in the additional one; a question name that is compressed, cut
    ///   or too long; a record that is cut; an OPT record whose owner is not the root, that stands
    ///   outside the additional section, or whose options do not fill it exactly; two OPT records
    ///   (RFC 6891 §6.1.1); octets after the last record, since they mean that the sender and we
    ///   disagree about what was said.
    ///
    /// An EDNS version other than 0 is no rejection: see [`Edns::version`].
    pub fn parse(message: &'a [u8]) -> Result<Self, Rejected> {
        let malformed = Rejected::Reply(Rcode::FORMERR);
        let header: &[u8; HEADER] = message.first_chunk().ok_or(Rejected::Ignore)?;
        let [
            id0,
            id1,
            flags0,
            flags1,
            qd0,
            qd1,
            an0,
            an1,
            ns0,
            ns1,
            ar0,
            ar1,
        ] = *header;
        if flags0 & 0x80 != 0 {
            return Err(Rejected::Ignore);
        }
        if flags0 & 0x78 != 0 {
            return Err(Rejected::Reply(Rcode::NOTIMP));
        }
        let questions = u16::from_be_bytes([qd0, qd1]);
        let answers = u16::from_be_bytes([an0, an1]);
        let authorities = u16::from_be_bytes([ns0, ns1]);
        let additionals = u16::from_be_bytes([ar0, ar1]);
        if questions != 1 || answers > 1 || authorities > 1 || additionals > 2 {
            return Err(malformed);
        }
        let mut reader = Reader::new(message, HEADER);
        let (qname, qtype, qclass) = question(&mut reader).ok_or(malformed)?;
        let head = message.get(..reader.position()).ok_or(malformed)?;
        for _ in 0..answers + authorities {
            match record(&mut reader).ok_or(malformed)? {
                Record::Opt(_) => return Err(malformed),
                Record::Other => {}
            }
        }
        let mut edns = None;
        for _ in 0..additionals {
            if let Record::Opt(opt) = record(&mut reader).ok_or(malformed)?
                && edns.replace(opt).is_some()
            {
                return Err(malformed);
            }
        }
        if !reader.is_at_end() {
            return Err(malformed);
        }
        Ok(Self {
            head,
            length: message.len(),
            id: u16::from_be_bytes([id0, id1]),
            recursion_desired: flags0 & 0x01 != 0,
            authentic_data: flags1 & 0x20 != 0,
            checking_disabled: flags1 & 0x10 != 0,
            qname,
            qtype,
            qclass,
            edns,
        })
    }

    /// How many octets the message has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The question in wire form as it was received: name, type and class.
    pub fn question(&self) -> &'a [u8] {
        self.head.get(HEADER..).unwrap_or_default()
    }

    /// The header and the question as they were received.
    pub(crate) fn head(&self) -> &'a [u8] {
        self.head
    }
}

fn question<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], RecordType, Class)> {
    Some((
        reader.name()?,
        RecordType(reader.u16()?),
        Class(reader.u16()?),
    ))
}

/// What a record of a request is to us.
enum Record<'a> {
    Opt(Edns<'a>),
    Other,
}

/// Reads one record; `None` when it is cut short or a malformed OPT.
fn record<'a>(reader: &mut Reader<'a>) -> Option<Record<'a>> {
    let start = reader.position();
    reader.skip_name()?;
    let owner_is_root = reader.position() == start + 1;
    let rtype = RecordType(reader.u16()?);
    let class = reader.u16()?;
    let [_, version, flags, _] = reader.u32()?.to_be_bytes();
    let length = reader.u16()?;
    let options = reader.take(usize::from(length))?;
    if rtype != RecordType::OPT {
        return Some(Record::Other);
    }
    let edns = Edns {
        udp_size: class,
        version,
        dnssec_ok: flags & 0x80 != 0,
        options,
    };
    // The options of a later version may have another form, and BADVERS says more than FORMERR.
    let well_formed = version != 0 || edns.options_are_whole();
    (owner_is_root && well_formed).then_some(Record::Opt(edns))
}

/// What a request's OPT record says (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug)]
pub struct Edns<'a> {
    /// The largest reply over UDP that the client can take, as it said; values below 512 mean
    /// 512 (RFC 6891 §6.2.3).
    pub udp_size: u16,
    /// The EDNS version; other than 0 is to be answered BADVERS (RFC 6891 §6.1.3).
    pub version: u8,
    /// DO: the client wants signatures (RFC 3225).
    pub dnssec_ok: bool,
    /// The options in wire form. Well-formed in version 0.
    pub options: &'a [u8],
}

impl<'a> Edns<'a> {
    /// The options, each with its code and data.
    pub fn options(&self) -> EdnsOptions<'a> {
        EdnsOptions::new(self.options)
    }

    /// The data of the first option with this code.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.options()
            .find(|(found, _)| *found == code)
            .map(|(_, data)| data)
    }

    fn options_are_whole(&self) -> bool {
        let mut options = self.options();
        options.by_ref().for_each(drop);
        options.reader.is_at_end()
    }
}

/// The options of an OPT record: code and data of each (RFC 6891 §6.1.2); made by
/// [`Edns::options`] and [`MessageEdns::options`](crate::MessageEdns::options). Ends at the first option that is cut short.
#[derive(Clone, Debug)]
pub struct EdnsOptions<'a> {
    reader: Reader<'a>,
}

impl<'a> EdnsOptions<'a> {
    /// Those of an OPT record with this data.
    pub(crate) fn new(options: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(options, 0),
        }
    }
}

impl<'a> Iterator for EdnsOptions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let mut reader = self.reader;
        let code = reader.u16()?;
        let length = reader.u16()?;
        let data = reader.take(usize::from(length))?;
        self.reader = reader;
        Some((code, data))
    }
}

/// Writes the reply to a request that [`Query::parse`] rejected: a header and nothing else, with
/// the request's identifier, opcode and RD, and this code. Codes above 15 cannot be said without
/// an OPT record and become SERVFAIL.
///
/// Returns the reply's length, or `None` when `request` or `out` is shorter than a header.
pub fn reject(request: &[u8], rcode: Rcode, out: &mut [u8]) -> Option<usize> {
    let [id0, id1, flags, ..] = *request.first_chunk::<HEADER>()?;
    let rcode = if rcode.extended_bits() == 0 {
        rcode
    } else {
        Rcode::SERVFAIL
    };
    *out.first_chunk_mut::<HEADER>()? = [
        id0,
        id1,
        0x80 | (flags & 0x79),
        rcode.header_bits(),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    Some(HEADER)
}

#[cfg(test)]
mod tests;
