//! Which Corefiles were tried, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{Family, Scrape, Source};

/// The Corefiles by their digests.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    tried: AtomicU64,
    applied: AtomicU64,
    failed: AtomicU64,
}

const FAILED: Family = Family::counter(
    "coredns_reload_failed_total",
    "Reloads that failed, so that the old configuration went on.",
);
const VERSION: Family = Family::gauge(
    "coredns_reload_version_info",
    "A constant 1 with a digest of the configuration in its labels.",
);

impl Reloads {
    /// Whether this one was not the last to be tried.
    pub(super) fn is_new(&self, digest: u64) -> bool {
        self.tried.load(Ordering::Relaxed) != digest
    }

    /// This one is tried now.
    pub(super) fn tried(&self, digest: u64) {
        self.tried.store(digest, Ordering::Relaxed);
    }

    /// This one runs now.
    pub(super) fn applied(&self, digest: u64) {
        self.applied.store(digest, Ordering::Relaxed);
    }

    /// The last one was not right.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Source for Reloads {
    fn collect(&self, scrape: &mut Scrape) {
        scrape.counter(&FAILED, &[], self.failed.load(Ordering::Relaxed));
        let digest = format!("{:016x}", self.applied.load(Ordering::Relaxed));
        scrape.gauge(&VERSION, &[("hash", "siphash"), ("value", &digest)], 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a mistake in a Corefile is told again at every look.
    #[test]
    fn what_was_tried_is_not_tried_again() {
        let reloads = Reloads::default();
        reloads.tried(1);
        reloads.applied(1);
        assert!(!reloads.is_new(1) && reloads.is_new(2));
        reloads.tried(2);
        reloads.failed();
        assert!(!reloads.is_new(2));
        // Back to what runs: tried again, which does no harm.
        assert!(reloads.is_new(1));
    }
}
