//! What needs a look inside a batch; everything else is tested from outside, in `tests/`.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;

/// If this fails, one forged or unreachable sender costs the other clients their replies.
#[test]
fn a_destination_that_is_refused_does_not_lose_the_others() {
    let server = BatchSocket::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = server.local_address().unwrap();
    let clients: Vec<_> = (0..5_u8)
        .map(|number| {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(40)))
                .unwrap();
            client.send_to(&[number], address).unwrap();
            client
        })
        .collect();
    let mut batch = Batch::default();
    assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(5));
    batch.for_each(|request, reply| {
        reply[..1].copy_from_slice(request.bytes);
        1
    });
    // The first and the fourth reply now go to the broadcast address: EACCES.
    for i in [0, 3] {
        batch.address_mut(i).0[4..8].copy_from_slice(&[255; 4]);
    }
    let report = server.send(&mut batch);
    assert_eq!((report.sent, report.refused, report.given_up), (3, 2, 0));
    for number in [1, 2, 4] {
        let mut buffer = [0; 2];
        assert_eq!(
            clients[number].recv(&mut buffer).unwrap(),
            1,
            "client {number}"
        );
        assert_eq!(usize::from(buffer[0]), number);
    }
}

/// If this fails, the worker answers to port 0, which the kernel refuses each time.
#[test]
fn a_sender_with_port_0_is_dropped_unseen() {
    let server = BatchSocket::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in ["forged", "honest"] {
        client
            .send_to(text.as_bytes(), server.local_address().unwrap())
            .unwrap();
    }
    let mut batch = Batch::default();
    assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(2));
    batch.address_mut(0).0[2..4].copy_from_slice(&[0; 2]);
    let mut seen = Vec::new();
    let dropped = batch.for_each(|request, _| {
        seen.push(request.bytes.to_vec());
        0
    });
    assert_eq!((dropped, seen), (1, vec![b"honest".to_vec()]));
}
