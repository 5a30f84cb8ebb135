//! Connections to an engine, and why there is none.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, TlsFiles};
use crate::reason;

/// The most octets of what ssh complains about that are read.
const MOST_COMPLAINT: u64 = 4096;

/// How long ssh may take to end once the connection is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What went wrong while connecting, and its cure.
pub(super) fn explain(endpoint: &Endpoint, error: &io::Error) -> String {
    match (error.kind(), endpoint) {
        (io::ErrorKind::PermissionDenied, Endpoint::Unix(_)) if Uid::effective().is_root() => {
            format!(
                "no permission to ask the engine at {endpoint}, though this is root: SELinux, AppArmor \
                 or the service's sandbox forbids it (ausearch -m avc; journalctl -k; for a container \
                 on SELinux: --security-opt label=disable)"
            )
        }
        (io::ErrorKind::PermissionDenied, Endpoint::Unix(_)) => format!(
            "no permission to ask the engine at {endpoint}: run Callsign as a member of the group that \
             owns the socket (for Docker: usermod -aG docker USER)"
        ),
        (io::ErrorKind::NotFound, Endpoint::Unix(_)) => {
            format!("no engine at {endpoint}: no such file; it is looked for again")
        }
        (io::ErrorKind::ConnectionRefused, Endpoint::Unix(_)) => {
            format!("no engine at {endpoint}: nobody listens there; it is looked for again")
        }
        (io::ErrorKind::NotFound, Endpoint::Ssh { .. }) => {
            format!("cannot reach the engine at {endpoint}: there is no program `ssh` here")
        }
        (io::ErrorKind::InvalidData, Endpoint::Tcp { tls: Some(_), .. }) => format!(
            "cannot reach the engine at {endpoint}: {}; the CA of `tls CERT KEY CA` must have signed \
             the engine's certificate, and for this name",
            reason::of(error)
        ),
        _ => format!(
            "cannot reach the engine at {endpoint}: {}",
            reason::of(error)
        ),
    }
}

/// Why a connection to an engine ended too early: what the library says, with what is behind it.
pub(super) fn explain_end(endpoint: &Endpoint, error: &dyn Error) -> String {
    let cure = match endpoint {
        Endpoint::Tcp { tls: Some(_), .. } => {
            "; does its CA know the certificate of `tls CERT KEY CA`?"
        }
        _ => "",
    };
    format!(
        "the connection to the engine at {endpoint} broke: {}{cure}",
        whole(error)
    )
}

/// An error with those that it comes of.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// Makes TLS of these files.
///
/// # Errors
///
/// One of them cannot be read, or they do not fit together.
pub(super) fn connector(files: &TlsFiles) -> io::Result<TlsConnector> {
    let unreadable = |path: &std::path::Path, error: &dyn fmt::Display| {
        io::Error::other(format!("{}: {error}", path.display()))
    };
    let certificates = |path: &std::path::Path| {
        let read =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        read.map_err(|error| unreadable(path, &error))
    };
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates(&files.authority)? {
        roots
            .add(authority)
            .map_err(|error| unreadable(&files.authority, &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(io::Error::other)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// An `ssh` that carries a connection, for what it says when that fails.
pub(super) struct Ssh(JoinHandle<String>);

impl Ssh {
    /// Begins `docker system dial-stdio` on another machine, and gives its standard streams.
    ///
    /// # Errors
    ///
    /// There is no `ssh`, or it cannot be started.
    pub(super) fn dial(
        destination: &str,
        port: Option<u16>,
    ) -> io::Result<(impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Self)> {
        let mut ssh = tokio::process::Command::new("ssh");
        if let Some(port) = port {
            ssh.args(["-p", &port.to_string()]);
        }
        let mut child = ssh
            .args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-T", "--"])
            .args([destination, "docker", "system", "dial-stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(complaints)) = streams else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // It ends when its input is closed, which is when the connection is dropped.
        let said = tokio::spawn(async move {
            let mut said = Vec::new();
            let mut first = complaints.take(MOST_COMPLAINT);
            let _ = first.read_to_end(&mut said).await;
            // What comes beyond that is of no interest, but must not keep it from ending.
            let _ = tokio::io::copy(&mut first.into_inner(), &mut tokio::io::sink()).await;
            let _ = child.wait().await;
            String::from_utf8_lossy(&said).into_owned()
        });
        Ok((tokio::io::join(output, input), Self(said)))
    }

    /// What went wrong, after the connection is over: the last line that ssh said.
    pub(super) async fn explain(self, endpoint: &Endpoint) -> Option<String> {
        let said = timeout(LAST_WORDS, self.0).await.ok()?.ok()?;
        let last = said.lines().rfind(|line| !line.trim().is_empty())?;
        let plain: String = last
            .chars()
            .filter(|it| !it.is_control())
            .take(200)
            .collect();
        Some(format!(
            "cannot reach the engine at {endpoint}: {plain} (it must work without a question, as the \
             user that runs Callsign: ssh HOST docker version)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, whoever may not use the engine's socket is not told what to do about it.
    #[test]
    fn every_cause_has_its_cure() {
        let unix = Endpoint::Unix("/d.sock".into());
        let ssh = Endpoint::parse("ssh://h", None).unwrap();
        let tls = TlsFiles::in_folder("/certs".as_ref());
        let https = Endpoint::parse("https://h", Some(&tls)).unwrap();
        let denied = match Uid::effective().is_root() {
            true => "SELinux",
            false => "usermod -aG docker",
        };
        for (kind, endpoint, cure) in [
            (io::ErrorKind::PermissionDenied, &unix, denied),
            (io::ErrorKind::NotFound, &unix, "looked for again"),
            (io::ErrorKind::ConnectionRefused, &unix, "nobody listens"),
            (io::ErrorKind::NotFound, &ssh, "no program `ssh`"),
            (io::ErrorKind::InvalidData, &https, "`tls CERT KEY CA`"),
        ] {
            let line = explain(endpoint, &kind.into());
            assert!(line.contains(cure), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
