//! Panics, which are mistakes of ours: told on standard error, but not without end.
//!
//! A query that meets one is answered SERVFAIL and the server goes on. Whoever finds such a query
//! can send it again and again, and must not fill the log with it.

use std::panic::{set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::error;

/// How many panics are told in full.
const TOLD: usize = 10;

/// Has the first panics of the process told as usual, and the rest not.
pub(super) fn bound_messages() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        match SEEN.fetch_add(1, Ordering::Relaxed) {
            seen if seen < TOLD => usual(panic),
            TOLD => error!("more panics are only counted"),
            _ => {}
        }
    }));
}
