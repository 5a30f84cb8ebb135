//! Claiming a name and keeping it.
//!
//! Read in this order: [`pattern`] (which names), [`record`] (what a node says of itself), then
//! the claim itself.

pub mod address;
pub mod claim;
pub mod health;
pub mod hooks;
pub mod node;
pub mod pattern;
pub mod record;
pub mod pools;
