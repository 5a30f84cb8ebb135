//! The thread on which names are claimed and kept.
//!
//! A lease is renewed in time or lost. So nothing else runs here: neither a flood of queries over
//! TCP nor a large zone that is being read comes between a renewal and its moment. And whoever
//! waits for a store here is woken by it, and nobody else.

use std::io;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;

/// The thread with its runtime. Dropping it ends both, and all that still runs there.
#[derive(Debug)]
pub(super) struct Keeper {
    /// [`None`] where there was no thread to be had: all runs where it was started, then.
    runtime: Option<Handle>,
    _alive: oneshot::Sender<()>,
}

impl Keeper {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        let (alive, ended) = oneshot::channel();
        let runtime = spawn(ended)
            .inspect_err(|error| {
                let reason = crate::reason::of(error);
                tracing::warn!("no thread for claims: {reason}; other work may delay renewals");
            })
            .ok();
        Self {
            runtime,
            _alive: alive,
        }
    }

    /// What this thread spawns runs on the other one until the result is dropped.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.runtime.as_ref().map(Handle::enter)
    }
}

fn spawn(ended: oneshot::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .thread_name("claims-files")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("claims".to_owned())
        .spawn(move || {
            // An error means the same: nobody wants the thread any more.
            let _ = runtime.block_on(ended);
            // What still waits for a disk must not keep the thread.
            runtime.shutdown_background();
        })?;
    Ok(handle)
}
