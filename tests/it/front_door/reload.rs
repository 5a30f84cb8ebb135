//! What happens to queries while the configuration changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use super::WHOAMI;
use crate::support::callsign::Callsign;
use crate::support::dns::{NEVER, Query, Stream, ask, receive, udp_socket};

/// Asks without a pause, over sockets of its own, until it is told to end; gives how many replies
/// came, or panics when one does not.
fn keep_asking(server: SocketAddr, end: &AtomicBool) -> usize {
    let mut asked = 0;
    while !end.load(Ordering::Relaxed) {
        let socket = udp_socket(server);
        for id in 0..20 {
            socket
                .send(&Query::new("example.", "A").id(id).bytes())
                .expect("a datagram");
        }
        for _ in 0..20 {
            receive(&socket).expect("a reply to every query, reload or not");
            asked += 1;
        }
    }
    asked
}

/// Tells those who ask to end when it is dropped: a test that fails while they ask would wait for
/// them for ever otherwise.
struct EndOnDrop<'e>(&'e AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// If this fails, a reload loses queries.
#[test]
fn a_reload_loses_no_query() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let asked_enough = EndOnDrop(&end);
        let asking: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| keep_asking(server, &end)))
            .collect();
        let mut connection = Stream::connect(server);
        // Who has asked something may be silent for longer than a reload takes.
        connection.send(&Query::new("example.", "A"));
        assert_eq!(connection.receive().rcode, 0);
        for round in 1..=10 {
            let signal = if round % 2 == 0 {
                Signal::SIGHUP
            } else {
                Signal::SIGUSR1
            };
            callsign.rewrite(&format!(
                "{WHOAMI}zone{round}:{{other}} {{\n    whoami\n}}\n"
            ));
            callsign.signal(signal);
            callsign.output_has("reloaded", round);
            connection.send(&Query::new("example.", "A"));
            assert_eq!(connection.receive().rcode, 0, "the connection is kept");
            let second = (server.ip(), callsign.place().other).into();
            assert_eq!(ask(second, &format!("zone{round}."), "A").rcode, 0);
        }
        drop(asked_enough);
        for asking in asking {
            assert!(asking.join().expect("no query was lost") > 0);
        }
    });
}

/// If this fails, a typing mistake in a running server's Corefile ends the server, or nobody is
/// told about it.
#[test]
fn a_bad_reload_changes_nothing() {
    let callsign = Callsign::start(WHOAMI);
    for (round, (text, message)) in [
        (".:{port} {\n    whoam\n}\n", "did you mean `whoami`?"),
        ("example.:{port} {\n", "error"),
        (
            ".:{port} {\n    bind 192.0.2.1\n    whoami\n}\n",
            "192.0.2.1:{port}: not an address of this machine",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        callsign.rewrite(text);
        callsign.signal(Signal::SIGHUP);
        callsign.output_has("not reloaded, the old configuration goes on", round + 1);
        callsign.says(&callsign.place().filled(message));
        assert_eq!(ask(callsign.address(), "example.", "A").rcode, 0);
    }
}

/// If this fails, a reload to another address leaves the old one served, or loses what was asked
/// while it changed over.
#[test]
fn a_reload_moves_between_addresses() {
    let one = ".:{port} {\n    bind 127.0.0.1\n    whoami\n}\n";
    let callsign = Callsign::start(one);
    let server = callsign.address();
    let elsewhere = (Ipv4Addr::new(127, 0, 0, 9), server.port()).into();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let asked_enough = EndOnDrop(&end);
        let asking = scope.spawn(|| keep_asking(server, &end));
        for round in 1..=9 {
            let text = if round % 2 == 1 { WHOAMI } else { one };
            callsign.rewrite(text);
            callsign.signal(Signal::SIGUSR1);
            callsign.output_has("reloaded", round);
            assert_eq!(Query::new(".", "A").tcp(server).rcode, 0);
            let query = Query::new(".", "A");
            if text == WHOAMI {
                assert_eq!(query.udp(elsewhere).rcode, 0, "round {round}");
            } else {
                let reply = query.udp_within(elsewhere, NEVER);
                assert!(reply.is_none(), "round {round}: {reply:?}");
            }
        }
        drop(asked_enough);
        assert!(asking.join().expect("no query was lost") > 0);
    });
}
