//! Claiming a name and keeping it, and the names that follow from it.
//!
//! Read in this order: [`pattern`] (which names), [`record`] (what a node says of itself),
//! [`claim`] (the state machine), [`pool`] (what drives it, on the thread of `keeper`), [`members`] and [`names`] (what DNS
//! answers from), [`pools`] (all of a process).

pub mod address;
pub mod claim;
pub mod health;
pub mod hooks;
mod keeper;
pub mod members;
pub mod names;
pub mod node;
pub mod ownership;
pub mod pattern;
pub mod pool;
pub mod pools;
pub mod record;
