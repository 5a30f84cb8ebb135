//! Asking over HTTPS (RFC 8484), with HTTP/2 where the upstream has it, else HTTP/1.1.

use std::sync::Mutex;
use std::time::Duration;

use answer::{Message, Request};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Response, StatusCode, Version, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::stream::{CONNECT, Dial, Limits, connect};
use crate::mutex::locked;

/// The media type of messages (RFC 8484 §6).
const MEDIA_TYPE: &str = "application/dns-message";

/// The most connections that are kept while nobody uses them; with HTTP/2 there is only one.
const MOST_KEPT: usize = 8;

/// An upstream's URL and how it is asked.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// `GET` or `POST`.
    pub(super) method: Method,
    /// Host and port as the URL has them.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

/// The connections to one upstream.
pub(super) struct Client {
    dial: Dial,
    resource: Resource,
    limits: Limits,
    kept: Mutex<Vec<Kept>>,
}

/// A connection that may serve another query.
struct Kept {
    sender: Sender,
    opened: Instant,
    used: Instant,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// `dial` must have TLS with the protocols of HTTP to choose from.
    pub(super) fn new(dial: Dial, resource: Resource, limits: Limits) -> Self {
        Self {
            dial,
            resource,
            limits,
            kept: Mutex::default(),
        }
    }

    /// Sends a query and waits for its reply.
    pub(super) async fn ask(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<Message, Failure> {
        // Identifier 0, so that caches on the way see the same query (RFC 8484 §4.1).
        let query = request.to_bytes();
        if let Some(kept) = self.take() {
            match timeout(patience, self.ask_on(kept, &query)).await {
                Ok(Err(Failure::Closed)) => {}
                result => return check(request, &result.unwrap_or(Err(Failure::Silent))?),
            }
        }
        let kept = timeout(CONNECT, self.open())
            .await
            .unwrap_or_else(|_| Err(Failure::network("it does not take connections")))?;
        let reply = timeout(patience, self.ask_on(kept, &query)).await;
        check(request, &reply.unwrap_or(Err(Failure::Silent))?)
    }

    /// A connection that is as good as new. One of HTTP/2 is left for others too.
    fn take(&self) -> Option<Kept> {
        let Limits {
            expire, max_age, ..
        } = self.limits;
        let mut kept = locked(&self.kept);
        kept.retain(|it| {
            let old = !max_age.is_zero() && it.opened.elapsed() >= max_age;
            !old && it.used.elapsed() < expire && !it.sender.is_closed()
        });
        match kept.last_mut()? {
            Kept {
                sender: Sender::Two(sender),
                opened,
                used,
            } => {
                *used = Instant::now();
                Some(Kept {
                    sender: Sender::Two(sender.clone()),
                    opened: *opened,
                    used: *used,
                })
            }
            _ => kept.pop(),
        }
    }

    fn keep(&self, connection: Kept) {
        let mut kept = locked(&self.kept);
        let most = match self.limits.max_idle {
            0 => MOST_KEPT,
            most => most.min(MOST_KEPT),
        };
        let is_two = |it: &Kept| matches!(it.sender, Sender::Two(_));
        if kept.len() < most && !(is_two(&connection) && kept.iter().any(is_two)) {
            kept.push(connection);
        }
    }

    async fn open(&self) -> Result<Kept, Failure> {
        let stream = connect(&self.dial).await?;
        let Some((connector, name)) = &self.dial.tls else {
            return Err(Failure::network("HTTPS without TLS"));
        };
        let stream = connector.connect(name.clone(), stream).await?;
        let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = TokioIo::new(stream);
        let sender = if two {
            let made = http2::handshake(TokioExecutor::new(), stream).await;
            let (sender, connection) = made.map_err(|error| failed(&error))?;
            // It ends with the last sender.
            tokio::spawn(connection);
            Sender::Two(sender)
        } else {
            let made = http1::handshake(stream).await;
            let (sender, connection) = made.map_err(|error| failed(&error))?;
            tokio::spawn(connection);
            Sender::One(sender)
        };
        let opened = Instant::now();
        Ok(Kept {
            sender,
            opened,
            used: opened,
        })
    }

    /// Sends a query over a connection, and keeps it when all went well.
    async fn ask_on(&self, mut connection: Kept, query: &[u8]) -> Result<Bytes, Failure> {
        if let Sender::Two(sender) = &connection.sender {
            // Others may use it at the same time.
            self.keep(Kept {
                sender: Sender::Two(sender.clone()),
                ..connection
            });
        }
        let sent = match &mut connection.sender {
            Sender::One(sender) => match sender.ready().await {
                Ok(()) => {
                    sender
                        .send_request(self.http(query, Version::HTTP_11)?)
                        .await
                }
                Err(error) => Err(error),
            },
            Sender::Two(sender) => match sender.ready().await {
                Ok(()) => {
                    sender
                        .send_request(self.http(query, Version::HTTP_2)?)
                        .await
                }
                Err(error) => Err(error),
            },
        };
        let body = body(sent.map_err(|error| failed(&error))?).await?;
        connection.used = Instant::now();
        self.keep(connection);
        Ok(body)
    }

    fn http(&self, query: &[u8], version: Version) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let Resource {
            method,
            authority,
            path,
        } = &self.resource;
        let get = *method == Method::GET;
        let path = match get {
            true => {
                let join = if path.contains('?') { '&' } else { '?' };
                format!("{path}{join}dns={}", base64_url(query))
            }
            false => path.clone(),
        };
        let request = hyper::Request::builder()
            .method(method)
            .version(version)
            .header(header::ACCEPT, MEDIA_TYPE);
        let request = match version {
            Version::HTTP_2 => request.uri(format!("https://{authority}{path}")),
            _ => request.uri(path).header(header::HOST, authority),
        };
        let request = match get {
            true => request.body(Full::default()),
            false => request
                .header(header::CONTENT_TYPE, MEDIA_TYPE)
                .body(Full::new(Bytes::copy_from_slice(query))),
        };
        request.map_err(|_| Failure::network("its URL is none"))
    }
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Self::One(sender) => sender.is_closed(),
            Self::Two(sender) => sender.is_closed(),
        }
    }
}

/// What went wrong with HTTP. A connection that was closed meanwhile is worth another try.
fn failed(error: &hyper::Error) -> Failure {
    if error.is_closed() || error.is_canceled() || error.is_incomplete_message() {
        return Failure::Closed;
    }
    Failure::network(error.to_string())
}

/// The message in a response.
async fn body(response: Response<Incoming>) -> Result<Bytes, Failure> {
    if response.status() != StatusCode::OK {
        return Err(Failure::network(format!(
            "HTTP status {}",
            response.status().as_u16()
        )));
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(MEDIA_TYPE.as_bytes())) {
        return Err(Failure::network("the response is no DNS message"));
    }
    let body = Limited::new(response.into_body(), usize::from(u16::MAX));
    let body = body.collect().await;
    body.map(Collected::to_bytes)
        .map_err(|error| Failure::network(error.to_string()))
}

fn check(request: &Request, body: &[u8]) -> Result<Message, Failure> {
    let message =
        Message::parse(body).map_err(|error| Failure::network(format!("a bad reply: {error}")))?;
    let same = message.qname().eq_ignore_ascii_case(&request.name)
        && message.qtype() == request.rtype
        && message.question().ends_with(&request.class.0.to_be_bytes());
    match same {
        true => Ok(message),
        false => Err(Failure::network("a reply to another question")),
    }
}

/// Base 64 with the alphabet for URLs, without padding (RFC 4648 §5).
fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        for (place, byte) in group.iter_mut().skip(1).zip(chunk) {
            *place = *byte;
        }
        let bits = u32::from_be_bytes(group);
        for sextet in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * sextet)) & 0x3f;
            text.push(
                ALPHABET
                    .get(index as usize)
                    .map_or('A', |letter| char::from(*letter)),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, upstreams that are asked by GET cannot read the query.
    #[test]
    fn base_64_is_that_of_urls() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xfb, 0xff, 0xfe], "-__-"),
        ] {
            assert_eq!(base64_url(bytes), text);
        }
    }
}
