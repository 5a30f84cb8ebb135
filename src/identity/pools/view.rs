//! Pools as those see them who look on.

use super::{PoolStatus, Pools};
use crate::identity::members::Members;
use crate::store::{Slot, Space};

/// A pool of the present configuration at one moment.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// How it is doing.
    pub status: PoolStatus,
    /// Its names.
    pub space: Space,
    /// Whether this process wants one of them.
    pub claims: bool,
    /// The slot that this process holds.
    pub slot: Option<Slot>,
    /// Who holds which slot.
    pub members: Members,
}

impl Pools {
    /// The pools of the present configuration, in the order in which they came.
    #[must_use]
    pub fn views(&self) -> Vec<PoolView> {
        let running = self.lock().running.clone();
        let wanted = running.iter().filter(|running| running.wanted);
        let view = |running: &super::Running| PoolView {
            status: running.status(&self.notes),
            space: running.config.space.clone(),
            claims: running.config.claim,
            slot: running.handle.state.borrow().held.as_ref().map(|it| it.0),
            members: running.handle.members.borrow().clone(),
        };
        wanted.map(view).collect()
    }
}
