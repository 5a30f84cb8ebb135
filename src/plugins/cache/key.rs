//! What an entry of the cache is found by.

use std::hash::{Hash, Hasher};

use answer::{Class, MAX_NAME, Message, RecordType};

use crate::plugins::Exchange;

/// The EDNS option in which a client says for whose network it asks (RFC 7871).
const CLIENT_SUBNET: u16 = 8;

/// The question, and what else of a query changes the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    name: Box<[u8]>,
    kind: QuestionKind,
}

/// The same, borrowed from a query: a look-up allocates nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRef<'n> {
    name: &'n [u8],
    kind: QuestionKind,
}

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct QuestionKind {
    pub(super) rtype: RecordType,
    pub(super) class: Class,
    /// DO: with signatures, the answer is another one.
    pub(super) dnssec_ok: bool,
    /// CD: without it, what is forged is an error.
    pub(super) checking_disabled: bool,
    /// RD: without it, others may say only what they have, or whom to ask.
    pub(super) recursion_desired: bool,
}

impl<'n> KeyRef<'n> {
    /// The key of a query; [`None`] for one whose answers are no others' business: zone transfers
    /// and other meta types, and questions for the sake of some network.
    pub(super) fn of(exchange: &'n Exchange<'_, '_>) -> Option<Self> {
        let query = exchange.query;
        let name = exchange.name.as_wire();
        if !query.qtype.is_data() || !query.qname.eq_ignore_ascii_case(name) {
            return None;
        }
        let edns = query.edns;
        if edns.is_some_and(|edns| edns.option(CLIENT_SUBNET).is_some()) {
            return None;
        }
        Some(Self {
            name,
            kind: QuestionKind {
                rtype: query.qtype,
                class: query.qclass,
                dnssec_ok: edns.is_some_and(|edns| edns.dnssec_ok),
                checking_disabled: query.checking_disabled,
                recursion_desired: query.recursion_desired,
            },
        })
    }

    /// An owned copy.
    pub(super) fn to_key(self) -> Key {
        Key {
            name: self.name.into(),
            kind: self.kind,
        }
    }
}

impl Key {
    /// What is asked of the name.
    pub(super) fn kind(&self) -> QuestionKind {
        self.kind
    }

    /// The same, borrowed.
    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            name: &self.name,
            kind: self.kind,
        }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.kind.hash(state);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl KeyRef<'_> {
    /// Whether it is for this question, whatever the case of the letters.
    pub(super) fn is(&self, qname: &[u8], kind: QuestionKind) -> bool {
        self.kind == kind && self.name.eq_ignore_ascii_case(qname)
    }

    /// Whether a message repeats the question.
    pub(super) fn is_asked_by(&self, message: &Message) -> bool {
        self.kind.rtype == message.qtype() && self.name.eq_ignore_ascii_case(message.qname())
    }
}

/// Hashes a question in any case as its key is.
pub(super) fn hash_question<H: Hasher>(qname: &[u8], kind: QuestionKind, state: &mut H) {
    let mut lower = [0; MAX_NAME];
    if let Some(name) = lower.get_mut(..qname.len()) {
        name.copy_from_slice(qname);
        name.make_ascii_lowercase();
        KeyRef { name, kind }.hash(state);
    }
}
