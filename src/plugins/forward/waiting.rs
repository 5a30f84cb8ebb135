//! The queries that wait for their replies on one socket, and which reply is whose.
//!
//! A reply is believed when its identifier is that of a query which waits, and its question is the
//! one that was asked, letter by letter where the letters were mixed (draft-vixie-dnsext-dns0x20).
//! Everything else is dropped and the wait goes on: a forged reply must not end it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use answer::{Message, Rcode, Request};
use tokio::sync::oneshot;

use super::failure::Failure;
use crate::mutex::locked;

/// The length of a header, in octets (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// The most queries that wait on one socket. Identifiers stay hard to guess below it.
const MOST_WAITING: usize = 2048;

/// How often an identifier is drawn before there is none left for us.
const DRAWS: usize = 16;

/// What came back.
#[derive(Debug)]
pub(super) enum Received {
    /// A reply to the question as it was asked.
    Whole(Message),
    /// One that is cut and to be asked for again over a stream. Of a datagram only.
    Truncated,
    /// A reply to the question in other letters. Of a datagram only.
    OtherLetters(Message),
    /// A code without a question, as servers send that do not understand a query.
    Bare(Rcode),
}

/// How letters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// They must be the same.
    Exact,
    /// Upper and lower case are the same (RFC 4343).
    Any,
}

/// The queries that wait on one socket.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    queries: HashMap<u16, Waiter>,
    /// Why the socket is of no use any more.
    ended: Option<Failure>,
}

#[derive(Debug)]
struct Waiter {
    /// Name, type and class as they were sent.
    question: Box<[u8]>,
    letters: Letters,
    reply: oneshot::Sender<Result<Received, Failure>>,
}

/// One query that waits. When it is dropped, its reply is for nobody.
#[derive(Debug)]
pub(super) struct Pending {
    waiting: Arc<Waiting>,
    id: u16,
    reply: oneshot::Receiver<Result<Received, Failure>>,
}

impl Waiting {
    /// Gives a query an identifier that nobody can guess, and has it wait. Returns the message to
    /// send.
    pub(super) fn enter(
        self: &Arc<Self>,
        request: &Request,
        letters: Letters,
    ) -> Result<(Pending, Vec<u8>), Failure> {
        let mut message = request.to_bytes();
        let question = message.get(HEADER..HEADER + request.name.len() + 4);
        let question: Box<[u8]> = question.unwrap_or_default().into();
        let (sender, reply) = oneshot::channel();
        let mut waiter = Some(Waiter {
            question,
            letters,
            reply: sender,
        });
        let mut table = locked(&self.0);
        if let Some(failure) = &table.ended {
            return Err(failure.clone());
        }
        if table.queries.len() >= MOST_WAITING {
            return Err(Failure::Busy);
        }
        for _ in 0..DRAWS {
            let mut id = [0; 2];
            getrandom::fill(&mut id).map_err(|_| Failure::network("no random numbers"))?;
            let number = u16::from_be_bytes(id);
            if let Entry::Vacant(place) = table.queries.entry(number)
                && let Some(waiter) = waiter.take()
            {
                place.insert(waiter);
                drop(table);
                if let Some(start) = message.first_chunk_mut() {
                    *start = id;
                }
                let pending = Pending {
                    waiting: self.clone(),
                    id: number,
                    reply,
                };
                return Ok((pending, message));
            }
        }
        Err(Failure::Busy)
    }

    /// Takes a message in. `datagram` says that anybody may have sent it.
    ///
    /// # Errors
    ///
    /// Over a stream: it is no DNS message, so what follows will be none either.
    pub(super) fn receive(&self, message: &[u8], datagram: bool) -> Result<(), Failure> {
        let Some([id0, id1, flags0, flags1, qd0, qd1, ..]) = message.first_chunk::<HEADER>() else {
            return Err(Failure::network("a reply is too short"));
        };
        if flags0 & 0xf8 != 0x80 {
            return Err(Failure::network("what it sends is no reply"));
        }
        let id = u16::from_be_bytes([*id0, *id1]);
        let mut table = locked(&self.0);
        let Some(waiter) = table.queries.get(&id) else {
            // It came too late, or is forged.
            return Ok(());
        };
        let rcode = Rcode::new(u16::from(flags1 & 0xf));
        let received = if [*qd0, *qd1] == [0, 0] {
            if rcode == Rcode::NOERROR {
                return Ok(());
            }
            Ok(Received::Bare(rcode))
        } else {
            match compare(&waiter.question, message) {
                None => return Ok(()),
                Some(_) if datagram && flags0 & 0x02 != 0 => Ok(Received::Truncated),
                Some(letters) => match Message::parse(message) {
                    Ok(message) => {
                        match waiter.letters == Letters::Exact && letters == Letters::Any {
                            true if datagram => Ok(Received::OtherLetters(message)),
                            _ => Ok(Received::Whole(message)),
                        }
                    }
                    Err(_) if datagram => return Ok(()),
                    Err(error) => Err(Failure::network(format!("a bad reply: {error}"))),
                },
            }
        };
        if let Some(waiter) = table.queries.remove(&id) {
            // Whoever waited may have gone.
            let _ = waiter.reply.send(received);
        }
        Ok(())
    }

    /// Tells all that wait why they wait in vain.
    pub(super) fn fail(&self, failure: &Failure) {
        let queries = std::mem::take(&mut locked(&self.0).queries);
        for waiter in queries.into_values() {
            let _ = waiter.reply.send(Err(failure.clone()));
        }
    }

    /// The same, and nobody can wait here any more.
    pub(super) fn end(&self, failure: &Failure) {
        locked(&self.0).ended = Some(failure.clone());
        self.fail(failure);
    }

    /// How many queries wait.
    pub(super) fn len(&self) -> usize {
        locked(&self.0).queries.len()
    }
}

/// Whether a message asks this question: letter by letter, up to case, or not at all.
fn compare(question: &[u8], message: &[u8]) -> Option<Letters> {
    let found = message.get(HEADER..HEADER + question.len())?;
    if found == question {
        return Some(Letters::Exact);
    }
    let (name, kind) = question.split_at_checked(question.len().checked_sub(4)?)?;
    let (found_name, found_kind) = found.split_at_checked(name.len())?;
    (found_kind == kind && found_name.eq_ignore_ascii_case(name)).then_some(Letters::Any)
}

impl Pending {
    /// Waits for the reply.
    pub(super) async fn reply(&mut self) -> Result<Received, Failure> {
        (&mut self.reply).await.unwrap_or(Err(Failure::Closed))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        locked(&self.waiting.0).queries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use answer::RecordType;

    use super::*;

    fn asked(letters: Letters) -> (Arc<Waiting>, Pending, Vec<u8>) {
        let waiting = Arc::new(Waiting::default());
        let request = Request::new(b"\x07eXaMple\0", RecordType::A);
        let (pending, message) = waiting.enter(&request, letters).unwrap();
        (waiting, pending, message)
    }

    /// The reply to a query: no records, no OPT.
    fn reply(query: &[u8]) -> Vec<u8> {
        let mut reply = query[..HEADER + 9 + 4].to_vec();
        reply[2] |= 0x80;
        reply[11] = 0;
        reply
    }

    fn now(pending: &mut Pending) -> Option<Result<Received, Failure>> {
        pending.reply.try_recv().ok()
    }

    /// If this fails, whoever can send us datagrams decides what our clients believe, or keeps
    /// them from getting the right answer by sending wrong ones.
    #[test]
    fn only_the_reply_to_the_question_ends_the_wait() {
        let (waiting, mut pending, query) = asked(Letters::Exact);
        let right = reply(&query);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut wrong = right.clone();
            change(&mut wrong);
            let _ = waiting.receive(&wrong, true);
        };
        with(&|wrong| wrong.clear());
        with(&|wrong| wrong.truncate(15));
        with(&|wrong| wrong[1] ^= 1);
        with(&|wrong| wrong[2] &= 0x7f);
        with(&|wrong| wrong[14] = b'Z');
        with(&|wrong| wrong[22] = 28);
        // Upper and lower case are for letters, not for types.
        with(&|wrong| wrong[22] ^= 0x20);
        with(&|wrong| wrong[7] = 1);
        with(&|wrong| wrong[5] = 0);
        assert!(now(&mut pending).is_none());
        waiting.receive(&right, true).unwrap();
        assert!(matches!(now(&mut pending), Some(Ok(Received::Whole(_)))));
        assert_eq!(waiting.len(), 0);
    }

    /// If this fails, an upstream that does not keep letters is taken for a forger for ever, or a
    /// forger for such an upstream.
    #[test]
    fn other_letters_are_told_apart() {
        let (waiting, mut pending, query) = asked(Letters::Exact);
        let mut lower = reply(&query);
        lower[13..20].make_ascii_lowercase();
        waiting.receive(&lower, true).unwrap();
        assert!(matches!(
            now(&mut pending),
            Some(Ok(Received::OtherLetters(_)))
        ));
        let (waiting, mut pending, query) = asked(Letters::Any);
        lower[..2].copy_from_slice(&query[..2]);
        waiting.receive(&lower, true).unwrap();
        assert!(matches!(now(&mut pending), Some(Ok(Received::Whole(_)))));
    }

    /// If this fails, large answers, or those of servers that do not know EDNS, never arrive.
    #[test]
    fn cut_replies_and_bare_codes_are_seen() {
        let (waiting, mut pending, query) = asked(Letters::Exact);
        let mut cut = reply(&query);
        cut[2] |= 2;
        // Some cut in the middle of a record.
        cut[7] = 1;
        waiting.receive(&cut, true).unwrap();
        assert!(matches!(now(&mut pending), Some(Ok(Received::Truncated))));
        let (waiting, mut pending, query) = asked(Letters::Exact);
        let mut bare = reply(&query)[..HEADER].to_vec();
        (bare[3], bare[5]) = (1, 0);
        waiting.receive(&bare, true).unwrap();
        assert!(matches!(
            now(&mut pending),
            Some(Ok(Received::Bare(Rcode::FORMERR)))
        ));
    }

    /// If this fails, memory grows with every query that was given up, or without any bound.
    #[test]
    fn who_gives_up_leaves_and_there_is_a_bound() {
        let (waiting, pending, query) = asked(Letters::Exact);
        drop(pending);
        assert_eq!(waiting.len(), 0);
        waiting.receive(&reply(&query), true).unwrap();
        let request = Request::new(b"\x01a\0", RecordType::A);
        let mut kept = Vec::new();
        while let Ok((pending, _)) = waiting.enter(&request, Letters::Any) {
            kept.push(pending);
        }
        assert_eq!(kept.len(), MOST_WAITING);
        waiting.end(&Failure::Closed);
        assert!(matches!(now(&mut kept[0]), Some(Err(Failure::Closed))));
        assert!(waiting.enter(&request, Letters::Any).is_err());
    }
}
