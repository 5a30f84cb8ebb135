//! What the Corefile may say about etcd.

use std::fmt;
use std::path::{Path, PathBuf};

use corefile::Token;
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use super::Layout;
use crate::identity::pattern::Pattern;
use crate::reason;

/// The port of etcd where an endpoint names none.
const DEFAULT_PORT: u16 = 2379;

/// Where Linux distributions keep the certificates that the system trusts.
const SYSTEM_AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Which etcd, and how to get in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EtcdOptions {
    /// The members: `http://HOST[:PORT]` or `https://HOST[:PORT]`, at least one.
    pub endpoints: Vec<String>,
    /// User and password, where etcd asks for them.
    pub credentials: Option<Credentials>,
    /// Certificates, for `https` endpoints.
    pub tls: Option<Tls>,
    /// What all keys begin with. Default: `/callsign` in the native layout, nothing in idetcd's.
    pub prefix: Option<String>,
    /// How names are laid out in keys.
    pub layout: Layout,
}

/// A user of etcd.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password; never printed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, ...)", self.user)
    }
}

/// Certificates for `https`, PEM files that are read anew for every connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Our own certificate and its private key, where etcd wants one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who may have signed etcd's certificate; the system's authorities where it is [`None`].
    pub authority: Option<PathBuf>,
}

impl EtcdOptions {
    /// Whether names of `pattern` can be kept in this layout.
    ///
    /// # Errors
    ///
    /// One line that says why not: in idetcd's layout without a prefix, a pattern that begins
    /// with its number would have us read and watch every key of etcd.
    pub fn accepts(&self, pattern: &Pattern) -> Result<(), String> {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        if self.layout == Layout::Idetcd && prefix.is_empty() && pattern.literal_prefix().is_empty()
        {
            return Err(format!(
                "the pattern {} begins with its number: in idetcd's layout all keys of etcd would \
                 have to be read; put a letter before the number or set a prefix",
                pattern.canonical()
            ));
        }
        Ok(())
    }

    /// Checks one endpoint.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong with the URL, without a password in it.
    pub fn check_endpoint(endpoint: &str) -> Result<(), String> {
        url(endpoint).map(drop)
    }

    /// Whether both name a member in common: the same host and port, encrypted or not.
    #[must_use]
    pub fn shares_endpoint(&self, other: &Self) -> bool {
        let members = |options: &Self| -> Vec<String> {
            let urls = options.urls();
            let authority = |url: &String| Some(url.split_once("://")?.1.to_ascii_lowercase());
            urls.iter().filter_map(authority).collect()
        };
        let others = members(other);
        members(self).iter().any(|member| others.contains(member))
    }

    /// Checks everything that needs no connection.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.endpoints.is_empty() {
            return Err("etcd needs at least one endpoint, such as http://localhost:2379".into());
        }
        let mut secure = self.tls.is_some();
        for endpoint in &self.endpoints {
            secure |= url(endpoint)?.starts_with("https:");
        }
        let plain = |endpoint: &&String| endpoint.starts_with("http:");
        if secure && let Some(endpoint) = self.endpoints.iter().find(plain) {
            return Err(format!(
                "endpoint {endpoint:?} is not encrypted, but other endpoints or certificates ask \
                 for it: say https"
            ));
        }
        self.connect_options().map(drop)
    }

    /// The endpoints as the client wants them, each with its port.
    pub(super) fn urls(&self) -> Vec<String> {
        self.endpoints
            .iter()
            .filter_map(|endpoint| url(endpoint).ok())
            .collect()
    }

    /// What a connection needs to know, with the certificates as they are on disk now.
    pub(super) fn connect_options(&self) -> Result<ConnectOptions, String> {
        // With `hasleader`, a member that has lost its leader refuses at once and ends its
        // streams, where it would otherwise keep us waiting.
        let mut options = ConnectOptions::new()
            .with_require_leader(true)
            .with_keep_alive_while_idle(false);
        if let Some(Credentials { user, password }) = &self.credentials {
            options = options.with_user(user, password);
        }
        if self
            .endpoints
            .iter()
            .any(|endpoint| endpoint.starts_with("https:"))
        {
            options = options.with_tls(self.tls.clone().unwrap_or_default().load()?);
        }
        Ok(options)
    }
}

impl Tls {
    /// What the words behind `tls` say: `[CERT KEY] [CA]`, at most three. `path` makes a path of a
    /// word.
    pub(crate) fn of_words(words: &[Token], path: impl Fn(&str) -> PathBuf) -> Self {
        let path = |word: &Token| path(&word.text);
        let (identity, authority) = match words {
            [] => (None, None),
            [authority] => (None, Some(path(authority))),
            [cert, key] => (Some((path(cert), path(key))), None),
            [cert, key, authority, ..] => (Some((path(cert), path(key))), Some(path(authority))),
        };
        Self {
            identity,
            authority,
        }
    }

    fn load(&self) -> Result<TlsOptions, String> {
        let system = || SYSTEM_AUTHORITIES.map(Path::new).into_iter();
        let authority = match &self.authority {
            Some(path) => path,
            None => system().find(|path| path.exists()).ok_or(
                "https endpoints need the certificate of their authority: this system has none",
            )?,
        };
        let authority = pem(authority, "CERTIFICATE-----")?;
        let mut options = TlsOptions::new().ca_certificate(Certificate::from_pem(authority));
        if let Some((certificate, key)) = &self.identity {
            let certificate = pem(certificate, "CERTIFICATE-----")?;
            let key = pem(key, "PRIVATE KEY-----")?;
            options = options.identity(Identity::from_pem(certificate, key));
        }
        Ok(options)
    }
}

/// Reads a PEM file that must hold something of this kind.
fn pem(path: &Path, kind: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {}", path.display(), reason::of(&error)))?;
    if text.contains(kind) {
        Ok(text)
    } else {
        let kind = kind.trim_end_matches('-');
        Err(format!(
            "{} has no PEM block {kind}: is it the right file?",
            path.display()
        ))
    }
}

/// Checks an endpoint and adds the port where it is missing.
fn url(endpoint: &str) -> Result<String, String> {
    let wrong = |what: &str| {
        // Whoever writes a password into the URL should not find it in a log.
        let shown = match endpoint.rsplit_once('@') {
            Some((_, host)) => format!("...@{host}"),
            None => endpoint.to_owned(),
        };
        Err(format!(
            "endpoint {shown:?} {what}; it looks like http://localhost:2379"
        ))
    };
    let Some((scheme @ ("http" | "https"), rest)) = endpoint.split_once("://") else {
        return wrong("does not begin with http:// or https://");
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return wrong("has a user in it: give user and password as credentials");
    }
    if authority.contains(['/', '?', '#']) {
        return wrong("has more than a host and a port");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if !is_host {
        return wrong("has no valid host");
    }
    match port.map(str::parse::<u16>) {
        None => Ok(format!("{scheme}://{host}:{DEFAULT_PORT}")),
        Some(Ok(port)) if port != 0 => Ok(format!("{scheme}://{host}:{port}")),
        Some(_) => wrong("has no valid port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: &str) -> EtcdOptions {
        EtcdOptions {
            endpoints: vec![endpoint.to_owned()],
            ..EtcdOptions::default()
        }
    }

    #[test]
    fn endpoints_are_urls_with_a_host_and_perhaps_a_port() {
        for (endpoint, expected) in [
            ("http://localhost:2379", "http://localhost:2379"),
            ("http://localhost", "http://localhost:2379"),
            ("http://10.0.0.1:4001/", "http://10.0.0.1:4001"),
            ("https://[::1]:2379", "https://[::1]:2379"),
            ("https://[fd00::1]", "https://[fd00::1]:2379"),
        ] {
            assert_eq!(url(endpoint).as_deref(), Ok(expected));
        }
        for (endpoint, reason) in [
            ("localhost:2379", "does not begin with http"),
            ("etcd://localhost", "does not begin with http"),
            ("http://", "no valid host"),
            ("http://:2379", "no valid host"),
            ("http://a b:1", "no valid host"),
            ("http://[::zz]:1", "no valid host"),
            ("http://localhost:0", "no valid port"),
            ("http://localhost:70000", "no valid port"),
            ("http://localhost:http", "no valid port"),
            ("http://localhost/v3", "more than a host"),
        ] {
            let error = options(endpoint).check().unwrap_err();
            assert!(error.contains(reason), "{endpoint}: {error}");
        }
        assert!(EtcdOptions::default().check().is_err());
    }

    /// If this fails, a node loses its name when its etcd is reached in another way.
    #[test]
    fn a_member_is_its_host_and_port() {
        let one = options("http://ETCD.example");
        for same in ["https://etcd.example:2379", "http://etcd.example:2379/"] {
            assert!(one.shares_endpoint(&options(same)), "{same}");
        }
        for other in ["http://etcd.example:2380", "http://other.example"] {
            assert!(!one.shares_endpoint(&options(other)), "{other}");
        }
    }

    #[test]
    fn a_password_is_in_no_message() {
        let error = options("http://me:secret@localhost:1").check().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("credentials"), "{error}");
        let credentials = Credentials {
            user: "me".into(),
            password: "secret".into(),
        };
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn certificates_are_read_at_the_start_and_missed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options("https://localhost");
        let path = folder.path().join("ca.pem");
        options.tls = Some(Tls {
            authority: Some(path.clone()),
            identity: None,
        });
        let error = options.check().unwrap_err();
        assert!(error.contains("ca.pem: no such file"), "{error}");
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----").unwrap();
        let error = options.check().unwrap_err();
        assert!(error.contains("no PEM block CERTIFICATE"), "{error}");
        options.endpoints = vec!["https://localhost".into(), "http://localhost".into()];
        let error = options.check().unwrap_err();
        assert!(error.contains("say https"), "{error}");
    }

    #[test]
    fn a_pattern_that_would_read_all_of_etcd_is_refused() {
        let pattern = Pattern::parse("{{.ID}}.tf.local.", "numbers").unwrap();
        let mut options = options("http://localhost");
        assert!(options.accepts(&pattern).is_ok());
        options.layout = Layout::Idetcd;
        assert!(options.accepts(&pattern).is_err());
        options.prefix = Some("/names/".into());
        assert!(options.accepts(&pattern).is_ok());
    }
}
