//! The two small system calls that neither std nor socket2 offers.

#![expect(unsafe_code, reason = "calls setsockopt and poll")]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Sets a socket option whose value is an `int` (setsockopt(2)).
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<c_int>()` bytes from a `c_int` that outlives the call;
    // the descriptor is open, being borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Waits until the socket has room to send, but not longer than `bound` (poll(2)). It does not
/// say which: the next attempt to send tells.
pub(crate) fn wait_for_room(socket: BorrowedFd<'_>, bound: Duration) {
    let mut entry = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    let milliseconds = c_int::try_from(bound.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the kernel reads and writes one `pollfd`, which outlives the call.
    unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
}
