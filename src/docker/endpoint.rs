//! Where an engine is: the addresses that Docker's own tools understand.

use std::fmt;
use std::path::{Path, PathBuf};

/// The port of an engine over TCP without TLS, and with it.
const PORTS: (u16, u16) = (2375, 2376);

/// An engine's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP, with TLS where there are files for it.
    Tcp {
        /// Name or address of the host.
        host: String,
        /// The port.
        port: u16,
        /// The certificates; [`None`] for plain HTTP.
        tls: Option<TlsFiles>,
    },
    /// `docker system dial-stdio` on another machine, by the `ssh` program of this one.
    Ssh {
        /// `[USER@]HOST`, as ssh takes it.
        destination: String,
        /// The port, where it is not ssh's own.
        port: Option<u16>,
    },
}

/// The files of a TLS connection to an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The authority that has signed the engine's certificate.
    pub authority: PathBuf,
    /// Our certificate and its key, for an engine that asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// `ca.pem`, `cert.pem` and `key.pem` in a folder, as `DOCKER_CERT_PATH` names it.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            authority: folder.join("ca.pem"),
            identity: Some((folder.join("cert.pem"), folder.join("key.pem"))),
        }
    }
}

impl Endpoint {
    /// Reads `unix://PATH`, `tcp://HOST[:PORT]`, `http://`, `https://`, `ssh://[USER@]HOST[:PORT]`.
    /// `tls` makes TLS of `tcp://`, and is needed for `https://`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str, tls: Option<&TlsFiles>) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.starts_with('/') {
                true => Ok(Self::Unix(text.into())),
                false => Err(
                    "expected unix://PATH, tcp://HOST:PORT, https://HOST:PORT or ssh://HOST".into(),
                ),
            };
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err("the path of a Unix socket begins with /".into()),
            "tcp" | "http" | "https" => {
                let tls = match (scheme, tls) {
                    ("http", _) | ("tcp", None) => None,
                    (_, Some(tls)) => Some(tls.clone()),
                    (_, None) => return Err("https needs `tls CERT KEY CA`".into()),
                };
                let usual = if tls.is_some() { PORTS.1 } else { PORTS.0 };
                let (host, port) = host_and_port(rest)?;
                Ok(Self::Tcp {
                    host,
                    port: port.unwrap_or(usual),
                    tls,
                })
            }
            "ssh" => {
                let (user, place) = match rest.rsplit_once('@') {
                    Some((user, place)) => (Some(user), place),
                    None => (None, rest),
                };
                let (host, port) = host_and_port(place)?;
                // What begins with a hyphen would be an option to ssh.
                if host.starts_with('-')
                    || user.is_some_and(|user| user.is_empty() || user.starts_with('-'))
                {
                    return Err("that is no host for ssh".into());
                }
                Ok(Self::Ssh {
                    destination: user.map_or(host.clone(), |user| format!("{user}@{host}")),
                    port,
                })
            }
            _ => Err(format!(
                "{scheme}:// is none of unix://, tcp://, https:// and ssh://"
            )),
        }
    }

    /// Whether something is there that could be connected to; not known for other machines.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Unix(path) => path.exists(),
            Self::Tcp { .. } | Self::Ssh { .. } => true,
        }
    }

    /// Whether the engine runs on this machine, so that clients can be told apart by the addresses
    /// that it gave to containers.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let text = text.split('/').next().unwrap_or_default();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("a [ without its ]")?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("a host is missing".into());
    }
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
    match port {
        Some(None) => Err("the port is no number from 1 to 65535".into()),
        port => Ok((host.to_owned(), port.flatten())),
    }
}

/// As it is written in a Corefile.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp { host, port, tls } => {
                let scheme = if tls.is_some() { "https" } else { "tcp" };
                match host.contains(':') {
                    true => write!(formatter, "{scheme}://[{host}]:{port}"),
                    false => write!(formatter, "{scheme}://{host}:{port}"),
                }
            }
            Self::Ssh { destination, port } => match port {
                Some(port) => write!(formatter, "ssh://{destination}:{port}"),
                None => write!(formatter, "ssh://{destination}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, an address that Docker's tools take is refused or means another engine.
    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        let tls = TlsFiles::in_folder(Path::new("/certs"));
        for (text, tls, expected) in [
            ("unix:///run/d.sock", None, "unix:///run/d.sock"),
            ("/run/d.sock", None, "unix:///run/d.sock"),
            ("tcp://h", None, "tcp://h:2375"),
            ("tcp://h:1/", None, "tcp://h:1"),
            ("http://[fd00::1]:7", Some(&tls), "tcp://[fd00::1]:7"),
            ("tcp://h", Some(&tls), "https://h:2376"),
            ("https://h:99", Some(&tls), "https://h:99"),
            ("ssh://me@h:22", None, "ssh://me@h:22"),
            ("ssh://h", None, "ssh://h"),
        ] {
            let endpoint = Endpoint::parse(text, tls).unwrap();
            assert_eq!(endpoint.to_string(), expected, "{text}");
        }
        for text in [
            "",
            "h:1",
            "unix://run",
            "tcp://",
            "tcp://h:0",
            "tcp://h:x",
            "https://h",
            "ssh://-oProxy",
            "ssh://-x@h",
            "npipe:////./pipe/docker",
            "fd://",
            "tcp://[::1",
        ] {
            assert!(Endpoint::parse(text, None).is_err(), "{text}");
        }
    }
}
