//! The OPT record of a reply and its options (RFC 6891).

use super::{OUR_UDP_SIZE, Reply};
use crate::record::RecordType;

/// The length of an OPT record without options (RFC 6891 §6.1.2).
pub(super) const OPT: usize = 11;

/// The EDNS option code of an extended error (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;

impl Reply<'_> {
    /// Adds an EDNS option to the OPT record. Without an OPT record from the client there is none
    /// in the reply (RFC 6891 §6.1.1), and nothing is added. Returns whether it was.
    pub fn option(&mut self, code: u16, data: &[u8]) -> bool {
        self.option_of_parts(code, &[], data)
    }

    /// Adds an extended error: a code of RFC 8914 §4 and a text for people, which may be empty and
    /// is left out when only the code fits. Returns whether it was added.
    pub fn extended_error(&mut self, info_code: u16, text: &str) -> bool {
        let info_code = info_code.to_be_bytes();
        self.option_of_parts(EXTENDED_ERROR, &info_code, text.as_bytes())
            || self.option_of_parts(EXTENDED_ERROR, &info_code, &[])
    }

    fn option_of_parts(&mut self, code: u16, first: &[u8], second: &[u8]) -> bool {
        if self.edns.is_none() {
            return false;
        }
        let length = first.len() + second.len();
        let start = self.options.checked_sub(4 + length);
        let Some(start) = start.filter(|start| *start >= self.position + OPT) else {
            return false;
        };
        // No space holds more than 65,535 octets, so the length fits into its field.
        let header = [code.to_be_bytes(), (length as u16).to_be_bytes()];
        let mut at = start;
        for part in [header.as_flattened(), first, second] {
            if let Some(place) = self.out.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        }
        self.options = start;
        true
    }

    /// Writes the OPT record (RFC 6891 §6.1.2) and fetches its options from the end of the space.
    pub(super) fn put_opt(&mut self, dnssec_ok: bool) {
        let length = self.limit - self.options;
        let [size0, size1] = OUR_UDP_SIZE.to_be_bytes();
        let [length0, length1] = (length as u16).to_be_bytes();
        let flags = if dnssec_ok { 0x80 } else { 0 };
        let [type0, type1] = RecordType::OPT.0.to_be_bytes();
        let rcode = self.rcode.extended_bits();
        let record = [
            0, type0, type1, size0, size1, rcode, 0, flags, 0, length0, length1,
        ];
        if let Some(place) = self.out.get_mut(self.position..self.position + OPT) {
            place.copy_from_slice(&record);
        }
        self.position += OPT;
        if length > 0 && self.position <= self.options && self.limit <= self.out.len() {
            self.out
                .copy_within(self.options..self.limit, self.position);
        }
        self.position += length;
        self.counts.additional = self.counts.additional.saturating_add(1);
    }
}
