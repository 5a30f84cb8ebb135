//! Asking an engine: HTTP/1.1 over its socket.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::api::{Complaint, Version};
use super::connection::{Ssh, connector, explain, explain_end};
use super::endpoint::Endpoint;
use super::events::Events;
use crate::mutex::locked;

/// The latest version of the interface that is known here to be understood.
const OURS: ApiVersion = ApiVersion(1, 52);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take. A list of ten thousand containers takes a busy engine seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// The largest answer that is read, in octets: ten thousand containers of a list.
const LARGEST: usize = 128 << 20;

/// How many connections are kept for the next request.
const KEPT: usize = 16;

/// A version of the engine's interface, such as 1.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(pub u16, pub u16);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// Why an engine did not give what it was asked for: one line, with what to do about it where that
/// is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError(String);

impl EngineError {
    /// An error with these words.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for EngineError {}

type Sender = SendRequest<Empty<Bytes>>;

/// An engine that has answered and with which a version was agreed. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    version: ApiVersion,
    engine: String,
    /// Connections that wait for the next request.
    idle: Mutex<Vec<Sender>>,
    /// What carries the latest connection, if it is by ssh.
    ssh: Mutex<Option<Ssh>>,
}

impl Client {
    /// Connects and agrees on a version: the engine's, or ours where that is earlier.
    ///
    /// # Errors
    ///
    /// It is not there, may not be asked, or speaks no version that is understood here.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, EngineError> {
        let mut client = Inner {
            endpoint: endpoint.clone(),
            version: OURS,
            engine: String::new(),
            idle: Mutex::default(),
            ssh: Mutex::default(),
        };
        let found: Option<Version> = client.get_unversioned("/version").await?;
        let found = found.unwrap_or_default();
        // Before 1.12 engines do not tell, and later ones always do.
        let latest = ApiVersion::parse(&found.api_version).unwrap_or(ApiVersion(1, 24));
        let earliest = ApiVersion::parse(&found.min_api_version).unwrap_or(ApiVersion(1, 12));
        if earliest > OURS {
            return Err(EngineError(format!(
                "the engine at {endpoint} speaks only versions from {earliest} on, and this \
                 program knows {OURS}: use a newer program"
            )));
        }
        client.version = latest.min(OURS);
        client.engine = found.version;
        Ok(Self(Arc::new(client)))
    }

    /// The version that was agreed on.
    #[must_use]
    pub fn version(&self) -> ApiVersion {
        self.0.version
    }

    /// The engine's own version; empty where it does not tell.
    #[must_use]
    pub fn engine(&self) -> &str {
        &self.0.engine
    }

    /// Gets an object; [`None`] where there is none: 404, or what Podman says instead.
    ///
    /// # Errors
    ///
    /// The engine does not answer in time, refuses, or answers with what is no such object.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, EngineError> {
        let path = format!("/v{}{path}", self.0.version);
        self.0.get_unversioned(&path).await
    }

    /// Whether the engine still answers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn ping(&self) -> Result<(), EngineError> {
        let patience = Duration::from_secs(5);
        let answer = async { self.0.send("/_ping").await?.0.read().await.map(drop) };
        self.0.in_time(patience, answer).await
    }

    /// Begins to listen to what happens to containers and networks. When this returns, the engine
    /// has begun to tell.
    ///
    /// # Errors
    ///
    /// The engine does not answer in time, or refuses.
    pub async fn events(&self) -> Result<Events, EngineError> {
        // {"type":["container","network"]}
        let path = format!(
            "/v{}/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D",
            self.0.version
        );
        // Also what it says in place of events may have no end.
        let begin = async {
            let (answer, sender) = self.0.send(&path).await?;
            Ok(Events::new(answer.body().await?, sender))
        };
        self.0.in_time(CONNECT + CONNECT, begin).await
    }
}

/// An answer whose body was not read yet.
struct Answer<'c> {
    client: &'c Inner,
    response: Response<Incoming>,
}

impl Inner {
    async fn get_unversioned<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, EngineError> {
        let get = async {
            let (answer, sender) = self.send(path).await?;
            if answer.response.status() == StatusCode::NOT_FOUND {
                answer.drain().await;
                self.keep(sender);
                return Ok(None);
            }
            if answer.response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                let error = answer.refusal().await;
                // Podman says so of a container that is removed while it is looked at.
                let is_gone = is_inspection(path) && error.0.contains("no such container");
                return if is_gone { Ok(None) } else { Err(error) };
            }
            let bytes = answer.read().await?;
            self.keep(sender);
            let object = serde_json::from_slice(&bytes);
            object.map(Some).map_err(|error| {
                EngineError(format!(
                    "the engine at {} talks nonsense: {error}",
                    self.endpoint
                ))
            })
        };
        self.in_time(ANSWER, get).await
    }

    async fn in_time<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        timeout(patience, work).await.unwrap_or_else(|_| {
            Err(EngineError(format!(
                "the engine at {} does not answer within {patience:?}",
                self.endpoint
            )))
        })
    }

    /// Sends a request over a connection that is kept, or over a new one.
    async fn send(&self, path: &str) -> Result<(Answer<'_>, Sender), EngineError> {
        loop {
            let kept = locked(&self.idle).pop();
            let is_new = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.open().await?,
            };
            let request = Request::get(path)
                .header("Host", "docker")
                .header(
                    "User-Agent",
                    concat!("callsign/", env!("CARGO_PKG_VERSION")),
                )
                .body(Empty::new())
                .map_err(|error| EngineError(format!("{path} cannot be asked: {error}")))?;
            let sent = match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => {
                    let client = self;
                    return Ok((Answer { client, response }, sender));
                }
                // The engine had closed it meanwhile.
                Err(_) if !is_new => {}
                Err(error) => return Err(self.broken(&error).await),
            }
        }
    }

    /// What a connection ended of on which nothing was answered.
    async fn broken(&self, error: &hyper::Error) -> EngineError {
        let ssh = locked(&self.ssh).take();
        let said = match ssh {
            Some(ssh) => ssh.explain(&self.endpoint).await,
            None => None,
        };
        EngineError(said.unwrap_or_else(|| explain_end(&self.endpoint, error)))
    }

    fn keep(&self, sender: Sender) {
        let mut idle = locked(&self.idle);
        if idle.len() < KEPT && !sender.is_closed() {
            idle.push(sender);
        }
    }

    async fn open(&self) -> Result<Sender, EngineError> {
        let connect = async {
            match &self.endpoint {
                Endpoint::Unix(path) => greet(UnixStream::connect(path).await?).await,
                Endpoint::Tcp {
                    host,
                    port,
                    tls: None,
                } => greet(TcpStream::connect((host.as_str(), *port)).await?).await,
                Endpoint::Tcp {
                    host,
                    port,
                    tls: Some(tls),
                } => {
                    let connector = connector(tls)?;
                    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    greet(connector.connect(name, stream).await?).await
                }
                Endpoint::Ssh { destination, port } => {
                    let (stream, ssh) = Ssh::dial(destination, *port)?;
                    *locked(&self.ssh) = Some(ssh);
                    greet(stream).await
                }
            }
        };
        let connected = timeout(CONNECT, connect).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(|error| EngineError(explain(&self.endpoint, &error)))
    }
}

impl Answer<'_> {
    /// The body of a good answer.
    async fn body(self) -> Result<Incoming, EngineError> {
        match self.response.status() {
            status if status.is_success() => Ok(self.response.into_body()),
            _ => Err(self.refusal().await),
        }
    }

    async fn read(self) -> Result<Bytes, EngineError> {
        let endpoint = &self.client.endpoint;
        let broken = |error| {
            EngineError(format!(
                "an answer of the engine at {endpoint} broke off: {error}"
            ))
        };
        let body = Limited::new(self.body().await?, LARGEST);
        Ok(body.collect().await.map_err(broken)?.to_bytes())
    }

    async fn drain(self) {
        // It is about nothing; what matters is that the connection can be used again.
        let _ = Limited::new(self.response.into_body(), 1 << 16)
            .collect()
            .await;
    }

    async fn refusal(self) -> EngineError {
        let status = self.response.status();
        let endpoint = &self.client.endpoint;
        let body = Limited::new(self.response.into_body(), 1 << 16)
            .collect()
            .await;
        let text = body.map(Collected::to_bytes).unwrap_or_default();
        // A program in between, or TLS that is not spoken, is complained about in plain text.
        let complaint = serde_json::from_slice(&text).unwrap_or_else(|_| Complaint {
            message: String::from_utf8_lossy(&text).into_owned(),
        });
        let said: String = complaint
            .message
            .chars()
            .filter(|it| !it.is_control())
            .take(200)
            .collect();
        EngineError(format!(
            "the engine at {endpoint} refuses ({status}): {said}"
        ))
    }
}

/// Whether one container is asked about. A list that fails is no empty list.
fn is_inspection(path: &str) -> bool {
    path.contains("/containers/") && !path.ends_with("/containers/json")
}

/// Begins to speak HTTP over a stream.
async fn greet(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<Sender> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends when its sender and the body that is read of it are gone.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
