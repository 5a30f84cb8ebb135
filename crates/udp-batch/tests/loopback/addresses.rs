//! Replies come from the address that was asked.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, mpsc};

use udp_batch::BatchSocket;

use crate::support::{BOUND, Server, bind, client_of, receive_text, write};

/// What a worker hands on for a later reply.
type Late = (Vec<u8>, SocketAddr, Option<IpAddr>, u32);

/// Asks a wildcard socket at each of `addresses`, with a client that takes replies from that
/// address alone, and has it reply at once and late.
fn ask_each(socket: BatchSocket, addresses: &[&str]) {
    let (sender, requests) = mpsc::channel::<Late>();
    let server = Server::start(socket, move |request, reply| {
        let Ok(()) = sender.send((
            request.bytes.to_vec(),
            request.peer,
            request.local,
            request.interface,
        )) else {
            return 0;
        };
        write(reply, "at once")
    });
    for address in addresses {
        let address: IpAddr = address.parse().unwrap();
        let client = client_of(SocketAddr::from((address, server.port())));
        client.send(b"?").unwrap();
        let (bytes, peer, local, interface) = requests.recv_timeout(BOUND).unwrap();
        assert_eq!(
            (&bytes[..], peer),
            (&b"?"[..], client.local_addr().unwrap())
        );
        assert_eq!(local, Some(address));
        assert_ne!(interface, 0, "{address}");
        assert_eq!(receive_text(&client), "at once", "{address}");
        // A late reply, from another thread than the worker's.
        let socket: Arc<BatchSocket> = server.socket.clone();
        socket.send_one(b"late", peer, local, interface).unwrap();
        assert_eq!(receive_text(&client), "late", "{address}");
    }
}

/// If this fails, clients of a second address get replies from the first, and discard them.
#[test]
fn a_wildcard_ipv4_socket_replies_from_the_address_asked() {
    ask_each(bind("0.0.0.0:0"), &["127.0.0.1", "127.0.0.2", "127.9.8.7"]);
}

/// If this fails, the same happens on the usual dual-stack socket, to either family.
#[test]
fn a_wildcard_dual_stack_socket_replies_from_the_address_asked() {
    ask_each(bind("[::]:0"), &["127.0.0.1", "::1", "127.0.0.2"]);
}

/// If this fails, the worker of a socket that was opened for something else spins instead of waiting.
#[test]
fn a_socket_that_does_not_block_is_made_to() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = BatchSocket::new(socket).unwrap();
    ask_each(socket, &["127.0.0.1", "127.0.0.2"]);
}

/// If this fails, queries to the machine's own link-local addresses get no reply. On a machine
/// without such an address it says so and checks nothing: `control`'s tests have the rule.
#[test]
fn a_link_local_address_is_answered_on_its_interface() {
    let Some((address, scope)) = link_local() else {
        println!("not checked: no link-local IPv6 address here");
        return;
    };
    let (sender, requests) = mpsc::channel();
    let server = Server::start(bind("[::]:0"), move |request, reply| {
        let _ = sender.send((request.peer, request.local, request.interface));
        write(reply, "at once")
    });
    let at = std::net::SocketAddrV6::new(address, server.port(), 0, scope);
    let client = UdpSocket::bind("[::]:0").unwrap();
    client.connect(at).unwrap();
    client.set_read_timeout(Some(BOUND)).unwrap();
    client.send(b"?").unwrap();
    let (peer, local, interface) = requests.recv_timeout(BOUND).unwrap();
    assert_eq!(local, Some(IpAddr::V6(address)));
    assert_eq!(receive_text(&client), "at once");
    server
        .socket
        .send_one(b"late", peer, local, interface)
        .unwrap();
    assert_eq!(receive_text(&client), "late");
}

/// A link-local address of this machine and its interface's index, from the kernel's table:
/// address, index, prefix length, scope, flags (all hexadecimal) and name.
fn link_local() -> Option<(std::net::Ipv6Addr, u32)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?.into();
        let index = u32::from_str_radix(words.next()?, 16).ok()?;
        std::net::Ipv6Addr::is_unicast_link_local(&address).then_some((address, index))
    })
}

/// If this fails, every datagram of a socket with one address costs a control message.
#[test]
fn a_socket_with_one_address_does_not_ask_for_it() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (sender, requests) = mpsc::channel();
        let server = Server::start(bind(address), move |request, reply| {
            let _ = sender.send((request.local, request.interface));
            write(reply, "reply")
        });
        let client = client_of(server.socket.local_address().unwrap());
        client.send(b"?").unwrap();
        assert_eq!(receive_text(&client), "reply");
        assert_eq!(requests.recv_timeout(BOUND).unwrap(), (None, 0));
        let peer = client.local_addr().unwrap();
        server.socket.send_one(b"late", peer, None, 0).unwrap();
        assert_eq!(receive_text(&client), "late");
    }
}

/// If this fails, a late reply that cannot be sent is reported as sent, or panics its task.
#[test]
fn a_late_reply_that_cannot_be_sent_is_an_error() {
    let socket = bind("127.0.0.1:0");
    let error = socket
        .send_one(b"", "[2001:db8::1]:53".parse().unwrap(), None, 0)
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let error = socket
        .send_one(&[0; 65535], "127.0.0.1:53".parse().unwrap(), None, 0)
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
}
