//! Writing a reply into the caller's buffer.

mod edit;
mod edns;
mod fit;
mod order;
mod place;
mod relay;
mod respond;
mod transport;
mod ttl;

pub use edit::{Mark, WrittenRecord};
pub use order::{WrittenSet, WrittenSets};
pub use place::{Owner, Section};
pub use relay::RelayedRecord;
pub use respond::{Asked, Outcome, Proofs, answer_from_zone, respond};
pub use transport::{OUR_UDP_SIZE, Transport};

use std::error::Error;
use std::fmt;

use edns::OPT;

use crate::message::Counts;
use crate::name::LookupName;
use crate::query::{HEADER, Query};
use crate::rcode::Rcode;
use crate::record::{Class, MAX_TTL, RecordType};
use crate::wire::{LAST_POINTER, Reader};
use crate::zone::{QUESTION_NAME, RECORD_HEADER, Records, RrsetRef, Zone};

/// A buffer that is too small for a header, the question and an OPT record: fewer than 282 octets
/// can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the buffer is too small for a reply: give it at least 512 octets")
    }
}

impl Error for NoRoom {}

/// A reply that is being written: the client's header and question, then records section by
/// section, then an OPT record if the client sent one.
///
/// Room for the OPT record and its options is set aside at the end of the space, so that records
/// never take it. Nothing is written past the limit.
pub struct Reply<'b> {
    out: &'b mut [u8],
    /// Where the next record goes.
    position: usize,
    question_end: usize,
    /// Where the space for the whole reply ends.
    limit: usize,
    /// How long the reply may be when it is finished.
    most: usize,
    /// Where the options begin that wait at the end of the space.
    options: usize,
    /// Whether the client sent an OPT record, and its DO bit.
    edns: Option<bool>,
    /// Whether the reply is one datagram, however much room there is while it is written.
    datagram: bool,
    stream: bool,
    rcode: Rcode,
    authoritative: bool,
    recursion_available: bool,
    recursion_desired: bool,
    /// Whether AD may be set: the client understands it (RFC 6840 §5.8).
    authentic_understood: bool,
    authentic: bool,
    truncated: bool,
    withheld: bool,
    longest_ttl: Option<u32>,
    section: Section,
    counts: Counts,
}

impl<'b> Reply<'b> {
    /// Begins a reply to a query: NOERROR, not authoritative, no records.
    ///
    /// The question is copied as it was sent, so that its letters keep their case, by which some
    /// clients recognise their own question.
    ///
    /// # Errors
    ///
    /// When `out` is too small for a reply without records.
    pub fn start(
        query: &Query<'_>,
        transport: Transport,
        out: &'b mut [u8],
    ) -> Result<Self, NoRoom> {
        let limit = transport.limit(query).min(out.len());
        Self::start_within(query, transport, limit, out)
    }

    /// The same with all of `out` to write into, whatever the client can take: what is written may
    /// still change, or is wanted whole by others. What the client cannot take is left out at
    /// [`finish`](Reply::finish), where TC is set for it.
    ///
    /// # Errors
    ///
    /// When `out` is too small for a reply without records.
    pub fn start_roomy(
        query: &Query<'_>,
        transport: Transport,
        out: &'b mut [u8],
    ) -> Result<Self, NoRoom> {
        let limit = out.len().min(usize::from(u16::MAX));
        Self::start_within(query, transport, limit, out)
    }

    fn start_within(
        query: &Query<'_>,
        transport: Transport,
        limit: usize,
        out: &'b mut [u8],
    ) -> Result<Self, NoRoom> {
        let head = query.head();
        let most = transport.limit(query);
        let edns = query.edns.map(|edns| edns.dnssec_ok);
        if head.len() + OPT > limit {
            return Err(NoRoom);
        }
        out.get_mut(..head.len())
            .ok_or(NoRoom)?
            .copy_from_slice(head);
        Ok(Self {
            out,
            position: head.len(),
            question_end: head.len(),
            limit,
            most,
            options: limit,
            edns,
            datagram: transport != Transport::Stream,
            // With more room than the client has, it is decided at the end what is too much.
            stream: transport == Transport::Stream || limit > most,
            rcode: Rcode::NOERROR,
            authoritative: false,
            recursion_available: false,
            recursion_desired: query.recursion_desired,
            authentic_understood: query.authentic_data || edns == Some(true),
            authentic: false,
            truncated: false,
            withheld: false,
            longest_ttl: None,
            section: Section::Answer,
            counts: Counts::default(),
        })
    }

    /// Sets the response code.
    pub fn set_rcode(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// The response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Sets AA: this server has the data itself (RFC 1035 §4.1.1).
    pub fn set_authoritative(&mut self, authoritative: bool) {
        self.authoritative = authoritative;
    }

    /// Whether AA is set.
    pub fn is_authoritative(&self) -> bool {
        self.authoritative
    }

    /// Sets RA: this server would ask others for the client.
    pub fn set_recursion_available(&mut self, available: bool) {
        self.recursion_available = available;
    }

    /// Whether RA is set.
    pub fn is_recursion_available(&self) -> bool {
        self.recursion_available
    }

    /// Sets RD, which is the client's own bit until then.
    pub fn set_recursion_desired(&mut self, desired: bool) {
        self.recursion_desired = desired;
    }

    /// Whether RD is set.
    pub fn is_recursion_desired(&self) -> bool {
        self.recursion_desired
    }

    /// Sets AD: the signatures of all records were checked. It is not told to clients that do not
    /// understand it (RFC 6840 §5.8).
    pub fn set_authentic(&mut self, authentic: bool) {
        self.authentic = authentic;
    }

    /// Whether AD is set.
    pub fn is_authentic(&self) -> bool {
        self.authentic && self.authentic_understood
    }

    /// Lets no record say that it holds longer than this, in seconds. For data of which it is not
    /// certain that it is still true.
    pub fn limit_ttl(&mut self, seconds: u32) {
        self.longest_ttl = Some(seconds);
    }

    /// Sends no reply at all: the client is to think that its query was lost.
    pub fn withhold(&mut self) {
        self.withheld = true;
    }

    /// Whether no reply is to be sent.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// Whether records were left out that the client will have to ask for over a stream.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Sets TC although nothing was left out. No records can be added after it.
    pub fn set_truncated(&mut self) {
        self.truncated = true;
    }

    /// How many records the answer section has.
    pub fn answer_count(&self) -> u16 {
        self.counts.answer
    }

    /// How many octets the reply would have if it were finished now. It may be less in the end,
    /// where there is room for more than the client can take.
    pub fn length(&self) -> usize {
        let opt = if self.edns.is_some() { OPT } else { 0 };
        let options = self.limit.saturating_sub(self.options);
        (self.position + opt + options).min(self.most)
    }

    /// Takes all records out again and sets NOERROR, no AA and no TC; options stay. For a server
    /// that fails half-way.
    pub fn clear(&mut self) {
        self.position = self.question_end;
        self.rcode = Rcode::NOERROR;
        self.authoritative = false;
        self.authentic = false;
        self.truncated = false;
        self.section = Section::Answer;
        self.counts = Counts::default();
    }

    /// Adds an RRset of the question's name to the answer section, beginning with record
    /// `rotation` modulo their number. Returns whether all of it fitted.
    pub fn answer(&mut self, rrset: RrsetRef<'_>, rotation: u32) -> bool {
        self.records(Section::Answer, Owner::QUESTION, rrset, rotation)
    }

    /// Adds an RRset whose owner is not the question's name to the additional section, if it fits
    /// whole. Returns whether it did.
    pub fn additional(&mut self, owner: Owner<'_>, rrset: RrsetRef<'_>) -> bool {
        self.records(Section::Additional, owner, rrset, 0)
    }

    /// Adds the SOA record of a negative answer to the authority section; its TTL is how long the
    /// answer holds (RFC 2308 §3). `name` is the name that was looked up, which stands without
    /// compression at offset `at` of the reply: 12 for the question's. Returns whether it fitted.
    pub fn authority_soa(&mut self, zone: &Zone, name: &LookupName, at: u16) -> bool {
        let apex = name.label_count().saturating_sub(zone.apex_labels());
        let owner = match suffix_pointer(name, apex, at) {
            Some(at) if name.suffix(apex) == zone.apex().as_wire() => Owner::At(at),
            _ => Owner::Name(zone.apex().as_wire()),
        };
        if !self.enter(Section::Authority) {
            return false;
        }
        let fitted = self.put_record(owner, zone.negative_soa());
        self.count(Section::Authority, u16::from(fitted));
        self.truncated |= !fitted && !self.stream;
        fitted
    }

    /// Adds an RRset with any owner to any section, beginning with record `rotation` modulo their
    /// number.
    ///
    /// Where it does not fit whole, the answer and authority sections take as many whole records
    /// as do and TC is set in a datagram; over a stream these records are the answer, a window
    /// that begins at the rotation. The other sections take all or nothing. Sections must be
    /// filled in order: records for an earlier one than the last are not added.
    ///
    /// Returns whether all of it fitted.
    pub fn records(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rrset: RrsetRef<'_>,
        rotation: u32,
    ) -> bool {
        if !self.enter(section) {
            return false;
        }
        let first = rotation.checked_rem(rrset.count()).unwrap_or_default();
        let (before, from) = if first == 0 {
            (&[][..], rrset.body())
        } else {
            rrset.split_before(first)
        };
        // The owner in a body has two octets.
        let longer = match owner {
            Owner::At(_) => 0,
            Owner::Name(name) => name.len().saturating_sub(2),
        };
        let length = rrset.body().len() + longer * rrset.count() as usize;
        let fits = length <= self.room();
        if fits && owner == Owner::QUESTION {
            self.put(from);
            self.put(before);
            self.count(section, rrset.count() as u16);
            return true;
        }
        if fits || matches!(section, Section::Answer | Section::Authority) {
            for record in Records::new(from).chain(Records::new(before)) {
                if !self.put_record(owner, record.bytes) {
                    break;
                }
                self.count(section, 1);
            }
        }
        self.truncated |= !fits && !self.stream && section != Section::Additional;
        fits
    }

    /// Adds one record that is in no zone: its data in wire form, its TTL in seconds. Returns
    /// whether it fitted; [`records`](Reply::records) says what happens if not.
    pub fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        (rtype, class): (RecordType, Class),
        ttl: u32,
        data: &[u8],
    ) -> bool {
        if !self.enter(section) {
            return false;
        }
        let mut header = [0; RECORD_HEADER - QUESTION_NAME.len()];
        // What is longer than its length field can say does not fit into a message either.
        let length = data.len() as u16;
        let [
            type0,
            type1,
            class0,
            class1,
            ttl0,
            ttl1,
            ttl2,
            ttl3,
            length0,
            length1,
        ] = &mut header;
        [*type0, *type1] = rtype.0.to_be_bytes();
        [*class0, *class1] = class.0.to_be_bytes();
        [*ttl0, *ttl1, *ttl2, *ttl3] = ttl.min(MAX_TTL).to_be_bytes();
        [*length0, *length1] = length.to_be_bytes();
        let fitted = self.put_parts(owner, &header, data);
        self.count(section, u16::from(fitted));
        self.truncated |= !fitted && !self.stream && section != Section::Additional;
        fitted
    }

    /// Whether the client wants signatures (RFC 3225).
    pub fn wants_signatures(&self) -> bool {
        self.edns == Some(true)
    }

    /// The name that stands without compression at an offset of the reply, in lower case.
    pub fn name_at(&self, at: u16) -> Option<LookupName> {
        let name = Reader::new(self.message(), usize::from(at)).name()?;
        LookupName::from_checked(name)
    }

    /// Adds an RRset that may as well be missing, if it fits whole, with this many octets after it.
    /// Returns whether it did.
    fn courtesy(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rrset: RrsetRef<'_>,
        after: usize,
    ) -> bool {
        let longest = match owner {
            Owner::At(_) => 0,
            Owner::Name(name) => name.len() * rrset.count() as usize,
        };
        rrset.body().len() + longest + after <= self.room()
            && self.records(section, owner, rrset, 0)
    }

    /// Adds one record as a zone stores it.
    fn stored(&mut self, section: Section, owner: Owner<'_>, record: &[u8]) {
        if self.enter(section) {
            let fitted = self.put_record(owner, record);
            self.count(section, u16::from(fitted));
            self.truncated |= !fitted && !self.stream && section != Section::Additional;
        }
    }

    /// Lets no record from this offset on hold longer than this, in seconds.
    fn limit_ttls_from(&mut self, first: usize, longest: u32) {
        let records = self.out.get_mut(..self.position).unwrap_or_default();
        ttl::limit(records, first, longest);
    }

    /// Ends the reply. Returns its length in the buffer.
    pub fn finish(mut self) -> usize {
        if let Some(longest) = self.longest_ttl {
            let records = self.out.get_mut(..self.position).unwrap_or_default();
            ttl::limit(records, self.question_end, longest);
        }
        self.fit();
        let rcode = match self.edns {
            Some(dnssec_ok) => {
                self.put_opt(dnssec_ok);
                self.rcode
            }
            // There is no place for the upper bits.
            None if self.rcode.extended_bits() != 0 => Rcode::SERVFAIL,
            None => self.rcode,
        };
        let header = self.header(rcode);
        if let Some(place) = self.out.first_chunk_mut::<HEADER>() {
            *place = header;
        }
        self.position
    }

    /// The header of the reply as far as it is written, with this code.
    pub(super) fn header(&self, rcode: Rcode) -> [u8; HEADER] {
        let Counts {
            answer,
            authority,
            additional,
        } = self.counts;
        let mut header = self.out.first_chunk().copied().unwrap_or([0; HEADER]);
        let [_, _, flags0, flags1, _, _, an0, an1, ns0, ns1, ar0, ar1] = &mut header;
        let bit = |set: bool, mask: u8| if set { mask } else { 0 };
        // The opcode is the client's, and so is CD.
        *flags0 = 0x80
            | (*flags0 & 0x78)
            | bit(self.authoritative, 0x04)
            | bit(self.truncated, 0x02)
            | bit(self.recursion_desired, 0x01);
        *flags1 = bit(self.recursion_available, 0x80)
            | bit(self.authentic && self.authentic_understood, 0x20)
            | (*flags1 & 0x10)
            | rcode.header_bits();
        [*an0, *an1] = answer.to_be_bytes();
        [*ns0, *ns1] = authority.to_be_bytes();
        [*ar0, *ar1] = additional.to_be_bytes();
        header
    }

    /// Turns to a section. Returns whether records may be added to it: not when a later one has
    /// begun, nor when the reply is truncated, since what comes after would be missing its part.
    fn enter(&mut self, section: Section) -> bool {
        if section < self.section || self.truncated {
            return false;
        }
        self.section = section;
        true
    }

    fn count(&mut self, section: Section, records: u16) {
        let count = match section {
            Section::Answer => &mut self.counts.answer,
            Section::Authority => &mut self.counts.authority,
            Section::Glue | Section::Additional => &mut self.counts.additional,
        };
        *count = count.saturating_add(records);
    }

    /// How many octets of records still fit.
    fn room(&self) -> usize {
        let reserved = if self.edns.is_some() { OPT } else { 0 };
        self.options.saturating_sub(reserved + self.position)
    }

    /// Writes one stored record under this owner, if it fits.
    fn put_record(&mut self, owner: Owner<'_>, record: &[u8]) -> bool {
        self.put_parts(
            owner,
            record.get(QUESTION_NAME.len()..).unwrap_or_default(),
            &[],
        )
    }

    /// Writes an owner and what follows it, if all of it fits.
    fn put_parts(&mut self, owner: Owner<'_>, first: &[u8], second: &[u8]) -> bool {
        let pointer;
        let owner = match owner {
            Owner::At(offset) => {
                pointer = (0xc000 | offset).to_be_bytes();
                &pointer[..]
            }
            Owner::Name(name) => name,
        };
        let fits = owner.len() + first.len() + second.len() <= self.room();
        if fits {
            self.put(owner);
            self.put(first);
            self.put(second);
        }
        fits
    }

    /// Writes octets of which it is known that they fit.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.position..self.position + bytes.len()) {
            place.copy_from_slice(bytes);
            self.position += bytes.len();
        }
    }
}

/// The offset of suffix `label` of a name that stands without compression at offset `at`; `None`
/// where a pointer cannot reach.
fn suffix_pointer(name: &LookupName, label: usize, at: u16) -> Option<u16> {
    let offset = usize::from(at) + name.offset(label);
    (offset <= LAST_POINTER).then_some(offset as u16)
}

#[cfg(test)]
mod tests;
