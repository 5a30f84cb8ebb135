//! How a worker ends.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use udp_batch::{Batch, BatchSocket, Received};

use crate::support::{BOUND, bind, bind_without_timeout, client_of, receive_text, write};

/// Waits until the thread of this /proc folder sleeps in the kernel: state S in proc(5).
fn wait_until_asleep(thread: &Path) {
    let start = Instant::now();
    loop {
        let status = std::fs::read_to_string(thread.join("status")).unwrap();
        if status
            .lines()
            .any(|line| line.starts_with("State:") && line.contains('S'))
        {
            let system_call = std::fs::read_to_string(thread.join("syscall")).unwrap_or_default();
            let number = libc::SYS_recvmmsg.to_string();
            // Where the kernel does not tell the system call, to be asleep must do.
            if system_call.is_empty() || system_call.split(' ').next() == Some(&number) {
                return;
            }
        }
        assert!(start.elapsed() < BOUND, "the receiver does not wait");
        std::thread::yield_now();
    }
}

/// A thread that receives again and again, and the `/proc` folder that tells what it does.
struct Receiver {
    thread: JoinHandle<()>,
    folder: PathBuf,
    events: mpsc::Receiver<(io::Result<Received>, usize)>,
}

impl Receiver {
    fn start(socket: &Arc<BatchSocket>) -> Self {
        let socket = socket.clone();
        let (sender, events) = mpsc::sync_channel(1);
        let (folder_sender, folder) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let me = std::fs::read_link("/proc/thread-self").unwrap();
            folder_sender.send(PathBuf::from("/proc").join(me)).unwrap();
            let mut batch = Batch::default();
            let mut count = 0;
            let receive = || {
                let received = socket.receive(&mut batch);
                let dropped = batch.for_each(|_, _| {
                    count += 1;
                    0
                });
                (received, dropped + std::mem::take(&mut count))
            };
            // Ends when the test that listens does.
            let _ = std::iter::repeat_with(receive).try_for_each(|event| sender.send(event));
        });
        Self {
            thread,
            folder: folder.recv_timeout(BOUND).unwrap(),
            events,
        }
    }

    /// The next outcome, and how many messages were handed out or dropped with it.
    fn next(&self) -> (Received, usize) {
        let (received, messages) = self.events.recv_timeout(BOUND).expect("no outcome in time");
        (received.unwrap(), messages)
    }
}

/// If this fails, a server does not stop before the next query comes.
#[test]
fn shutting_down_wakes_a_blocked_receiver() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let socket = Arc::new(bind_without_timeout(address));
        let receiver = Receiver::start(&socket);
        wait_until_asleep(&receiver.folder);
        assert!(
            receiver.events.try_recv().is_err(),
            "{address}: received from nobody"
        );
        socket.shut_down();
        // Later calls do not wait either.
        for _ in 0..3 {
            assert_eq!(receiver.next(), (Received::Closed, 0), "{address}");
        }
    }
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// If this fails, a signal that somebody handles without `SA_RESTART` ends a worker.
#[test]
#[expect(unsafe_code, reason = "only the C library can handle and send signals")]
fn a_signal_does_not_end_the_wait() {
    let socket = Arc::new(bind_without_timeout("127.0.0.1:0"));
    let receiver = Receiver::start(&socket);
    wait_until_asleep(&receiver.folder);
    // SAFETY: all zero is a `sigaction` (no flags, nothing blocked); the handler only adds to an
    // atomic number. The thread lives: it receives as long as `receiver` listens.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as extern "C" fn(libc::c_int) as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()),
            0
        );
        assert_eq!(
            libc::pthread_kill(receiver.thread.as_pthread_t(), libc::SIGUSR2),
            0
        );
    }
    let start = Instant::now();
    while SIGNALS.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < BOUND, "the signal was not handled");
        std::thread::yield_now();
    }
    wait_until_asleep(&receiver.folder);
    client_of(socket.local_address().unwrap())
        .send(b"?")
        .unwrap();
    assert_eq!(receiver.next(), (Received::Messages(1), 1));
    socket.shut_down();
}

/// If this fails, queries that arrived before a server's end are lost.
#[test]
fn what_is_queued_is_received_before_the_end_and_can_be_answered() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let server = bind(address);
        let client = client_of(server.local_address().unwrap());
        for number in 0..40 {
            client.send(&[number]).unwrap();
        }
        client.send(b"").unwrap();
        server.shut_down();
        let mut batch = Batch::default();
        for size in [32, 9] {
            assert_eq!(
                server.receive(&mut batch).unwrap(),
                Received::Messages(size)
            );
            batch.for_each(|request, reply| write(reply, &format!("{:?}", request.bytes)));
            assert_eq!(server.send(&mut batch).sent, size);
        }
        for number in 0..40 {
            assert_eq!(receive_text(&client), format!("[{number}]"));
        }
        assert_eq!(receive_text(&client), "[]");
        assert_eq!(server.receive(&mut batch).unwrap(), Received::Closed);
        // What comes later still arrives; the end is only what an empty queue looks like.
        client.send(b"late").unwrap();
        assert_eq!(server.receive(&mut batch).unwrap(), Received::Messages(1));
        assert_eq!(server.receive(&mut batch).unwrap(), Received::Closed);
    }
}
