//! Whether an upstream is believed to answer.
//!
//! An upstream is healthy until a query to it fails. Then it is suspected: others are asked first,
//! and it is asked a question of our own again and again until it answers. After so many failed
//! checks in a row it is down, and clients' queries go to it only if all are.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use answer::{Name, Rcode, RecordType, Request};

/// What is asked to see whether an upstream answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// How long after one check the next comes.
    pub(super) interval: Duration,
    /// RD of the question.
    pub(super) recursion_desired: bool,
    /// The name, whose NS records are asked for.
    pub(super) domain: Name,
    /// After how many checks that failed in a row an upstream is down; zero for never.
    pub(super) max_fails: u32,
}

impl Check {
    /// The question.
    pub(super) fn request(&self) -> Request {
        Request {
            recursion_desired: self.recursion_desired,
            ..Request::new(self.domain.as_wire(), RecordType(2))
        }
    }
}

/// Whether a reply with this code shows that an upstream works. One that fails would do so to clients
/// too. One that refuses may do so because of the question: a server with some zones refuses all
/// others, and would never come back.
pub(super) fn is_good(rcode: Rcode) -> bool {
    rcode != Rcode::SERVFAIL
}

/// What is known of an upstream.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// It has failed since it last answered.
    suspected: AtomicBool,
    /// Checks that have failed in a row.
    fails: AtomicU32,
    /// It is being checked.
    checking: AtomicBool,
    /// It was told that it is down.
    told: AtomicBool,
}

impl Health {
    /// A query has failed or takes long. Returns whether checks are to be started.
    pub(super) fn suspect(&self, check: &Check) -> bool {
        if check.max_fails == 0 {
            return false;
        }
        self.suspected.store(true, Ordering::Relaxed);
        !self.checking.swap(true, Ordering::AcqRel)
    }

    /// A check has failed. Returns whether the upstream has just gone down.
    pub(super) fn check_failed(&self, check: &Check) -> bool {
        let fails = self.fails.load(Ordering::Relaxed).saturating_add(1);
        self.fails.store(fails, Ordering::Relaxed);
        self.is_down(check) && !self.told.swap(true, Ordering::Relaxed)
    }

    /// It has answered. Returns whether it had been told down.
    pub(super) fn answered(&self) -> bool {
        // Most queries find nothing to change: no shared line is written then.
        if !self.is_suspected() && self.fails.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.suspected.store(false, Ordering::Relaxed);
        self.fails.store(0, Ordering::Relaxed);
        self.told.swap(false, Ordering::Relaxed)
    }

    /// The checks have ended. Returns whether they are to go on, since it failed again meanwhile.
    pub(super) fn checks_ended(&self) -> bool {
        self.checking.store(false, Ordering::Release);
        self.is_suspected() && !self.checking.swap(true, Ordering::AcqRel)
    }

    /// Whether others are to be asked first.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected.load(Ordering::Relaxed)
    }

    /// Whether it is not to be asked while others can be.
    pub(super) fn is_down(&self, check: &Check) -> bool {
        check.max_fails > 0 && self.fails.load(Ordering::Relaxed) >= check.max_fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(max_fails: u32) -> Check {
        Check {
            interval: Duration::from_millis(500),
            recursion_desired: true,
            domain: Name::root(),
            max_fails,
        }
    }

    /// If this fails, a dead upstream is asked for ever, one that came back never again, or one
    /// that lost a packet is out at once.
    #[test]
    fn an_upstream_goes_down_after_failed_checks_and_comes_back_with_an_answer() {
        let (health, check) = (Health::default(), check(2));
        assert!(health.suspect(&check), "checks begin");
        assert!(!health.suspect(&check), "once");
        assert!(health.is_suspected() && !health.is_down(&check));
        assert!(!health.check_failed(&check));
        assert!(health.check_failed(&check), "told when it goes down");
        assert!(!health.check_failed(&check), "and only then");
        assert!(health.is_down(&check));
        assert!(health.answered());
        assert!(!health.is_down(&check) && !health.is_suspected());
        assert!(!health.answered());
        assert!(!health.checks_ended());
        assert!(health.suspect(&check), "checks can begin again");
        assert!(health.checks_ended(), "who fails meanwhile is checked on");
    }

    /// If this fails, `max_fails 0` does not keep an upstream in use, or checks it all the same.
    #[test]
    fn with_no_most_number_of_fails_nothing_is_ever_down() {
        let (health, check) = (Health::default(), check(0));
        assert!(!health.suspect(&check));
        assert!(!health.check_failed(&check) && !health.check_failed(&check));
        assert!(!health.is_down(&check) && !health.is_suspected());
    }

    /// If this fails, an upstream that answers every query with a failure is preferred to one that
    /// works, or one that has only some zones is down for ever after a moment.
    #[test]
    fn failing_is_no_health() {
        assert!(is_good(Rcode::NOERROR) && is_good(Rcode::NXDOMAIN) && is_good(Rcode::FORMERR));
        assert!(is_good(Rcode::REFUSED) && !is_good(Rcode::SERVFAIL));
    }
}
