//! Questions that are under way to others: each is asked once, however many wait for the answer.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Mutex};

use answer::Message;
use tokio::sync::watch;

use super::entry::{Entry, Kind};
use super::key::Key;
use crate::mutex::locked;
use crate::plugins::Origin;

/// A question, and whether its answer may be short because it comes in a datagram.
pub(super) type FlightKey = (Key, bool);

/// What came of a question.
pub(super) struct Landed {
    pub(super) reply: Reply,
    /// What the reply says.
    pub(super) kind: Option<Kind>,
    pub(super) origin: Origin,
    /// Whether clients are to be told nothing at all.
    pub(super) withheld: bool,
    /// Why the reply is not what it should be, for one line of the log.
    pub(super) failure: Mutex<Option<Box<str>>>,
}

/// A reply that is kept, or one that is for those who wait for it.
pub(super) enum Reply {
    Kept(Arc<Entry>),
    Once(Message),
}

impl Reply {
    pub(super) fn message(&self) -> &Message {
        match self {
            Self::Kept(entry) => &entry.message,
            Self::Once(message) => message,
        }
    }
}

/// Where those who wait learn what came of their question.
#[derive(Clone)]
pub(super) struct Arrival(watch::Receiver<Option<Arc<Landed>>>);

impl Arrival {
    /// What came of the question; [`None`] where whoever asked broke off.
    pub(super) async fn wait(mut self) -> Option<Arc<Landed>> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|landed| landed.clone())
    }
}

/// The questions that are under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<FlightKey, Arrival>>);

/// What to do about a question.
pub(super) enum Boarding {
    /// Ask it.
    Ask(Ticket, Arrival),
    /// Somebody has asked it: wait for what comes of that.
    Wait(Arrival),
    /// Too many are under way.
    Full,
}

impl Flights {
    /// Joins whoever asks the same, or is the one to ask if no more than `most` others are asked.
    pub(super) fn join(self: &Arc<Self>, key: FlightKey, most: usize) -> Boarding {
        let mut flights = locked(&self.0);
        let full = flights.len() >= most;
        match flights.entry(key) {
            hash_map::Entry::Occupied(flight) => Boarding::Wait(flight.get().clone()),
            hash_map::Entry::Vacant(_) if full => Boarding::Full,
            hash_map::Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(None);
                let ticket = Ticket {
                    flights: self.clone(),
                    key: place.key().clone(),
                    sender,
                };
                let arrival = Arrival(receiver);
                place.insert(arrival.clone());
                Boarding::Ask(ticket, arrival)
            }
        }
    }
}

/// Held by whoever asks a question.
pub(super) struct Ticket {
    flights: Arc<Flights>,
    key: FlightKey,
    sender: watch::Sender<Option<Arc<Landed>>>,
}

impl Ticket {
    /// Tells those who wait. Whoever asks from here on asks anew, or finds what is kept.
    pub(super) fn land(self, landed: Landed) {
        self.remove();
        self.sender.send_replace(Some(Arc::new(landed)));
    }

    fn remove(&self) {
        let mut flights = locked(&self.flights.0);
        // Not that of somebody who has asked anew.
        if let hash_map::Entry::Occupied(flight) = flights.entry(self.key.clone())
            && flight.get().0.same_channel(&self.sender.subscribe())
        {
            flight.remove();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.remove();
    }
}
