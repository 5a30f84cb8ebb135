//! What the tests stand on: real servers, started and stopped.

use std::time::Duration;

pub(crate) mod callsign;
pub(crate) mod dns;
pub(crate) mod engine;
pub(crate) mod etcd;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod namespace;
pub(crate) mod ports;
pub(crate) mod real_engine;
pub(crate) mod run;
pub(crate) mod upstream;
pub(crate) mod wait;

/// How long anything may take that should take a moment; a busy machine is not a failure.
///
/// It is shorter than the time between two listings of a store in etcd (45 s at least), which tell
/// everything in the end: what is told within it was told for a better reason.
pub(crate) const BOUND: Duration = Duration::from_secs(40);
