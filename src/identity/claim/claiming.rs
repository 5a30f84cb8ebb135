//! From the first listing to a slot.

use std::time::Duration;

use super::lease::Lease;
use super::{
    Action, Claimant, Event, Held, Kind, LOOK_AGAIN, LOOK_FOR_EVICTED, Phase, Place, Previous,
};
use crate::clock::BootTime;
use crate::store::{Guard, Listing, Reply, Request, Slot, StoreErrorKind};

impl Claimant {
    pub(super) fn listed(&mut self, now: BootTime, listing: &Listing, previous: Previous<'_>) {
        self.view.list(listing);
        match &self.phase {
            Phase::Listening => self.start(now, listing, previous),
            Phase::AwaitingOwn { slot, .. }
                if !listing.entries.iter().any(|entry| entry.slot == *slot) =>
            {
                self.open(now);
            }
            Phase::Settling { .. } | Phase::Holding(_) => {
                let Some((slot, epoch)) = self.held().map(|held| (held.slot, held.epoch)) else {
                    return;
                };
                match listing.entries.iter().find(|entry| entry.slot == slot) {
                    Some(entry) if entry.epoch >= epoch => self.saw_own_slot(entry),
                    // Either the listing is older than our claim, or the store has gone back in
                    // time: a restored backup.
                    _ => self.doubt(),
                }
            }
            _ => {}
        }
    }

    /// What stood there before this node: an own claim to take over or to wait for, or a stranger
    /// with the same node key.
    pub(super) fn start(&mut self, now: BootTime, listing: &Listing, previous: Previous<'_>) {
        let limit = self.settings.limit;
        match previous {
            Previous::Dead(entry) if entry.slot <= limit => self.leftover = Some(entry.clone()),
            Previous::Unsure(entry) if entry.slot <= limit && self.settings.has_leases => {
                // Most likely its lease ends soon and the slot is ours again. A new leader of the
                // store may have promised it its whole time once more.
                let until = now + self.settings.ttl * 2 + self.settings.ttl / 10;
                self.phase = Phase::AwaitingOwn {
                    slot: entry.slot,
                    until,
                };
                return;
            }
            // Ours, but beyond a limit that is smaller now: it ends by itself.
            Previous::Dead(_) | Previous::Unsure(_) | Previous::Own => {}
            Previous::Nothing => {
                let key = Some(self.settings.node.as_str());
                let twin = listing
                    .entries
                    .iter()
                    .find(|entry| entry.record.node() == key);
                if let Some(twin) = twin.filter(|_| self.sticks) {
                    self.share_key(twin.slot);
                }
            }
        }
        self.open(now);
    }

    /// Another living node has our key, so no slot can wait for it.
    pub(super) fn share_key(&mut self, slot: Slot) {
        self.sticks = false;
        self.tell(Event::KeyInUse { slot });
    }

    pub(super) fn open(&mut self, now: BootTime) {
        self.phase = Phase::Opening;
        self.send(
            now,
            Kind::Open,
            Request::Open {
                ttl: self.settings.ttl,
            },
        );
    }

    pub(super) fn opened(
        &mut self,
        now: BootTime,
        sent: BootTime,
        result: &Result<Reply, StoreErrorKind>,
    ) {
        let &Ok(Reply::Opened { session, ttl }) = result else {
            return self.rest(now);
        };
        let ttl = self.settings.has_leases.then_some(ttl);
        self.lease = Some(Lease::new(session, ttl, sent));
        let place = Place {
            instance: self.instance(),
            ..Place::default()
        };
        // Kept until the store has said what became of it: a lost answer decides nothing.
        if let Some(old) = &self.leftover
            && let Some(session) = old.session
        {
            let guard = Guard::Takeover {
                epoch: old.epoch,
                session,
            };
            let slot = old.slot;
            return self.claim(now, place, slot, guard);
        }
        let own = self.sticks.then(|| {
            self.view
                .reservation_of(&self.settings.node, self.settings.limit)
        });
        if let Some(own) = own.flatten() {
            let (slot, revision) = (own.slot, own.revision);
            return self.claim(now, place, slot, Guard::Reserved { revision });
        }
        let instance = place.instance.clone();
        self.phase = Phase::Queueing { place };
        self.send(now, Kind::Queue, Request::Enqueue { session, instance });
    }

    pub(super) fn queued(&mut self, now: BootTime, result: Result<Reply, StoreErrorKind>) {
        let (Phase::Queueing { place } | Phase::Waiting { place, .. }) = &mut self.phase else {
            return;
        };
        match result {
            Ok(Reply::Queued {
                arrival,
                ahead,
                occupancy,
            }) => {
                let mut place = std::mem::take(place);
                let is_new = place.arrival != arrival;
                place.arrival = arrival;
                place.ahead = ahead;
                match is_new {
                    true => self.view.join(&occupancy),
                    false => self.view.learn(&occupancy),
                }
                self.choose(now, place);
            }
            _ => self.close(now, false),
        }
    }

    /// Claims the slot whose turn it is, or waits for one.
    pub(super) fn choose(&mut self, now: BootTime, place: Place) {
        let node = self.sticks.then_some(self.settings.node.as_str());
        if let Some((slot, guard)) = self.view.choose(self.settings.limit, node, place.ahead) {
            return self.claim(now, place, slot, guard);
        }
        if !self.view.has_room(self.settings.limit) && !self.full_told {
            self.full_told = true;
            self.tell(Event::Full);
        }
        let pause = self.look_in(place.ahead);
        let look_again = now + pause + self.jitter(pause);
        self.phase = Phase::Waiting { place, look_again };
    }

    /// How long to leave the slots alone before looking again.
    fn look_in(&self, ahead: u32) -> Duration {
        match self.view.kept(self.settings.limit) > ahead as usize {
            true => LOOK_FOR_EVICTED,
            false => LOOK_AGAIN,
        }
    }

    pub(super) fn claim(&mut self, now: BootTime, place: Place, slot: Slot, guard: Guard) {
        let Some(session) = self.lease.as_ref().map(|lease| lease.session) else {
            return;
        };
        let attempt = Held {
            slot,
            epoch: 0,
            instance: place.instance.clone(),
            arrival: place.arrival,
            published: self.description.clone(),
        };
        let takeover = match guard {
            Guard::Takeover { session, .. } => Some(session),
            Guard::Free | Guard::Reserved { .. } => None,
        };
        let record = self.record(&attempt);
        self.actions.push(Action::Remember {
            slot,
            instance: attempt.instance.clone(),
        });
        self.phase = Phase::Claiming {
            place,
            attempt,
            takeover,
        };
        self.send(
            now,
            Kind::Claim,
            Request::Claim {
                session,
                slot,
                record,
                guard,
            },
        );
    }

    pub(super) fn claim_answered(&mut self, now: BootTime, result: Result<Reply, StoreErrorKind>) {
        let Phase::Claiming {
            place,
            attempt,
            takeover,
        } = &mut self.phase
        else {
            return;
        };
        let (mut place, mut held, takeover) =
            (std::mem::take(place), attempt.clone(), takeover.take());
        match result {
            Ok(Reply::Claimed { epoch }) => {
                held.epoch = epoch;
                // Where somebody was, no old node can have seen an empty slot.
                if self.settings.settle.is_zero() || takeover.is_some() {
                    self.hold(now, held, takeover);
                } else {
                    self.phase = Phase::Settling {
                        held,
                        until: now + self.settings.settle,
                    };
                }
            }
            Ok(Reply::Taken { ahead, occupancy }) => {
                self.leftover = None;
                self.view.learn(&occupancy);
                if place.arrival == 0 && self.settings.has_leases {
                    // The direct way to an own slot failed: queue like everybody.
                    let Some(session) = self.lease.as_ref().map(|lease| lease.session) else {
                        return;
                    };
                    let instance = place.instance.clone();
                    self.phase = Phase::Queueing { place };
                    self.send(now, Kind::Queue, Request::Enqueue { session, instance });
                } else {
                    place.ahead = ahead;
                    self.choose(now, place);
                }
            }
            // Whether the slot is ours now is unknown: the lease goes first.
            _ => self.close(now, false),
        }
    }

    pub(super) fn proceed_waiting(&mut self, now: BootTime) {
        let Phase::Waiting { place, look_again } = &mut self.phase else {
            return;
        };
        let node = self.sticks.then_some(self.settings.node.as_str());
        let choice = self.view.choose(self.settings.limit, node, place.ahead);
        if let Some((slot, guard)) = choice {
            let place = std::mem::take(place);
            return self.claim(now, place, slot, guard);
        }
        if now < *look_again {
            return;
        }
        *look_again = now + LOOK_AGAIN * 2;
        // There is room, but others are ahead of us and do not take it: perhaps they are gone.
        if self.view.has_room(self.settings.limit)
            && let Some(session) = self.lease.as_ref().map(|lease| lease.session)
        {
            let (instance, arrival) = (place.instance.clone(), place.arrival);
            self.send(
                now,
                Kind::Queue,
                Request::Requeue {
                    session,
                    instance,
                    arrival,
                },
            );
        }
    }
}
