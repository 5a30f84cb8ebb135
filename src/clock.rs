//! The clock that leases are measured with.

mod alarm;

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

pub use alarm::Alarm;

/// A moment on `CLOCK_BOOTTIME`: nanoseconds since the machine started, suspended time included.
///
/// A lease runs on while a machine sleeps, so a clock that stops in suspend (`CLOCK_MONOTONIC`,
/// which is what `std::time::Instant` reads) would let a holder believe too long. The wall clock
/// may jump and is never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// Reads the clock.
    ///
    /// Linux has had this clock since 2.6.39; where it cannot be read the result is the largest
    /// moment there is, so that every lease counts as over.
    #[must_use]
    pub fn now() -> Self {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Self(u64::MAX), |time| {
            Self(
                Duration::from(time)
                    .as_nanos()
                    .try_into()
                    .unwrap_or(u64::MAX),
            )
        })
    }

    /// The moment `nanoseconds` after the start of the machine.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the start of the machine.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved back by `duration`, at most to the start of the machine.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(duration)))
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl fmt::Display for BootTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.3} s after boot",
            Duration::from_nanos(self.0).as_secs_f64()
        )
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_saturate_instead_of_wrapping_into_a_valid_lease() {
        let end = BootTime::from_nanoseconds(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        let start = BootTime::from_nanoseconds(5);
        assert_eq!(start.before(Duration::from_secs(1)), BootTime::default());
        assert_eq!(start.since(end), Duration::ZERO);
    }

    #[test]
    fn the_clock_runs() {
        let first = BootTime::now();
        assert!(first > BootTime::default());
        assert!(BootTime::now() >= first);
    }
}
