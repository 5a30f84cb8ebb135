//! Notes in etcd: one key for each.

use etcd_client::{Compare, CompareOp, GetResponse, Txn, TxnOp};

use super::connection::Connections;
use super::layout::Keys;
use super::requests::{ranges, signed, transact, unsigned};
use crate::store::{NOTE_LIMIT, Note, NoteName, NoteWrite, StoreError, StoreErrorKind};

/// Reads a note after writing it, if it is to be written; one transaction.
pub(super) async fn note(
    connections: &Connections,
    keys: &Keys,
    name: NoteName,
    write: Option<NoteWrite>,
) -> Result<Note, StoreError> {
    let key = keys.note(name);
    let read = TxnOp::get(key.as_str(), None);
    // Both branches read: etcd answers a transaction without any operation from any member.
    let txn = match write {
        None => Txn::new().and_then(vec![read]),
        Some(NoteWrite { text, .. }) if text.len() > NOTE_LIMIT => {
            return Err(StoreError {
                kind: StoreErrorKind::Refused,
                message: format!("a note of {} bytes is too long", text.len()),
            });
        }
        Some(NoteWrite { text, after }) => {
            let unchanged = after.map(|revision| {
                Compare::mod_revision(key.as_str(), CompareOp::Equal, signed(revision))
            });
            let put = TxnOp::put(key.as_str(), text, None);
            Txn::new()
                .when(unchanged.into_iter().collect::<Vec<_>>())
                .and_then(vec![put, read.clone()])
                .or_else(vec![read])
        }
    };
    let answer = connections
        .call(|connection| transact(connection, txn.clone()))
        .await?;
    let found = ranges(&answer);
    let found = found.iter().flat_map(GetResponse::kvs).next();
    Ok(found.map_or_else(Note::default, |kv| Note {
        revision: unsigned(kv.mod_revision()),
        text: kv.value().to_vec(),
    }))
}
