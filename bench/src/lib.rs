//! Measures Callsign on one machine: `herd` lets claimants loose on one etcd, `dns` counts the
//! processor time of one answer. README.md says how to run them and what the numbers mean.

#![forbid(unsafe_code)]

pub mod claimants;
pub mod etcd;
pub mod herd;
pub mod process;
pub mod report;

/// What went wrong, for the reader of the terminal.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
