//! Queries that have to wait for something.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use answer::{LookupName, Query, Rcode, Reply};

use super::given_up::GivenUp;
use super::limits;
use crate::counters::{Count, Tally};
use crate::metrics::{Meter, Reached};
use crate::plugins::exchange::Way;
use crate::plugins::{Chain, Client, Exchange, Job, Origin, Progress, Resume, Stage};
use crate::routes::Routes;

/// The longest that a query may wait in all. Clients have asked again or given up by then.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The most jobs that one query may wait for, one after the other: a bound on plugins that send
/// each other round in circles.
const MOST_JOBS: usize = 32;

/// A query that has to wait: all that is needed to go on with it elsewhere.
pub struct Deferred {
    client: Client,
    request: Box<[u8]>,
    name: LookupName,
    deadline: Option<Instant>,
    answered_by: Option<usize>,
    rotation: u32,
    routes: Arc<Routes>,
    chain: Arc<Chain>,
    base: usize,
    depth: u8,
    stage: Stage,
    job: Job,
    meter: Option<Arc<Meter>>,
}

/// What came of a query that had to wait.
pub struct Late {
    /// The reply.
    pub reply: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it is not what it should be, for the log.
    pub failure: Option<Box<str>>,
    /// Its code.
    pub rcode: Rcode,
    /// The plugin that answered, by its place in the chain.
    pub answered_by: Option<usize>,
}

impl Deferred {
    /// Keeps what is needed of a query that waits for `job` at `stage`.
    pub fn new(exchange: &Exchange<'_, '_>, request: &[u8], job: Job, stage: Stage) -> Self {
        let way = exchange.way;
        Self {
            client: *exchange.client,
            request: request.into(),
            name: exchange.name.clone(),
            deadline: exchange.deadline,
            answered_by: exchange.answered_by,
            rotation: exchange.rotation,
            routes: way.routes.clone(),
            chain: way.chain.clone(),
            base: way.base,
            depth: way.depth,
            stage,
            job,
            meter: None,
        }
    }

    /// Goes no further up than to the plugins from this number on, as a query from inside, which
    /// has no deadline of its own.
    #[must_use]
    pub(crate) fn inside(self, base: usize) -> Self {
        Self {
            base,
            depth: self.depth.saturating_add(1),
            deadline: None,
            ..self
        }
    }

    /// Has it be counted there what comes of the query.
    #[must_use]
    pub fn metered(self, meter: Option<Arc<Meter>>) -> Self {
        Self { meter, ..self }
    }

    /// Waits and gives the reply, or [`None`] where there is none.
    ///
    /// A query that waits longer than 10 s is told SERVFAIL, and so is one that meets a panic.
    pub async fn finish(self, tally: &mut Tally) -> Option<Vec<u8>> {
        self.finish_within(PATIENCE, tally).await
    }

    pub(super) async fn finish_within(
        self,
        patience: Duration,
        tally: &mut Tally,
    ) -> Option<Vec<u8>> {
        let given_up = GivenUp {
            client: self.client,
            request: self.request.clone(),
            name: self.name.clone(),
            rotation: self.rotation,
            routes: self.routes.clone(),
            chain: self.chain.clone(),
            stage: self.stage,
        };
        let meter = self.meter.clone();
        let late = match self.wait(patience).await {
            Ok(late) => late,
            Err(why) => {
                tally.count(why);
                given_up.answer(why)
            }
        };
        let GivenUp {
            client, request, ..
        } = given_up;
        if let Some(meter) = meter
            && let Ok(query) = Query::parse(&request)
        {
            let served = late.as_ref().map(|late| Reached {
                rcode: late.rcode,
                answered_by: late.answered_by,
                length: late.reply.len(),
            });
            meter.count(&query, &client, client.received.elapsed(), served);
        }
        let reply = late?.reply;
        tally.count(Count::Replies);
        Some(reply)
    }

    /// Waits at most this long, and not past the query's deadline, and gives what came of the query;
    /// [`None`] where there is no reply.
    ///
    /// # Errors
    ///
    /// It took too long or met a panic: what is to be counted.
    pub async fn wait(self, patience: Duration) -> Result<Option<Late>, Count> {
        let Self {
            client,
            request,
            mut name,
            mut deadline,
            mut answered_by,
            rotation,
            routes,
            chain,
            base,
            depth,
            mut stage,
            mut job,
            meter: _,
        } = self;
        let Ok(query) = Query::parse(&request) else {
            return Ok(None);
        };
        let end = tokio::time::Instant::now() + patience;
        for _ in 0..MOST_JOBS {
            let end = deadline.map_or(end, |deadline| end.min(deadline.into()));
            let resume = match tokio::time::timeout_at(end, caught(job)).await {
                Ok(Some(resume)) => resume,
                Ok(None) => return Err(Count::Panics),
                Err(_) => return Err(Count::Late),
            };
            // Not before there is something to write: many may wait.
            let mut out = vec![0; usize::from(u16::MAX)];
            let went_on = catch_unwind(AssertUnwindSafe(|| {
                // A query from inside is answered whole.
                let limits = match base + usize::from(depth) {
                    0 => limits(client.transport),
                    _ => answer::Transport::Stream,
                };
                let mut exchange = Exchange {
                    query: &query,
                    name: name.clone(),
                    client: &client,
                    reply: Reply::start_roomy(&query, limits, &mut out).ok()?,
                    origin: Origin::default(),
                    fleeting: false,
                    failure: None,
                    deadline,
                    answered_by,
                    rotation,
                    way: Way {
                        routes: &routes,
                        chain: &chain,
                        index: 0,
                        base,
                        depth,
                    },
                };
                let step = resume(&mut exchange);
                Some(match chain.resume(&mut exchange, stage, step) {
                    Progress::Done if exchange.reply.is_withheld() => return None,
                    Progress::Done => {
                        let late = Late {
                            reply: Vec::new(),
                            origin: exchange.origin,
                            failure: exchange.failure.take(),
                            rcode: exchange.reply.rcode(),
                            answered_by: exchange.answered_by,
                        };
                        Ok((exchange.reply.finish(), late))
                    }
                    Progress::Deferred { job, stage } => {
                        let Exchange {
                            name,
                            deadline,
                            answered_by,
                            ..
                        } = exchange;
                        Err((job, stage, name, deadline, answered_by))
                    }
                })
            }));
            match went_on {
                Err(_) => return Err(Count::Panics),
                Ok(None) => return Ok(None),
                Ok(Some(Err(next))) => (job, stage, name, deadline, answered_by) = next,
                Ok(Some(Ok((length, late)))) => {
                    out.truncate(length);
                    return Ok(Some(Late { reply: out, ..late }));
                }
            }
        }
        Err(Count::Late)
    }
}

/// A job whose panic ends it and nothing else.
async fn caught(mut job: Job) -> Option<Resume> {
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(context)))
            .map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}
