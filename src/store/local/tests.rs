use tempfile::TempDir;

use super::*;
use crate::identity::pattern::Pattern;
use crate::identity::record::{Member, Record, VERSION};
use crate::store::{Change, Guard, Occupancy, Session};

mod following;
mod notes;
mod permissions;
mod requests;

/// A store in a folder of its own, and the space that the tests play in.
struct Bench {
    store: LocalStore,
    space: Space,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        // What followers are not told of, they do not hear of within a test.
        Self::with_reconcile(Duration::from_secs(3600))
    }

    fn with_reconcile(reconcile: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parent/store");
        let store = LocalStore::open_and_reconcile(&path, reconcile).unwrap();
        let pattern = Pattern::parse("node{{.ID}}.cluster.internal.", "node").unwrap();
        let space = Space {
            pattern: Arc::new(pattern),
            limit: 10,
        };
        Self {
            store,
            space,
            folder,
        }
    }

    /// Another store on the same folder, as another process has it.
    fn other(&self) -> Self {
        Self {
            store: LocalStore::open_and_reconcile(self.store.path(), self.store.shared.reconcile)
                .unwrap(),
            space: self.space.clone(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.store
            .path()
            .join("node%d.cluster.internal.")
            .join(name)
    }

    async fn ask(&self, request: Request) -> Result<Reply, StoreError> {
        self.store.execute(&self.space, request).await
    }

    async fn session(&self) -> Session {
        let ttl = Duration::from_secs(20);
        match self.ask(Request::Open { ttl }).await {
            Ok(Reply::Opened {
                session,
                ttl: given,
            }) if given == ttl => session,
            other => panic!("{other:?}"),
        }
    }

    async fn try_claim(&self, session: Session, slot: Slot, node: &str, guard: Guard) -> Reply {
        let record = record(slot, node);
        let request = Request::Claim {
            session,
            slot,
            record,
            guard,
        };
        self.ask(request).await.unwrap()
    }

    async fn claim(&self, session: Session, slot: Slot, node: &str) -> u64 {
        match self.try_claim(session, slot, node, Guard::Free).await {
            Reply::Claimed { epoch } => epoch,
            other => panic!("{other:?}"),
        }
    }

    async fn occupancy(&self, session: Session) -> Occupancy {
        let instance = String::new();
        match self.ask(Request::Enqueue { session, instance }).await {
            Ok(Reply::Queued {
                ahead: 0,
                occupancy,
                ..
            }) => occupancy,
            other => panic!("{other:?}"),
        }
    }

    async fn reserve(&self, slot: Slot, epoch: u64, node: &str, seconds: u64) -> Session {
        let request = Request::Reserve {
            slot,
            epoch,
            node: node.into(),
            ttl: Duration::from_secs(seconds),
            reservation: None,
        };
        match self.ask(request).await {
            Ok(Reply::Reserved { reservation }) => reservation,
            other => panic!("{other:?}"),
        }
    }

    async fn verify(&self, session: Session, slot: Slot, epoch: u64) -> Reply {
        let request = Request::Verify {
            session,
            slot,
            epoch,
        };
        self.ask(request).await.unwrap()
    }

    async fn close(&self, session: Session) {
        assert_eq!(
            self.ask(Request::Close { session }).await,
            Ok(Reply::Closed)
        );
    }

    fn follow(&self) -> mpsc::Receiver<Feed> {
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(self.store.follow(&self.space, sender));
        receiver
    }
}

fn record(slot: Slot, node: &str) -> Record {
    let member = Member {
        v: VERSION,
        slot,
        node: node.into(),
        inst: format!("instance of {node}"),
        ..Member::default()
    };
    Record {
        ipv4: "10.0.0.5".into(),
        member: Some(member),
        ..Record::default()
    }
}

/// The next thing told, which must come within a bound that only a hang exceeds.
async fn next(feed: &mut mpsc::Receiver<Feed>) -> Feed {
    let wait = tokio::time::timeout(Duration::from_secs(40), feed.recv());
    wait.await
        .expect("nothing was told")
        .expect("the feed ended")
}

/// The next changes, whatever is told between.
async fn changes(feed: &mut mpsc::Receiver<Feed>) -> Vec<Change> {
    loop {
        match next(feed).await {
            Feed::Changes { changes, .. } => return changes,
            Feed::Current => {}
            other => panic!("{other:?}"),
        }
    }
}
