//! Where an engine is looked for.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::endpoint::{Endpoint, TlsFiles};

/// Where an engine is, or where one may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where to look, the most likely first.
    pub endpoints: Vec<Endpoint>,
    /// Whether somebody has said that there is one: in the Corefile, in `DOCKER_HOST`, by a context.
    pub named: bool,
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

impl Places {
    /// The one place that somebody has named.
    #[must_use]
    pub fn named(endpoint: Endpoint) -> Self {
        Self {
            endpoints: vec![endpoint],
            named: true,
        }
    }

    /// Whether somebody has said where the engine is, so that it should be there.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// Where an engine may be, the most likely first, as Docker's own tools and Podman's look for
    /// it: `DOCKER_HOST`, the current context, the usual sockets.
    ///
    /// # Errors
    ///
    /// `DOCKER_HOST` is set to what is no address.
    pub fn usual(machine: &dyn Surroundings) -> Result<Self, String> {
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
            let endpoint = Endpoint::parse(&host, tls.as_ref())
                .map_err(|error| format!("DOCKER_HOST={host}: {error}"))?;
            return Ok(Self::named(endpoint));
        }
        if let Some(endpoint) = docker_home.and_then(|folder| context(machine, &folder)) {
            return Ok(Self::named(endpoint));
        }
        let runtime = machine.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
        sockets.extend(runtime.as_ref().map(|it| it.join("docker.sock")));
        sockets.push("/run/podman/podman.sock".into());
        sockets.extend(runtime.map(|it| it.join("podman/podman.sock")));
        Ok(Self {
            endpoints: sockets.into_iter().map(Endpoint::Unix).collect(),
            named: false,
        })
    }

    /// The first place where something is, if there is one.
    #[must_use]
    pub fn found(&self) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.is_there())
    }

    /// Whether there should be an engine: somebody has said so, or left a socket.
    #[must_use]
    pub fn are_promising(&self) -> bool {
        self.named || self.found().is_some()
    }

    /// Whether the engine runs on this machine; see [`Endpoint::is_local`].
    #[must_use]
    pub fn are_local(&self) -> bool {
        self.endpoints.iter().all(Endpoint::is_local)
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
    let (digest, context) = contexts.iter().find_map(|folder| {
        let text = machine.read(&folder.join("meta.json"))?;
        let context: Context = serde_json::from_str(&text).ok()?;
        (context.name == wanted).then_some((folder.file_name()?, context))
    })?;
    let certificates = folder.join("contexts/tls").join(digest).join("docker");
    let is_tls = machine.read(&certificates.join("ca.pem")).is_some();
    let tls = is_tls.then(|| TlsFiles::in_folder(&certificates));
    Endpoint::parse(&context.endpoints.docker.host, tls.as_ref()).ok()
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

    fn shown(places: &Places) -> Vec<String> {
        places.endpoints.iter().map(Endpoint::to_string).collect()
    }

    /// If this fails, Callsign looks at another engine than `docker ps` in the same shell.
    #[test]
    fn an_engine_is_looked_for_as_docker_does() {
        let mut machine = Machine::default();
        assert_eq!(
            shown(&Places::usual(&machine).unwrap()),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/podman/podman.sock"
            ]
        );
        machine.variables.insert("XDG_RUNTIME_DIR", "/run/user/7");
        assert_eq!(
            shown(&Places::usual(&machine).unwrap()),
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
        assert_eq!(shown(&Places::usual(&machine).unwrap()), ["ssh://far"]);
        machine.files.insert(
            "/home/me/.docker/contexts/meta/3/meta.json".into(),
            r#"{"Name":"safe","Endpoints":{"docker":{"Host":"tcp://safe:2376"}}}"#,
        );
        machine.files.insert(
            "/home/me/.docker/contexts/tls/3/docker/ca.pem".into(),
            "a certificate",
        );
        machine.variables.insert("DOCKER_CONTEXT", "safe");
        let places = Places::usual(&machine).unwrap();
        assert_eq!(shown(&places), ["https://safe:2376"], "with TLS");
        machine.variables.insert("DOCKER_HOST", "tcp://other:5");
        assert_eq!(shown(&Places::usual(&machine).unwrap()), ["tcp://other:5"]);
        machine.variables.insert("DOCKER_TLS_VERIFY", "1");
        assert_eq!(
            shown(&Places::usual(&machine).unwrap()),
            ["https://other:5"]
        );
        machine.variables.insert("DOCKER_HOST", "nonsense");
        let error = Places::usual(&machine).unwrap_err();
        assert!(error.starts_with("DOCKER_HOST=nonsense: "), "{error}");
    }
}
