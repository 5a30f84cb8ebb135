//! A reply that came from elsewhere, checked once before anything of it is used.

mod letters;

use std::error::Error;
use std::fmt;

use crate::name::Name;
use crate::query::{EdnsOptions, HEADER};
use crate::rcode::Rcode;
use crate::record::{Class, MAX_TTL, RecordData, RecordType};
use crate::reply::Section;
use crate::request::Request;
use crate::wire::{MAX_NAME, Reader};

/// A reply of another server, or of this one to itself: every record lies inside, every name ends,
/// every pointer leads backwards. The OPT record is taken out, and so is a transaction signature.
///
/// Its records can be copied behind any question of the same length as they are: see
/// [`Reply::relay`](crate::Reply::relay).
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Header, question and records.
    bytes: Box<[u8]>,
    question_end: usize,
    /// Where each record's TTL stands.
    ttls: Box<[u16]>,
    counts: Counts,
    rcode: Rcode,
    edns: Option<MessageEdns>,
}

/// How many records each section has, OPT and TSIG not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answer: u16,
    pub(crate) authority: u16,
    pub(crate) additional: u16,
}

/// What the OPT record of a [`Message`] said (RFC 6891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEdns {
    /// DO: the reply has signatures if there are any (RFC 3225).
    pub dnssec_ok: bool,
    /// The options in wire form.
    pub options: Box<[u8]>,
}

impl MessageEdns {
    /// The options, each with its code and data; ends at the first one that is cut short.
    pub fn options(&self) -> EdnsOptions<'_> {
        EdnsOptions::new(&self.options)
    }
}

/// Bytes that are no reply to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessage(&'static str);

impl fmt::Display for BadMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Error for BadMessage {}

impl Message {
    /// Checks a reply.
    ///
    /// # Errors
    ///
    /// When it is cut short, longer than 65,535 octets, not a reply (QR=0) to a standard query
    /// with one question, or a name in it does not end or points forward. Octets after the last
    /// record are cut off.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadMessage> {
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(BadMessage("it is too short"))?;
        if bytes.len() > usize::from(u16::MAX) {
            return Err(BadMessage("it is too long"));
        }
        let [_, _, flags0, flags1, qd0, qd1, an0, an1, ns0, ns1, ar0, ar1] = *header;
        if flags0 & 0xf8 != 0x80 {
            return Err(BadMessage("it is no reply to a query"));
        }
        if [qd0, qd1] != [0, 1] {
            return Err(BadMessage("it does not repeat the question"));
        }
        let mut reader = Reader::new(bytes, HEADER);
        let question = reader.name().and_then(|_| reader.take(4));
        question.ok_or(BadMessage("its question is malformed"))?;
        let mut reading = Reading {
            question_end: reader.position(),
            reader,
            bytes,
            ttls: Vec::new(),
            opt: None,
            cut: Vec::new(),
        };
        let malformed = BadMessage("a record in it is malformed");
        let section = |reading: &mut Reading<'_>, count: [u8; 2], additional: bool| {
            let mut kept = 0;
            for _ in 0..u16::from_be_bytes(count) {
                kept += u16::from(reading.record(additional)?);
            }
            Some(kept)
        };
        let counts = Counts {
            answer: section(&mut reading, [an0, an1], false).ok_or(malformed)?,
            authority: section(&mut reading, [ns0, ns1], false).ok_or(malformed)?,
            additional: section(&mut reading, [ar0, ar1], true).ok_or(malformed)?,
        };
        reading.finish(counts, Rcode::new(u16::from(flags1 & 0xf)))
    }

    /// A reply without records to a query.
    pub fn empty(request: &Request, rcode: Rcode) -> Self {
        let mut bytes = request.to_bytes();
        let question_end = HEADER + request.name.len() + 4;
        bytes.truncate(question_end);
        if let Some([_, _, flags0, flags1, .., ar0, ar1]) = bytes.first_chunk_mut::<HEADER>() {
            *flags0 |= 0x80;
            *flags1 = *flags1 & 0x10 | rcode.header_bits();
            (*ar0, *ar1) = (0, 0);
        }
        Self {
            bytes: bytes.into(),
            question_end,
            ttls: Box::default(),
            counts: Counts::default(),
            rcode,
            edns: None,
        }
    }

    /// The question as the reply repeats it: name, type and class in wire form.
    pub fn question(&self) -> &[u8] {
        self.bytes.get(HEADER..self.question_end).unwrap_or(&[])
    }

    /// The name asked for, uncompressed, in the case of the reply.
    pub fn qname(&self) -> &[u8] {
        let question = self.question();
        question
            .get(..question.len().saturating_sub(4))
            .unwrap_or(&[])
    }

    /// The type asked for.
    pub fn qtype(&self) -> RecordType {
        let question = self.question();
        let mut reader = Reader::new(question, question.len().saturating_sub(4));
        RecordType(reader.u16().unwrap_or_default())
    }

    /// The message's identifier.
    pub fn id(&self) -> u16 {
        Reader::new(&self.bytes, 0).u16().unwrap_or_default()
    }

    /// The response code, its upper bits from the OPT record included.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// AA: the server has the data itself.
    pub fn is_authoritative(&self) -> bool {
        self.flags(2) & 0x04 != 0
    }

    /// TC: records are missing.
    pub fn is_truncated(&self) -> bool {
        self.flags(2) & 0x02 != 0
    }

    /// RA: the server asks others.
    pub fn is_recursion_available(&self) -> bool {
        self.flags(3) & 0x80 != 0
    }

    /// AD: the server has checked the signatures (RFC 4035 §3.2.3).
    pub fn is_authentic(&self) -> bool {
        self.flags(3) & 0x20 != 0
    }

    /// What the OPT record said.
    pub fn edns(&self) -> Option<&MessageEdns> {
        self.edns.as_ref()
    }

    /// The records in order.
    pub fn records(&self) -> MessageRecords<'_> {
        MessageRecords {
            message: self,
            reader: Reader::new(&self.bytes, self.question_end),
            number: 0,
        }
    }

    /// The records of one section; those of the additional section are [`Section::Additional`].
    pub fn section(&self, section: Section) -> impl Iterator<Item = MessageRecord<'_>> {
        self.records()
            .filter(move |record| record.section == section)
    }

    /// Gives each record the TTL that `new` makes of it, in seconds.
    pub fn map_ttls(&mut self, mut new: impl FnMut(&MessageRecord<'_>) -> u32) {
        let ttls: Vec<u32> = self.records().map(|record| new(&record)).collect();
        for (at, ttl) in self.ttls.iter().zip(ttls) {
            let at = usize::from(*at);
            if let Some(place) = self.bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&ttl.min(MAX_TTL).to_be_bytes());
            }
        }
    }

    /// How many octets the message takes in memory.
    pub fn memory(&self) -> usize {
        let options = self.edns.as_ref().map_or(0, |edns| edns.options.len());
        size_of::<Self>() + self.bytes.len() + 2 * self.ttls.len() + options
    }

    /// The same with this response code, whose upper bits no header has.
    pub(crate) fn with_rcode(self, rcode: Rcode) -> Self {
        Self { rcode, ..self }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn question_end(&self) -> usize {
        self.question_end
    }

    /// The records as they stand behind the question.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.question_end..).unwrap_or(&[])
    }

    /// Where the TTLs stand, as offsets from the start of the message.
    pub(crate) fn ttls(&self) -> &[u16] {
        &self.ttls
    }

    fn flags(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("qname", &Name::from_wire(self.qname()))
            .field("qtype", &self.qtype())
            .field("rcode", &self.rcode)
            .field("records", &self.records().collect::<Vec<_>>())
            .finish()
    }
}

/// A message while it is checked.
struct Reading<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    question_end: usize,
    ttls: Vec<u16>,
    opt: Option<(u8, MessageEdns)>,
    /// Where the records begin and end that are no data.
    cut: Vec<(usize, usize)>,
}

impl Reading<'_> {
    /// Reads one record; returns whether it is kept.
    fn record(&mut self, additional: bool) -> Option<bool> {
        let start = self.reader.position();
        expand(self.bytes, &mut self.reader)?;
        let root = self.reader.position() == start + 1;
        let rtype = RecordType(self.reader.u16()?);
        self.reader.u16()?;
        let ttl_at = self.reader.position();
        let ttl = self.reader.u32()?;
        let length = usize::from(self.reader.u16()?);
        let data_at = self.reader.position();
        let data = self.reader.take(length)?;
        match rtype {
            RecordType::OPT => {
                if !additional || !root || self.opt.is_some() {
                    return None;
                }
                let [rcode, _, flags, _] = ttl.to_be_bytes();
                let edns = MessageEdns {
                    dnssec_ok: flags & 0x80 != 0,
                    options: data.into(),
                };
                self.opt = Some((rcode, edns));
            }
            // A signature holds between two servers and for the bytes as they were.
            RecordType::TSIG => {}
            _ => {
                let end = data_at + length;
                check_data(self.bytes.get(..end)?, rtype, data_at, end)?;
                self.ttls.push(u16::try_from(ttl_at).ok()?);
                return Some(true);
            }
        }
        self.cut.push((start, self.reader.position()));
        Some(false)
    }

    fn finish(self, counts: Counts, header_rcode: Rcode) -> Result<Message, BadMessage> {
        let mut end = self.reader.position();
        let mut cut = self.cut;
        // They stand last as a rule.
        while let Some((start, _)) = cut.pop_if(|(_, cut_end)| *cut_end == end) {
            end = start;
        }
        if !cut.is_empty() {
            // Pointers behind it would lead astray, and nobody does this.
            return Err(BadMessage("its OPT record is not the last"));
        }
        let (upper, edns) = self.opt.unzip();
        let rcode = header_rcode.value() | u16::from(upper.unwrap_or_default()) << 4;
        Ok(Message {
            bytes: self.bytes.get(..end).unwrap_or(&[]).into(),
            question_end: self.question_end,
            ttls: self.ttls.into(),
            counts,
            rcode: Rcode::new(rcode),
            edns,
        })
    }
}

/// A record of a [`Message`].
#[derive(Clone, Copy)]
pub struct MessageRecord<'a> {
    message: &'a Message,
    /// The section that it stands in: answer, authority or additional.
    pub section: Section,
    owner_at: usize,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: Class,
    /// Time to live in seconds.
    pub ttl: u32,
    data_at: usize,
    data: &'a [u8],
}

impl<'a> MessageRecord<'a> {
    /// The owner's name.
    pub fn owner(&self) -> Name {
        self.name_at(self.owner_at)
    }

    /// The data as it stands in the message: names in it may be compressed.
    pub fn raw_data(&self) -> &'a [u8] {
        self.data
    }

    /// The data with its names uncompressed, in the case of the message.
    pub fn data(&self) -> Vec<u8> {
        let Some((prefix, names)) = names_in(self.rtype) else {
            return self.data.to_vec();
        };
        let bytes = &self.message.bytes;
        let mut reader = Reader::new(bytes, self.data_at + prefix);
        let mut data = self.data.get(..prefix).unwrap_or(&[]).to_vec();
        for _ in 0..names {
            if let Some(name) = expand(bytes, &mut reader) {
                data.extend_from_slice(name.as_slice());
            }
        }
        let rest = self
            .data
            .get(reader.position().saturating_sub(self.data_at)..);
        data.extend_from_slice(rest.unwrap_or(&[]));
        data
    }

    /// The data with its names uncompressed, for a zone or an RRset.
    pub fn record_data(&self) -> Option<RecordData> {
        RecordData::raw(self.data()).ok()
    }

    /// The name that a CNAME, DNAME, NS or PTR record points to.
    pub fn target(&self) -> Option<Name> {
        let single = names_in(self.rtype) == Some((0, 1));
        single.then(|| self.name_at(self.data_at))
    }

    fn name_at(&self, at: usize) -> Name {
        let bytes = &self.message.bytes;
        let expanded = expand(bytes, &mut Reader::new(bytes, at));
        expanded
            .and_then(|name| Name::from_wire(name.as_slice()).ok())
            .unwrap_or_else(Name::root)
    }
}

impl fmt::Debug for MessageRecord<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} {} {} {} {} {:02x?}",
            self.section,
            self.owner(),
            self.ttl,
            self.class,
            self.rtype,
            self.data()
        )
    }
}

/// The records of a [`Message`]; made by [`Message::records`].
#[derive(Clone)]
pub struct MessageRecords<'a> {
    message: &'a Message,
    reader: Reader<'a>,
    number: u16,
}

impl<'a> Iterator for MessageRecords<'a> {
    type Item = MessageRecord<'a>;

    fn next(&mut self) -> Option<MessageRecord<'a>> {
        let Counts {
            answer, authority, ..
        } = self.message.counts;
        let owner_at = self.reader.position();
        self.reader.skip_name()?;
        let rtype = RecordType(self.reader.u16()?);
        let class = Class(self.reader.u16()?);
        let ttl = self.reader.u32()?;
        let length = usize::from(self.reader.u16()?);
        let data_at = self.reader.position();
        let data = self.reader.take(length)?;
        let section = match self.number {
            number if number < answer => Section::Answer,
            number if number < answer.saturating_add(authority) => Section::Authority,
            _ => Section::Additional,
        };
        self.number += 1;
        Some(MessageRecord {
            message: self.message,
            section,
            owner_at,
            rtype,
            class,
            ttl,
            data_at,
            data,
        })
    }
}

/// An uncompressed name on the stack.
pub(crate) struct Expanded {
    wire: [u8; MAX_NAME],
    length: usize,
}

impl Expanded {
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.wire.get(..self.length).unwrap_or(&[0])
    }
}

/// Reads a name that may be compressed and follows its pointers, each of which must lead to before
/// the labels that led to it, so that the walk ends (RFC 1035 §4.1.4).
pub(crate) fn expand<'a>(bytes: &'a [u8], reader: &mut Reader<'a>) -> Option<Expanded> {
    let mut name = Expanded {
        wire: [0; MAX_NAME],
        length: 0,
    };
    let mut walk = Reader::new(bytes, reader.position());
    let mut earliest = reader.position();
    let mut end = None;
    loop {
        let length = walk.u8()?;
        match length {
            0..=63 => {
                let label = walk.take(usize::from(length))?;
                let place = name
                    .wire
                    .get_mut(name.length..name.length + 1 + label.len())?;
                let (first, rest) = place.split_first_mut()?;
                *first = length;
                rest.copy_from_slice(label);
                name.length += 1 + label.len();
                if length == 0 {
                    *reader = Reader::new(bytes, end.unwrap_or(walk.position()));
                    return Some(name);
                }
            }
            0xc0.. => {
                let low = walk.u8()?;
                end = end.or(Some(walk.position()));
                let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                if target >= earliest || target < HEADER {
                    return None;
                }
                // What is read there ends before it too: what follows may be another's elsewhere.
                walk = Reader::new(bytes.get(..earliest)?, target);
                earliest = target;
            }
            _ => return None,
        }
    }
}

/// The types in whose data names may be compressed, or were by old servers: how many octets stand
/// before the names, and how many names there are (RFC 3597 §4). What follows them is of no names.
pub(crate) fn names_in(rtype: RecordType) -> Option<(usize, usize)> {
    Some(match rtype.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => (0, 1),
        // SOA, MINFO, RP
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX
        15 | 18 | 21 | 36 => (2, 1),
        // PX
        26 => (2, 2),
        // SRV
        33 => (6, 1),
        _ => return None,
    })
}

/// Checks that the names in a record's data end inside it, and that nothing else is missing.
/// `bytes` is the message up to the end of the data.
fn check_data(bytes: &[u8], rtype: RecordType, at: usize, end: usize) -> Option<()> {
    match rtype {
        RecordType::A => return (end - at == 4).then_some(()),
        RecordType::AAAA => return (end - at == 16).then_some(()),
        _ => {}
    }
    let Some((prefix, names)) = names_in(rtype) else {
        return Some(());
    };
    let mut reader = Reader::new(bytes, at + prefix);
    for _ in 0..names {
        expand(bytes, &mut reader)?;
    }
    let rest = if rtype == RecordType::SOA { 20 } else { 0 };
    (reader.position() + rest == end).then_some(())
}

#[cfg(test)]
mod tests;
