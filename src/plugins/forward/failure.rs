//! Why an upstream gave no answer.

use std::fmt;
use std::io;

use crate::reason;

/// Extended error codes (RFC 8914 §4.23, §4.24).
const NO_REACHABLE_AUTHORITY: u16 = 22;
const NETWORK_ERROR: u16 = 23;

/// Why an upstream gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing came in time.
    Silent,
    /// The connection was closed before the reply came.
    Closed,
    /// It cannot be reached, or what it says cannot be understood: the reason, to stand behind a
    /// colon.
    Network(Box<str>),
    /// Too many queries wait for it already.
    Busy,
}

impl Failure {
    pub(super) fn network(reason: impl Into<Box<str>>) -> Self {
        Self::Network(reason.into())
    }

    /// What a client is told: a code of RFC 8914.
    pub(super) fn info_code(&self) -> u16 {
        match self {
            Self::Silent | Self::Busy => NO_REACHABLE_AUTHORITY,
            Self::Closed | Self::Network(_) => NETWORK_ERROR,
        }
    }

    /// Whether it says something about the upstream, and not about us.
    pub(super) fn is_its_fault(&self) -> bool {
        *self != Self::Busy
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::network(reason::of(&error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Silent => "no reply in time",
            Self::Closed => "it closed the connection",
            Self::Network(reason) => reason,
            Self::Busy => "too many queries wait for it",
        })
    }
}
