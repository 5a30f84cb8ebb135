//! The little of HTTP that a health check needs (RFC 9112): one GET, and the status line.

use std::fmt;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::probe::is_host_and_port;
use crate::reason;

/// A URL whose scheme is `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What the client asks for: as it was written.
    host: String,
    /// `HOST:PORT` to connect to.
    target: String,
    /// Path and query, with the first `/`.
    path: String,
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    ///
    /// One line: another scheme (there is no TLS here), a host or port that is none, a user name,
    /// or characters that no URL has.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| {
            Err(format!(
                "{reason}: a check is written http://127.0.0.1:8080/ready"
            ))
        };
        if text.starts_with("https://") {
            return wrong("https is not supported here");
        }
        let Some(rest) = text.strip_prefix("http://") else {
            return wrong("this is no URL that begins with http://");
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("a URL has no spaces and no letters but ASCII's");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        if host.contains('@') {
            return wrong("a user name is not supported here");
        }
        let target = match is_host_and_port(host) {
            true => host.to_owned(),
            false => format!("{host}:80"),
        };
        if !is_host_and_port(&target) {
            return wrong(&format!("{host:?} is no host with a port"));
        }
        Ok(Self {
            host: host.to_owned(),
            target,
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            },
        })
    }

    /// What to connect to: `HOST:PORT`.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Asks over `stream`; an error says what came instead of a status from 200 to 399.
    pub(super) async fn get(&self, mut stream: TcpStream) -> Result<(), String> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: callsign\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n",
            self.path, self.host
        );
        let reason = |error: std::io::Error| reason::of(&error);
        stream.write_all(request.as_bytes()).await.map_err(reason)?;
        let mut answer = [0; STATUS_LINE];
        let mut length = 0;
        // The first line is all that is wanted.
        while let Some(room @ [_, ..]) = answer.get_mut(length..) {
            let read = stream.read(room).await.map_err(reason)?;
            length += read;
            if read == 0 || answer.contains(&b'\n') {
                break;
            }
        }
        match status(&answer) {
            Some(200..=399) => Ok(()),
            Some(status) => Err(format!("status {status}")),
            None => Err("the answer is no HTTP".to_owned()),
        }
    }
}

/// The bytes of an answer that are looked at.
const STATUS_LINE: usize = 256;

/// The status of `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let digits = match rest {
        [b'0' | b'1', b' ', digits @ ..] => digits.get(..3)?,
        _ => return None,
    };
    let ends = matches!(rest.get(5), Some(b' ' | b'\r' | b'\n'));
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (ends && (100..600).contains(&status)).then_some(status)
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.host, self.path)
    }
}
