//! What a server costs besides answers over UDP: standing by, large zones, changes, connections.

mod changes;
mod connections;
mod idle;
mod million;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::client::Content;
use crate::contestant::{Contestant, callsign};
use crate::etcd::free_port;
use crate::peers::Peer;
use crate::questions::Question;

/// The processor of the servers; the client has the next one.
const SERVER: &str = "0";

/// What is measured in one go: gives the lines of its table.
pub type Scene = fn(&Bench) -> Result<String>;

/// All of them, by name.
pub const SCENES: [(&str, Scene); 5] = [
    ("tcp", connections::measure),
    ("idle", idle::measure),
    ("million", million::measure),
    ("change", changes::one),
    ("churn", changes::many),
];

/// What all of them need.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Callsign.
    pub server: PathBuf,
    /// The folder with the Corefiles.
    pub examples: PathBuf,
    /// The seconds of most measurements.
    pub seconds: f64,
}

/// Callsign with this Corefile, once it answers the question.
fn ours(bench: &Bench, folder: &Path, text: &str, first: &Question) -> Result<Contestant> {
    started(bench, folder, text, (Content::Names, first))
}

/// Callsign with this Corefile, once it answers the question in any way.
fn any(bench: &Bench, folder: &Path, text: &str, first: &Question) -> Result<Contestant> {
    started(bench, folder, text, (Content::Anything, first))
}

fn started(
    bench: &Bench,
    folder: &Path,
    text: &str,
    first: (Content, &Question),
) -> Result<Contestant> {
    let path = folder.join("Corefile");
    std::fs::write(&path, text)?;
    let at = address()?;
    let command = callsign(&bench.server, &path, at.port());
    Contestant::start("Callsign", &command, folder, SERVER, at, first)
}

/// Another server with the zone of the folder, once it answers the question.
fn peer(peer: Peer, folder: &Path, first: &Question) -> Result<Contestant> {
    let at = address()?;
    let command = peer.command(folder, at.port(), 1)?;
    let first = (Content::Names, first);
    Contestant::start(peer.name(), &command, folder, SERVER, at, first)
}

fn address() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

/// An echo with replies as long as a server's to the first question.
fn echo(server: &Contestant, folder: &Path, questions: &[Question]) -> Result<Contestant> {
    let question = questions.first().ok_or("no questions")?;
    let length = ask(server.address, question)?.map_or(512, |reply| reply.len());
    let at = address()?;
    let mut command = Command::new(std::env::current_exe()?.with_file_name("echo"));
    command.args(["--address", &at.to_string(), "--reply", &length.to_string()]);
    let first = (Content::Anything, question);
    Contestant::start("echo", &command, folder, SERVER, at, first)
}

/// Whether a server says now what the question expects.
fn says(server: SocketAddr, question: &Question) -> Result<bool> {
    let reply = ask(server, question)?;
    Ok(reply.is_some_and(|reply| question.expected.inspect(&reply).is_ok()))
}

/// The reply to one question, if there is one within a second.
fn ask(server: SocketAddr, question: &Question) -> Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send(&question.message)?;
    let mut reply = vec![0; 4096];
    Ok(socket.recv(&mut reply).ok().map(|length| {
        reply.truncate(length);
        reply
    }))
}
