//! Asking upstreams for one client: who first, how long, who next.
//!
//! The next upstream is asked as soon as one fails, and also when one takes longer than it
//! usually does; the first good reply counts. So a dead upstream costs a client one more try,
//! and those after it nothing, for it is suspected by then.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use answer::{Message, Rcode, Request};
use tokio::time::{Instant, sleep_until};

use super::counts::ForwardCounts;
use super::failure::Failure;
use super::policy::{Policy, Standing, Turn};
use super::target::Scheme;
use super::upstream::Upstream;

/// How long a client waits in all.
const TOTAL: Duration = Duration::from_secs(5);

/// How often each upstream is asked at most for one query.
const ROUNDS: usize = 3;

/// The upstreams of one `forward`, and how they are asked.
pub(super) struct Upstreams {
    pub(super) all: Vec<Arc<Upstream>>,
    pub(super) policy: Policy,
    pub(super) turn: Turn,
    /// All are down: nobody is asked.
    pub(super) fail_fast: bool,
    /// The most tries for one query; zero for no limit of its own.
    pub(super) max_attempts: usize,
    /// With these codes, the next upstream is asked.
    pub(super) failover: Vec<Rcode>,
    pub(super) counts: ForwardCounts,
}

/// A query to one upstream.
type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Message, Failure>> + Send + 'a>>;

/// The queries to upstreams that are under way for one client.
#[derive(Default)]
struct Attempts<'a>(Vec<(&'a Arc<Upstream>, Attempt<'a>)>);

impl<'a> Attempts<'a> {
    /// Waits for whichever ends first.
    async fn next(&mut self) -> (&'a Arc<Upstream>, Result<Message, Failure>) {
        poll_fn(|context| {
            for index in 0..self.0.len() {
                let Some((upstream, attempt)) = self.0.get_mut(index) else {
                    break;
                };
                if let Poll::Ready(result) = attempt.as_mut().poll(context) {
                    let upstream = *upstream;
                    drop(self.0.swap_remove(index));
                    return Poll::Ready((upstream, result));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Upstreams {
    /// Asks until somebody answers. `stream` says how the client's query came; `seed` differs
    /// from query to query.
    ///
    /// # Errors
    ///
    /// Nobody has answered: the code of an extended error, and a line for the log.
    pub(super) async fn ask(
        &self,
        request: &Request,
        stream: bool,
        seed: u32,
    ) -> Result<Message, (u16, String)> {
        let end = Instant::now() + TOTAL;
        let standings: Vec<Standing> = self.all.iter().map(|it| it.standing()).collect();
        if standings.iter().all(|standing| *standing == Standing::Down) {
            self.counts.broken();
        }
        let order = self
            .policy
            .order(&standings, &self.turn, seed, self.fail_fast);
        let mut tries = Tries::new(&order, self.max_attempts);
        let mut attempts = Attempts::default();
        let mut failure = None;
        let mut unwanted = None;
        let mut next_at = Instant::now();
        loop {
            if Instant::now() >= next_at
                && let Some(upstream) = tries.next().and_then(|index| self.all.get(index))
            {
                attempts
                    .0
                    .push((upstream, Box::pin(upstream.ask(request, stream))));
                next_at = Instant::now() + self.gap(upstream, attempts.0.len(), stream);
            }
            if attempts.0.is_empty() {
                break;
            }
            let wake = match tries.is_done() {
                true => end,
                false => next_at.min(end),
            };
            tokio::select! {
                biased;
                (upstream, result) = attempts.next() => match result {
                    Ok(message) => {
                        upstream.answered(message.rcode());
                        if !self.failover.contains(&message.rcode()) {
                            return Ok(message);
                        }
                        // Asking the same upstream again would change nothing.
                        tries.once();
                        unwanted = Some(message);
                        next_at = Instant::now();
                    }
                    Err(error) => {
                        if error.is_its_fault() {
                            upstream.suspect();
                        }
                        failure = Some((upstream, error));
                        next_at = Instant::now();
                    }
                },
                () = sleep_until(wake) => {
                    for (upstream, _) in &attempts.0 {
                        upstream.suspect();
                    }
                    if Instant::now() >= end {
                        break;
                    }
                }
            }
        }
        if let Some(message) = unwanted {
            return Ok(message);
        }
        Err(match failure {
            Some((upstream, failure)) => (
                failure.info_code(),
                format!("upstream {}: {failure}", upstream.shown),
            ),
            None if order.is_empty() => (
                Failure::Silent.info_code(),
                "no upstream is healthy".to_owned(),
            ),
            None => (
                Failure::Silent.info_code(),
                "no upstream has answered in time".to_owned(),
            ),
        })
    }

    /// How long to wait until the next try. With `sequential` the later upstreams are only for
    /// when the earlier ones fail, which being slow is not; and over a stream, repeating a
    /// question to the same upstream is of no use.
    fn gap(&self, upstream: &Upstream, under_way: usize, stream: bool) -> Duration {
        let alone = self.all.len() == 1;
        let datagrams = upstream.scheme == Scheme::Dns && !stream;
        let patient = match alone {
            true => !datagrams,
            false => self.policy == Policy::Sequential,
        };
        match patient {
            true => upstream.read_timeout,
            // Twice as long each time: whoever is slow now will not be quicker for more questions.
            false => upstream.doubt() * (1 << under_way.min(4)) / 2,
        }
    }
}

/// Whose turn it is, round after round.
struct Tries<'a> {
    order: &'a [usize],
    at: usize,
    most: usize,
}

impl<'a> Tries<'a> {
    fn new(order: &'a [usize], most: usize) -> Self {
        let all = order.len() * ROUNDS;
        Self {
            order,
            at: 0,
            most: if most == 0 { all } else { most.min(all) },
        }
    }

    /// No further rounds.
    fn once(&mut self) {
        self.most = self.most.min(self.order.len());
    }

    fn is_done(&self) -> bool {
        self.at >= self.most
    }
}

impl Iterator for Tries<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.is_done() {
            return None;
        }
        let index = self.order.get(self.at % self.order.len()).copied();
        self.at += 1;
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, one client's query keeps upstreams busy without end, or `failover` asks the
    /// same upstream again.
    #[test]
    fn tries_come_to_an_end() {
        let tries = |most| Tries::new(&[1, 0], most).collect::<Vec<_>>();
        assert_eq!(tries(0), [1, 0, 1, 0, 1, 0]);
        assert_eq!(tries(3), [1, 0, 1]);
        assert_eq!(Tries::new(&[], 0).count(), 0);
        let mut once = Tries::new(&[1, 0], 0);
        once.next();
        once.once();
        assert_eq!(once.collect::<Vec<_>>(), [0]);
    }
}
