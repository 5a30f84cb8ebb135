//! Each request as one round trip.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, Error, GetOptions, GetResponse, PutOptions, ResponseHeader, Txn, TxnOp,
    TxnOpResponse, TxnResponse,
};

use super::connection::{Connection, Connections};
use super::layout::Keys;
use super::lease;
use crate::identity::record::Record;
use crate::store::{
    Epoch, Guard, Occupancy, Reply, Request, Reservation, Session, Slot, StoreError, StoreErrorKind,
};

/// Carries out a request.
pub(super) async fn execute(
    connections: &Connections,
    keys: &Keys,
    request: Request,
) -> Result<Reply, StoreError> {
    let requests = Requests { connections, keys };
    match request {
        Request::Open { ttl } => requests.open(ttl).await,
        Request::Enqueue { session, instance } => requests.enqueue(session, &instance).await,
        Request::Requeue { arrival, .. } => requests.requeue(arrival).await,
        Request::Claim {
            session,
            slot,
            record,
            guard,
        } => requests.claim(session, slot, &record, guard).await,
        Request::KeepAlive { session } => {
            Ok(match lease::keep_alive(connections, session).await? {
                Some(ttl) => Reply::Renewed { ttl },
                None => Reply::Gone,
            })
        }
        Request::Verify {
            session,
            slot,
            epoch,
        } => requests.verify(session, slot, epoch).await,
        Request::Update {
            session,
            slot,
            epoch,
            record,
        } => requests.update(session, slot, epoch, &record).await,
        Request::Reserve {
            slot,
            epoch,
            node,
            ttl,
            reservation,
        } => requests.reserve(slot, epoch, node, ttl, reservation).await,
        Request::Close { session } => lease::close(connections, session)
            .await
            .map(|()| Reply::Closed),
    }
}

struct Requests<'a> {
    connections: &'a Connections,
    keys: &'a Keys,
}

impl Requests<'_> {
    async fn open(&self, ttl: Duration) -> Result<Reply, StoreError> {
        let (session, ttl) = lease::open(self.connections, ttl).await?;
        Ok(Reply::Opened { session, ttl })
    }

    /// The queue is counted before our own place is written: later operations of a transaction
    /// see what earlier ones wrote. An instance queues once, so the revision of this write stays
    /// the one that created the key, which is what [`earlier_than`] compares.
    async fn enqueue(&self, session: Session, instance: &str) -> Result<Reply, StoreError> {
        let place = put(self.keys.place(instance), Vec::new(), session);
        let mut operations = self.look(&GetOptions::new().with_count_only());
        operations.insert(1, place);
        let (answer, gets) = self.transact(Txn::new().and_then(operations)).await?;
        let ahead = gets.first().map_or(0, GetResponse::count);
        Ok(Reply::Queued {
            arrival: revision(answer.header()),
            ahead: small(ahead),
            occupancy: self.occupancy(&answer, &gets)?,
        })
    }

    async fn requeue(&self, arrival: u64) -> Result<Reply, StoreError> {
        let operations = self.look(&earlier_than(arrival));
        let (answer, gets) = self.transact(Txn::new().and_then(operations)).await?;
        Ok(Reply::Queued {
            arrival,
            ahead: ahead(&gets),
            occupancy: self.occupancy(&answer, &gets)?,
        })
    }

    async fn claim(
        &self,
        session: Session,
        slot: Slot,
        record: &Record,
        guard: Guard,
    ) -> Result<Reply, StoreError> {
        let key = self.keys.slot(slot);
        let reservation = self.keys.reservation(slot);
        let absent = |key: &String| Compare::create_revision(key.as_str(), CompareOp::Equal, 0);
        let compares = match guard {
            Guard::Free => vec![absent(&key), absent(&reservation)],
            Guard::Reserved { revision } => {
                let same = Compare::mod_revision(reservation, CompareOp::Equal, signed(revision));
                vec![absent(&key), same]
            }
            Guard::Takeover { epoch, session } => self.stands(session, slot, epoch),
        };
        let mut success = vec![put(key, record.to_json(), session)];
        let member = record.member.as_ref();
        if let Some(member) = member {
            success.push(TxnOp::delete(self.keys.place(&member.inst), None));
        }
        let arrival = member.map_or(0, |member| member.arrival);
        let failure = self.look(&earlier_than(arrival));
        let txn = Txn::new().when(compares).and_then(success).or_else(failure);
        let (answer, gets) = self.transact(txn).await?;
        if answer.succeeded() {
            return Ok(claimed(&answer));
        }
        Ok(Reply::Taken {
            ahead: ahead(&gets),
            occupancy: self.occupancy(&answer, &gets)?,
        })
    }

    /// Both branches read: etcd answers a transaction without any operation from whichever member
    /// it reached, without asking the others, however old that member's state is.
    async fn verify(
        &self,
        session: Session,
        slot: Slot,
        epoch: Epoch,
    ) -> Result<Reply, StoreError> {
        let read = || vec![self.read(slot)];
        let txn = Txn::new()
            .when(self.stands(session, slot, epoch))
            .and_then(read())
            .or_else(read());
        let (answer, found) = self.transact(txn).await?;
        Ok(if answer.succeeded() {
            Reply::Stands
        } else {
            moved(session, epoch, &found)
        })
    }

    async fn update(
        &self,
        session: Session,
        slot: Slot,
        epoch: Epoch,
        record: &Record,
    ) -> Result<Reply, StoreError> {
        let txn = Txn::new()
            .when(self.stands(session, slot, epoch))
            .and_then(vec![put(self.keys.slot(slot), record.to_json(), session)])
            .or_else(vec![self.read(slot)]);
        let (answer, found) = self.transact(txn).await?;
        Ok(if answer.succeeded() {
            claimed(&answer)
        } else {
            moved(session, epoch, &found)
        })
    }

    /// One renewal where the reservation lives on, else two requests. A future that is dropped
    /// between these leaves a lease without keys, which ends by itself.
    async fn reserve(
        &self,
        slot: Slot,
        epoch: Epoch,
        node: String,
        ttl: Duration,
        reservation: Option<Session>,
    ) -> Result<Reply, StoreError> {
        if let Some(reservation) = reservation
            && lease::keep_alive(self.connections, reservation)
                .await?
                .is_some()
        {
            return Ok(Reply::Reserved { reservation });
        }
        let (reservation, _) = lease::open(self.connections, ttl).await?;
        let key = self.keys.reservation(slot);
        let txn = Txn::new()
            .when(vec![self.is_epoch(slot, epoch)])
            .and_then(vec![put(key, node.into_bytes(), reservation)])
            .or_else(vec![self.read(slot)]);
        let (answer, _) = self.transact(txn).await?;
        if answer.succeeded() {
            return Ok(Reply::Reserved { reservation });
        }
        // Nothing hangs on the new lease. Where this fails, it ends by itself.
        let _ = lease::close(self.connections, reservation).await;
        Ok(Reply::Gone)
    }

    /// Sends a transaction; gives the answer and, apart, the answers of its ranges.
    async fn transact(&self, txn: Txn) -> Result<(TxnResponse, Vec<GetResponse>), StoreError> {
        let answer = self
            .connections
            .call(|connection| transact(connection, txn.clone()))
            .await?;
        let gets = ranges(&answer);
        Ok((answer, gets))
    }

    /// What every claimant wants to know: the queue, the slots that are held, the reservations.
    fn look(&self, queue: &GetOptions) -> Vec<TxnOp> {
        let prefix = || GetOptions::new().with_prefix();
        vec![
            TxnOp::get(self.keys.queue(), Some(queue.clone().with_prefix())),
            TxnOp::get(self.keys.slots(), Some(prefix().with_keys_only())),
            TxnOp::get(self.keys.reservations(), Some(prefix())),
        ]
    }

    fn read(&self, slot: Slot) -> TxnOp {
        TxnOp::get(self.keys.slot(slot), None)
    }

    /// That a slot is held by exactly this claim. The lease is compared as well: in idetcd's
    /// layout, an old node may have written the same key.
    fn stands(&self, session: Session, slot: Slot, epoch: Epoch) -> Vec<Compare> {
        vec![
            self.is_epoch(slot, epoch),
            Compare::lease(self.keys.slot(slot), CompareOp::Equal, session.0),
        ]
    }

    fn is_epoch(&self, slot: Slot, epoch: Epoch) -> Compare {
        Compare::mod_revision(self.keys.slot(slot), CompareOp::Equal, signed(epoch))
    }

    fn occupancy(
        &self,
        answer: &TxnResponse,
        gets: &[GetResponse],
    ) -> Result<Occupancy, StoreError> {
        let [_, slots, reservations] = gets else {
            return Err(StoreError {
                kind: StoreErrorKind::Unreachable,
                message: format!("{}: half an answer", self.connections.describe()),
            });
        };
        let slot_of = |kv: &etcd_client::KeyValue| self.keys.slot_of(kv.key());
        let mut held: Vec<Slot> = slots.kvs().iter().filter_map(slot_of).collect();
        held.sort_unstable();
        Ok(Occupancy {
            revision: revision(answer.header()),
            held,
            reserved: reserved(self.keys, reservations.kvs()),
        })
    }
}

/// One transaction over one connection.
pub(super) async fn transact(connection: Arc<Connection>, txn: Txn) -> Result<TxnResponse, Error> {
    connection.kv().txn(txn).await
}

/// The answers of a transaction's ranges, in order.
pub(super) fn ranges(answer: &TxnResponse) -> Vec<GetResponse> {
    let range = |response| match response {
        TxnOpResponse::Get(get) => Some(get),
        _ => None,
    };
    answer
        .op_responses()
        .into_iter()
        .filter_map(range)
        .collect()
}

/// The reservations among these keys, by slot ascending.
pub(super) fn reserved(keys: &Keys, kvs: &[etcd_client::KeyValue]) -> Vec<Reservation> {
    let mut reserved: Vec<Reservation> = kvs
        .iter()
        .filter_map(|kv| {
            Some(Reservation {
                slot: keys.reserved_slot_of(kv.key())?,
                node: String::from_utf8_lossy(kv.value()).into_owned(),
                revision: unsigned(kv.mod_revision()),
            })
        })
        .collect();
    reserved.sort_unstable_by_key(|reservation| reservation.slot);
    reserved
}

/// The revision in a header; 0 where there is none, which etcd never has.
pub(super) fn revision(header: Option<&ResponseHeader>) -> u64 {
    unsigned(header.map_or(0, ResponseHeader::revision))
}

/// etcd's revisions are signed, and never negative.
pub(super) fn unsigned(revision: i64) -> u64 {
    revision.try_into().unwrap_or_default()
}

pub(super) fn signed(revision: u64) -> i64 {
    revision.try_into().unwrap_or(i64::MAX)
}

fn put(key: String, value: Vec<u8>, session: Session) -> TxnOp {
    TxnOp::put(key, value, Some(PutOptions::new().with_lease(session.0)))
}

/// The places in the queue that were taken before `arrival`; all of them for who is in no queue.
fn earlier_than(arrival: u64) -> GetOptions {
    GetOptions::new()
        .with_keys_only()
        .with_max_create_revision(signed(arrival.saturating_sub(1)))
}

/// How many places the first range found. etcd's own count would ignore the limit on revisions.
fn ahead(gets: &[GetResponse]) -> u32 {
    let found = gets.first().map_or(0, |queue| queue.kvs().len());
    found.try_into().unwrap_or(u32::MAX)
}

fn small(count: i64) -> u32 {
    count
        .clamp(0, u32::MAX.into())
        .try_into()
        .unwrap_or_default()
}

/// What a slot that is not under the expected epoch means. Only its holder writes with its lease:
/// where that is still on the key, the write behind a later epoch was the holder's own.
fn moved(session: Session, epoch: Epoch, found: &[GetResponse]) -> Reply {
    let own = found
        .iter()
        .flat_map(GetResponse::kvs)
        .find(|kv| kv.lease() == session.0 && unsigned(kv.mod_revision()) > epoch);
    own.map_or(Reply::Gone, |kv| Reply::Moved {
        epoch: unsigned(kv.mod_revision()),
    })
}

fn claimed(answer: &TxnResponse) -> Reply {
    Reply::Claimed {
        epoch: revision(answer.header()),
    }
}
