//! A bare UDP echo: sends each datagram back with the QR bit set, and does nothing else. What it
//! costs is what the sockets cost, the yardstick for a server built on them.
//!
//! ```text
//! cargo run --release -p udp-batch --example echo -- [--address 127.0.0.1:1053] [--seconds 10]
//!     [--messages 32]
//! dnsperf -s 127.0.0.1 -p 1053 -d queries -c 16 -l 10
//! ```

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use udp_batch::{Batch, BatchSocket, Received};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let socket = UdpSocket::bind(arguments.address)?;
    let socket = Arc::new(BatchSocket::new(socket)?);
    println!(
        "echo on {} for {} s",
        socket.local_address()?,
        arguments.seconds
    );

    let shared = socket.clone();
    let messages = arguments.messages;
    let worker = std::thread::spawn(move || echo(&shared, messages));
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    socket.shut_down();
    let counts = worker.join().map_err(|_panic| "the worker panicked")??;

    let [user, system] = processor_time();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / counts.packets.max(1) as f64;
    println!(
        "packets  {} ({} not sent)",
        counts.packets,
        counts.packets - counts.sent
    );
    println!(
        "batch    {:.1} packets",
        counts.packets as f64 / counts.batches.max(1) as f64
    );
    println!(
        "CPU      {:.3} us per packet ({:.3} user, {:.3} system)",
        micros(user + system),
        micros(user),
        micros(system)
    );
    Ok(())
}

#[derive(Default)]
struct Counts {
    batches: u64,
    packets: u64,
    sent: u64,
}

fn echo(socket: &BatchSocket, messages: usize) -> std::io::Result<Counts> {
    let mut batch = Batch::new(messages, Batch::BUFFER);
    let mut counts = Counts::default();
    while let Received::Messages(count) = socket.receive(&mut batch)? {
        batch.for_each(|request, reply| {
            let length = request.bytes.len();
            reply[..length].copy_from_slice(request.bytes);
            if let Some(flags) = reply[..length].get_mut(2) {
                *flags |= 0x80;
            }
            length
        });
        counts.batches += 1;
        counts.packets += count as u64;
        counts.sent += socket.send(&mut batch).sent as u64;
    }
    Ok(counts)
}

struct Arguments {
    address: SocketAddr,
    seconds: u64,
    messages: usize,
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut all = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1053)),
            seconds: 10,
            messages: Batch::MESSAGES,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--address" => all.address = value.parse()?,
                "--seconds" => all.seconds = value.parse()?,
                "--messages" => all.messages = value.parse()?,
                _ => {
                    return Err(format!("{word}: only --address, --seconds and --messages").into());
                }
            }
        }
        Ok(all)
    }
}

/// The user and the system time of this process so far (getrusage(2)).
#[expect(unsafe_code, reason = "only the C library tells the time used")]
fn processor_time() -> [Duration; 2] {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes one `rusage`, for which all zero is a value too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    [usage.ru_utime, usage.ru_stime].map(|time| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    })
}
