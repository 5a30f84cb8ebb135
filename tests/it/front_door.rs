//! The front door: what a client is told, and what whoever starts the program is told.

mod edns;
mod queries;
mod reload;
mod start;

/// The smallest Corefile.
const WHOAMI: &str = ".:{port} {\n    whoami\n}\n";
