//! How far names can be trusted that somebody else keeps, a store or an engine, and who may be
//! away.

use std::time::Duration;

use super::{Exchange, Step};
use crate::clock::BootTime;
use crate::freshness::Freshness;

/// While whoever keeps the names is away no answer is good for longer than this, in seconds.
pub(super) const STALE_TTL: u32 = 5;

/// Extended error codes (RFC 8914 §4).
const STALE_ANSWER: u16 = 3;
const NOT_READY: u16 = 14;
const NETWORK_ERROR: u16 = 23;

/// How far the names can be trusted; less and less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// They are what there is.
    #[default]
    Current,
    /// Whoever keeps them is away; they are what there was.
    Stale,
    /// Whoever keeps them has been away for too long.
    Expired,
    /// Whoever keeps them has not been heard of yet.
    Unknown,
}

impl Trust {
    /// How far names can be trusted that are told for `stale` while whoever keeps them is away.
    #[must_use]
    pub fn of(freshness: Freshness, now: BootTime, stale: Duration) -> Self {
        match freshness {
            Freshness::Unknown => Self::Unknown,
            Freshness::Current => Self::Current,
            Freshness::Away { since } if now.since(since) < stale => Self::Stale,
            Freshness::Away { .. } => Self::Expired,
        }
    }

    /// Whether clients may be told of the names at all.
    #[must_use]
    pub fn may_be_told(self) -> bool {
        self <= Self::Stale
    }

    /// What the client must know, or the whole answer where there can be no better one.
    pub fn apply(self, exchange: &mut Exchange<'_, '_>) -> Option<Step> {
        match self {
            Self::Current => None,
            Self::Stale => {
                exchange.reply.limit_ttl(STALE_TTL);
                exchange
                    .reply
                    .extended_error(STALE_ANSWER, "who keeps the names is away");
                None
            }
            Self::Expired => Some(fail(
                exchange,
                NETWORK_ERROR,
                "who keeps the names is away for too long",
            )),
            Self::Unknown => Some(fail(
                exchange,
                NOT_READY,
                "who keeps the names was not heard of yet",
            )),
        }
    }

    /// The whole answer about a name that is missing, where it may be there all the same or may
    /// have come since.
    pub fn miss(self, exchange: &mut Exchange<'_, '_>) -> Option<Step> {
        match self {
            Self::Stale => Some(fail(exchange, NETWORK_ERROR, "who keeps the names is away")),
            trust => trust.apply(exchange),
        }
    }
}

fn fail(exchange: &mut Exchange<'_, '_>, code: u16, reason: &str) -> Step {
    exchange.fail(code, reason);
    Step::Answered
}
