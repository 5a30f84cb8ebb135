//! The etcd store against a real etcd.

mod cluster;
mod follow;
mod outage;
mod requests;
mod security;

use std::sync::Arc;
use std::time::Duration;

use callsign::identity::pattern::Pattern;
use callsign::identity::record::{Member, Record, VERSION};
use callsign::store::etcd::{EtcdOptions, EtcdStore, Layout};
use callsign::store::{
    Change, Entry, Feed, Guard, Listing, Occupancy, Reply, Request, Session, Slot, Space, Store,
    StoreError,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::support::etcd::{BOUND, Etcd};

/// The shortest lease of the etcd that tests start.
const SHORT: Duration = Duration::from_secs(1);

/// A lease that outlives any test.
const LONG: Duration = Duration::from_secs(300);

/// Somebody who asks one store about one space.
#[derive(Clone)]
struct Asker {
    store: EtcdStore,
    space: Space,
}

impl Asker {
    fn new(etcd: &Etcd) -> Self {
        Self::with(options(etcd.url()))
    }

    fn idetcd(etcd: &Etcd) -> Self {
        Self::with(EtcdOptions {
            layout: Layout::Idetcd,
            ..options(etcd.url())
        })
    }

    fn with(options: EtcdOptions) -> Self {
        let pattern = Pattern::parse("worker{{.ID}}.tf.local.", "worker").expect("a pattern");
        Self {
            store: EtcdStore::new(options).expect("good options"),
            space: Space {
                pattern: Arc::new(pattern),
                limit: 10_000,
            },
        }
    }

    async fn try_ask(&self, request: Request) -> Result<Reply, StoreError> {
        timeout(BOUND, self.store.execute(&self.space, request))
            .await
            .expect("the store never waits for ever")
    }

    async fn ask(&self, request: Request) -> Reply {
        self.try_ask(request).await.expect("etcd answers")
    }

    async fn open(&self, ttl: Duration) -> Session {
        match self.ask(Request::Open { ttl }).await {
            Reply::Opened { session, ttl: got } => {
                assert!(got >= ttl, "a lease of {got:?} is shorter than asked");
                session
            }
            other => panic!("{other:?}"),
        }
    }

    async fn enqueue(&self, session: Session, instance: &str) -> (u64, u32, Occupancy) {
        let instance = instance.to_owned();
        match self.ask(Request::Enqueue { session, instance }).await {
            Reply::Queued {
                arrival,
                ahead,
                occupancy,
            } => (arrival, ahead, occupancy),
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, session: Session, slot: Slot, record: Record, guard: Guard) -> Reply {
        self.ask(Request::Claim {
            session,
            slot,
            record,
            guard,
        })
        .await
    }

    /// Claims a free slot and gives its epoch.
    async fn take(&self, session: Session, slot: Slot) -> u64 {
        let record = record(slot, &format!("instance-of-{slot}"), 0);
        epoch(&self.claim(session, slot, record, Guard::Free).await)
    }

    async fn verify(&self, session: Session, slot: Slot, epoch: u64) -> Reply {
        self.ask(Request::Verify {
            session,
            slot,
            epoch,
        })
        .await
    }

    async fn close(&self, session: Session) {
        assert_eq!(self.ask(Request::Close { session }).await, Reply::Closed);
    }

    fn follow(&self) -> Follower {
        let (sender, feed) = mpsc::channel(64);
        tokio::spawn(self.store.follow(&self.space, sender));
        Follower { feed }
    }

    /// The same, but after its first listing it waits for the word to go on.
    fn follow_later(&self) -> (Follower, oneshot::Sender<()>) {
        let (begin, begun) = oneshot::channel();
        let (sender, feed) = mpsc::channel(64);
        let ready = Box::pin(async move { drop(begun.await) });
        tokio::spawn(self.store.follow_from(&self.space, sender, ready));
        (Follower { feed }, begin)
    }
}

/// The reading end of a feed.
struct Follower {
    feed: mpsc::Receiver<Feed>,
}

impl Follower {
    async fn next(&mut self) -> Feed {
        self.until(Some).await
    }

    async fn listing(&mut self) -> Listing {
        self.until(|news| match news {
            Feed::Listing(listing) => Some(listing),
            _ => None,
        })
        .await
    }

    async fn away(&mut self) -> String {
        self.until(|news| match news {
            Feed::Away { reason } => Some(reason),
            _ => None,
        })
        .await
    }

    /// Waits until etcd is back, and gives what is told then.
    async fn back(&mut self) -> Feed {
        self.until(|news| (!matches!(news, Feed::Away { .. })).then_some(news))
            .await
    }

    /// Waits for the next claim of a slot, by a change or a listing.
    async fn held(&mut self, slot: Slot) -> Entry {
        self.until(|news| {
            let entries = match news {
                Feed::Listing(listing) => listing.entries,
                Feed::Changes { changes, .. } => changes.into_iter().filter_map(claim).collect(),
                Feed::Current | Feed::Away { .. } => Vec::new(),
            };
            entries.into_iter().find(|entry| entry.slot == slot)
        })
        .await
    }

    /// Waits until a slot is free: told as a change, or absent from a listing.
    async fn freed(&mut self, slot: Slot) {
        self.until(|news| {
            let is_free = match news {
                Feed::Listing(listing) => !slots(&listing).contains(&slot),
                Feed::Changes { changes, .. } => changes.iter().any(
                    |change| matches!(change, Change::Freed { slot: freed, .. } if *freed == slot),
                ),
                Feed::Current | Feed::Away { .. } => false,
            };
            is_free.then_some(())
        })
        .await;
    }

    /// Waits for something to be told. The bound is shorter than the time between two listings,
    /// which would tell everything in the end.
    async fn until<T>(&mut self, pick: impl Fn(Feed) -> Option<T>) -> T {
        let told = async {
            loop {
                let news = self.feed.recv().await.expect("the store never ends a feed");
                if let Some(picked) = pick(news) {
                    return picked;
                }
            }
        };
        timeout(BOUND, told).await.expect("news within the bound")
    }
}

fn claim(change: Change) -> Option<Entry> {
    match change {
        Change::Held(entry) => Some(entry),
        Change::Freed { .. } => None,
    }
}

fn options(endpoint: &str) -> EtcdOptions {
    EtcdOptions {
        endpoints: vec![endpoint.to_owned()],
        ..EtcdOptions::default()
    }
}

fn record(slot: Slot, instance: &str, arrival: u64) -> Record {
    Record {
        ipv4: "10.0.0.5".into(),
        port: "53".into(),
        member: Some(Member {
            v: VERSION,
            slot,
            node: "node".into(),
            inst: instance.into(),
            arrival,
            ..Member::default()
        }),
        ..Record::default()
    }
}

fn epoch(reply: &Reply) -> u64 {
    match reply {
        Reply::Claimed { epoch } => *epoch,
        other => panic!("not claimed: {other:?}"),
    }
}

fn slots(listing: &Listing) -> Vec<Slot> {
    listing.entries.iter().map(|entry| entry.slot).collect()
}
