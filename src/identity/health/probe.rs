//! One try of a health check.

use std::fmt;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::Url;
use crate::identity::hooks::process::CommandLine;
use crate::reason;

/// What a health check tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Passes when a TCP connection to this `ADDRESS:PORT` can be made.
    Tcp(String),
    /// Passes when a GET over plain HTTP is answered with a status from 200 to 399.
    Http(Url),
    /// Passes when the command ends with exit status 0. What it prints is dropped.
    Exec(CommandLine),
}

/// Why the words of a health check are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError {
    /// Which of the words, counted from 0; their number where one is missing.
    pub word: usize,
    /// What is wrong and what is accepted, one line.
    pub message: String,
}

impl Probe {
    /// Reads the words behind `health`: `tcp ADDRESS:PORT`, `http URL` or `exec COMMAND ARGS...`.
    ///
    /// # Errors
    ///
    /// The word that is wrong, and why.
    pub fn parse(words: &[String]) -> Result<Self, ProbeError> {
        let error = |word, message: &str| {
            let message = message.to_owned();
            Err(ProbeError { word, message })
        };
        let (kind, arguments) = match words {
            [] => return error(0, ACCEPTED),
            [kind, arguments @ ..] => (kind.as_str(), arguments),
        };
        match (kind, arguments) {
            ("exec", words) => match CommandLine::from_words(words) {
                Some(command) => Ok(Self::Exec(command)),
                None => error(1, "exec needs a command: health exec COMMAND ARGS..."),
            },
            ("tcp" | "http", [_, _, ..]) => error(2, "nothing is accepted here"),
            ("tcp", [target]) if is_host_and_port(target) => Ok(Self::Tcp(target.clone())),
            ("tcp", _) => error(
                1,
                "tcp needs an address with a port: 127.0.0.1:2222, [::1]:2222 or localhost:2222",
            ),
            ("http", [url]) => match Url::parse(url) {
                Ok(url) => Ok(Self::Http(url)),
                Err(message) => error(1, &message),
            },
            ("http", _) => error(
                1,
                "http needs a URL: health http http://127.0.0.1:8080/ready",
            ),
            (kind, _) => error(0, &format!("there is no check {kind:?}: {ACCEPTED}")),
        }
    }

    /// Tries once. Takes at most `limit`; nothing of the try is left behind when it is over.
    pub(super) async fn attempt(&self, limit: Duration) -> Result<(), String> {
        let result = match self {
            Self::Tcp(target) => timeout(limit, connect(target)).await.map(|it| it.map(drop)),
            Self::Http(url) => {
                let answer = async { url.get(connect(url.target()).await?).await };
                timeout(limit, answer).await
            }
            // Has a limit of its own, at which the whole process group ends.
            Self::Exec(command) => {
                let result = command.run(&[], limit, None::<fn(&str)>).await;
                Ok(result.map_err(|failure| failure.to_string()))
            }
        };
        result.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
    }
}

async fn connect(target: &str) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(target).await;
    connected.map_err(|error| reason::of(&error))
}

const ACCEPTED: &str = "checks are tcp ADDRESS:PORT, http URL, exec COMMAND ARGS...";

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => write!(formatter, "tcp {target}"),
            Self::Http(url) => write!(formatter, "http {url}"),
            Self::Exec(command) => write!(formatter, "exec {command}"),
        }
    }
}

/// Whether `text` is `HOST:PORT`, with an IPv6 address in brackets.
pub(super) fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_name = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let host_fits = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && is_name(host),
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    host_fits && is_number && port.parse::<u16>().is_ok_and(|port| port != 0)
}
