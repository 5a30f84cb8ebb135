//! The life of a claim: a state machine that does no IO and reads no clock.
//!
//! A [`Claimant`] is told what happened ([`Input`]) and when, and says what is to be done
//! ([`Action`]). Whoever drives it carries out the actions; so every race is a test.
//!
//! ```text
//! Listening → Opening → Queueing ⇄ Waiting → Claiming → Settling → Holding
//!     what is     a lease   a place    nothing     one txn    only where     renewed, verified,
//!     there                            is free                idetcd may     updated
//!                                                             overwrite
//!        any failure → Closing (the lease is revoked first) → Resting → Opening
//! ```
//!
//! Rules that the rest stands on:
//!
//! * The store decides who owns a slot: a claim is one transaction on the slot's absence.
//! * The holder is owner until its lease's deadline ([`lease`]) on its own clock, at most.
//! * A request whose answer is missing may have been carried out or may still be. Before anything
//!   else is tried its session is closed, which makes it void.

mod claiming;
mod closing;
mod holding;
mod interface;
mod lease;
mod phase;
mod view;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

pub use self::interface::{Action, Description, Event, Input, Previous, RequestId, Settings};
use self::lease::Lease;
use self::phase::{Held, Holding, Kind, Pending, Phase, Place};
use self::view::View;
use super::record::{Member, Record, VERSION};
use crate::clock::BootTime;
use crate::store::{Change, Entry, Reply, Request, StoreError};

/// The shortest and the longest pause after a failure.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How long a request other than a renewal may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Every how many renewals the store itself is asked whether the claim stands.
const RENEWALS_PER_VERIFICATION: u32 = 3;

/// How long one who queues leaves a slot that is not its turn alone before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// The same for one whose turn it is as soon as the lease of an evicted holder ends. No change tells of
/// that, and nobody knows when it will be: the lease may be renewed.
const LOOK_FOR_EVICTED: Duration = Duration::from_millis(500);

/// Wants a slot, gets one, keeps it.
pub struct Claimant {
    settings: Settings,
    description: Description,
    random: Box<dyn FnMut() -> u64 + Send>,
    view: View,
    phase: Phase,
    lease: Option<Lease>,
    /// The request of the present phase that is under way, when it was sent and what it was.
    pending: Option<Pending>,
    next_id: RequestId,
    failures: u32,
    /// What failed last, and how.
    problem: Option<(Kind, String)>,
    full_told: bool,
    /// `false` once the node key was seen in use elsewhere.
    sticks: bool,
    /// The claim of an earlier process, to be taken over.
    leftover: Option<Entry>,
    actions: Vec<Action>,
}

impl Claimant {
    /// A claimant that waits for the first listing. `random` gives 64 random bits at each call.
    pub fn new(
        settings: Settings,
        description: Description,
        random: Box<dyn FnMut() -> u64 + Send>,
    ) -> Self {
        Self {
            sticks: settings.sticky.is_some(),
            settings,
            description,
            random,
            view: View::default(),
            phase: Phase::Listening,
            lease: None,
            pending: None,
            next_id: 0,
            failures: 0,
            problem: None,
            full_told: false,
            leftover: None,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened at `now` and says what is to be done, in this order.
    pub fn step(&mut self, now: BootTime, input: Input<'_>) -> Vec<Action> {
        // What is over by the clock is over before anything else is looked at.
        self.expire(now);
        match input {
            Input::Listing { listing, previous } => self.listed(now, listing, previous),
            Input::Change(change) => self.changed(now, change),
            Input::Answer { id, result } => self.answered(now, id, result),
            Input::Describe(description) => self.description = description,
            Input::Configure(settings) => self.configure(settings),
            Input::Stop => self.stop(now),
            Input::Wake => {}
        }
        self.proceed(now);
        std::mem::take(&mut self.actions)
    }

    /// Whether it is on its way to a slot: until that is decided, what it needs to know is in the
    /// answers to its own requests.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        matches!(
            self.phase,
            Phase::Listening | Phase::Opening | Phase::Queueing { .. } | Phase::Claiming { .. }
        )
    }

    /// When [`Input::Wake`] is due if nothing else happens before.
    #[must_use]
    pub fn wake_at(&self) -> Option<BootTime> {
        let idle = self.pending.is_none();
        let phase = match &self.phase {
            Phase::AwaitingOwn { until, .. } | Phase::Resting { until } => Some(*until),
            Phase::Waiting { look_again, .. } if idle => Some(*look_again),
            Phase::Settling { until, .. } if idle => Some(*until),
            Phase::Closing { retry, give_up } => {
                earliest([Some(*retry).filter(|_| idle), *give_up])
            }
            Phase::Holding(holding) => {
                let late = self.lease.as_ref().filter(|_| !holding.degraded);
                let due = self.request_due(holding).filter(|_| idle);
                earliest([due, late.map(Lease::late_at)])
            }
            _ => None,
        };
        let lease = self.lease.as_ref().filter(|_| self.keeps_lease());
        earliest([phase, lease.and_then(Lease::renew_at), self.deadline()])
            .filter(|at| *at < BootTime::from_nanoseconds(u64::MAX))
    }

    /// When the next request of a slot that is held is due, renewals aside.
    fn request_due(&self, holding: &Holding) -> Option<BootTime> {
        let update = !holding.lapsed && holding.held.published != self.description;
        let due = match holding.verify || update {
            true => Some(holding.not_before),
            false => holding.reserve_at.filter(|_| !holding.lapsed),
        };
        due.map(|at| at.max(holding.not_before))
    }

    // ---- What happened ----

    fn changed(&mut self, now: BootTime, change: &Change) {
        let new = self.view.change(change);
        let own = self.held().map(|held| (held.slot, held.epoch));
        match (&mut self.phase, change) {
            (Phase::AwaitingOwn { slot, .. }, Change::Freed { slot: freed, .. })
                if slot == freed =>
            {
                self.open(now);
            }
            (Phase::Waiting { place, .. } | Phase::Queueing { place }, Change::Held(entry)) => {
                // Somebody who was ahead of us in the queue has been served.
                let arrival = entry
                    .record
                    .member
                    .as_ref()
                    .map_or(0, |member| member.arrival);
                if new && arrival != 0 && arrival < place.arrival {
                    place.ahead = place.ahead.saturating_sub(1);
                }
            }
            (_, Change::Held(entry)) if own.is_some_and(|(slot, _)| slot == entry.slot) => {
                self.saw_own_slot(entry);
            }
            (_, Change::Freed { slot, revision })
                if own.is_some_and(|(own, epoch)| own == *slot && epoch < *revision) =>
            {
                self.doubt();
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: BootTime, id: RequestId, result: Result<Reply, StoreError>) {
        if let Some(lease) = &mut self.lease
            && let Some((_, sent)) = lease.renewal.filter(|(renewal, _)| *renewal == id)
        {
            self.renewal_answered(now, sent, result);
            return;
        }
        // An answer to what was given up meanwhile says nothing.
        let Some(pending) = self.pending.take_if(|pending| pending.id == id) else {
            return;
        };
        let result = match result {
            Ok(reply) => {
                self.solved(pending.kind);
                Ok(reply)
            }
            Err(error) => {
                self.failed(pending.kind, &error);
                Err(error.kind)
            }
        };
        match pending.kind {
            Kind::Open => self.opened(now, pending.sent, &result),
            Kind::Queue => self.queued(now, result),
            Kind::Claim => self.claim_answered(now, result),
            Kind::Verify | Kind::Update | Kind::Reserve => {
                self.holding_answered(now, pending.kind, result);
            }
            Kind::Close => self.closed(now, &result),
            // Renewals run beside the phases and are answered above.
            Kind::Renew => {}
        }
    }

    fn renewal_answered(
        &mut self,
        now: BootTime,
        sent: BootTime,
        result: Result<Reply, StoreError>,
    ) {
        let Some(lease) = &mut self.lease else { return };
        match result {
            Ok(Reply::Renewed { ttl }) => {
                lease.renewed(sent, ttl);
                self.solved(Kind::Renew);
                if let Phase::Holding(holding) = &mut self.phase {
                    holding.renewals += 1;
                    holding.verify |= holding.lapsed
                        || holding.renewals.is_multiple_of(RENEWALS_PER_VERIFICATION);
                    if std::mem::take(&mut holding.degraded) {
                        self.actions.push(Action::Tell(Event::Restored));
                    }
                    self.own();
                }
            }
            Ok(_) => {
                lease.not_renewed(now);
                self.lose(now, "its lease was ended in the store");
            }
            Err(error) => {
                lease.not_renewed(now);
                self.failed(Kind::Renew, &error);
            }
        }
    }

    // ---- What time does ----

    /// Ends what the clock has ended.
    fn expire(&mut self, now: BootTime) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Holding(_) => self.lapse(),
            _ => self.close(now, false),
        }
    }

    /// When the lease stops to give what it gives now.
    fn deadline(&self) -> Option<BootTime> {
        let lapsed = matches!(&self.phase, Phase::Holding(holding) if holding.lapsed);
        let lease = self
            .lease
            .as_ref()
            .filter(|_| self.keeps_lease() && !lapsed);
        lease.map(Lease::deadline)
    }

    /// Does whatever is due and not under way.
    fn proceed(&mut self, now: BootTime) {
        self.renew(now);
        match &mut self.phase {
            Phase::AwaitingOwn { slot, until } if now >= *until => {
                let slot = *slot;
                // Its holder renewed it all the time: it lives.
                self.share_key(slot);
                self.open(now);
            }
            Phase::Resting { until } if now >= *until => self.open(now),
            Phase::Closing { retry, give_up } => {
                if give_up.is_some_and(|at| now >= at) {
                    self.finish_closing(now, true);
                } else if self.pending.is_none() && now >= *retry {
                    self.send_close(now);
                }
            }
            _ if self.pending.is_some() => {}
            Phase::Waiting { .. } => self.proceed_waiting(now),
            Phase::Settling { held, until } if now >= *until => {
                let (slot, epoch) = (held.slot, held.epoch);
                self.send_verify(now, slot, epoch);
            }
            Phase::Holding(_) => self.proceed_holding(now),
            _ => {}
        }
    }

    fn renew(&mut self, now: BootTime) {
        if !self.keeps_lease() {
            return;
        }
        let id = self.next_id;
        let Some(lease) = &mut self.lease else { return };
        if let Phase::Holding(holding) = &mut self.phase
            && !holding.degraded
            && lease.is_late(now)
        {
            holding.degraded = true;
            self.actions.push(Action::Tell(Event::Degraded));
        }
        if lease.renew_at().is_some_and(|at| now >= at) {
            lease.renewal = Some((id, now));
            let session = lease.session;
            let timeout = lease.renewal_timeout();
            self.push(Request::KeepAlive { session }, timeout);
        }
    }

    /// Sends a request of the present phase, which waits for the answer.
    fn send(&mut self, now: BootTime, kind: Kind, request: Request) {
        let id = self.push(request, REQUEST_TIMEOUT);
        let sent = now;
        self.pending = Some(Pending { id, sent, kind });
    }

    fn push(&mut self, request: Request, timeout: Duration) -> RequestId {
        let id = self.next_id;
        self.next_id += 1;
        self.actions.push(Action::Send {
            id,
            request,
            timeout,
        });
        id
    }

    // ---- Small parts ----

    /// Whether the lease is worth renewing, and whether its end means something.
    fn keeps_lease(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Stopped)
    }

    fn held(&self) -> Option<&Held> {
        match &self.phase {
            Phase::Settling { held, .. } => Some(held),
            Phase::Holding(holding) => Some(&holding.held),
            _ => None,
        }
    }

    fn held_mut(&mut self) -> Option<&mut Held> {
        match &mut self.phase {
            Phase::Settling { held, .. } => Some(held),
            Phase::Holding(holding) => Some(&mut holding.held),
            _ => None,
        }
    }

    fn record(&self, held: &Held) -> Record {
        let Description {
            addresses,
            dns_port,
            ports,
            meta,
            down,
        } = &held.published;
        let first = |wanted: fn(&&IpAddr) -> bool| {
            addresses
                .iter()
                .find(wanted)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        Record {
            ipv4: first(|address| address.is_ipv4()),
            ipv6: first(|address| address.is_ipv6()),
            port: dns_port.map(|port| port.to_string()).unwrap_or_default(),
            member: Some(Member {
                v: VERSION,
                slot: held.slot,
                node: self.settings.node.clone(),
                inst: held.instance.clone(),
                boot: self.settings.boot.clone(),
                arrival: held.arrival,
                since: 0,
                addrs: addresses.clone(),
                ports: ports.clone(),
                meta: meta.clone(),
                down: *down,
            }),
        }
    }

    fn instance(&mut self) -> String {
        format!("{:016x}{:016x}", (self.random)(), (self.random)())
    }

    fn failed(&mut self, kind: Kind, error: &StoreError) {
        self.failures = self.failures.saturating_add(1);
        let told = self.problem.as_ref();
        if told.is_none_or(|(_, message)| *message != error.message) {
            self.tell(Event::Problem(error.message.clone()));
        }
        self.problem = Some((kind, error.message.clone()));
    }

    /// A request was carried out. That solves a problem only if it was with requests of this kind:
    /// who may open a lease but not claim with it must not try again at once for ever.
    fn solved(&mut self, kind: Kind) {
        if self
            .problem
            .take_if(|(failed, _)| *failed == kind)
            .is_some()
        {
            self.failures = 0;
            self.tell(Event::Solved);
        }
    }

    /// How long to wait after the failures so far: doubled by each, with jitter.
    fn pause(&mut self) -> Duration {
        let (shortest, longest) = REST;
        let pause = shortest
            .saturating_mul(1 << self.failures.min(10))
            .min(longest);
        pause / 2 + self.jitter(pause / 2)
    }

    /// A random part of `duration`.
    fn jitter(&mut self, duration: Duration) -> Duration {
        let parts = u32::try_from((self.random)() % 1000).unwrap_or_default();
        duration / 1000 * parts
    }

    fn tell(&mut self, event: Event) {
        self.actions.push(Action::Tell(event));
    }
}

fn earliest<const N: usize>(moments: [Option<BootTime>; N]) -> Option<BootTime> {
    moments.into_iter().flatten().min()
}
