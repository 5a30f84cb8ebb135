//! Where an engine is: the addresses that Docker's own tools understand.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

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

/// What this machine says about where its engine is.
pub trait Surroundings {
    /// An environment variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file, if it can be read.
    fn read(&self, path: &Path) -> Option<String>;

    /// The folders in a folder.
    fn folders(&self, path: &Path) -> Vec<PathBuf>;
}

/// The machine that the program runs on.
#[derive(Clone, Copy, Debug)]
pub struct ThisMachine;

impl Surroundings for ThisMachine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn read(&self, path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn folders(&self, path: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        folders
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

    /// Where an engine may be, the most likely first, as Docker's own tools and Podman's look for
    /// it: `DOCKER_HOST`, the current context, the usual sockets.
    ///
    /// # Errors
    ///
    /// `DOCKER_HOST` is set to what is no address.
    pub fn candidates(machine: &dyn Surroundings) -> Result<Vec<Self>, String> {
        let home = machine.variable("HOME").map(PathBuf::from);
        let docker_home = machine
            .variable("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join(".docker")));
        if let Some(host) = machine.variable("DOCKER_HOST") {
            let verify = machine.variable("DOCKER_TLS_VERIFY").is_some();
            let certificates = machine.variable("DOCKER_CERT_PATH").map(PathBuf::from);
            let folder = certificates.or_else(|| docker_home.clone());
            let tls = folder.filter(|_| verify).map(|it| TlsFiles::in_folder(&it));
            let endpoint = Self::parse(&host, tls.as_ref())
                .map_err(|error| format!("DOCKER_HOST={host}: {error}"))?;
            return Ok(vec![endpoint]);
        }
        if let Some(endpoint) = docker_home.and_then(|folder| context(machine, &folder)) {
            return Ok(vec![endpoint]);
        }
        let runtime = machine.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
        sockets.extend(runtime.as_ref().map(|it| it.join("docker.sock")));
        sockets.push("/run/podman/podman.sock".into());
        sockets.extend(runtime.map(|it| it.join("podman/podman.sock")));
        Ok(sockets.into_iter().map(Self::Unix).collect())
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

/// The engine of the current context of Docker's command line.
fn context(machine: &dyn Surroundings, folder: &Path) -> Option<Endpoint> {
    #[derive(Deserialize)]
    struct Settings {
        #[serde(rename = "currentContext")]
        current: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Context {
        name: String,
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Docker,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Docker {
        host: String,
    }
    let wanted = machine.variable("DOCKER_CONTEXT").or_else(|| {
        let settings = machine.read(&folder.join("config.json"))?;
        serde_json::from_str::<Settings>(&settings).ok()?.current
    })?;
    if wanted == "default" {
        return None;
    }
    // The folders have the names' digests for names; looking into them says the same.
    let contexts = machine.folders(&folder.join("contexts/meta"));
    let context = contexts.iter().find_map(|folder| {
        let text = machine.read(&folder.join("meta.json"))?;
        let context: Context = serde_json::from_str(&text).ok()?;
        (context.name == wanted).then_some(context)
    })?;
    Endpoint::parse(&context.endpoints.docker.host, None).ok()
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
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Machine {
        variables: BTreeMap<&'static str, &'static str>,
        files: BTreeMap<PathBuf, &'static str>,
    }

    impl Surroundings for Machine {
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).map(|value| (*value).to_owned())
        }

        fn read(&self, path: &Path) -> Option<String> {
            self.files.get(path).map(|text| (*text).to_owned())
        }

        fn folders(&self, path: &Path) -> Vec<PathBuf> {
            let parents = self.files.keys().filter_map(|file| file.parent());
            let inside = parents.filter(|folder| folder.parent() == Some(path));
            inside.map(Path::to_owned).collect()
        }
    }

    fn shown(endpoints: &[Endpoint]) -> Vec<String> {
        endpoints.iter().map(Endpoint::to_string).collect()
    }

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

    /// If this fails, Callsign looks at another engine than `docker ps` in the same shell.
    #[test]
    fn an_engine_is_looked_for_as_docker_does() {
        let mut machine = Machine::default();
        assert_eq!(
            shown(&Endpoint::candidates(&machine).unwrap()),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/podman/podman.sock"
            ]
        );
        machine.variables.insert("XDG_RUNTIME_DIR", "/run/user/7");
        assert_eq!(
            shown(&Endpoint::candidates(&machine).unwrap()),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/docker.sock",
                "unix:///run/podman/podman.sock",
                "unix:///run/user/7/podman/podman.sock",
            ]
        );
        machine.variables.insert("HOME", "/home/me");
        machine.files.insert(
            "/home/me/.docker/config.json".into(),
            r#"{"currentContext":"far"}"#,
        );
        machine.files.insert(
            "/home/me/.docker/contexts/meta/1/meta.json".into(),
            r#"{"Name":"near","Endpoints":{"docker":{"Host":"unix:///near"}}}"#,
        );
        machine.files.insert(
            "/home/me/.docker/contexts/meta/2/meta.json".into(),
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://far"}}}"#,
        );
        assert_eq!(
            shown(&Endpoint::candidates(&machine).unwrap()),
            ["ssh://far"]
        );
        machine.variables.insert("DOCKER_HOST", "tcp://other:5");
        assert_eq!(
            shown(&Endpoint::candidates(&machine).unwrap()),
            ["tcp://other:5"]
        );
        machine.variables.insert("DOCKER_TLS_VERIFY", "1");
        assert_eq!(
            shown(&Endpoint::candidates(&machine).unwrap()),
            ["https://other:5"]
        );
        machine.variables.insert("DOCKER_HOST", "nonsense");
        let error = Endpoint::candidates(&machine).unwrap_err();
        assert!(error.starts_with("DOCKER_HOST=nonsense: "), "{error}");
    }
}
