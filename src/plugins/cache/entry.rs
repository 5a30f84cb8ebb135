//! A reply that is kept: what kind it is, how long it holds, how often it is asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::key::QuestionKind;
use answer::{Message, MessageRecord, Rcode, RecordType, Section};

/// Milliseconds since the cache was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// What a moment of the system's clock is, for a cache that was made at `start`.
    pub(super) fn new(start: Instant, at: Instant) -> Self {
        Self(millis(at.saturating_duration_since(start)))
    }

    /// The moment so much later.
    pub(super) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(millis(time)))
    }

    /// How long ago `earlier` was.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There are records, or others to ask.
    Success,
    /// There is no such name, or nothing of the type there (RFC 2308 §2).
    Denial,
    /// The servers failed.
    Failure,
}

impl Kind {
    /// What a reply says; [`None`] for one that is never kept: what is cut short, what denies
    /// without saying for how long (RFC 2308 §5), refusals.
    pub(super) fn of(message: &Message) -> Option<Self> {
        if message.is_truncated() {
            return None;
        }
        let denies = || {
            let mut authority = message.section(Section::Authority);
            authority.any(|record| record.rtype == RecordType::SOA)
        };
        match message.rcode() {
            Rcode::NXDOMAIN => denies().then_some(Self::Denial),
            Rcode::SERVFAIL | Rcode::NOTIMP => Some(Self::Failure),
            Rcode::NOERROR => {
                let qtype = message.qtype();
                let mut answers = message.section(Section::Answer).peekable();
                if answers.peek().is_none() {
                    if denies() {
                        return Some(Self::Denial);
                    }
                    let mut authority = message.section(Section::Authority);
                    let refers = authority.any(|record| record.rtype == RecordType::NS);
                    return refers.then_some(Self::Success);
                }
                match answers.any(|record| record.rtype == qtype) {
                    true => Some(Self::Success),
                    // Aliases that lead to nothing.
                    false => denies().then_some(Self::Denial),
                }
            }
            _ => None,
        }
    }
}

/// Between which numbers of seconds TTLs are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TtlBounds {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl TtlBounds {
    /// Brings the TTLs of a reply within the bounds, and that of a denial's SOA down to how long
    /// it says that a denial holds (RFC 2308 §5).
    ///
    /// Gives how long the reply holds: as long as the first of its records. [`None`] where one of
    /// them says that it is for this once only.
    pub(super) fn apply(self, message: &mut Message, kind: Kind) -> Option<Duration> {
        let own = |record: &MessageRecord<'_>| match record.rtype {
            RecordType::SOA if kind == Kind::Denial => record.ttl.min(soa_minimum(record)),
            _ => record.ttl,
        };
        if message.records().any(|record| own(&record) == 0) {
            return None;
        }
        let least = self.least.min(self.most);
        message.map_ttls(|record| own(record).clamp(least, self.most));
        let first = message.records().map(|record| record.ttl).min()?;
        Some(Duration::from_secs(first.into()))
    }
}

/// The last of the numbers in an SOA record (RFC 1035 §3.3.13).
fn soa_minimum(record: &MessageRecord<'_>) -> u32 {
    let number = record.raw_data().last_chunk();
    number.map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// A reply that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    /// What is asked of the name in its question.
    pub(super) question: QuestionKind,
    pub(super) kind: Kind,
    stored: Moment,
    lifetime: Duration,
    /// When it was last asked for, in the upper half, in seconds; how often without a pause.
    popularity: AtomicU64,
    /// Until when nobody is asked for a newer one, since nobody had one: a [`Moment`].
    rest: AtomicU64,
}

/// How old an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It holds; this many seconds have passed.
    Fresh(u32),
    /// It held until so long ago.
    Over(Duration),
}

impl Entry {
    pub(super) fn new(
        message: Message,
        question: QuestionKind,
        kind: Kind,
        stored: Moment,
        lifetime: Duration,
    ) -> Self {
        Self {
            message,
            question,
            kind,
            stored,
            lifetime,
            popularity: AtomicU64::new(0),
            rest: AtomicU64::new(0),
        }
    }

    /// How old it is.
    pub(super) fn age(&self, now: Moment) -> Age {
        let age = now.since(self.stored);
        match age.checked_sub(self.lifetime) {
            None => Age::Fresh(u32::try_from(age.as_secs()).unwrap_or(u32::MAX)),
            Some(over) => Age::Over(over),
        }
    }

    /// How many octets it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() - size_of::<Message>() + self.message.memory()
    }

    /// Whether, after `age` seconds, no more than this part of its lifetime is left, in hundredths;
    /// in its last second always.
    pub(super) fn ends(&self, age: u32, percentage: u8) -> bool {
        let lifetime = self.lifetime.as_secs();
        let threshold = (lifetime * u64::from(percentage)).div_ceil(100);
        lifetime.saturating_sub(age.into()) <= threshold.max(1)
    }

    /// Counts one that asks for it. Gives how many did without a pause as long as this.
    pub(super) fn asked(&self, now: Moment, pause: Duration) -> u32 {
        let now = Duration::from_millis(now.0).as_secs() & u64::from(u32::MAX);
        let before = self.popularity.load(Ordering::Relaxed);
        let (last, count) = (before >> 32, before as u32);
        let count = match Duration::from_secs(now.saturating_sub(last)) < pause {
            true => count.saturating_add(1),
            false => 1,
        };
        // One that is lost to another thread does no harm.
        let after = now << 32 | u64::from(count);
        self.popularity.store(after, Ordering::Relaxed);
        count
    }

    /// Is as popular as the entry whose place it takes.
    pub(super) fn inherit(&self, older: &Self) {
        let popularity = older.popularity.load(Ordering::Relaxed);
        self.popularity.store(popularity, Ordering::Relaxed);
    }

    /// Nobody had a newer one: nobody is asked until then.
    pub(super) fn rest_until(&self, end: Moment) {
        self.rest.store(end.0, Ordering::Relaxed);
    }

    /// Whether nobody is to be asked for a newer one now.
    pub(super) fn rests(&self, now: Moment) -> bool {
        now.0 < self.rest.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
