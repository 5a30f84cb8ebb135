//! Real sockets on the loopback interface. Every wait has a bound: clients have read timeouts,
//! and workers are shut down.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy sees the tests' helpers as code that is not a test"
)]

mod addresses;
mod batches;
mod closing;
mod support;
