//! Answering with what has expired (RFC 8767).

use std::sync::Arc;

use answer::Rcode;

use super::entry::{Entry, Kind};
use super::flights::Landed;
use super::refresh::arrived;
use super::replies::Staleness;
use super::setup::StaleMode;
use super::statistics::Count;
use super::{Cache, is_answer};
use crate::plugins::{Exchange, Origin, Resume, Step};

/// Extended error code: the answer has expired (RFC 8914 §4.4).
const STALE_ANSWER: u16 = 3;

/// Extended error code: that the name does not exist has expired (RFC 8914 §4.20).
const STALE_NXDOMAIN: u16 = 19;

impl Cache {
    /// Answers a query for which there is an entry that has expired.
    pub(super) fn stale(
        self: &Arc<Self>,
        exchange: &mut Exchange<'_, '_>,
        entry: Arc<Entry>,
        stale: &Staleness,
    ) -> Step {
        let reply_ttl = stale.how.reply_ttl;
        let timeout = match stale.how.mode {
            StaleMode::Verify(timeout) if stale.ask => timeout,
            mode => {
                if stale.ask && mode == StaleMode::Immediate {
                    self.refresh_behind(exchange);
                }
                return self.tell_stale(exchange, &entry, reply_ttl);
            }
        };
        let Some(arrival) = self.refresh(exchange) else {
            return self.tell_stale(exchange, &entry, reply_ttl);
        };
        let cache = self.clone();
        Step::Defer(Box::pin(async move {
            let wait = arrival.wait();
            let landed = match timeout {
                None => wait.await,
                Some(timeout) => tokio::time::timeout(timeout, wait).await.unwrap_or(None),
            };
            let resume: Resume = Box::new(move |exchange| match landed {
                Some(landed) if cache.is_better(&landed, &entry) => {
                    cache.statistics.count(Count::Misses);
                    arrived(exchange, Some(&landed))
                }
                _ => cache.tell_stale(exchange, &entry, reply_ttl),
            });
            resume
        }))
    }

    /// Whether what came of a question is better than the entry that has expired.
    fn is_better(&self, landed: &Landed, entry: &Entry) -> bool {
        let positive = self.settings.prefer_positive && entry.kind == Kind::Success;
        is_answer(landed.reply.message()) && (!positive || landed.kind == Some(Kind::Success))
    }

    fn tell_stale(&self, exchange: &mut Exchange<'_, '_>, entry: &Entry, reply_ttl: u32) -> Step {
        self.statistics.count(Count::ServedStale);
        self.statistics.count(match entry.kind {
            Kind::Success => Count::SuccessHits,
            Kind::Denial | Kind::Failure => Count::DenialHits,
        });
        exchange.tell(&entry.message, 0);
        exchange.reply.limit_ttl(reply_ttl);
        let info_code = match entry.message.rcode() {
            Rcode::NXDOMAIN => STALE_NXDOMAIN,
            _ => STALE_ANSWER,
        };
        exchange.reply.extended_error(info_code, "");
        exchange.origin = Origin::Cached;
        Step::Answered
    }
}
