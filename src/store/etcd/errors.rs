//! etcd's errors in the words of [`StoreError`].

use std::error::Error as _;
use std::io;
use std::time::Duration;

use etcd_client::Error;
use tokio::time::timeout;

use crate::reason;
use crate::store::{StoreError, StoreErrorKind};

/// gRPC's status codes, <https://grpc.io/docs/guides/status-codes/>.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const UNIMPLEMENTED: i32 = 12;
    pub(super) const DATA_LOSS: i32 = 15;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// What the caller is told about an error of the client.
pub(super) fn classify(endpoint: &str, error: &Error) -> StoreError {
    let kind = match error {
        Error::GRpcStatus(status) => of_status(status.code() as i32, status.message()),
        // The endpoint's URL or the certificates: no member was asked.
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
            StoreErrorKind::Refused
        }
        _ => StoreErrorKind::Unreachable,
    };
    StoreError {
        kind,
        message: format!("etcd {endpoint}: {}", text(error)),
    }
}

/// Refused means for certain that nothing was carried out, so every doubt is unreachable.
///
/// Transports use some of the same codes when a connection breaks in the middle of a call
/// (HTTP/2's `ENHANCE_YOUR_CALM` becomes "resource exhausted"), so etcd's own words are asked for.
fn of_status(status: i32, message: &str) -> StoreErrorKind {
    if status == code::UNIMPLEMENTED {
        return StoreErrorKind::Refused;
    }
    let Some(message) = message.strip_prefix("etcdserver:") else {
        return StoreErrorKind::Unreachable;
    };
    match status {
        code::NOT_FOUND if message.contains("requested lease not found") => {
            StoreErrorKind::SessionGone
        }
        // What etcd answers with these codes it answers before it proposes anything to its
        // cluster, or instead of applying it: no space, no permission, no such user, corrupt data.
        code::INVALID_ARGUMENT
        | code::NOT_FOUND
        | code::PERMISSION_DENIED
        | code::RESOURCE_EXHAUSTED
        | code::FAILED_PRECONDITION
        | code::DATA_LOSS
        | code::UNAUTHENTICATED => StoreErrorKind::Refused,
        _ => StoreErrorKind::Unreachable,
    }
}

/// Whether signing in anew may help: the token has expired, is unknown to a restarted member, or
/// is older than a change of users. etcd has carried out nothing then.
pub(super) fn wants_new_token(error: &Error) -> bool {
    let Error::GRpcStatus(status) = error else {
        return false;
    };
    let message = status.message();
    status.code() as i32 == code::UNAUTHENTICATED
        || message.contains("invalid auth token")
        || message.contains("revision of auth store is old")
        || message.contains("user name is empty")
}

/// Whether a watch cannot begin where it should, because that history is no more.
pub(super) fn is_compacted(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.message().contains("has been compacted"))
}

/// Awaits an answer for at most `patience`.
pub(super) async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(patience, answer).await.unwrap_or_else(|_| {
        let what = format!("no answer within {patience:?}");
        Err(Error::IoError(io::Error::new(
            io::ErrorKind::TimedOut,
            what,
        )))
    })
}

/// An answer that did not come in time.
pub(super) fn silent(endpoint: &str, patience: Duration) -> StoreError {
    unreachable(endpoint, &format!("no answer within {patience:?}"))
}

/// Something that leaves open whether the request was carried out.
pub(super) fn unreachable(endpoint: &str, what: &str) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Unreachable,
        message: format!("etcd {endpoint}: {what}"),
    }
}

/// The innermost reason of an error: "connection refused" rather than "transport error".
fn text(error: &Error) -> String {
    let (mut line, mut source) = match error {
        Error::GRpcStatus(status) => (status.message().to_owned(), status.source()),
        Error::TransportError(error) => (error.to_string(), error.source()),
        Error::IoError(error) => (error.to_string(), None),
        Error::WatchError(what) | Error::LeaseKeepAliveError(what) => (what.clone(), None),
        other => (other.to_string(), None),
    };
    while let Some(inner) = source {
        line = inner.to_string();
        source = inner.source();
    }
    if line.is_empty() {
        line = "the connection broke".into();
    }
    if line.contains("user name is empty") {
        line.push_str(" (it wants a user and a password)");
    }
    reason::of_text(&line).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_etcd_certainly_did_not_do_counts_as_refused() {
        use StoreErrorKind::{Refused, SessionGone, Unreachable};
        for (status, message, kind) in [
            (5, "etcdserver: requested lease not found", SessionGone),
            (8, "etcdserver: mvcc: database space exceeded", Refused),
            (7, "etcdserver: permission denied", Refused),
            (9, "etcdserver: authentication is not enabled", Refused),
            (14, "etcdserver: request timed out", Unreachable),
            (14, "etcdserver: no leader", Unreachable),
            (14, "etcdserver: leader changed", Unreachable),
            (4, "context deadline exceeded", Unreachable),
            (1, "cancelled", Unreachable),
            (2, "h2 protocol error", Unreachable),
            (11, "decoded message length too large", Unreachable),
            (13, "transport", Unreachable),
            (8, "h2 protocol error: enhance your calm", Unreachable),
            (8, "trying to send message larger than max", Unreachable),
            (12, "unknown service etcdserverpb.KV", Refused),
        ] {
            assert_eq!(of_status(status, message), kind, "{message}");
        }
    }
}
