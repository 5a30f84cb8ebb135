//! Listeners with a plugin that waits and that tells who freed it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::thread;
use std::time::Instant;

use answer::Name;
use tokio::sync::Notify;

use super::*;
use crate::counters::Count;
use crate::plugins::{Chain, Exchange, Plugin, Resume, Step};

/// How long anything may take that should take a moment.
const BOUND: Duration = Duration::from_secs(40);

/// Answers at once, but names that begin with `w` only when it is told to.
struct Waits {
    go: Arc<Notify>,
    /// The name of the thread that dropped it.
    dropped_by: Arc<Mutex<Option<String>>>,
}

impl Plugin for Waits {
    fn name(&self) -> &'static str {
        "waits"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        if !exchange.name.label(0).starts_with(b"w") {
            return Step::Answered;
        }
        let go = self.go.clone();
        Step::Defer(Box::pin(async move {
            go.notified().await;
            Box::new(|_: &mut Exchange<'_, '_>| Step::Answered) as Resume
        }))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let name = thread::current().name().unwrap_or("nameless").to_owned();
        *self.dropped_by.lock().unwrap() = Some(name);
    }
}

/// A listener on a port of its own, in a runtime of its own.
struct Server {
    runtime: tokio::runtime::Runtime,
    shared: Arc<Shared>,
    listener: Listener,
    go: Arc<Notify>,
    dropped_by: Arc<Mutex<Option<String>>>,
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let shared = Shared::new(runtime.handle().clone());
        let (go, dropped_by) = (Arc::<Notify>::default(), Arc::default());
        let plugin = Waits {
            go: go.clone(),
            dropped_by: Arc::clone(&dropped_by),
        };
        let address = ListenAddress::One((Ipv4Addr::LOCALHOST, 0).into());
        let bound = bind_missing(&[address], &[], |_| 1).unwrap().remove(0);
        let listener = Listener::start(bound, routes(vec![Box::new(plugin)]), &shared).unwrap();
        Self {
            runtime,
            shared,
            listener,
            go,
            dropped_by,
        }
    }

    fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.listener.local()).unwrap();
        socket.set_read_timeout(Some(BOUND)).unwrap();
        socket
    }

    fn counted(&self, count: Count) -> u64 {
        self.shared.statistics.total().get(count)
    }
}

fn routes(plugins: Vec<Box<dyn Plugin>>) -> Routes {
    Routes::new([(Name::root(), Arc::new(Chain::new(plugins)))])
}

/// A query for the name of this one label.
fn query(id: u8, label: u8) -> Vec<u8> {
    vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, label, 0, 0, 1, 0, 1]
}

fn id_of_next(socket: &UdpSocket) -> u8 {
    let mut reply = [0; 512];
    socket.recv(&mut reply).unwrap();
    reply[1]
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// If this fails, a query that has to wait holds up all that come after it, or its reply is lost.
#[test]
fn over_udp_a_query_that_waits_holds_up_nobody() {
    let server = Server::start();
    let socket = server.udp();
    socket.send(&query(1, b'w')).unwrap();
    socket.send(&query(2, b'a')).unwrap();
    assert_eq!(id_of_next(&socket), 2);
    server.go.notify_one();
    assert_eq!(id_of_next(&socket), 1);
    wait_for("all is counted", || {
        (
            server.counted(Count::Deferred),
            server.counted(Count::Replies),
        ) == (1, 2)
    });
}

/// If this fails, one slow name holds up a whole connection (RFC 7766 §6.2.1.1).
#[test]
fn over_tcp_replies_come_as_they_are_ready() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.listener.local()).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    for (id, label) in [(1, b'w'), (2, b'a'), (3, b'w'), (4, b'a')] {
        let message = query(id, label);
        stream
            .write_all(&[&[0, message.len() as u8], message.as_slice()].concat())
            .unwrap();
    }
    let mut next = || {
        let mut reply = [0; 2 + 19];
        stream.read_exact(&mut reply).unwrap();
        reply[3]
    };
    assert_eq!([next(), next()], [2, 4]);
    server.go.notify_one();
    server.go.notify_one();
    let mut late = [next(), next()];
    late.sort_unstable();
    assert_eq!(late, [1, 3]);
}

/// If this fails, a worker frees a whole configuration between two queries, or nobody ever does.
#[test]
fn old_routes_are_freed_and_never_by_a_worker() {
    let server = Server::start();
    let socket = server.udp();
    socket.send(&query(1, b'a')).unwrap();
    assert_eq!(id_of_next(&socket), 1);
    server.listener.reroute(routes(Vec::new()));
    assert_eq!(
        *server.dropped_by.lock().unwrap(),
        None,
        "the worker still looks at them"
    );
    socket.send(&query(2, b'a')).unwrap();
    assert_eq!(id_of_next(&socket), 2);
    wait_for("the old routes are free", || !server.shared.sweep());
    let this_thread = thread::current().name().map(ToOwned::to_owned);
    assert_eq!(*server.dropped_by.lock().unwrap(), this_thread);
}

/// If this fails, stopping leaves threads and ports behind, or loses what had arrived.
#[test]
fn a_listener_that_stops_answers_what_has_arrived() {
    let Server {
        runtime,
        mut listener,
        go,
        ..
    } = Server::start();
    let address = listener.local();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    for id in 0..100 {
        socket
            .send(&query(id, if id == 50 { b'w' } else { b'a' }))
            .unwrap();
    }
    listener.shut_down();
    let mut ids: Vec<u8> = (0..99).map(|_| id_of_next(&socket)).collect();
    go.notify_one();
    ids.push(id_of_next(&socket));
    assert_eq!(ids.pop(), Some(50));
    assert_eq!(ids.len(), 99);
    assert!(runtime.block_on(listener.drained(BOUND)));
    let again = ListenAddress::One(address);
    assert!(bind_missing(&[again], &[], |_| 1).is_ok());
}

/// If this fails, a flood of queries that wait takes all memory.
#[test]
fn only_so_many_queries_wait() {
    let server = Server::start();
    let _all = server
        .shared
        .waiting
        .clone()
        .try_acquire_many_owned(MOST_WAITING as u32)
        .unwrap();
    let socket = server.udp();
    socket.send(&query(1, b'w')).unwrap();
    socket.send(&query(2, b'a')).unwrap();
    assert_eq!(id_of_next(&socket), 2);
    wait_for("the drop is counted", || {
        server.counted(Count::Overloaded) == 1
    });
}

/// If this fails, a connection that is made while the address changes over to another listener is
/// reset: the kernel completes it for the old one, which nobody asks for it any more.
#[test]
fn a_listener_that_stops_gets_no_new_connections() {
    let Server {
        runtime,
        mut listener,
        ..
    } = Server::start();
    let address = listener.local();
    let mut early = TcpStream::connect(address).unwrap();
    early.set_read_timeout(Some(BOUND)).unwrap();
    let message = query(7, b'a');
    early
        .write_all(&[&[0, message.len() as u8], message.as_slice()].concat())
        .unwrap();
    listener.shut_down();
    // It is not refused either: the client tries again, until somebody else is there.
    let late = TcpStream::connect_timeout(&address, Duration::from_millis(300));
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let drained = runtime.spawn(listener.drained(BOUND));
    let mut reply = [0; 2 + 19];
    early.read_exact(&mut reply).unwrap();
    assert_eq!(reply[3], 7);
    assert!(runtime.block_on(drained).unwrap());
}
