//! How the pools of a process are doing.

use super::Running;
use crate::identity::members::Members;
use crate::identity::pool::PoolState;
use crate::store::{Epoch, Store};

/// How a pool is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The pool's name.
    pub pool: String,
    /// Its pattern.
    pub pattern: String,
    /// The store that it lives in.
    pub store: String,
    /// The name that this process holds.
    pub name: Option<String>,
    /// Whether the name is among those that this process answers with: a moment after the claim.
    pub answered: bool,
    /// The fencing token of the claim.
    pub epoch: Option<Epoch>,
    /// Whether all slots are taken by others.
    pub full: bool,
    /// What keeps the pool from being well, in one line.
    pub problem: Option<String>,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

impl Running {
    /// With what the user should know about all pools.
    pub(super) fn status(&self, notes: &[String]) -> PoolStatus {
        let state = self.handle.state.borrow();
        let mut notes: Vec<String> = notes.iter().chain(&self.notes).cloned().collect();
        if state.only_loopback {
            notes.push(
                "only loopback addresses are published: other machines cannot use them".to_owned(),
            );
        }
        if self.config.space.pattern.ends_with_mdns_local() {
            // The same for all such pools, so that it is said once.
            notes.push(
                "most desktops ask for names under .local by mDNS, so their queries do not reach a \
                 DNS server"
                    .to_owned(),
            );
        }
        PoolStatus {
            pool: self.config.pool.clone(),
            pattern: self.key.names.clone(),
            store: self.store.describe(),
            name: state.held.as_ref().map(|(_, name)| name.clone()),
            answered: answers(&state, &self.handle.members.borrow()),
            epoch: state.epoch,
            full: state.full,
            problem: state.problem.clone(),
            notes,
        }
    }
}

/// Whether the claim that is held is among the members.
pub(super) fn answers(state: &PoolState, members: &Members) -> bool {
    let own = state.held.as_ref().and_then(|(slot, _)| members.get(*slot));
    own.is_some_and(|own| Some(own.epoch) >= state.epoch)
}
