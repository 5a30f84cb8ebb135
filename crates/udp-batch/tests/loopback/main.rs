//! Real sockets on the loopback interface. Every wait has a bound: clients have read timeouts,
//! and workers are shut down.

// Clippy sees the tests' helpers as code that is not a test.
#![allow(clippy::unwrap_used)]

mod addresses;
mod batches;
mod closing;
mod support;
