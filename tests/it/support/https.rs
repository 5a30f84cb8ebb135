//! An upstream that speaks DNS over HTTPS (RFC 8484), over HTTP/2 or HTTP/1.1.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Version, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::upstream::{Asked, Over, tls};

/// An upstream on 127.0.0.1, until it is dropped.
pub(crate) struct HttpsUpstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: Runtime,
}

/// What was asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) path: String,
}

impl HttpsUpstream {
    /// One that speaks one of these protocols, as TLS names them, and answers what `reply` says:
    /// a status and a message.
    pub(crate) fn start(
        folder: &Path,
        protocols: &[&str],
        reply: fn(&Asked) -> (u16, Vec<u8>),
    ) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let mut config = tls(folder);
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let log = seen.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), log.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let stream = TokioIo::new(stream);
                    let service = service_fn(|request| respond(request, log.clone(), reply));
                    // The client may go as it likes.
                    let _ = if two {
                        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        server.serve_connection(stream, service).await
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        server.serve_connection(stream, service).await
                    };
                });
            }
        });
        Self {
            address,
            seen,
            _runtime: runtime,
        }
    }

    /// The queries so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no task panics").clone()
    }
}

async fn respond(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Seen>>>,
    reply: fn(&Asked) -> (u16, Vec<u8>),
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, version) = (request.method().clone(), request.version());
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let message = match method {
        Method::GET => decode(query.strip_prefix("dns=").expect("a query")),
        _ => body.to_vec(),
    };
    let asked = Asked::read(&message, Over::Tcp, 0);
    assert_eq!(message[..2], [0, 0], "the identifier is 0");
    let (status, message) = reply(&asked);
    log.lock().expect("no task panics").push(Seen {
        name: asked.name,
        method,
        version,
        path,
    });
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/dns-message")
        .body(Full::new(Bytes::from(message)));
    Ok(response.expect("a response"))
}

/// Base 64 with the alphabet for URLs (RFC 4648 §5), bit by bit.
fn decode(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes() {
        let value = alphabet.iter().position(|it| *it == letter);
        bits = bits << 6 | u32::try_from(value.expect("a letter of base 64")).expect("6 bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
