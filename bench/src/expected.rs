//! Whether a reply says what it must.

use domain::base::message::RecordSection;
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;

/// What a reply must say. Records are written `owner type data`, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The code in the header.
    pub rcode: u8,
    /// All records of the answer, sorted. Their order in a reply is the server's own business.
    pub answer: Vec<String>,
    /// Records that must be among the additional ones, sorted.
    pub additional: Vec<String>,
    /// Whether the zone's SOA must be in the authority section: nothing is said in the answer.
    pub negative: bool,
}

/// The bits of the header's second pair of octets that a reply must have so: QR and the operation
/// code; it is not cut short.
const FLAGS: [u8; 2] = [0xfa, 0x80];

/// The octets of a header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

impl Expected {
    /// Looks at the header and the question: enough to tell a reply from a wrong one mostly, and
    /// cheap enough for each. `question` is the question that was sent.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn glance(&self, question: &[u8], reply: &[u8]) -> Result<(), String> {
        let Some((header, rest)) = reply.split_first_chunk::<HEADER>() else {
            return Err(format!("only {} octets", reply.len()));
        };
        if header[2] & FLAGS[0] != FLAGS[1] {
            return Err(format!("the flags {:02x}{:02x}", header[2], header[3]));
        }
        if header[3] & 0xf != self.rcode {
            return Err(format!("the code {}", header[3] & 0xf));
        }
        if header[4..6] != [0, 1] || !rest.starts_with(question) {
            return Err("another question".to_owned());
        }
        let answers = u16::from_be_bytes([header[6], header[7]]);
        if usize::from(answers) != self.answer.len() {
            return Err(format!("{answers} records in the answer"));
        }
        Ok(())
    }

    /// Reads the whole reply, with another implementation of DNS than ours.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn inspect(&self, reply: &[u8]) -> Result<(), String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("unreadable: {error}");
        let message = Message::from_octets(reply).map_err(|error| unreadable(&error))?;
        let answer = message.answer().and_then(records);
        let answer = answer.map_err(|error| unreadable(&error))?;
        if answer != self.answer {
            return Err(format!("the answer {answer:?}, not {:?}", self.answer));
        }
        let authority = message.authority().and_then(records);
        let authority = authority.map_err(|error| unreadable(&error))?;
        if self.negative && !authority.iter().any(|record| record.contains(" soa ")) {
            return Err("no SOA".to_owned());
        }
        let additional = message.additional().and_then(records);
        let additional = additional.map_err(|error| unreadable(&error))?;
        match self.additional.iter().find(|it| !additional.contains(it)) {
            Some(missing) => Err(format!("no {missing} among {additional:?}")),
            None => Ok(()),
        }
    }
}

/// The records of a section, sorted.
fn records(
    section: RecordSection<'_, &[u8]>,
) -> Result<Vec<String>, domain::base::wire::ParseError> {
    let mut all = Vec::new();
    for record in section {
        let record = record?;
        if let Some(record) = record.to_record::<AllRecordData<_, ParsedName<_>>>()? {
            let (owner, rtype, data) = (record.owner(), record.rtype(), record.data());
            let text = format!("{owner} {rtype} {data}");
            all.push(
                text.to_lowercase()
                    .replace(". ", " ")
                    .trim_end_matches('.')
                    .to_owned(),
            );
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01w\x04test\0\0\x01\0\x01";

    fn reply(rcode: u8, address: u8) -> Vec<u8> {
        let mut reply = vec![0, 7, 0x84, rcode, 0, 1, 0, 1, 0, 0, 0, 0];
        reply.extend_from_slice(QUESTION);
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, address]);
        reply
    }

    /// If this fails, a server that answers nonsense wins.
    #[test]
    fn wrong_replies_are_told_from_right_ones() {
        let expected = Expected {
            answer: vec!["w.test a 10.0.0.1".to_owned()],
            ..Expected::default()
        };
        let right = reply(0, 1);
        assert_eq!(expected.glance(QUESTION, &right), Ok(()));
        assert_eq!(expected.inspect(&right), Ok(()));
        let other = reply(0, 2);
        assert_eq!(expected.glance(QUESTION, &other), Ok(()));
        assert!(expected.inspect(&other).is_err());
        assert!(expected.glance(QUESTION, &reply(2, 1)).is_err());
        assert!(expected.glance(b"\x01v", &right).is_err());
        assert!(expected.glance(QUESTION, &right[..11]).is_err());
        assert!(expected.inspect(&right[..right.len() - 1]).is_err());
        let more = Expected {
            additional: vec!["w.test a 10.0.0.1".to_owned()],
            ..expected.clone()
        };
        assert!(more.inspect(&right).is_err());
        let negative = Expected {
            negative: true,
            ..expected
        };
        assert!(negative.inspect(&right).is_err());
    }
}
