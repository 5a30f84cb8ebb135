//! The names of a pool.

use crate::store::Slot;

/// A pattern such as `worker{{.ID}}.tf.local.`, checked and ready to turn numbers into names and
/// names into numbers.
#[derive(Debug)]
pub struct Pattern {}

impl Pattern {
    /// The pattern as keys of a store spell it: `worker%d.tf.local.`.
    #[must_use]
    pub fn canonical(&self) -> &str {
        ""
    }
}
