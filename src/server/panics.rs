//! Panics, which are mistakes of ours: told on standard error, but not without end.
//!
//! A query that meets one is answered SERVFAIL and the server goes on. Whoever finds such a query
//! can send it again and again, and must not fill the log with it. With `debug` the process ends
//! instead, so that its author can look at it.

use std::backtrace::Backtrace;
use std::panic::{set_hook, take_hook};
use std::process::abort;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing::error;

use crate::plugins::ProcessOptions;

/// How many panics are told in full.
const TOLD: usize = 10;

static ABORTS: AtomicBool = AtomicBool::new(false);
static STACK_TRACE: AtomicBool = AtomicBool::new(false);

/// Does from now on what the configuration says.
pub(super) fn configure(process: &ProcessOptions) {
    ABORTS.store(process.debug, Ordering::Relaxed);
    STACK_TRACE.store(process.stacktrace, Ordering::Relaxed);
}

/// Has the first panics of the process told as usual, and the rest not.
pub(super) fn bound_messages() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        match SEEN.fetch_add(1, Ordering::Relaxed) {
            seen if seen < TOLD => {
                usual(panic);
                if STACK_TRACE.load(Ordering::Relaxed) {
                    error!("where the panic came from:\n{}", Backtrace::force_capture());
                }
            }
            TOLD => error!("more panics are only counted"),
            _ => {}
        }
        if ABORTS.load(Ordering::Relaxed) {
            abort();
        }
    }));
}
