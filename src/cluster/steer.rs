//! Giving back what this node has left behind, and taking slots from others.

use tokio::time::timeout;

use super::{ANSWER, Cluster};
use crate::identity::node::{NodeIdentity, Seats};
use crate::identity::pool;
use crate::store::{Entry, Eviction, Feed, HeldBy, Listing, Reply, Request, Slot, StoreError};

/// What was given back, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// The names that nobody holds or waits for any more.
    pub(crate) names: Vec<String>,
    /// The names that are held by processes that live, with what is known of each.
    pub(crate) held: Vec<String>,
}

impl Cluster {
    /// Everything that stands in the store, once.
    async fn listing(&self) -> Result<Listing, String> {
        let (tell, mut feed) = tokio::sync::mpsc::channel(16);
        let follower = self.store.follow(&self.space, tell);
        let mut trouble = self.silent();
        let listing = async {
            tokio::pin!(follower);
            loop {
                tokio::select! {
                    () = &mut follower => return None,
                    news = feed.recv() => match news? {
                        Feed::Listing(listing) => return Some(listing),
                        Feed::Away { reason } => trouble = reason,
                        Feed::Changes { .. } | Feed::Current => {}
                    }
                }
            }
        };
        let listing = timeout(ANSWER, listing).await;
        listing.ok().flatten().ok_or(trouble)
    }

    /// Gives back the claims of this node's processes that are dead, and the slots that wait for
    /// them. What a process that lives has is left alone.
    ///
    /// A claim is taken for one of a dead process by the same proof as where one is taken over: the
    /// kernel has given us the lock of its seat.
    pub(crate) async fn release(
        &self,
        seats: &Seats,
        key: Option<&str>,
    ) -> Result<Released, String> {
        let memory = pool::memory(&*self.store, &self.space);
        let listing = self.listing().await?;
        let mut released = Released::default();
        let name = |slot: Slot| self.space.pattern.text(slot);
        let mut living = Vec::new();
        for entry in &listing.entries {
            let dead = |seat: &NodeIdentity| seat.may_take_over(&memory, &entry.record);
            if seats.free.iter().any(dead) {
                if let Some(session) = entry.session {
                    let close = self.store.execute(&self.space, Request::Close { session });
                    let Reply::Closed = self.in_time(close).await? else {
                        continue;
                    };
                    released.names.push(name(entry.slot));
                }
                continue;
            }
            let Some(node) = entry.record.node() else {
                continue;
            };
            let is_ours = |seat: &NodeIdentity| seat.key == node;
            let process = seats.taken.iter().find(|(taken, _)| taken == node);
            if process.is_none() && !seats.free.iter().any(is_ours) && key != Some(node) {
                continue;
            }
            living.push(node);
            let name = name(entry.slot);
            released.held.push(match process {
                Some((_, Some(id))) => {
                    format!(
                        "{name} is held by process {id}, which gives it back at its end: kill {id}"
                    )
                }
                // Before the machine was started, or in a copy of the state folder.
                _ => {
                    format!("{name} is held under this node's key, perhaps by a process that lives")
                }
            });
        }
        for reservation in &listing.reservations {
            let node = reservation.node.as_str();
            let is_ours = seats.free.iter().any(|seat| seat.key == node) || key == Some(node);
            let is_taken = seats.taken.iter().any(|(taken, _)| taken == node);
            if is_ours && !is_taken && !living.contains(&node) {
                let done = self.store.unreserve(&self.space, reservation);
                self.in_time(done).await?;
                released.names.push(name(reservation.slot));
            }
        }
        released.names.sort_unstable();
        released.names.dedup();
        Ok(released)
    }

    /// Takes a slot from its holder. Gives one line that says what was done.
    ///
    /// # Errors
    ///
    /// One line: nothing was done.
    pub(crate) async fn evict(&self, slot: Slot) -> Result<String, String> {
        let name = self.space.pattern.text(slot);
        let listing = self.listing().await?;
        let is_wanted = |entry: &&Entry| entry.slot == slot;
        let Some(entry) = listing.entries.iter().find(is_wanted) else {
            return Err(format!("nobody holds {name}"));
        };
        if entry.record.is_quarantine() {
            return Err(format!("{name} was taken from its holder already"));
        }
        if !self.store.has_leases() {
            let held_by = self.in_time(self.store.held_by(&self.space, entry)).await?;
            return Err(match held_by {
                HeldBy::Process { id, lives: true } => format!(
                    "{name} is held by process {id}; a claim in a folder ends only with its process: kill {id}"
                ),
                _ => format!("{name} is held by a program that its process has started"),
            });
        }
        match self.in_time(self.store.evict(&self.space, entry)).await? {
            Eviction::Done { lasts } => Ok(format!(
                "{name} is taken from its holder (epoch {}); nobody can have it for {} s",
                entry.epoch,
                lasts.as_secs()
            )),
            Eviction::Changed => Err(format!("{name} has changed meanwhile: look again")),
        }
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, String> {
        match timeout(ANSWER, answer).await {
            Ok(answer) => answer.map_err(|error| error.message),
            Err(_) => Err(self.silent()),
        }
    }
}
