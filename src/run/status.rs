//! Exit statuses of `callsign run`, beside those of the command itself.

use std::io;

/// All slots of the pool stayed taken until the time was over.
pub(crate) const FULL: u8 = 121;
/// The claim could not be kept, so the command was ended.
pub(crate) const CLAIM_LOST: u8 = 122;
/// Another member was lost, so the command was ended.
pub(crate) const MEMBER_LOST: u8 = 123;
/// Not enough members came before the time was over.
pub(crate) const TIMED_OUT: u8 = 124;
/// Something of Callsign's own failed.
pub(crate) const FAILED: u8 = 125;
/// The command was found and could not be started.
const NOT_STARTED: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// What it means that a command did not start, in the way of shells.
pub(super) fn of_start(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_STARTED,
    }
}
