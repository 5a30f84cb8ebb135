//! Waiting for a moment on the clock that goes on while the machine sleeps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use super::BootTime;

/// How often the clock is looked at where the kernel gives no timer.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for moments, one at a time. Unlike tokio's timers it rings as soon as a machine wakes up
/// that has slept past the moment, and meanwhile nothing has to look at the clock.
#[derive(Debug)]
pub struct Alarm {
    /// [`None`] where there was no descriptor left for it.
    timer: Option<AsyncFd<Timer>>,
    /// What the timer is set to.
    set_to: Option<BootTime>,
}

/// A timer that tokio can wait for.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// An alarm for a task of tokio's.
    ///
    /// Without a descriptor for its timer it looks at the clock each second.
    #[must_use]
    pub fn new() -> Self {
        Self {
            timer: timer().ok(),
            set_to: None,
        }
    }

    /// Waits until `at`, for ever where it is [`None`]. Dropping the future loses nothing.
    pub async fn wait_until(&mut self, at: Option<BootTime>) {
        let Some(at) = at else {
            return std::future::pending().await;
        };
        loop {
            let now = BootTime::now();
            if now >= at {
                return;
            }
            let rung = match self.set(at) {
                Ok(()) => self.rung().await,
                Err(error) => Err(error),
            };
            // A timer rings once. Where its clock is ahead of the one that is read here, as a
            // sandbox's may be, it has to ring again.
            self.set_to = None;
            if rung.is_err() {
                self.timer = None;
                sleep(at.since(now).min(LOOK)).await;
            }
        }
    }

    fn set(&mut self, at: BootTime) -> io::Result<()> {
        if self.set_to != Some(at)
            && let Some(timer) = &self.timer
        {
            let once = Expiration::OneShot(TimeSpec::from_duration(Duration::from_nanos(
                at.nanoseconds(),
            )));
            let timer = &timer.get_ref().0;
            timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            self.set_to = Some(at);
        }
        Ok(())
    }

    async fn rung(&self) -> io::Result<()> {
        let timer = self.timer.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        timer.readable().await?.clear_ready();
        Ok(())
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

fn timer() -> io::Result<AsyncFd<Timer>> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = Timer(TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?);
    #[expect(
        deprecated,
        reason = "its successor is unsafe; this descriptor is open as long as its owner lives"
    )]
    AsyncFd::with_interest(timer, Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long anything here may take before it counts as never.
    const BOUND: Duration = Duration::from_secs(30);

    /// If this fails, a node believes in its name for longer than its lease lasts, or keeps a
    /// processor busy by being woken too early.
    #[tokio::test]
    async fn it_rings_at_its_time_and_not_before() {
        for mut alarm in [
            Alarm::new(),
            Alarm {
                timer: None,
                set_to: None,
            },
        ] {
            for wait in [0, 1, 20] {
                let at = BootTime::now() + Duration::from_millis(wait);
                let rung = tokio::time::timeout(BOUND, alarm.wait_until(Some(at))).await;
                assert!(rung.is_ok() && BootTime::now() >= at);
            }
        }
    }

    /// If this fails, a node whose kernel's timers are ahead of its clock never renews its lease.
    #[tokio::test]
    async fn one_that_rings_too_early_rings_again() {
        let mut alarm = Alarm::new();
        let now = BootTime::now();
        let at = now + Duration::from_millis(20);
        alarm.set(now + Duration::from_millis(1)).unwrap();
        alarm.set_to = Some(at);
        let rung = tokio::time::timeout(BOUND, alarm.wait_until(Some(at))).await;
        assert!(rung.is_ok() && BootTime::now() >= at);
    }

    /// If this fails, a node whose alarm was made on a thread that has ended believes in its name
    /// for longer than its lease lasts.
    #[tokio::test]
    async fn one_whose_runtime_is_gone_looks_at_the_clock() {
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { Alarm::new() })
        });
        let mut alarm = made.join().unwrap();
        let at = BootTime::now() + Duration::from_millis(5);
        let rung = tokio::time::timeout(BOUND, alarm.wait_until(Some(at))).await;
        assert!(rung.is_ok() && BootTime::now() >= at);
    }

    /// If this fails, a moment that comes closer is waited for until the old one.
    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_the_next_as_it_is() {
        let mut alarm = Alarm::new();
        let late = BootTime::now() + 4 * BOUND;
        for _ in 0..3 {
            let given_up = Duration::from_millis(2);
            let waiting = alarm.wait_until(Some(late));
            assert!(tokio::time::timeout(given_up, waiting).await.is_err());
            let soon = BootTime::now() + Duration::from_millis(5);
            let rung = tokio::time::timeout(BOUND, alarm.wait_until(Some(soon))).await;
            assert!(rung.is_ok() && BootTime::now() >= soon);
        }
    }
}
