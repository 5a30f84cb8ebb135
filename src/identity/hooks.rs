//! Commands that run when something happens to a claim.
