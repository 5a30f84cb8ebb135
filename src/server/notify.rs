//! What the service manager is told (sd_notify(3)). Where there is none, nothing happens.

use sd_notify::{NotifyState, notify};
use tracing::debug;

/// The server answers queries.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it. systemd wants to know when, to tell old answers from new.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The server is about to end.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line on how the server is doing.
pub(super) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        debug!("cannot tell the service manager: {error}");
    }
}
