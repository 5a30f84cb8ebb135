//! The addresses of hosts that records name: what a client will ask for next.

use std::ops::Range;

use super::Writer;
use crate::name::LookupName;
use crate::record::{RecordType, target_offset};
use crate::reply::{Owner, Reply};
use crate::wire::{LAST_POINTER, Reader};

/// For how many host names of an answer addresses are looked up.
const MOST_TARGETS: usize = 32;

impl Writer<'_> {
    /// Adds the addresses of the hosts that records of a type name, as far as the zone has them
    /// and they fit; not again those that are the answer.
    pub(super) fn add_targets(
        &mut self,
        rtype: RecordType,
        records: Range<usize>,
        (answered, answered_rtype): (&LookupName, RecordType),
        reply: &mut Reply<'_>,
    ) {
        if target_offset(rtype).is_none() {
            return;
        }
        let mut hosts = Targets::new(rtype, records);
        while let Some(at) = hosts.next(reply) {
            let host = reply.name_at(at);
            // By reference: such a name is long to copy.
            let Some(host) = &host else {
                break;
            };
            for rrset in self.zone.addresses(host).into_iter().flatten() {
                let rtype = rrset.rtype();
                if rtype == answered_rtype && host.as_wire() == answered.as_wire() {
                    continue;
                }
                reply.additional(Owner::At(at), rrset);
                self.signing.additional(host, Owner::At(at), rtype, reply);
            }
        }
    }
}

/// Walks over records in a reply and gives the offset of each host name in them once: its addresses
/// point there.
pub(super) struct Targets {
    /// Where in a record's data the host name stands.
    in_data: usize,
    position: usize,
    end: usize,
    /// The offsets of the names that were given.
    given: [u16; MOST_TARGETS],
    count: usize,
}

impl Targets {
    /// Over records of a type that stand one after another.
    pub(super) fn new(rtype: RecordType, records: Range<usize>) -> Self {
        let in_data = target_offset(rtype).unwrap_or_default();
        Self {
            in_data,
            position: records.start,
            end: records.end,
            given: [0; MOST_TARGETS],
            count: 0,
        }
    }

    /// The offset of the next host name.
    pub(super) fn next(&mut self, reply: &Reply<'_>) -> Option<u16> {
        while self.position < self.end {
            let mut reader = Reader::new(reply.out, self.position);
            reader.skip_name()?;
            reader.take(8)?;
            let length = reader.u16()?;
            let data = reader.position();
            reader.take(usize::from(length))?;
            self.position = reader.position();
            let at = data + self.in_data;
            let host = Reader::new(reply.out, at).name()?;
            if at > LAST_POINTER {
                return None;
            }
            // The root stands for "no host" (RFC 2782) or for the owner itself (RFC 9460 §2.5).
            if host == [0] || self.is_given(host, reply.out) {
                continue;
            }
            *self.given.get_mut(self.count)? = at as u16;
            self.count += 1;
            return Some(at as u16);
        }
        None
    }

    fn is_given(&self, host: &[u8], reply: &[u8]) -> bool {
        self.given.iter().take(self.count).any(|&at| {
            let given = Reader::new(reply, usize::from(at)).name();
            given.is_some_and(|given| given.eq_ignore_ascii_case(host))
        })
    }
}
