//! Addresses that a node publishes, followed while they change.
