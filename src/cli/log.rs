//! Where log lines go: to standard error, as many as `CALLSIGN_LOG` says.

use std::io;

use tracing::warn;
use tracing_subscriber::EnvFilter;

use crate::console::stderr_has_colors;

/// The variable that says what is logged: a level (`debug`), or levels by module
/// (`warn,callsign::store=debug`).
const VARIABLE: &str = "CALLSIGN_LOG";

/// What is logged where the variable is not set.
const USUAL: &str = "info";

/// Begins to log.
pub(super) fn start() {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let wanted = if wanted.is_empty() { USUAL } else { &wanted };
    let (filter, error) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(USUAL), Some(error)),
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(stderr_has_colors())
        .with_target(false)
        .try_init();
    // A program that logs already, as a test may, goes on as it does.
    if started.is_ok()
        && let Some(error) = error
    {
        warn!("{VARIABLE}={wanted} is not understood, logging {USUAL}: {error}");
    }
}
