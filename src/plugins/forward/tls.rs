//! How TLS is spoken with upstreams.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// What `tls [CERT KEY] [CA]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// Certificate and key to show to upstreams.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// Whom to believe, instead of those that this machine believes.
    pub(super) authority: Option<PathBuf>,
}

/// For DNS over TLS and for DNS over HTTPS.
#[derive(Clone)]
pub(super) struct Connectors {
    pub(super) dns: TlsConnector,
    pub(super) https: TlsConnector,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// One line that names the file.
    pub(super) fn load(&self) -> Result<Connectors, String> {
        let mut roots = RootCertStore::empty();
        match &self.authority {
            Some(path) => {
                for certificate in certificates(path)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| format!("{}: {error}", path.display()))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err(match &self.authority {
                Some(path) => format!("{} has no certificate", path.display()),
                None => "this machine trusts no certificate authority: install ca-certificates, or name one with `tls CA`".into(),
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let read = PrivateKeyDer::from_pem_file(key);
                let private = read.map_err(|error| unreadable(key, &error))?;
                let config = builder.with_client_auth_cert(chain, private);
                config.map_err(|error| {
                    format!("{} and {}: {error}", certificate.display(), key.display())
                })?
            }
        };
        let mut https = config.clone();
        https.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut dns = config;
        dns.alpn_protocols = vec![b"dot".to_vec()];
        Ok(Connectors {
            dns: Arc::new(dns).into(),
            https: Arc::new(https).into(),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| unreadable(path, &error))?;
    match all.is_empty() {
        true => Err(format!("{} has no certificate", path.display())),
        false => Ok(all),
    }
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> String {
    let reason = match error {
        rustls::pki_types::pem::Error::Io(error) => crate::reason::of(error),
        error => error.to_string(),
    };
    format!("cannot read {}: {reason}", path.display())
}
