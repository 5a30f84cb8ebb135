//! What a worker does with the messages of one batch.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::address;
use crate::control;
use crate::flush::{SendReport, flush};
use crate::memory::{Memory, Slot};
use crate::system;

/// How long a batch waits for room in a full send buffer, once.
const PATIENCE: Duration = Duration::from_millis(20);

/// A datagram to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The payload; of a datagram longer than the buffer its beginning. May be empty.
    pub bytes: &'a [u8],
    /// Who sent it. An IPv4 peer has an IPv4 address on a dual-stack socket too; a link-local
    /// IPv6 peer has the interface's index as its scope. The port is never 0.
    pub peer: SocketAddr,
    /// The address that it was sent to and that the reply leaves from, if the socket is bound to
    /// the wildcard address. `None` for other sockets, whose one address it is, and for what was
    /// sent to a multicast address, where routing chooses.
    pub local: Option<IpAddr>,
    /// The index of the network interface that it arrived on; 0 where `local` is not asked for.
    pub interface: u32,
    /// The datagram was longer than the buffer and its end is lost.
    pub truncated: bool,
}

/// All the memory of one worker: for each of N messages a receive buffer, a reply buffer and what
/// the kernel needs to know about them. Allocated once.
///
/// A batch belongs to one thread at a time and may be used with any number of sockets in turn.
pub struct Batch {
    memory: Memory,
    /// The messages `0..received` were filled by the last receive, and their headers with them.
    received: usize,
    /// The messages `0..seen` have been handed out.
    seen: usize,
    /// The first `queued` outgoing headers are wired to replies.
    queued: usize,
}

impl Batch {
    /// The number of messages of a default batch. More gains little: a system call costs less
    /// than 32 datagrams do, and the last of a batch waits for the first.
    pub const MESSAGES: usize = 32;

    /// The bytes of each buffer of a default batch: enough for every query with EDNS(0) options
    /// that is sent in practice (RFC 6891, section 6.2.5, calls 4096 a good starting point).
    pub const BUFFER: usize = 4096;

    /// A batch of `messages` (1 to 1024, the kernel's bound) with a receive buffer and a reply
    /// buffer of `buffer` bytes (1 to 65535) each. Numbers outside are taken to the nearest.
    #[must_use]
    pub fn new(messages: usize, buffer: usize) -> Self {
        let memory = Memory::new(messages.clamp(1, 1024), buffer.clamp(1, 65535));
        Self {
            memory,
            received: 0,
            seen: 0,
            queued: 0,
        }
    }

    /// The number of messages that one receive can bring.
    #[must_use]
    pub fn width(&self) -> usize {
        self.memory.width()
    }

    /// The number of replies that wait for [`BatchSocket::send`](crate::BatchSocket::send).
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Hands every message of the last receive to `answer`, with the buffer for its reply.
    ///
    /// `answer` returns how many bytes of the buffer are the reply; 0 means no reply, and so does
    /// a number beyond the buffer. The buffer still holds earlier replies: what is returned must
    /// have been written. The reply goes to the sender, from the address that it asked.
    ///
    /// Returns how many messages were dropped unseen, because nobody can be answered at port 0.
    ///
    /// Should `answer` panic, the replies so far stay queued; a second call goes on after the
    /// message that it panicked on.
    pub fn for_each(&mut self, mut answer: impl FnMut(Request<'_>, &mut [u8]) -> usize) -> usize {
        let mut dropped = 0;
        while self.seen < self.received {
            let i = self.seen;
            self.seen += 1;
            let Slot {
                bytes,
                address,
                control,
                control_length,
                truncated,
                reply,
            } = self.memory.slot(i);
            let Some((family, peer)) = address::decode(address).filter(|(_, it)| it.port() != 0)
            else {
                dropped += 1;
                continue;
            };
            let peer = address::canonical(peer);
            let local = control::decode(control.0.get(..control_length).unwrap_or_default());
            let request = Request {
                bytes,
                peer,
                local: local.address,
                interface: local.interface,
                truncated,
            };
            let length = answer(request, reply);
            if (1..=reply.len()).contains(&length) {
                let control_length = control::encode(control, family, local);
                self.memory.queue(self.queued, i, length, control_length);
                self.queued += 1;
            }
        }
        dropped
    }

    /// Receives anew; what was not handed out or sent is forgotten. `Ok(0)` means that the socket
    /// was shut down: the kernel then gives one empty message that is from nobody.
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.memory.reset(self.received);
        (self.received, self.seen, self.queued) = (0, 0, 0);
        let count = loop {
            match self.memory.receive(socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.received = count.min(self.memory.width());
        if count == 1 && self.memory.slot(0).address.is_empty() {
            self.seen = 1;
            return Ok(0);
        }
        Ok(count)
    }

    /// Sends what is queued and forgets it.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> SendReport {
        let queued = std::mem::take(&mut self.queued);
        flush(
            queued,
            |from| self.memory.send(socket, from..queued),
            || system::wait_for_room(socket, PATIENCE),
        )
    }

    /// Where the kernel put message `i`'s sender, so that a test can make it another's.
    #[cfg(test)]
    pub(crate) fn address_mut(&mut self, i: usize) -> &mut address::Address {
        self.memory.address_mut(i)
    }
}

impl Default for Batch {
    /// [`Batch::MESSAGES`] messages of [`Batch::BUFFER`] bytes.
    fn default() -> Self {
        Self::new(Self::MESSAGES, Self::BUFFER)
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("width", &self.width())
            .field("received", &self.received)
            .field("queued", &self.queued)
            .finish_non_exhaustive()
    }
}
