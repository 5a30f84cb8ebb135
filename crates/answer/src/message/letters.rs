//! The letters' case of names in a reply to a question that was asked in other letters.

use super::{Message, expand, names_in};
use crate::query::HEADER;
use crate::wire::Reader;

impl Message {
    /// Gives the question the letters of `qname`, which is the same name, and with it all that
    /// repeats the question's letters: owners, and names in data, that end as the question does.
    /// Other names keep theirs.
    ///
    /// For replies to a question whose letters were mixed so that forgers have to guess them: the
    /// client is to see its own.
    #[must_use]
    pub fn with_letters(mut self, qname: &[u8]) -> Self {
        if qname == self.qname() || !qname.eq_ignore_ascii_case(self.qname()) {
            return self;
        }
        let original = self.bytes.clone();
        let letters = Letters {
            original: &original,
            question: original
                .get(HEADER..HEADER + qname.len())
                .unwrap_or_default(),
            wanted: qname,
        };
        let mut reader = Reader::new(&original, self.question_end);
        while letters.record(&mut reader, &mut self.bytes).is_some() {}
        if let Some(place) = self.bytes.get_mut(HEADER..HEADER + qname.len()) {
            place.copy_from_slice(qname);
        }
        self
    }
}

/// What is changed, and into what.
struct Letters<'a> {
    /// The message as it came.
    original: &'a [u8],
    /// The question's name in it.
    question: &'a [u8],
    /// The same name in the letters that it is to have.
    wanted: &'a [u8],
}

impl<'a> Letters<'a> {
    /// Changes the names of one record; `None` after the last.
    fn record(&self, reader: &mut Reader<'a>, bytes: &mut [u8]) -> Option<()> {
        self.name(reader, bytes)?;
        let rtype = crate::record::RecordType(reader.u16()?);
        reader.take(6)?;
        let length = usize::from(reader.u16()?);
        let data_at = reader.position();
        reader.take(length)?;
        if let Some((prefix, names)) = names_in(rtype) {
            let mut names_at = Reader::new(self.original, data_at + prefix);
            for _ in 0..names {
                self.name(&mut names_at, bytes)?;
            }
        }
        Some(())
    }

    /// Changes what stands in full of the name at the reader, and steps over it.
    fn name(&self, reader: &mut Reader<'a>, bytes: &mut [u8]) -> Option<()> {
        let start = reader.position();
        let name = expand(self.original, reader)?;
        let name = name.as_slice();
        let mut offset = 0;
        // Labels up to the pointer, or the root.
        while let Some(length @ 1..=63) = self.original.get(start + offset) {
            let suffix = name.get(offset..)?;
            if self.question.ends_with(suffix) {
                let wanted = self
                    .wanted
                    .get(self.wanted.len().checked_sub(suffix.len())?..)?;
                let end = self.literal_end(start + offset)?;
                let place = bytes.get_mut(start + offset..end)?;
                place.copy_from_slice(wanted.get(..place.len())?);
                return Some(());
            }
            offset += 1 + usize::from(*length);
        }
        Some(())
    }

    /// Where the labels end that stand at an offset.
    fn literal_end(&self, mut at: usize) -> Option<usize> {
        while let Some(length @ 1..=63) = self.original.get(at) {
            at += 1 + usize::from(*length);
        }
        (at <= self.original.len()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply to `eXaMple. A` with these records behind the question.
    fn message(count: u8, records: &[&[u8]]) -> Message {
        let mut bytes = vec![0, 0, 0x80, 0, 0, 1, 0, count, 0, 0, 0, 0];
        bytes.extend_from_slice(b"\x01W\x07eXaMple\0\0\x01\0\x01");
        bytes.extend(records.concat());
        Message::parse(&bytes).unwrap()
    }

    const FIXED: &[u8] = b"\0\x01\0\x01\0\0\0\x05\0\x04\xc0\0\x02\x01";

    /// If this fails, a client that compares letters sees names in letters that it never sent.
    #[test]
    fn what_repeats_the_question_gets_the_clients_letters() {
        let full = message(1, &[b"\x01W\x07eXaMple\0", FIXED]).with_letters(b"\x01w\x07Example\0");
        assert_eq!(full.qname(), b"\x01w\x07Example\0");
        assert!(full.body().starts_with(b"\x01w\x07Example\0"));

        // An alias: its target ends in the question's letters, in full or by a pointer.
        let alias: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x05";
        let data: &[u8] = b"\0\x0e\x04HoSt\x07eXaMple\0";
        let message_ = message(1, &[alias, data]).with_letters(b"\x01w\x07Example\0");
        assert!(message_.body().ends_with(b"\x04HoSt\x07Example\0"));
        let data: &[u8] = b"\0\x07\x04HoSt\xc0\x0e";
        let message_ = message(1, &[alias, data]).with_letters(b"\x01w\x07Example\0");
        let record = message_.records().next().unwrap();
        assert_eq!(record.data(), b"\x04HoSt\x07Example\0");
    }

    /// If this fails, names that have nothing to do with the question, or data that are no names,
    /// are changed.
    #[test]
    fn all_else_keeps_its_letters() {
        let other = message(1, &[b"\x01W\x07exAMPLE\0", FIXED]);
        let body = other.body().to_vec();
        assert_eq!(other.with_letters(b"\x01w\x07example\0").body(), body);
        let text: &[u8] = b"\xc0\x0c\0\x10\0\x01\0\0\0\x05\0\x08\x07eXaMple";
        let text = message(1, &[text]).with_letters(b"\x01w\x07example\0");
        assert!(text.body().ends_with(b"eXaMple"));
        // Another name is no change of letters.
        let same = message(0, &[]).with_letters(b"\x01w\x07exanple\0");
        assert_eq!(same.qname(), b"\x01W\x07eXaMple\0");
    }
}
