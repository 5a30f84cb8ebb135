//! A session and the time that it gives.

use std::time::Duration;

use super::RequestId;
use crate::clock::BootTime;
use crate::store::Session;

/// Clock rates of holder and store may differ by one part in this many.
const RATE_ERROR: u32 = 100;

/// The shortest distance that a holder keeps from the end of its lease.
const LEAST_MARGIN: Duration = Duration::from_millis(500);

/// A session of a store, when it was last renewed and when that has to happen again.
///
/// The rule that uniqueness rests on: a holder is owner until
/// *the moment it sent the last renewal that was acknowledged* + TTL − rate error − margin. The
/// store counts from when it hears of a renewal, which is later, so the holder is always the
/// first to let go. The moment of the acknowledgement must never be used.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) session: Session,
    /// How long the store keeps it after a renewal; [`None`] where nothing ends by time.
    ttl: Option<Duration>,
    /// When the last acknowledged renewal was sent.
    renewed: BootTime,
    /// When to renew next.
    renew_at: BootTime,
    /// The renewal under way and when it was sent.
    pub(super) renewal: Option<(RequestId, BootTime)>,
}

impl Lease {
    /// A session that was asked for at `sent`.
    pub(super) fn new(session: Session, ttl: Option<Duration>, sent: BootTime) -> Self {
        let mut lease = Self {
            session,
            ttl,
            renewed: sent,
            renew_at: sent,
            renewal: None,
        };
        lease.schedule();
        lease
    }

    /// The first moment at which its holder is not owner any more.
    pub(super) fn deadline(&self) -> BootTime {
        self.ttl
            .map_or(BootTime::from_nanoseconds(u64::MAX), |ttl| {
                self.renewed
                    + ttl
                        .saturating_sub(ttl / RATE_ERROR)
                        .saturating_sub(margin(ttl))
            })
    }

    /// When to renew; [`None`] while a renewal is under way or where nothing ends by time.
    pub(super) fn renew_at(&self) -> Option<BootTime> {
        (self.renewal.is_none() && self.ttl.is_some()).then_some(self.renew_at)
    }

    /// How long to wait for the answer to one renewal.
    pub(super) fn renewal_timeout(&self) -> Duration {
        self.ttl.unwrap_or_default() / 6
    }

    /// Whether more than one renewal in a row is missing.
    pub(super) fn is_late(&self, now: BootTime) -> bool {
        self.ttl
            .is_some_and(|ttl| now.since(self.renewed) > ttl / 2)
    }

    /// The moment from which [`Self::is_late`] holds if nothing comes.
    pub(super) fn late_at(&self) -> BootTime {
        self.renewed
            + self
                .ttl
                .map_or(Duration::MAX, |ttl| ttl / 2 + Duration::from_millis(1))
    }

    /// The renewal sent at `sent` was acknowledged.
    pub(super) fn renewed(&mut self, sent: BootTime, ttl: Duration) {
        self.renewal = None;
        self.renewed = self.renewed.max(sent);
        self.ttl = self.ttl.map(|_| ttl);
        self.schedule();
    }

    /// The renewal failed: try again soon.
    pub(super) fn not_renewed(&mut self, now: BootTime) {
        self.renewal = None;
        self.renew_at = now + self.ttl.unwrap_or_default() / 20;
    }

    fn schedule(&mut self) {
        self.renew_at = self.renewed + self.ttl.unwrap_or_default() / 3;
    }
}

/// The distance from the end of a lease: a tenth of it, half a second at least, but never more
/// than half of it.
fn margin(ttl: Duration) -> Duration {
    (ttl / 10).max(LEAST_MARGIN).min(ttl / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_nanoseconds(seconds * SECOND)
    }

    #[test]
    fn the_deadline_counts_from_when_a_renewal_was_sent() {
        let ttl = Duration::from_secs(20);
        let mut lease = Lease::new(Session(1), Some(ttl), at(100));
        assert_eq!(
            lease.deadline(),
            at(100) + Duration::from_millis(20_000 - 200 - 2_000)
        );
        lease.renewed(at(106), ttl);
        assert_eq!(lease.deadline(), at(106) + Duration::from_millis(17_800));
    }

    #[test]
    fn an_acknowledgement_of_an_older_renewal_takes_nothing_away() {
        let ttl = Duration::from_secs(20);
        let mut lease = Lease::new(Session(1), Some(ttl), at(100));
        lease.renewed(at(110), ttl);
        let deadline = lease.deadline();
        lease.renewed(at(105), ttl);
        assert_eq!(lease.deadline(), deadline);
    }

    #[test]
    fn a_shorter_grant_moves_the_deadline_closer() {
        let mut lease = Lease::new(Session(1), Some(Duration::from_secs(20)), at(100));
        lease.renewed(at(110), Duration::from_secs(2));
        assert!(lease.deadline() < at(112));
    }

    #[test]
    fn without_a_ttl_nothing_is_renewed_and_nothing_ends() {
        let lease = Lease::new(Session(1), None, at(100));
        assert_eq!(lease.renew_at(), None);
        assert!(!lease.is_late(at(1_000_000)));
        assert!(lease.deadline() > at(1_000_000));
    }
}
