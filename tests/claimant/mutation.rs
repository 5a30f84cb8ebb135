//! Stores that break one rule each. The checker must find it.

use std::time::Duration;

use callsign::clock::BootTime;
use callsign::store::etcd::EtcdStore;
use callsign::store::{
    Feed, Guard, Pending, Reply, Request, Session, Slot, Space, Store, StoreError, StoreErrorKind,
};
use etcd_client::{Client, PutOptions};
use tokio::sync::mpsc;

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mutation {
    /// idetcd's claim: look whether the slot is free, then write it whatever happened meanwhile.
    GetThenPut,
    /// The deadline counts from when an answer came, without a margin.
    ReceiptDeadline,
    /// A claim without an answer is given up without revoking its lease.
    NoRevoke,
}

/// A store in etcd that is wrong on purpose.
pub(crate) struct Mutant {
    mutation: Mutation,
    store: EtcdStore,
    endpoints: Vec<String>,
}

impl Mutant {
    pub(crate) fn new(mutation: Mutation, store: EtcdStore, endpoints: Vec<String>) -> Self {
        Self {
            mutation,
            store,
            endpoints,
        }
    }
}

impl Store for Mutant {
    fn execute(
        &self,
        space: &Space,
        request: Request,
    ) -> Pending<'static, Result<Reply, StoreError>> {
        match (self.mutation, request) {
            (Mutation::NoRevoke, Request::Close { .. }) => Box::pin(async { Ok(Reply::Closed) }),
            (
                Mutation::ReceiptDeadline,
                request @ (Request::Open { .. } | Request::KeepAlive { .. }),
            ) => {
                let sent = BootTime::now();
                let answer = self.store.execute(space, request);
                Box::pin(async move {
                    let mut reply = answer.await?;
                    if let Reply::Opened { ttl, .. } | Reply::Renewed { ttl } = &mut reply {
                        *ttl = counted_from_receipt(BootTime::now().since(sent), *ttl);
                    }
                    Ok(reply)
                })
            }
            (Mutation::GetThenPut, request @ Request::Enqueue { .. }) => {
                let answer = self.store.execute(space, request);
                Box::pin(async move {
                    let mut reply = answer.await?;
                    if let Reply::Queued { ahead, .. } = &mut reply {
                        // idetcd has no queue: all begin with the lowest free slot.
                        *ahead = 0;
                    }
                    Ok(reply)
                })
            }
            (
                Mutation::GetThenPut,
                Request::Claim {
                    session,
                    slot,
                    record,
                    guard: Guard::Free,
                },
            ) => {
                let (store, space) = (self.store.clone(), space.clone());
                let endpoints = self.endpoints.clone();
                let member = record.member.clone().unwrap_or_default();
                let value = record.to_json();
                Box::pin(async move {
                    if let Some(epoch) =
                        get_then_put(endpoints, &space, session, slot, value).await?
                    {
                        return Ok(Reply::Claimed { epoch });
                    }
                    let look = Request::Requeue {
                        session,
                        instance: member.inst,
                        arrival: member.arrival,
                    };
                    match store.execute(&space, look).await? {
                        Reply::Queued { occupancy, .. } => Ok(Reply::Taken {
                            ahead: 0,
                            occupancy,
                        }),
                        other => Ok(other),
                    }
                })
            }
            (_, request) => self.store.execute(space, request),
        }
    }

    fn follow(&self, space: &Space, feed: mpsc::Sender<Feed>) -> Pending<'static, ()> {
        self.store.follow(space, feed)
    }

    fn has_leases(&self) -> bool {
        self.store.has_leases()
    }

    fn settle(&self) -> Duration {
        self.store.settle()
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}

/// The time to live that makes the claimant believe until its receipt of an answer plus the real
/// one: it subtracts a hundredth and a margin of half a second or a tenth.
fn counted_from_receipt(round_trip: Duration, ttl: Duration) -> Duration {
    let believed = round_trip + ttl;
    let short = (believed + Duration::from_millis(500)).mul_f64(1.0 / 0.99);
    if short < Duration::from_secs(5) {
        short
    } else {
        believed.mul_f64(1.0 / 0.89)
    }
}

async fn get_then_put(
    endpoints: Vec<String>,
    space: &Space,
    session: Session,
    slot: Slot,
    value: Vec<u8>,
) -> Result<Option<u64>, StoreError> {
    let failed = |error: etcd_client::Error| StoreError {
        kind: StoreErrorKind::Unreachable,
        message: error.to_string(),
    };
    let mut client = Client::connect(endpoints, None).await.map_err(failed)?;
    let key = format!("/callsign/v1/{}/slots/{slot:08}", space.pattern.canonical());
    let found = client.get(key.as_str(), None).await.map_err(failed)?;
    if found.count() > 0 {
        return Ok(None);
    }
    let options = PutOptions::new().with_lease(session.0);
    let put = client
        .put(key, value, Some(options))
        .await
        .map_err(failed)?;
    let revision = put
        .header()
        .map_or(0, etcd_client::ResponseHeader::revision);
    Ok(Some(revision.try_into().unwrap_or_default()))
}
