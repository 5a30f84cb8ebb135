//! Messages in, replies out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use udp_batch::{Batch, BatchSocket, Received};

use crate::support::{bind, client_of, receive_text, write};

/// Sends `count` messages from several clients before the first is received, answers them in
/// batches, and checks that every client has exactly its own replies. Gives the batches' sizes.
fn echo(address: &str, count: usize) -> Vec<usize> {
    let server = bind(address);
    let clients: Vec<_> = (0..7)
        .map(|_| client_of(server.local_address().unwrap()))
        .collect();
    for number in 0..count {
        let text = format!("message {number} {}", "x".repeat(number * 11));
        clients[number % clients.len()]
            .send(text.as_bytes())
            .unwrap();
    }
    let mut batch = Batch::default();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < count {
        let Received::Messages(size) = server.receive(&mut batch).unwrap() else {
            panic!("closed by nobody");
        };
        sizes.push(size);
        batch.for_each(|request, reply| {
            assert!(!request.truncated);
            let text = std::str::from_utf8(request.bytes).unwrap();
            write(reply, &format!("re: {text} of {}", request.peer))
        });
        assert_eq!(batch.queued(), size);
        let report = server.send(&mut batch);
        assert_eq!((report.sent, report.refused, report.given_up), (size, 0, 0));
        assert_eq!(batch.queued(), 0);
    }
    for number in 0..count {
        let client = &clients[number % clients.len()];
        let peer = client.local_addr().unwrap();
        let wanted = format!("re: message {number} {} of {peer}", "x".repeat(number * 11));
        assert_eq!(receive_text(client), wanted);
    }
    for client in clients {
        client.set_nonblocking(true).unwrap();
        assert!(client.recv(&mut [0]).is_err(), "a reply too many");
    }
    sizes
}

/// If this fails, clients get no reply, another's reply, or two.
#[test]
fn every_client_gets_its_own_replies_over_ipv4() {
    assert_eq!(echo("127.0.0.1:0", 1), [1]);
    assert_eq!(echo("127.0.0.1:0", 32), [32]);
    assert_eq!(echo("127.0.0.1:0", 100), [32, 32, 32, 4]);
}

/// If this fails, the same happens to clients over IPv6.
#[test]
fn every_client_gets_its_own_replies_over_ipv6() {
    assert_eq!(echo("[::1]:0", 1), [1]);
    assert_eq!(echo("[::1]:0", 32), [32]);
    assert_eq!(echo("[::1]:0", 100), [32, 32, 32, 4]);
}

/// If this fails, a batch brings back bytes, senders or lengths of an earlier one, or has no room
/// for addresses that are longer than the earlier ones.
#[test]
fn a_batch_is_clean_when_it_is_used_again() {
    let (v4, v6) = (bind("0.0.0.0:0"), bind("[::]:0"));
    let mut batch = Batch::new(4, 64);
    for (server, address, texts) in [
        (&v4, "127.0.0.2", &["first"][..]),
        (&v6, "::1", &["a longer text", "another one", "third"][..]),
        (&v4, "127.0.0.3", &["b"][..]),
        (&v6, "::1", &["", "c"][..]),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let port = server.local_address().unwrap().port();
        let client = client_of(SocketAddr::from((address, port)));
        for text in texts {
            client.send(text.as_bytes()).unwrap();
        }
        assert_eq!(
            server.receive(&mut batch).unwrap(),
            Received::Messages(texts.len())
        );
        let mut seen = Vec::new();
        batch.for_each(|request, _| {
            assert_eq!(request.peer, client.local_addr().unwrap());
            assert_eq!(request.local, Some(address));
            seen.push(String::from_utf8(request.bytes.to_vec()).unwrap());
            0
        });
        assert_eq!(seen, texts);
    }
}

/// If this fails, the worker parses a query whose end is missing as if it were whole.
#[test]
fn a_message_longer_than_the_buffer_is_flagged() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    for length in [64, 65, 5000, 1] {
        client.send(&vec![b'x'; length]).unwrap();
    }
    let mut batch = Batch::new(8, 64);
    assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(4));
    let mut seen = Vec::new();
    batch.for_each(|request, _| {
        seen.push((request.bytes.len(), request.truncated));
        0
    });
    assert_eq!(seen, [(64, false), (64, true), (64, true), (1, false)]);
}

/// If this fails, an empty datagram stops the worker, or hides the messages behind it.
#[test]
fn empty_messages_are_messages() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    let mut batch = Batch::default();
    for texts in [&[""][..], &["", "a", ""][..]] {
        for text in texts {
            client.send(text.as_bytes()).unwrap();
        }
        assert_eq!(
            server.receive(&mut batch).unwrap(),
            Received::Messages(texts.len())
        );
        batch.for_each(|request, reply| write(reply, &format!("{} bytes", request.bytes.len())));
        assert_eq!(server.send(&mut batch).sent, texts.len());
        for text in texts {
            assert_eq!(receive_text(&client), format!("{} bytes", text.len()));
        }
    }
}

/// If this fails, what the worker chose not to answer is answered with an old reply.
#[test]
fn no_reply_is_sent_for_0_or_for_more_than_the_buffer() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    for text in ["0", "100", "101", "1"] {
        client.send(text.as_bytes()).unwrap();
    }
    let mut batch = Batch::new(8, 100);
    assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(4));
    batch.for_each(|request, reply| {
        assert_eq!(reply.len(), 100);
        reply.fill(b'r');
        std::str::from_utf8(request.bytes).unwrap().parse().unwrap()
    });
    assert_eq!(server.send(&mut batch).sent, 2);
    assert_eq!(receive_text(&client), "r".repeat(100));
    assert_eq!(receive_text(&client), "r");
}

/// If this fails, a reply that is too long for UDP costs the others of its batch theirs.
#[test]
fn a_reply_that_is_refused_does_not_lose_the_others() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    let mut batch = Batch::new(4, 65535);
    for refused in [0, 1, 3] {
        for number in 0..4 {
            client.send(&[number]).unwrap();
        }
        assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(4));
        batch.for_each(|request, reply| {
            reply[0] = request.bytes[0];
            if request.bytes[0] == refused {
                65535
            } else {
                1
            }
        });
        let report = server.send(&mut batch);
        assert_eq!((report.sent, report.refused, report.given_up), (3, 1, 0));
        for number in (0..4).filter(|number| *number != refused) {
            assert_eq!(receive_text(&client).as_bytes(), [number]);
        }
    }
}

/// If this fails, a query that panics the answering code takes the rest of its batch with it.
#[test]
fn after_a_panic_the_batch_goes_on_with_the_next_message() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    for text in ["first", "panic", "last"] {
        client.send(text.as_bytes()).unwrap();
    }
    let mut batch = Batch::default();
    assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(3));
    let mut answer_all = || {
        batch.for_each(|request, reply| {
            let text = std::str::from_utf8(request.bytes).unwrap();
            assert_ne!(text, "panic", "meant to happen");
            write(reply, text)
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(&mut answer_all)).is_err());
    assert!(catch_unwind(AssertUnwindSafe(&mut answer_all)).is_ok());
    assert_eq!(server.send(&mut batch).sent, 2);
    assert_eq!(receive_text(&client), "first");
    assert_eq!(receive_text(&client), "last");
}

/// If this fails, absurd settings of a batch panic or ask the kernel for what it refuses.
#[test]
fn absurd_sizes_are_taken_to_the_nearest_that_works() {
    let server = bind("127.0.0.1:0");
    let client = client_of(server.local_address().unwrap());
    for (messages, buffer, width, length) in [(0, 0, 1, 1), (usize::MAX, 1, 1024, 1)] {
        let mut batch = Batch::new(messages, buffer);
        assert_eq!(batch.width(), width);
        client.send(b"xy").unwrap();
        assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(1));
        batch.for_each(|request, reply| {
            assert_eq!((request.bytes.len(), reply.len()), (length, length));
            0
        });
    }
}

/// If this fails, a second worker cannot share the port, or workers answer each other's clients.
#[test]
fn two_sockets_share_a_port_and_the_messages() {
    let first = bind("127.0.0.1:0");
    let address = first.local_address().unwrap();
    let second = bind(&address.to_string());
    let clients: Vec<_> = (0..64).map(|_| client_of(address)).collect();
    for client in &clients {
        client.send(b"?").unwrap();
    }
    // Shut down, so that a socket without messages says so instead of waiting.
    let mut answered = HashMap::new();
    for (name, server) in [("first", &first), ("second", &second)] {
        server.shut_down();
        let mut batch = Batch::default();
        while let Received::Messages(count) = server.receive(&mut batch).unwrap() {
            batch.for_each(|_, reply| write(reply, name));
            assert_eq!(server.send(&mut batch).sent, count);
            *answered.entry(name).or_insert(0) += count;
            assert!(answered[name] <= 64, "more messages than were sent");
        }
    }
    assert_eq!(answered.values().sum::<usize>(), 64);
    assert_eq!(
        answered.len(),
        2,
        "all 64 clients went to one socket: {answered:?}"
    );
    for client in &clients {
        receive_text(client);
    }
}

// If this does not compile, a worker cannot be given its batch, or a socket cannot be shared.
const _: () = {
    const fn can_be_given_to_a_thread<T: Send>() {}
    const fn can_be_shared_by_threads<T: Send + Sync>() {}
    can_be_given_to_a_thread::<Batch>();
    can_be_shared_by_threads::<BatchSocket>();
};
