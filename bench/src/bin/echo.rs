//! A bare UDP echo: it answers each datagram with as many octets as it is told, under the same
//! identifier, and does nothing else. What it costs is what the sockets cost, the yardstick for a
//! server built on them.

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;

use callsign_bench::Result;
use clap::Parser;
use udp_batch::{Batch, BatchSocket, Received};

/// Sends datagrams back until it is killed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: SocketAddr,
    /// The octets of each reply; without it, as many as came
    #[arg(long, value_name = "OCTETS")]
    reply: Option<usize>,
    /// How many sockets share the port, each with a thread
    #[arg(long, default_value_t = 1)]
    sockets: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut threads = Vec::new();
    for _ in 0..arguments.sockets {
        // As Callsign binds its own: src/listen/bind.rs.
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(arguments.address),
            socket2::Type::DGRAM,
            None,
        )?;
        socket.set_reuse_port(true)?;
        socket.bind(&arguments.address.into())?;
        let socket = BatchSocket::new(UdpSocket::from(socket))?;
        let reply = arguments.reply;
        threads.push(thread::spawn(move || echo(&socket, reply)));
    }
    for thread in threads {
        thread.join().map_err(|_panic| "a thread panicked")??;
    }
    Ok(())
}

fn echo(socket: &BatchSocket, length: Option<usize>) -> std::io::Result<()> {
    let mut batch = Batch::default();
    while let Received::Messages(_) = socket.receive(&mut batch)? {
        batch.for_each(|request, reply| {
            let bytes = request.bytes;
            // Beyond the request the buffer still has what was there before: nobody reads it.
            let length = length.unwrap_or(bytes.len()).min(reply.len());
            let same = bytes.len().min(length);
            reply[..same].copy_from_slice(&bytes[..same]);
            if let Some(flags) = reply[..length].get_mut(2) {
                *flags |= 0x80;
            }
            length
        });
        socket.send(&mut batch);
    }
    Ok(())
}
