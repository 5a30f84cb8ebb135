//! Errors of requests, with what can be done about them.

use std::io;

use super::space::SpaceFolder;
use crate::reason;
use crate::store::{Session, StoreError, StoreErrorKind};

pub(super) fn gone(session: Session) -> StoreError {
    StoreError {
        kind: StoreErrorKind::SessionGone,
        message: format!("session {} is closed", session.0),
    }
}

pub(super) fn refused(message: String) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Refused,
        message,
    }
}

pub(super) fn cannot_write(space: &SpaceFolder, error: &io::Error) -> StoreError {
    let reason = reason::of(error);
    refused(format!(
        "cannot write in {}: {reason}",
        space.path().display()
    ))
}

pub(super) fn unreachable(space: &SpaceFolder, error: &io::Error) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Unreachable,
        message: format!(
            "cannot read {}: {}",
            space.path().display(),
            reason::of(error)
        ),
    }
}
