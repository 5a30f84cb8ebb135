//! Keeping a slot: verified, up to date, waited for; and losing it.

use super::{Action, Claimant, Event, Held, Holding, Kind, Phase, REQUEST_TIMEOUT, Settings};
use crate::clock::BootTime;
use crate::store::{Entry, Epoch, Reply, Request, Session, Slot, StoreErrorKind};

impl Claimant {
    /// Other settings: a lease that runs goes on with its old time until it has to be opened anew.
    pub(super) fn configure(&mut self, settings: Settings) {
        let sticky = settings.sticky;
        let changed = sticky != self.settings.sticky;
        self.sticks = sticky.is_some() && (self.sticks || self.settings.sticky.is_none());
        self.settings = settings;
        let sticks = self.sticks;
        if changed && let Phase::Holding(holding) = &mut self.phase {
            // A reservation with another time is another one.
            holding.reserve_at = sticks.then_some(BootTime::default());
            if let Some(reservation) = holding.reservation.take() {
                self.discard(reservation);
            }
        }
    }

    pub(super) fn hold(&mut self, now: BootTime, held: Held, old_session: Option<Session>) {
        self.leftover = None;
        self.full_told = false;
        self.solved(Kind::Claim);
        let (slot, epoch) = (held.slot, held.epoch);
        self.phase = Phase::Holding(Holding {
            held,
            degraded: false,
            lapsed: false,
            renewals: 0,
            verify: false,
            updating: None,
            not_before: now,
            reservation: None,
            reserve_at: self.sticks.then_some(now),
            old_session,
        });
        self.own();
        self.tell(Event::Claimed { slot, epoch });
    }

    /// Compares what stands in our slot with what we wrote there.
    pub(super) fn saw_own_slot(&mut self, entry: &Entry) {
        let session = self.lease.as_ref().map(|lease| lease.session);
        let has_leases = self.settings.has_leases;
        let Some(held) = self.held_mut() else { return };
        let ours = entry.record.instance() == Some(held.instance.as_str())
            && (entry.session == session || !has_leases);
        if ours && entry.epoch > held.epoch {
            // An update of ours whose answer was lost.
            held.epoch = entry.epoch;
            self.own();
        } else if !ours && entry.epoch >= held.epoch {
            // Under our very number it can only be in another history: an emptied store.
            self.doubt();
        }
    }

    /// Has the store asked whether the claim still stands.
    pub(super) fn doubt(&mut self) {
        match &mut self.phase {
            Phase::Holding(holding) => holding.verify = true,
            // It is verified in any case; no reason to wait for that.
            Phase::Settling { until, .. } => *until = BootTime::default(),
            _ => {}
        }
    }

    pub(super) fn holding_answered(
        &mut self,
        now: BootTime,
        kind: Kind,
        result: Result<Reply, StoreErrorKind>,
    ) {
        let pause = self.pause();
        let sticky = self.settings.sticky;
        if let Phase::Settling { held, until } = &mut self.phase {
            match result {
                Ok(Reply::Stands) => {
                    let held = held.clone();
                    self.hold(now, held, None);
                }
                Err(StoreErrorKind::Unreachable) => *until = now + pause,
                // It never was announced: no loss to tell of, just another try.
                _ => self.close(now, false),
            }
            return;
        }
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        match (kind, result) {
            (Kind::Verify, Ok(Reply::Stands)) => self.regain(now),
            (_, Ok(Reply::Moved { epoch })) => {
                holding.held.epoch = holding.held.epoch.max(epoch);
                self.own();
                if kind == Kind::Verify {
                    self.regain(now);
                }
            }
            (Kind::Update, Ok(Reply::Claimed { epoch })) => {
                holding.held.epoch = holding.held.epoch.max(epoch);
                if let Some(published) = holding.updating.take() {
                    holding.held.published = published;
                }
                self.own();
            }
            (Kind::Reserve, Ok(Reply::Reserved { reservation })) => {
                holding.reservation = Some(reservation);
                holding.reserve_at = sticky.map(|sticky| now + sticky / 3);
            }
            (Kind::Verify, Ok(_)) => {
                self.lose(now, "its record in the store was deleted or overwritten");
            }
            // Not ours to write to: the store has the last word on whether it is ours at all.
            (_, Ok(_)) => holding.verify = true,
            (kind, Err(_)) => {
                holding.not_before = now + pause;
                // An update without an answer may have moved the epoch.
                holding.verify |= matches!(kind, Kind::Verify | Kind::Update);
                if kind == Kind::Reserve {
                    holding.reserve_at = Some(now + pause);
                }
            }
        }
    }

    pub(super) fn proceed_holding(&mut self, now: BootTime) {
        let Some(session) = self.lease.as_ref().map(|lease| lease.session) else {
            return;
        };
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        if now < holding.not_before {
            return;
        }
        let (slot, epoch) = (holding.held.slot, holding.held.epoch);
        if std::mem::take(&mut holding.verify) {
            self.send_verify(now, slot, epoch);
        } else if holding.lapsed {
            // Nothing is written in the name of a slot that is not ours.
        } else if holding.held.published != self.description {
            holding.updating = Some(self.description.clone());
            let next = Held {
                published: self.description.clone(),
                ..holding.held.clone()
            };
            let record = self.record(&next);
            self.send(
                now,
                Kind::Update,
                Request::Update {
                    session,
                    slot,
                    epoch,
                    record,
                },
            );
        } else if holding.reserve_at.is_some_and(|at| now >= at) {
            let reservation = holding.reservation;
            let (node, Some(ttl)) = (self.settings.node.clone(), self.settings.sticky) else {
                return;
            };
            let request = Request::Reserve {
                slot,
                epoch,
                node,
                ttl,
                reservation,
            };
            self.send(now, Kind::Reserve, request);
        } else if let Some(session) = holding.old_session.take() {
            self.discard(session);
        }
    }

    /// Closes a session that nothing of ours needs any more. If this gets lost it ends by itself.
    fn discard(&mut self, session: Session) {
        self.push(Request::Close { session }, REQUEST_TIMEOUT);
    }

    pub(super) fn send_verify(&mut self, now: BootTime, slot: Slot, epoch: Epoch) {
        if let Some(session) = self.lease.as_ref().map(|lease| lease.session) {
            self.send(
                now,
                Kind::Verify,
                Request::Verify {
                    session,
                    slot,
                    epoch,
                },
            );
        }
    }

    /// Says what is ours and until when.
    pub(super) fn own(&mut self) {
        if let (Phase::Holding(holding), Some(lease)) = (&self.phase, &self.lease)
            && !holding.lapsed
        {
            let Held { slot, epoch, .. } = holding.held;
            self.actions.push(Action::Own {
                slot,
                epoch,
                until: lease.deadline(),
            });
        }
    }

    /// The deadline has passed: whoever was told that the slot is ours must hear that it is not.
    /// The claim goes on as a hope.
    pub(super) fn lapse(&mut self) {
        // An answer to what was asked before says nothing about what is true after it.
        self.pending = None;
        if let Phase::Holding(holding) = &mut self.phase {
            holding.lapsed = true;
            holding.verify = false;
            // Who slept past the deadline is not told that it comes closer.
            holding.degraded = true;
            let (slot, epoch) = (holding.held.slot, holding.held.epoch);
            self.actions.push(Action::Disown);
            let reason = "the store could not be reached before the lease was over";
            self.tell(Event::Lost {
                slot,
                epoch,
                reason,
            });
        }
    }

    /// The store has confirmed the record: if the lease was renewed meanwhile, the slot that was
    /// not ours for a while is ours again, and was nobody else's.
    fn regain(&mut self, now: BootTime) {
        let renewed = self
            .lease
            .as_ref()
            .is_some_and(|lease| now < lease.deadline());
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        if renewed && std::mem::take(&mut holding.lapsed) {
            let (slot, epoch) = (holding.held.slot, holding.held.epoch);
            self.own();
            self.tell(Event::Claimed { slot, epoch });
        }
    }

    /// The claim is over against our will.
    pub(super) fn lose(&mut self, now: BootTime, reason: &'static str) {
        if let Phase::Holding(holding) = &self.phase
            && !holding.lapsed
        {
            let (slot, epoch) = (holding.held.slot, holding.held.epoch);
            self.actions.push(Action::Disown);
            self.tell(Event::Lost {
                slot,
                epoch,
                reason,
            });
        }
        if !matches!(self.phase, Phase::Closing { .. } | Phase::Stopped) {
            self.close(now, false);
        }
    }
}
