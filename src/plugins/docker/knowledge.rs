//! How far names can be trusted that several engines keep, of which some may be away.
//!
//! Who has been heard of is answered for, whatever the others do. That a name does not exist is
//! said only when all of them are there. An answer is marked as stale where a container of an
//! engine that is away may stand in it.

use std::collections::HashSet;
use std::time::Duration;

use answer::LookupName;

use super::super::trust::Trust;
use super::super::{Exchange, Step};
use crate::clock::BootTime;
use crate::docker::EngineState;
use crate::docker::names::Names;
use crate::freshness::Freshness;

/// What is known of all engines at one moment.
#[derive(Debug)]
pub(super) struct Knowledge {
    /// The trust in whoever is trusted most.
    best: Trust,
    /// The trust in whoever is trusted least.
    worst: Trust,
    /// Whether the first attempt to reach one of them is still under way.
    begins: bool,
    /// Whether there should be an engine that was not heard of yet.
    awaits: bool,
    /// Names in wire form that containers of engines which are away have or would have.
    away: HashSet<Box<[u8]>>,
}

impl Knowledge {
    /// What is known of these engines, whose containers are in `names`. Without any nothing is.
    pub(super) fn of(engines: &[EngineState], names: &Names, stale: Duration) -> Self {
        let now = BootTime::now();
        let trusts: Vec<Trust> = engines.iter().map(|it| trust(it, now, stale)).collect();
        let is_away = |engine: usize| trusts.get(engine) == Some(&Trust::Stale);
        let begins = |(state, trust): (&EngineState, &Trust)| {
            *trust == Trust::Unknown && state.trouble.is_none()
        };
        Self {
            best: trusts.iter().copied().min().unwrap_or(Trust::Unknown),
            worst: trusts.iter().copied().max().unwrap_or(Trust::Unknown),
            begins: engines.iter().zip(&trusts).any(begins),
            awaits: engines
                .iter()
                .any(|it| it.expected && it.freshness == Freshness::Unknown),
            away: if trusts.contains(&Trust::Stale) {
                names.claimed_in(is_away)
            } else {
                HashSet::new()
            },
        }
    }

    /// Whether there is anybody to answer for, and nobody is about to be heard of for the first
    /// time. An engine that cannot be reached does not keep the others' names from being served.
    pub(super) fn is_ready(&self) -> bool {
        self.best != Trust::Unknown && !self.begins
    }

    /// Whether one of them was not heard of yet.
    pub(super) fn has_gaps(&self) -> bool {
        self.worst == Trust::Unknown
    }

    /// Whether one of them was not heard of yet that should be there.
    pub(super) fn awaits(&self) -> bool {
        self.awaits
    }

    /// The whole answer where nobody can be answered for.
    pub(super) fn nobody(&self, exchange: &mut Exchange<'_, '_>) -> Option<Step> {
        match self.best.may_be_told() {
            true => None,
            false => self.best.apply(exchange),
        }
    }

    /// The whole answer about a name that nobody has, where an engine that is not there may have
    /// it.
    pub(super) fn miss(&self, exchange: &mut Exchange<'_, '_>) -> Option<Step> {
        self.worst.miss(exchange)
    }

    /// Marks an answer in which a container of an engine that is away may stand.
    pub(super) fn mark(&self, exchange: &mut Exchange<'_, '_>) {
        if self.is_of_away(&exchange.name) {
            Trust::Stale.apply(exchange);
        }
    }

    /// Whether the name is one of those, or lies below one: a service, or what a wildcard covers.
    fn is_of_away(&self, name: &LookupName) -> bool {
        !self.away.is_empty()
            && (0..name.label_count()).any(|index| self.away.contains(name.suffix(index)))
    }
}

/// How far the names of one engine can be trusted.
pub(super) fn trust(engine: &EngineState, now: BootTime, stale: Duration) -> Trust {
    Trust::of(engine.freshness, now, stale)
}
