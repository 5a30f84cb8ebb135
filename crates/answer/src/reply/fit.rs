//! Making a reply that was written with room to spare as short as its client needs it.

use super::Reply;
use super::edns::OPT;
use super::transport::LEAST_UDP_SIZE;
use crate::message::Counts;
use crate::wire::Reader;

impl Reply<'_> {
    /// Lets the reply be no longer than this many octets if it is a datagram; 512 always fit.
    pub fn limit_datagram(&mut self, octets: u16) {
        if self.datagram {
            self.most = self.most.min(usize::from(octets.max(LEAST_UDP_SIZE)));
        }
    }

    /// Leaves out records from the end until the client can take the reply. Additional records may
    /// go without a word (RFC 2181 §9), unless they are the addresses of a referral (RFC 9471 §3).
    pub(super) fn fit(&mut self) {
        if self.position + self.opt_length() <= self.most {
            return;
        }
        // Options go before the question does.
        if self.question_end + self.opt_length() > self.most {
            self.options = self.limit;
        }
        let room = self.most.saturating_sub(self.opt_length());
        let whole = self.counts;
        let referral = whole.answer == 0 && whole.authority > 0 && !self.authoritative;
        let written = self.out.get(..self.position).unwrap_or(&[]);
        (self.position, self.counts) = whole_records(written, self.question_end, whole, room);
        let Counts {
            answer,
            authority,
            additional,
        } = self.counts;
        self.truncated |= (answer, authority) != (whole.answer, whole.authority)
            || referral && additional != whole.additional;
    }

    /// How long the OPT record will be with the options so far.
    fn opt_length(&self) -> usize {
        match self.edns {
            Some(_) => OPT + self.limit - self.options,
            None => 0,
        }
    }
}

/// Where the last record ends that ends before `room`, and how many records these are, of those
/// that begin at `start` of `bytes`.
pub(super) fn whole_records(
    bytes: &[u8],
    start: usize,
    mut left: Counts,
    room: usize,
) -> (usize, Counts) {
    let mut counts = Counts::default();
    let mut reader = Reader::new(bytes, start);
    loop {
        let end = reader.position();
        let (from, to) = if left.answer > 0 {
            (&mut left.answer, &mut counts.answer)
        } else if left.authority > 0 {
            (&mut left.authority, &mut counts.authority)
        } else if left.additional > 0 {
            (&mut left.additional, &mut counts.additional)
        } else {
            return (end, counts);
        };
        if skip_record(&mut reader).is_none() || reader.position() > room {
            return (end, counts);
        }
        *from -= 1;
        *to += 1;
    }
}

/// Steps over a record.
fn skip_record(reader: &mut Reader<'_>) -> Option<()> {
    reader.skip_name()?;
    reader.take(8)?;
    let length = reader.u16()?;
    reader.take(usize::from(length)).map(drop)
}
