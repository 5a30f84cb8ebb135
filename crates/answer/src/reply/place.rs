//! Where a record goes, and how its owner is written.

use crate::query::HEADER;

/// The sections that records can be added to, in the order in which they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The answer to the question.
    Answer,
    /// Who is responsible: SOA of a negative answer, NS of a referral.
    Authority,
    /// The addresses of a delegation's servers, without which a referral is of no use: they go
    /// into the additional section, and TC is set when they do not fit (RFC 9471 §3).
    Glue,
    /// What the client may want next. Sets that do not fit whole are left out, without TC
    /// (RFC 2181 §9).
    Additional,
}

/// How the owner of added records is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'n> {
    /// As a compression pointer to this offset in the reply, at which a name stands; at most
    /// 16,383 (RFC 1035 §4.1.4).
    At(u16),
    /// As this name in uncompressed wire form.
    Name(&'n [u8]),
}

impl Owner<'_> {
    /// The question's name, which always stands right behind the header.
    pub const QUESTION: Owner<'static> = Owner::At(HEADER as u16);
}
