//! A worker's memory and the two batch system calls that work on it.
//!
//! # Invariants
//!
//! The headers point at the other blocks of the same [`Memory`]:
//!
//! * `incoming[i]` → `addresses[i]`, `read[i]` → `requests[i]`, `controls[i]`. Wired once, by `new`.
//! * `outgoing[k]` → `addresses[i]`, `write[i]` → `replies[i]`, `controls[i]`, where `i` is the
//!   message that it answers. Wired by `queue`. A reply thus uses its request's address where the
//!   kernel wrote it, and is not copied.
//!
//! They stay valid because a [`Block`] never moves or frees its items while it lives, no block is
//! ever replaced, and all are dropped together. [`Memory`] itself may be moved: only its handles
//! move with it. Each length in a header is at most the room that its pointer has: `reset` and
//! `queue` see to that before every call, whatever lengths the kernel left.
//!
//! The kernel follows the pointers only during `receive` and `send`. Both take `&mut self`, so no
//! reference to any item lives meanwhile. It keeps none of them afterwards.

#![expect(
    unsafe_code,
    reason = "calls recvmmsg and sendmmsg, whose headers hold pointers"
)]

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{iovec, mmsghdr};

use crate::address::{self, Address};
use crate::block::Block;
use crate::control::{self, Control};

const NOWHERE: iovec = iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

/// Everything that one worker receives into and sends from.
pub(crate) struct Memory {
    incoming: Block<mmsghdr>,
    outgoing: Block<mmsghdr>,
    read: Block<iovec>,
    write: Block<iovec>,
    addresses: Block<Address>,
    controls: Block<Control>,
    requests: Block<u8>,
    replies: Block<u8>,
    /// Number of messages.
    width: usize,
    /// Bytes of one buffer.
    buffer: usize,
}

// SAFETY: the raw pointers in the headers point into blocks that the same `Memory` owns and gives
// out only by its own borrow; another thread that has the `Memory` has all of it. The items are
// plain numbers, bytes and those pointers.
unsafe impl Send for Memory {}

/// One received message, and the place for its reply.
pub(crate) struct Slot<'a> {
    /// What was received, at most one buffer of it.
    pub(crate) bytes: &'a [u8],
    /// The sender's address as the kernel wrote it; empty when there is no sender.
    pub(crate) address: &'a [u8],
    /// The room of the control messages; the first `control_length` bytes were received.
    pub(crate) control: &'a mut Control,
    pub(crate) control_length: usize,
    /// The datagram was longer than the buffer.
    pub(crate) truncated: bool,
    /// The reply's buffer, with what an earlier reply left in it.
    pub(crate) reply: &'a mut [u8],
}

impl Memory {
    /// Memory for `width` messages with two buffers of `buffer` bytes each; neither may be 0.
    pub(crate) fn new(width: usize, buffer: usize) -> Self {
        let mut memory = Self {
            incoming: Block::new(vec![empty_header(); width]),
            outgoing: Block::new(vec![empty_header(); width]),
            read: Block::new(vec![NOWHERE; width]),
            write: Block::new(vec![NOWHERE; width]),
            addresses: Block::new(vec![Address([0; address::LENGTH]); width]),
            controls: Block::new(vec![Control([0; control::CAPACITY]); width]),
            requests: Block::new(vec![0; buffer * width]),
            replies: Block::new(vec![0; buffer * width]),
            width,
            buffer,
        };
        for i in 0..width {
            memory.read.items_mut()[i] = iovec {
                iov_base: memory.requests.pointer(i * buffer).cast(),
                iov_len: buffer,
            };
            memory.write.items_mut()[i] = iovec {
                iov_base: memory.replies.pointer(i * buffer).cast(),
                iov_len: 0,
            };
            let header = &mut memory.incoming.items_mut()[i].msg_hdr;
            header.msg_name = memory.addresses.pointer(i).cast();
            header.msg_iov = memory.read.pointer(i);
            header.msg_iovlen = 1;
            header.msg_control = memory.controls.pointer(i).cast();
        }
        memory.reset(width);
        memory
    }

    /// Number of messages.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Gives the first `used` incoming headers their full room again. The kernel changes only
    /// those that it filled; to touch the others costs more than batches save.
    pub(crate) fn reset(&mut self, used: usize) {
        for header in self.incoming.items_mut().iter_mut().take(used) {
            header.msg_hdr.msg_namelen = address::LENGTH as libc::socklen_t;
            header.msg_hdr.msg_controllen = control::CAPACITY as _;
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
    }

    /// Waits for a datagram, then takes what else is there, without waiting (recvmmsg(2) with
    /// `MSG_WAITFORONE`). Gives the number of messages, the first of the memory's.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        // SAFETY: the `width` headers obey the module's invariants: each points to room of the
        // length it states, in blocks that outlive the call and that nobody else refers to. The
        // descriptor is open, being borrowed. There is no timeout to point at.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.incoming.pointer(0),
                self.width as _,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).map_err(|_negative| io::Error::last_os_error())
    }

    /// Message `i` and its reply's place.
    #[allow(
        clippy::unnecessary_cast,
        reason = "some C libraries have a `u32` for `msg_controllen`"
    )]
    pub(crate) fn slot(&mut self, i: usize) -> Slot<'_> {
        let header = &self.incoming.items()[i];
        let start = i * self.buffer;
        let length = (header.msg_len as usize).min(self.buffer);
        let named = (header.msg_hdr.msg_namelen as usize).min(address::LENGTH);
        Slot {
            bytes: &self.requests.items()[start..start + length],
            address: &self.addresses.items()[i].0[..named],
            control: &mut self.controls.items_mut()[i],
            control_length: (header.msg_hdr.msg_controllen as usize).min(control::CAPACITY),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            reply: &mut self.replies.items_mut()[start..start + self.buffer],
        }
    }

    /// Makes the first `length` bytes of message `i`'s reply the `k`-th datagram to send, to the
    /// message's sender, with the first `control_length` bytes of its control messages.
    pub(crate) fn queue(&mut self, k: usize, i: usize, length: usize, control_length: usize) {
        self.write.items_mut()[i].iov_len = length.min(self.buffer);
        let header = &mut self.outgoing.items_mut()[k].msg_hdr;
        header.msg_name = self.addresses.pointer(i).cast();
        let named = self.incoming.items()[i].msg_hdr.msg_namelen;
        header.msg_namelen = named.min(address::LENGTH as libc::socklen_t);
        header.msg_iov = self.write.pointer(i);
        header.msg_iovlen = 1;
        header.msg_control = self.controls.pointer(i).cast();
        header.msg_controllen = control_length.min(control::CAPACITY) as _;
    }

    /// Sends the queued datagrams `range` without waiting (sendmmsg(2)). Gives how many of them
    /// were taken; an error is the first one's alone.
    ///
    /// # Panics
    /// When the range is empty or goes beyond the memory's messages.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        range: Range<usize>,
    ) -> io::Result<usize> {
        assert!(range.end <= self.width);
        let first = self.outgoing.pointer(range.start);
        // SAFETY: the headers of the range obey the module's invariants, or are still all zero
        // (no pointers, no lengths); the blocks outlive the call and nobody else refers to them.
        // The descriptor is open, being borrowed.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                first,
                range.len() as _,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(count).map_err(|_negative| io::Error::last_os_error())
    }

    /// Where the kernel put message `i`'s sender, so that a test can make it another's.
    #[cfg(test)]
    pub(crate) fn address_mut(&mut self, i: usize) -> &mut Address {
        &mut self.addresses.items_mut()[i]
    }
}

fn empty_header() -> mmsghdr {
    // SAFETY: a header is made of integers and raw pointers, for which zero is a value. (It
    // cannot be written field by field: some C libraries have padding fields that are private.)
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the kernel writes into another message's room, or into nobody's.
    #[test]
    fn headers_point_at_their_own_room_after_a_move() {
        let mut memory = Box::new(Memory::new(3, 100));
        memory.queue(0, 2, 7, 0);
        let memory = *memory;
        for i in 0..3 {
            let header = &memory.incoming.items()[i].msg_hdr;
            assert_eq!(header.msg_name, memory.addresses.pointer(i).cast());
            assert_eq!(header.msg_namelen as usize, address::LENGTH);
            assert_eq!(header.msg_control, memory.controls.pointer(i).cast());
            assert_eq!(header.msg_controllen, size_of::<Control>() as _);
            assert_eq!(header.msg_iov, memory.read.pointer(i));
            let room = &memory.read.items()[i];
            assert_eq!(room.iov_base, memory.requests.pointer(i * 100).cast());
            assert_eq!(room.iov_len, 100);
        }
        let reply = &memory.outgoing.items()[0].msg_hdr;
        assert_eq!(reply.msg_name, memory.addresses.pointer(2).cast());
        assert_eq!(reply.msg_iov, memory.write.pointer(2));
        assert_eq!(memory.write.items()[2].iov_len, 7);
        assert!(2 * 100 + 100 <= memory.requests.items().len());
    }
}
