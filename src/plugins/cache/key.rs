//! What an entry of the cache is found by.

use std::hash::{Hash, Hasher};

use answer::{Class, RecordType};
use quick_cache::Equivalent;

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
struct QuestionKind {
    rtype: RecordType,
    class: Class,
    /// DO: with signatures, the answer is another one.
    dnssec_ok: bool,
    /// CD: without it, what is forged is an error.
    checking_disabled: bool,
    /// RD: without it, others may say only what they have, or whom to ask.
    recursion_desired: bool,
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
    /// The same, borrowed.
    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            name: &self.name,
            kind: self.kind,
        }
    }

    /// How many octets it takes outside of itself.
    pub(super) fn memory(&self) -> usize {
        self.name.len()
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

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.kind == key.kind && *self.name == *key.name
    }
}
