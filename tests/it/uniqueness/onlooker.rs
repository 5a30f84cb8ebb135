//! Somebody who only looks at the store and writes down what stands there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use callsign::clock::BootTime;
use callsign::store::etcd::EtcdStore;
use callsign::store::{Change, Entry, Feed, Slot, Space, Store};
use history::{Event, What};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Follows a space of a store.
pub(super) struct Onlooker {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    holders: BTreeMap<Slot, String>,
}

impl Onlooker {
    pub(super) fn new(store: &EtcdStore, space: &Space) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (sender, mut feed) = mpsc::channel(256);
        let follower = store.follow(space, sender);
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let look = async {
                while let Some(feed) = feed.recv().await {
                    lock(&notes).take_in(feed);
                }
            };
            tokio::join!(follower, look);
        });
        Self { seen, task }
    }

    /// Everything so far.
    pub(super) fn events(&self) -> Vec<Event> {
        lock(&self.seen).events.clone()
    }

    /// Which claimant holds which slot now.
    pub(super) fn holders(&self) -> BTreeMap<Slot, String> {
        lock(&self.seen).holders.clone()
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn take_in(&mut self, feed: Feed) {
        match feed {
            Feed::Listing(listing) => {
                // Whoever is not where they were has left before anybody else arrives.
                let stands = |(slot, holder): &(&Slot, &String)| {
                    let entry = listing.entries.iter().find(|it| it.slot == **slot);
                    entry.is_some_and(|entry| claimant(entry) == **holder)
                };
                let gone = self.holders.iter().filter(|held| !stands(held));
                for slot in gone.map(|(slot, _)| *slot).collect::<Vec<_>>() {
                    self.freed(slot);
                }
                for entry in &listing.entries {
                    if self.holders.get(&entry.slot) != Some(&claimant(entry)) {
                        self.held(entry);
                    }
                }
            }
            Feed::Changes { changes, .. } => {
                for change in &changes {
                    match change {
                        Change::Held(entry) => self.held(entry),
                        Change::Freed { slot, .. } => self.freed(*slot),
                    }
                }
            }
            Feed::Current | Feed::Away { .. } => {}
        }
    }

    fn held(&mut self, entry: &Entry) {
        let claimant = claimant(entry);
        self.holders.insert(entry.slot, claimant.clone());
        let (slot, epoch) = (entry.slot, entry.epoch);
        self.note(claimant, What::Stands { slot, epoch });
    }

    fn freed(&mut self, slot: Slot) {
        self.holders.remove(&slot);
        self.note(String::new(), What::Free { slot });
    }

    fn note(&mut self, claimant: String, what: What) {
        let at = BootTime::now().nanoseconds();
        self.events.push(Event { at, claimant, what });
    }
}

/// Whose record it is: copies of a node share its key, so claimants publish their own names.
fn claimant(entry: &Entry) -> String {
    let member = entry.record.member.as_ref();
    let name = member.and_then(|member| member.meta.get("claimant"));
    name.cloned().unwrap_or_default()
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("nobody panics while looking")
}
