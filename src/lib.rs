//! Callsign gives every node and every container of a cluster a name in DNS, and never the same
//! name twice.
//!
//! Three flows run through the crate, one direction each:
//!
//! * a packet becomes an answer: [`listen`] → [`serve`] → [`plugins`] → `answer` → [`listen`];
//! * an event becomes names: [`store`] → [`identity`] → `answer::Zone`, swapped in whole;
//! * text becomes a running server: `corefile` → [`config`] → [`plugins`] → [`routes`] → [`server`].
//!
//! `ARCHITECTURE.md` walks through each of them, file by file.

#![forbid(unsafe_code)]

pub mod admin;
pub mod by_zone;
pub mod cli;
pub mod clock;
mod cluster;
pub mod config;
mod console;
pub mod counters;
pub mod current;
pub mod docker;
pub mod fatal;
pub mod freshness;
pub mod identity;
pub mod journal;
pub mod lines;
pub mod listen;
mod log;
pub mod metrics;
mod mutex;
mod networks;
pub mod plugins;
mod progress;
pub mod reason;
pub mod resolver;
pub mod routes;
pub mod run;
pub mod serve;
pub mod server;
pub mod store;
mod table;
pub mod task;
pub mod zonefile;
