//! DNS answers, from bytes to bytes.
//!
//! A request is viewed in place ([`Query`]), its name is lower-cased onto the stack
//! ([`LookupName`]), an immutable [`Zone`] is asked, and a [`Reply`] is written into the caller's
//! buffer. That path allocates nothing, takes no lock, reads no clock and does no IO, and nothing
//! on it can panic. Building a zone ([`Zone::edit`]) may allocate; it happens elsewhere.
//!
//! ```
//! use answer::{
//!     LookupName, Name, Query, RecordData, RecordType, Reply, Rrset, Soa, Transport, Zone,
//!     answer_from_zone,
//! };
//!
//! let apex = Name::parse("tf.local.")?;
//! let soa = Soa::new(Name::parse("ns.tf.local")?, Name::parse("hostmaster.tf.local")?, 1);
//! let mut edit = Zone::new(apex, 5, &soa).edit();
//! edit.set(
//!     &Name::parse("worker4.tf.local.")?,
//!     &Rrset::new(RecordType::A, 5, [RecordData::a([192, 0, 2, 4].into())]),
//! )?;
//! let zone = edit.finish();
//!
//! let request = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07Worker4\x02tf\x05local\0\0\x01\0\x01";
//! let query = Query::parse(request).expect("a well-formed query");
//! let name = LookupName::from_wire(query.qname).expect("a checked name");
//! let mut buffer = [0; 1232];
//! let mut reply = Reply::start(&query, Transport::DATAGRAM, &mut buffer).expect("enough room");
//! answer_from_zone(&zone, &name, &query, 0, &mut reply);
//! let length = reply.finish();
//! assert_eq!(buffer[length - 4..length], [192, 0, 2, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod message;
mod name;
mod query;
mod rcode;
mod record;
mod reply;
mod request;
mod wire;
mod zone;

pub use message::{BadMessage, Message, MessageEdns, MessageRecord, MessageRecords};
pub use name::{Labels, LookupName, MAX_LABEL, MAX_NAME, Name, NameError, NameText};
pub use query::{Edns, EdnsOptions, Query, Rejected, reject};
pub use rcode::Rcode;
pub use record::{
    BadMnemonic, Class, MAX_RECORD_DATA, MAX_TTL, RecordData, RecordDataTooLong, RecordType, Rrset,
    Soa,
};
pub use reply::{
    Asked, Mark, NoRoom, OUR_UDP_SIZE, Outcome, Owner, Proofs, RelayedRecord, Reply, Section,
    Transport, WrittenRecord, WrittenSet, WrittenSets, answer_from_zone, respond,
};
pub use request::{Request, RequestEdns};
pub use zone::{
    Cut, Edit, EditError, Lookup, MAX_RRSET, RecordRef, Records, Redirect, RrsetRef, Zone,
};
