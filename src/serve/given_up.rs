//! Queries that waited too long or met a panic: they go back up as failures, so that those who
//! watch see them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use answer::{LookupName, Query, Rcode, Reply};

use super::deferred::Late;
use super::{limits, short_reply};
use crate::counters::Count;
use crate::plugins::exchange::Way;
use crate::plugins::{Chain, Client, Exchange, Origin, Progress, Stage};
use crate::routes::Routes;

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// Room for a failure and what plugins add to it, in octets.
const ROOM: usize = 1232;

/// What is kept of a query in case that it is given up.
pub(super) struct GivenUp {
    pub(super) client: Client,
    pub(super) request: Box<[u8]>,
    pub(super) name: LookupName,
    pub(super) rotation: u32,
    pub(super) routes: Arc<Routes>,
    pub(super) chain: Arc<Chain>,
    /// Where it began to wait.
    pub(super) stage: Stage,
}

impl GivenUp {
    /// Has the plugins that were passed see that it failed; gives the reply. Where one of them
    /// would wait in turn, or panics too, it is nothing but the code.
    pub(super) fn answer(&self, why: Count) -> Option<Late> {
        let query = Query::parse(&self.request).ok()?;
        let mut out = vec![0; ROOM];
        let answered = catch_unwind(AssertUnwindSafe(|| self.back(&query, why, &mut out)));
        let (length, failure) = match answered.ok().flatten() {
            Some(answered) => answered,
            None => {
                let transport = self.client.transport;
                let length = short_reply(&query, transport, Rcode::SERVFAIL, &mut out)?;
                (length, None)
            }
        };
        out.truncate(length);
        Some(Late {
            reply: out,
            origin: Origin::default(),
            failure,
            rcode: Rcode::SERVFAIL,
            answered_by: None,
        })
    }

    fn back(
        &self,
        query: &Query<'_>,
        why: Count,
        out: &mut [u8],
    ) -> Option<(usize, Option<Box<str>>)> {
        let mut exchange = Exchange {
            query,
            name: self.name.clone(),
            client: &self.client,
            reply: Reply::start(query, limits(self.client.transport), out).ok()?,
            origin: Origin::default(),
            fleeting: false,
            failure: None,
            deadline: None,
            answered_by: None,
            rotation: self.rotation,
            way: Way {
                routes: &self.routes,
                chain: &self.chain,
                index: 0,
                base: 0,
                depth: 0,
            },
        };
        let reason = match why {
            Count::Panics => "a plugin met a programming error",
            _ => "it took too long to find an answer",
        };
        exchange.fail(OTHER_ERROR, reason);
        match self.chain.run(&mut exchange, self.chain.before(self.stage)) {
            Progress::Done if !exchange.reply.is_withheld() => {
                let failure = exchange.failure.take();
                Some((exchange.reply.finish(), failure))
            }
            _ => None,
        }
    }
}
