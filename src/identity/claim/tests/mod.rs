//! The state machine against a clock, a network and a store that are made up.

mod model;
mod simulation;
mod steps;
mod storms;
