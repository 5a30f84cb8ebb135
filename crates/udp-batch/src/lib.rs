//! UDP in batches: many datagrams for one system call, each reply sent from the address that its
//! request was sent to. Linux only.
//!
//! A worker thread owns a [`Batch`], shares a [`BatchSocket`] and goes round three calls:
//!
//! ```no_run
//! # fn answer(_: &[u8], _: &mut [u8]) -> usize { 0 }
//! # fn main() -> std::io::Result<()> {
//! use udp_batch::{Batch, BatchSocket, Received};
//!
//! let socket = BatchSocket::new(std::net::UdpSocket::bind("[::]:1053")?)?;
//! let mut batch = Batch::default();
//! while let Received::Messages(_) = socket.receive(&mut batch)? {
//!     batch.for_each(|request, reply| answer(request.bytes, reply));
//!     let _report = socket.send(&mut batch);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All memory is allocated by [`Batch::new`]. After that nothing is allocated, and no datagram is
//! copied but by the kernel.
//!
//! # Where the unsafe code is
//!
//! `block` (memory that stays where it is), `memory` (the message headers, which point into that
//! memory, and the two batch system calls) and `system` (`setsockopt`, `poll`). Everything else,
//! the reading and writing of socket addresses and control messages included, is safe code.

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(not(target_os = "linux"))]
compile_error!("udp-batch needs Linux: recvmmsg, sendmmsg and packet information are used");

mod address;
mod batch;
mod block;
mod control;
mod flush;
mod memory;
mod socket;
mod system;

pub use batch::{Batch, Request};
pub use flush::SendReport;
pub use socket::{BatchSocket, Received};
