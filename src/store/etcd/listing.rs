//! Reading a whole space.

use std::sync::Arc;

use etcd_client::{Error, GetOptions, KeyValue, Txn, TxnOp};

use super::connection::Connection;
use super::errors::in_time;
use super::layout::Keys;
use super::position::{PAGE, PATIENCE, Position, rest};
use super::requests::{ranges, reserved, revision, transact, unsigned};
use crate::identity::record::Record;
use crate::store::skipped::Skipped;
use crate::store::{Entry, Listing, Session, Slot};

/// Reads what stands in a space: one request for up to a page of it.
pub(super) async fn list(
    connection: &Arc<Connection>,
    keys: &Keys,
    skipped: &Skipped,
) -> Result<(Listing, Position), Error> {
    let page = || Some(GetOptions::new().with_prefix().with_limit(PAGE));
    let txn = Txn::new().and_then(vec![
        TxnOp::get(keys.slots(), page()),
        TxnOp::get(keys.reservations(), page()),
    ]);
    let answer = in_time(PATIENCE, transact(Arc::clone(connection), txn)).await?;
    let revision = revision(answer.header());
    let mut pages = ranges(&answer).into_iter();
    let mut whole = Vec::new();
    for prefix in [keys.slots(), keys.reservations()] {
        let Some(mut first) = pages.next() else {
            return Err(Error::WatchError("half a listing".into()));
        };
        let more = first.more();
        let mut kvs = first.take_kvs();
        if more {
            rest(connection, prefix, revision, &mut kvs).await?;
        }
        whole.push(kvs);
    }
    let [slots, reservations] = whole.as_slice() else {
        return Err(Error::WatchError("half a listing".into()));
    };
    let ours: Vec<(Slot, &KeyValue)> = slots
        .iter()
        .filter_map(|kv| slot(keys, skipped, kv))
        .collect();
    let position = Position::of(answer.header(), ours.iter().map(|(_, kv)| *kv));
    let mut entries: Vec<Entry> = ours
        .iter()
        .filter_map(|(slot, kv)| entry(*slot, kv, skipped))
        .collect();
    entries.sort_unstable_by_key(|entry| entry.slot);
    let listing = Listing {
        revision,
        entries,
        reservations: reserved(keys, reservations),
    };
    Ok((listing, position))
}

/// The slot that a key stands for.
pub(super) fn slot<'a>(
    keys: &Keys,
    skipped: &Skipped,
    kv: &'a KeyValue,
) -> Option<(Slot, &'a KeyValue)> {
    let slot = keys.slot_of(kv.key());
    if slot.is_none() && keys.is_odd(kv.key()) {
        skipped.note(kv.key(), "the key is no slot's");
    }
    Some((slot?, kv))
}

/// The claim that a value is; [`None`] for a value that is none.
pub(super) fn entry(slot: Slot, kv: &KeyValue, skipped: &Skipped) -> Option<Entry> {
    match Record::parse(kv.value()) {
        Ok(record) => Some(Entry {
            slot,
            epoch: unsigned(kv.mod_revision()),
            session: (kv.lease() != 0).then_some(Session(kv.lease())),
            record,
        }),
        Err(reason) => {
            skipped.note(kv.key(), &reason);
            None
        }
    }
}
