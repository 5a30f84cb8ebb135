//! Where log lines go: to standard error, as many as `CALLSIGN_LOG` says.

use std::io;
use std::sync::OnceLock;

use tracing::warn;
use tracing_subscriber::EnvFilter;

use crate::console::stderr_has_colors;

/// The variable that says what is logged: a level (`debug`), or levels by module
/// (`warn,callsign::store=debug`).
const VARIABLE: &str = "CALLSIGN_LOG";

/// What is logged where the variable is not set.
const USUAL: &str = "info";

/// What is logged with `debug`.
const MORE: &str = "info,callsign=debug";

/// What changes the filter once the program logs.
static FILTER: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Logs our own lines of the level `debug` too from now on, or as much as at the start. What the
/// variable says is more exact and stays.
pub(crate) fn tell_more(more: bool) {
    let said = std::env::var_os(VARIABLE).is_some_and(|it| !it.is_empty());
    if let Some(set) = FILTER.get().filter(|_| !said) {
        set(EnvFilter::new(if more { MORE } else { USUAL }));
    }
}

/// Begins to log.
pub(crate) fn start() {
    start_with(USUAL);
}

/// Begins to log, for who has more to say than its log: only what is wrong.
pub(crate) fn start_quietly() {
    start_with("warn");
}

/// Begins to log, for who looks at what others do: what is wrong there is theirs to tell.
pub(crate) fn start_looking_on() {
    start_with("error");
}

fn start_with(usual: &str) {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let wanted = if wanted.is_empty() { usual } else { &wanted };
    let (filter, error) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(usual), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(stderr_has_colors())
        .with_target(false)
        .with_env_filter(filter)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    let set = move |filter| {
        // It fails only when nobody logs any more.
        let _ = handle.reload(filter);
    };
    let _ = FILTER.set(Box::new(set));
    let started = builder.try_init();
    // A program that logs already, as a test may, goes on as it does.
    if started.is_ok()
        && let Some(error) = error
    {
        warn!("{VARIABLE}={wanted} is not understood, logging {usual}: {error}");
    }
}
