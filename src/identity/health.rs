//! Checks that a node must pass to be answered for.
