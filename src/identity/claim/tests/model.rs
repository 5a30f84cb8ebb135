//! A model of the store: the part of etcd that claims rest on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::simulation::{TTL, nanoseconds};
use crate::identity::record::{QUARANTINE, Record};
use crate::store::{
    Change, Entry, Guard, Listing, Occupancy, Reply, Request, Reservation, Session, Slot,
    StoreError, StoreErrorKind,
};

/// The part of etcd that claims rest on.
#[derive(Default)]
pub(super) struct Model {
    revision: u64,
    next_lease: i64,
    /// When each lease ends.
    leases: BTreeMap<i64, u64>,
    pub(super) slots: BTreeMap<Slot, Entry>,
    /// Instance → arrival and lease.
    wants: BTreeMap<String, (u64, i64)>,
    /// Slot → reservation and lease.
    reserved: BTreeMap<Slot, (Reservation, i64)>,
}

impl Model {
    pub(super) fn execute(
        &mut self,
        now: u64,
        request: Request,
        node: &str,
        blind: bool,
    ) -> (Result<Reply, StoreError>, Vec<Change>) {
        let gone = Err(StoreError {
            kind: StoreErrorKind::SessionGone,
            message: "requested lease not found".to_owned(),
        });
        let mut changes = Vec::new();
        let reply = match request {
            Request::Open { ttl } => {
                self.next_lease += 1;
                self.leases.insert(self.next_lease, now + nanoseconds(ttl));
                Ok(Reply::Opened {
                    session: Session(self.next_lease),
                    ttl,
                })
            }
            Request::KeepAlive { session } => Ok(self.keep_alive(now, session)),
            Request::Enqueue { session, .. } | Request::Claim { session, .. }
                if !self.leases.contains_key(&session.0) =>
            {
                gone
            }
            Request::Enqueue { session, instance } => {
                self.revision += 1;
                self.wants.insert(instance, (self.revision, session.0));
                Ok(self.queued(self.revision))
            }
            Request::Requeue { arrival, .. } => Ok(self.queued(arrival)),
            Request::Claim {
                session,
                slot,
                record,
                guard,
            } => {
                let holder = self.slots.get(&slot);
                let reservation = self.reserved.get(&slot).map(|(reservation, _)| reservation);
                let fits = match guard {
                    Guard::Free => blind || (holder.is_none() && reservation.is_none()),
                    Guard::Reserved { revision } => {
                        holder.is_none() && reservation.is_some_and(|it| it.revision == revision)
                    }
                    Guard::Takeover { epoch, session } => holder.is_some_and(|entry| {
                        entry.epoch == epoch && entry.session == Some(session)
                    }),
                };
                let member = record.member.clone().unwrap_or_default();
                assert_eq!(member.node, node, "a record names its writer");
                if fits {
                    self.revision += 1;
                    self.wants.remove(&member.inst);
                    let entry = Entry {
                        slot,
                        epoch: self.revision,
                        session: Some(session),
                        record,
                    };
                    self.slots.insert(slot, entry.clone());
                    changes.push(Change::Held(entry));
                    Ok(Reply::Claimed {
                        epoch: self.revision,
                    })
                } else {
                    let arrival = member.arrival;
                    let ahead = self.ahead(if arrival == 0 { u64::MAX } else { arrival });
                    Ok(Reply::Taken {
                        ahead,
                        occupancy: self.occupancy(),
                    })
                }
            }
            Request::Verify {
                session,
                slot,
                epoch,
            } => {
                let stands = self.stands(slot, epoch, session);
                Ok(if stands {
                    Reply::Stands
                } else {
                    self.moved(slot, session)
                })
            }
            Request::Update {
                session,
                slot,
                epoch,
                record,
            } => {
                if self.stands(slot, epoch, session) {
                    self.revision += 1;
                    let entry = Entry {
                        slot,
                        epoch: self.revision,
                        session: Some(session),
                        record,
                    };
                    self.slots.insert(slot, entry.clone());
                    changes.push(Change::Held(entry));
                    Ok(Reply::Claimed {
                        epoch: self.revision,
                    })
                } else {
                    Ok(self.moved(slot, session))
                }
            }
            Request::Reserve {
                slot,
                epoch,
                node,
                ttl,
                reservation,
            } => {
                let session = match reservation {
                    Some(session) => session,
                    None => {
                        self.next_lease += 1;
                        Session(self.next_lease)
                    }
                };
                self.leases.insert(session.0, now + nanoseconds(ttl));
                if self
                    .slots
                    .get(&slot)
                    .is_some_and(|entry| entry.epoch == epoch)
                {
                    self.revision += 1;
                    let written = Reservation {
                        slot,
                        node,
                        revision: self.revision,
                    };
                    self.reserved.insert(slot, (written, session.0));
                    Ok(Reply::Reserved {
                        reservation: session,
                    })
                } else {
                    Ok(Reply::Gone)
                }
            }
            Request::Close { session } => {
                changes.extend(self.revoke(session.0));
                Ok(Reply::Closed)
            }
        };
        (reply, changes)
    }

    /// What `callsign evict` does to a claim that it has looked at before, if it still is that claim:
    /// see `src/store/etcd/evict.rs`. Where the eviction is `bare`, nothing keeps the slot.
    pub(super) fn evict(&mut self, now: u64, seen: &Entry, bare: bool) -> Vec<Change> {
        let stands = seen
            .session
            .is_some_and(|session| self.stands(seen.slot, seen.epoch, session));
        let Some(session) = seen.session.filter(|_| stands) else {
            return Vec::new();
        };
        let slot = seen.slot;
        if bare {
            return self.delete(slot);
        }
        self.next_lease += 1;
        let quarantine = Session(self.next_lease);
        let lasts = TTL + Duration::from_secs(1);
        self.leases.insert(quarantine.0, now + nanoseconds(lasts));
        self.revision += 1;
        let entry = Entry {
            slot,
            epoch: self.revision,
            session: Some(quarantine),
            record: Record::quarantine(slot, &format!("evicted {}", self.revision)),
        };
        let reservation = Reservation {
            slot,
            node: QUARANTINE.to_owned(),
            revision: self.revision,
        };
        self.reserved.insert(slot, (reservation, session.0));
        self.slots.insert(slot, entry.clone());
        vec![Change::Held(entry)]
    }

    fn keep_alive(&mut self, now: u64, session: Session) -> Reply {
        match self.leases.get_mut(&session.0) {
            Some(end) => {
                *end = (*end).max(now + nanoseconds(TTL));
                Reply::Renewed { ttl: TTL }
            }
            None => Reply::Gone,
        }
    }

    fn queued(&self, arrival: u64) -> Reply {
        Reply::Queued {
            arrival,
            ahead: self.ahead(arrival),
            occupancy: self.occupancy(),
        }
    }

    fn ahead(&self, arrival: u64) -> u32 {
        self.wants
            .values()
            .filter(|(other, _)| *other < arrival)
            .count() as u32
    }

    pub(super) fn occupancy(&self) -> Occupancy {
        Occupancy {
            revision: self.revision,
            held: self.slots.keys().copied().collect(),
            reserved: self
                .reserved
                .values()
                .map(|(reservation, _)| reservation.clone())
                .collect(),
        }
    }

    pub(super) fn listing(&self) -> Listing {
        Listing {
            revision: self.revision,
            entries: self.slots.values().cloned().collect(),
            reservations: self.occupancy().reserved,
        }
    }

    fn moved(&self, slot: Slot, session: Session) -> Reply {
        let own = self
            .slots
            .get(&slot)
            .filter(|entry| entry.session == Some(session));
        own.map_or(Reply::Gone, |entry| Reply::Moved { epoch: entry.epoch })
    }

    fn stands(&self, slot: Slot, epoch: u64, session: Session) -> bool {
        let holder = self.slots.get(&slot);
        holder.is_some_and(|entry| entry.epoch == epoch && entry.session == Some(session))
    }

    pub(super) fn expire(&mut self, now: u64) -> Vec<Change> {
        let over: Vec<i64> = self
            .leases
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(lease, _)| *lease)
            .collect();
        over.into_iter()
            .flat_map(|lease| self.revoke(lease))
            .collect()
    }

    fn revoke(&mut self, lease: i64) -> Vec<Change> {
        if self.leases.remove(&lease).is_none() {
            return Vec::new();
        }
        self.wants.retain(|_, (_, other)| *other != lease);
        self.reserved.retain(|_, (_, other)| *other != lease);
        let slots: Vec<Slot> = self
            .slots
            .values()
            .filter(|entry| entry.session == Some(Session(lease)))
            .map(|entry| entry.slot)
            .collect();
        slots
            .into_iter()
            .flat_map(|slot| self.delete(slot))
            .collect()
    }

    fn delete(&mut self, slot: Slot) -> Vec<Change> {
        self.slots.remove(&slot).map_or_else(Vec::new, |_| {
            self.revision += 1;
            vec![Change::Freed {
                slot,
                revision: self.revision,
            }]
        })
    }

    pub(super) fn extend(&mut self, now: u64) {
        for end in self.leases.values_mut() {
            *end = now + nanoseconds(TTL);
        }
    }
}
