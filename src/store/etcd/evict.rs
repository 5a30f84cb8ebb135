//! Taking a slot from its holder without asking it, so that the slot never has two owners.
//!
//! The holder may be cut off from etcd and believe in its claim until its own deadline, which it
//! counts from its last renewal and which always comes before the end of its lease in etcd. So one
//! transaction, which holds only while the record is still the one that was looked at,
//!
//! 1. puts a *quarantine* in the place of the record, under a lease of its own that is a second
//!    longer than the holder's and is never renewed;
//! 2. puts a reservation for nobody beside it, **under the holder's own lease**.
//!
//! A claim succeeds only where there is neither record nor reservation. So:
//!
//! * Nobody can claim the slot before the holder's lease has ended, however often that was renewed
//!   meanwhile, whatever etcd's leader promised, and whether or not whoever evicts lives on. By then
//!   the holder's deadline has passed, or it has let go and revoked the lease itself: the very
//!   argument that holds for every claim, with no time of ours in it.
//! * A holder that can hear sees another record in its slot, asks etcd, gives up and revokes its
//!   lease, all within moments. Its command under `callsign run` still has its grace, which is at
//!   most half of the lease: the quarantine lasts longer.
//! * Other members see the quarantine as a member that is down, so nothing is answered for it, and
//!   who waited for the old holder sees that it is gone.
//! * Reservations give way to others in a full pool; this one does not
//!   ([`Reservation::is_quarantine`](crate::store::Reservation::is_quarantine)).
//! * Every answer that is lost leaves either everything as it was, or all of this done. The lease of
//!   a quarantine that was not written ends by itself.
//!
//! Nodes of idetcd look at no reservation, so nobody is evicted in their layout.

use std::time::Duration;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};

use super::connection::Connections;
use super::layout::Keys;
use super::lease;
use super::requests::{signed, transact};
use crate::identity::node::random_hex;
use crate::identity::record::{QUARANTINE, Record};
use crate::store::{Entry, Eviction, HeldBy, Reservation, StoreError, StoreErrorKind};

/// What the quarantine outlives the holder's lease by.
const LONGER: Duration = Duration::from_secs(1);

/// Takes a slot from the holder of `entry`.
pub(super) async fn evict(
    connections: &Connections,
    keys: &Keys,
    entry: &Entry,
) -> Result<Eviction, StoreError> {
    let held_by = lease::held_by(connections, entry.session).await?;
    let (Some(session), HeldBy::Lease { ttl, .. }) = (entry.session, held_by) else {
        return match held_by {
            HeldBy::Ended => Ok(Eviction::Changed),
            _ => Err(StoreError {
                kind: StoreErrorKind::Refused,
                message: format!(
                    "its record has no lease: somebody wrote it by hand; delete it with: etcdctl del '{}'",
                    keys.slot(entry.slot)
                ),
            }),
        };
    };
    let (quarantine, lasts) = lease::open(connections, ttl + LONGER).await?;
    let record = Record::quarantine(entry.slot, &random_hex());
    let slot = keys.slot(entry.slot);
    let under = |session: i64| Some(PutOptions::new().with_lease(session));
    let txn = Txn::new()
        .when(vec![
            Compare::mod_revision(slot.as_str(), CompareOp::Equal, signed(entry.epoch)),
            Compare::lease(slot.as_str(), CompareOp::Equal, session.0),
        ])
        .and_then(vec![
            TxnOp::put(slot.as_str(), record.to_json(), under(quarantine.0)),
            TxnOp::put(keys.reservation(entry.slot), QUARANTINE, under(session.0)),
        ])
        .or_else(vec![TxnOp::get(slot.as_str(), None)]);
    let done = connections.call(|connection| transact(connection, txn.clone()));
    let done = match done.await {
        // The lease has ended since.
        Err(error) if error.kind == StoreErrorKind::SessionGone => false,
        answer => answer?.succeeded(),
    };
    if done {
        return Ok(Eviction::Done { lasts });
    }
    // Nothing hangs on it. Where this fails, it ends by itself.
    let _ = lease::close(connections, quarantine).await;
    Ok(Eviction::Changed)
}

/// Ends a reservation, if it is still the one that was looked at.
pub(super) async fn unreserve(
    connections: &Connections,
    keys: &Keys,
    reservation: &Reservation,
) -> Result<(), StoreError> {
    let key = keys.reservation(reservation.slot);
    let revision = signed(reservation.revision);
    let txn = Txn::new()
        .when(vec![Compare::mod_revision(
            key.as_str(),
            CompareOp::Equal,
            revision,
        )])
        .and_then(vec![TxnOp::delete(key.as_str(), None)])
        .or_else(vec![TxnOp::get(key.as_str(), None)]);
    let done = connections.call(|connection| transact(connection, txn.clone()));
    done.await.map(drop)
}
