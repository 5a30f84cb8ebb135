//! Giving a slot back, and starting over.

use super::{Action, Claimant, Event, Kind, Phase, REQUEST_TIMEOUT};
use crate::clock::BootTime;
use crate::store::{Reply, Request, StoreErrorKind};

impl Claimant {
    pub(super) fn stop(&mut self, now: BootTime) {
        match &mut self.phase {
            Phase::Stopped => {}
            Phase::Closing { give_up, .. } => *give_up = Some(now + REQUEST_TIMEOUT),
            Phase::Holding(holding) if !holding.lapsed => {
                let (slot, epoch) = (holding.held.slot, holding.held.epoch);
                self.actions.push(Action::Disown);
                self.close(now, true);
                self.tell(Event::Released { slot, epoch });
            }
            _ => self.close(now, true),
        }
    }

    /// Gives up the lease, and with it whatever may have been written under it.
    pub(super) fn close(&mut self, now: BootTime, stopping: bool) {
        self.pending = None;
        let Some(lease) = &mut self.lease else {
            return self.finish_closing(now, stopping);
        };
        lease.renewal = None;
        let give_up = stopping.then(|| now + REQUEST_TIMEOUT);
        self.phase = Phase::Closing {
            retry: now,
            give_up,
        };
        self.send_close(now);
    }

    pub(super) fn send_close(&mut self, now: BootTime) {
        if let Some(session) = self.lease.as_ref().map(|lease| lease.session) {
            self.send(now, Kind::Close, Request::Close { session });
        }
    }

    pub(super) fn closed(&mut self, now: BootTime, result: &Result<Reply, StoreErrorKind>) {
        let pause = self.pause();
        let Phase::Closing { retry, give_up } = &mut self.phase else {
            return;
        };
        match result {
            Err(StoreErrorKind::Unreachable) => *retry = now + pause,
            _ => {
                let stopping = give_up.is_some();
                self.finish_closing(now, stopping);
            }
        }
    }

    pub(super) fn finish_closing(&mut self, now: BootTime, stopping: bool) {
        self.lease = None;
        if stopping {
            self.phase = Phase::Stopped;
            self.tell(Event::Stopped);
        } else if self.failures == 0 {
            self.open(now);
        } else {
            self.rest(now);
        }
    }

    pub(super) fn rest(&mut self, now: BootTime) {
        self.phase = Phase::Resting {
            until: now + self.pause(),
        };
    }
}
