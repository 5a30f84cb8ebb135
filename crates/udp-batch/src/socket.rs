//! The socket: how it is set up, shared and closed.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{MsgHdr, SockAddr, Socket, Type};

use crate::address::{self, Family};
use crate::batch::Batch;
use crate::control::{self, Control, Local};
use crate::flush::SendReport;
use crate::system::set_option;

/// Bytes that the kernel may keep for us to receive (`SO_RCVBUF`), up to the system's
/// `net.core.rmem_max`: a burst of queries waits here while a batch is answered.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Bytes that the kernel may keep for us to send (`SO_SNDBUF`), up to the system's
/// `net.core.wmem_max`.
const SEND_BUFFER: usize = 1 << 20;

/// A UDP socket that receives and sends in batches.
///
/// It may be shared between threads: one worker receives and answers, others send late replies
/// with [`send_one`](Self::send_one), another one ends it with [`shut_down`](Self::shut_down).
#[derive(Debug)]
pub struct BatchSocket {
    socket: Socket,
    family: Family,
}

/// What came of a [`BatchSocket::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many messages, at least one, are in the batch.
    Messages(usize),
    /// The socket was shut down and had nothing left to receive.
    Closed,
}

impl BatchSocket {
    /// Takes over a bound socket. It becomes blocking and gets large buffers; whether it shares
    /// its port (`SO_REUSEPORT`) and serves IPv4 besides IPv6 (`IPV6_V6ONLY`) stays as it is.
    ///
    /// # Errors
    /// When the socket's options cannot be read or set, or it is no UDP socket. The sizes of its
    /// buffers are a wish and never an error.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let socket = Socket::from(socket);
        socket.set_nonblocking(false)?;
        let address = local_address(&socket)?;
        if socket.r#type()? != Type::DGRAM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the socket of {address} is not a UDP socket; open it as a datagram one"),
            ));
        }
        // Wishes. The system's bound applies silently, and a socket of default size works.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let family = if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        ignore_path_mtu(&socket, family);
        // A socket with one address always replies from it. One with all of them must be told.
        if address.ip().is_unspecified() {
            match family {
                Family::V4 => {
                    set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
                }
                // Covers the IPv4 side of a dual-stack socket too, with mapped addresses.
                Family::V6 => {
                    set_option(
                        socket.as_fd(),
                        libc::IPPROTO_IPV6,
                        libc::IPV6_RECVPKTINFO,
                        1,
                    )?;
                }
            }
        }
        Ok(Self { socket, family })
    }

    /// The address that the socket is bound to, with the port that the kernel chose for port 0.
    ///
    /// # Errors
    /// The system's own; none is known for a bound socket.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        local_address(&self.socket)
    }

    /// Waits for a datagram, then takes as many as there are, up to the batch's width, without
    /// waiting further (recvmmsg(2), `MSG_WAITFORONE`). Replies still queued in the batch are
    /// forgotten. Signals do not end the wait.
    ///
    /// After [`shut_down`](Self::shut_down) it gives what the kernel had queued, and then
    /// [`Received::Closed`], however often it is called.
    ///
    /// # Errors
    /// The system's own. Errors of earlier sends are not among them.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<Received> {
        Ok(match batch.fill(self.socket.as_fd())? {
            0 => Received::Closed,
            count => Received::Messages(count),
        })
    }

    /// Sends the batch's queued replies (sendmmsg(2)) and empties its queue.
    ///
    /// A reply that the kernel refuses is counted and passed over; the others are sent. When the
    /// send buffer is full, it waits once, for at most 20 ms; what then finds no room is given up
    /// and counted.
    pub fn send(&self, batch: &mut Batch) -> SendReport {
        batch.flush(self.socket.as_fd())
    }

    /// Sends one datagram: a reply that was not ready in its batch. `local` and `interface` are
    /// those of the [`Request`](crate::Request); with `None` and 0 routing chooses. The interface
    /// matters only if `local` is a link-local address. Never waits.
    ///
    /// # Errors
    /// `WouldBlock` when the send buffer is full, `InvalidInput` for an IPv6 peer on an IPv4
    /// socket, and the system's own: the datagram is too long, there is no route, a filter
    /// forbids it.
    pub fn send_one(
        &self,
        bytes: &[u8],
        peer: SocketAddr,
        local: Option<IpAddr>,
        interface: u32,
    ) -> io::Result<()> {
        let peer = SockAddr::from(match (self.family, address::canonical(peer)) {
            (Family::V6, SocketAddr::V4(v4)) => {
                SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))
            }
            (Family::V4, SocketAddr::V6(v6)) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{v6} cannot be reached from an IPv4 socket"),
                ));
            }
            (_, peer) => peer,
        });
        let local = Local {
            address: local.map(|it| it.to_canonical()),
            interface,
        };
        let mut control = Control([0; control::CAPACITY]);
        let length = control::encode(&mut control, self.family, local);
        let buffers = [IoSlice::new(bytes)];
        let message = MsgHdr::new().with_addr(&peer).with_buffers(&buffers);
        let message = match control.0.get(..length) {
            Some(used) if length > 0 => message.with_control(used),
            _ => message,
        };
        loop {
            match self
                .socket
                .sendmsg(&message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends receiving: a blocked [`receive`](Self::receive) returns, and later ones do not wait.
    /// Sending goes on working.
    ///
    /// The kernel goes on accepting datagrams until the socket is dropped, so under steady
    /// traffic `receive` may go on bringing messages for long: a worker that must end by some
    /// time counts its batches.
    pub fn shut_down(&self) {
        // On a socket without a peer the kernel shuts it down, wakes the receivers, and then
        // reports ENOTCONN; recvmmsg gives one message of length 0 without a sender's address
        // (tried on Linux 6.18; inet_shutdown calls it a "hack to wake up other listeners").
        let _ = self.socket.shutdown(std::net::Shutdown::Read);
    }
}

impl AsFd for BatchSocket {
    /// The descriptor, to read or set further options. Made non-blocking, or given a timeout
    /// (`SO_RCVTIMEO`), [`receive`](Self::receive) fails with `WouldBlock` instead of waiting on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket is neither IPv4 nor IPv6; open it as a UDP socket",
        )
    })
}

/// Sends without regard to path MTU messages, which strangers can forge to make replies be cut
/// into fragments (RFC 9715 says why that is bad). Best effort: replies are right without it.
fn ignore_path_mtu(socket: &Socket, family: Family) {
    let _ = set_option(
        socket.as_fd(),
        libc::IPPROTO_IP,
        libc::IP_MTU_DISCOVER,
        libc::IP_PMTUDISC_OMIT,
    );
    if family == Family::V6 {
        let _ = set_option(
            socket.as_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_OMIT,
        );
    }
}

#[cfg(test)]
mod tests;
