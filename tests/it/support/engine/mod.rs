//! A Docker Engine that runs nothing: a model of containers behind a Unix socket, with the habits
//! and failures of real ones.

mod container;
mod json;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use container::Container;

/// How often a thread that waits for something looks whether it is needed at all.
const LOOK: Duration = Duration::from_secs(1);

/// How an engine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// 1.24 is 24.
    pub(crate) version: u16,
    /// Events as Podman before 4.0 tells them.
    pub(crate) podman: bool,
    /// A record separator before each event (RFC 7464).
    pub(crate) separators: bool,
    /// How many octets of events stand in one chunk; all that there are for 0.
    pub(crate) chunk: usize,
    /// Every event comes twice.
    pub(crate) twice: bool,
}

impl Dialect {
    /// The engine that Debian 12 has.
    pub(crate) const DEBIAN: Self = Self {
        version: 41,
        podman: false,
        separators: false,
        chunk: 0,
        twice: false,
    };
}

/// What happens to an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 500.
    Broken,
    /// 404.
    Missing,
    /// 500, as Podman says it of a container that is removed while it is looked at.
    Removed,
    /// No answer until the fault is taken away.
    Held,
}

/// A fake engine; it is gone when it is dropped.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    folder: TempDir,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    dialect: Option<Dialect>,
    running: BTreeMap<String, Container>,
    faults: HashMap<String, Fault>,
    /// The machine's address in every network, where it is not the loopback's.
    gateway: Option<&'static str>,
    /// Nothing is answered.
    hangs: bool,
    /// Who wants to hear events is refused, in words that never end.
    refuses_events: bool,
    /// Events are kept back.
    held: Option<Vec<Value>>,
    /// Every event that was told since the engine was started.
    told: Vec<Vec<u8>>,
    /// How many octets of what is told next go out before the connection breaks.
    cut: Option<usize>,
    /// Counts the starts of the engine: connections of earlier ones are dead.
    life: u64,
    connections: Vec<UnixStream>,
    made: u64,
    /// Which engine of this process it is.
    number: u64,
}

impl Engine {
    /// An engine that runs nothing yet.
    pub(crate) fn start(dialect: Dialect) -> Self {
        let engine = Self::absent(dialect);
        engine.appear();
        engine
    }

    /// An engine that is not there yet.
    pub(crate) fn absent(dialect: Dialect) -> Self {
        let shared = Arc::new(Shared::default());
        let engine = Self {
            shared,
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        static ENGINES: AtomicU64 = AtomicU64::new(0);
        let mut state = engine.state();
        state.dialect = Some(dialect);
        state.number = ENGINES.fetch_add(1, Ordering::Relaxed) & 0xff;
        drop(state);
        engine
    }

    /// As `endpoint` and `DOCKER_HOST` name it.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Changes something and wakes whoever waits for it.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.shared.changed.notify_all();
        result
    }

    /// Begins to listen.
    pub(crate) fn appear(&self) {
        let life = self.with(|state| {
            state.life += 1;
            state.told.clear();
            state.life
        });
        let listener = UnixListener::bind(self.socket()).expect("a Unix socket");
        let shared = self.shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = stream.try_clone().expect("a socket");
                let mut state = shared.lock();
                if state.life != life {
                    return;
                }
                state.connections.push(kept);
                drop(state);
                let shared = shared.clone();
                thread::spawn(move || shared.serve(&stream, life));
            }
        });
    }

    /// Stops listening, breaks all connections and forgets all events. Containers run on.
    pub(crate) fn vanish(&self) {
        let connections = self.with(|state| {
            state.life += 1;
            std::mem::take(&mut state.connections)
        });
        for connection in connections {
            // The other side may have closed it.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts, if there is one.
        let _ = UnixStream::connect(self.socket());
        let _ = std::fs::remove_file(self.socket());
    }

    pub(crate) fn restart(&self) {
        self.vanish();
        self.appear();
    }

    /// The machine's address in every network.
    pub(crate) fn gateway(&self, address: &'static str) {
        self.with(|state| state.gateway = Some(address));
    }

    /// From now on nothing is answered, or everything is again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.with(|state| state.hangs = hangs);
    }

    /// From now on who wants to hear events is refused, in words that never end, or nobody is.
    pub(crate) fn refuse_events(&self, refuses: bool) {
        self.with(|state| state.refuses_events = refuses);
    }

    /// What happens to inspections of the container with this name.
    pub(crate) fn fault(&self, name: &str, fault: Option<Fault>) {
        self.with(|state| match fault {
            Some(fault) => state.faults.insert(name.into(), fault),
            None => state.faults.remove(name),
        });
    }

    /// The connection of the events breaks after this many octets of the next one.
    pub(crate) fn cut_next_event(&self, octets: usize) {
        self.with(|state| state.cut = Some(octets));
    }

    /// Keeps events back.
    pub(crate) fn hold_events(&self) {
        self.with(|state| state.held = Some(Vec::new()));
    }

    /// Tells what was kept back, the last first.
    pub(crate) fn release_events_reversed(&self) {
        self.with(|state| {
            for event in state.held.take().unwrap_or_default().into_iter().rev() {
                state.tell(&event);
            }
        });
    }

    /// Loses what was kept back.
    pub(crate) fn lose_events(&self) {
        self.with(|state| state.held = None);
    }

    /// The containers that run.
    pub(crate) fn running(&self) -> Vec<Container> {
        self.state().running.values().cloned().collect()
    }

    /// Runs a container; gives its id.
    pub(crate) fn run(&self, container: Container) -> String {
        self.with(|state| {
            let id = state.put(container);
            let networks: Vec<String> = state.running[&id].networks.keys().cloned().collect();
            state.event(&id, "create", json!({}));
            for network in networks {
                state.network_event(&id, "connect", &network);
            }
            state.event(&id, "start", json!({}));
            id
        })
    }

    /// Runs containers and tells nobody.
    pub(crate) fn run_silently(&self, containers: impl IntoIterator<Item = Container>) {
        self.with(|state| {
            for container in containers {
                state.put(container);
            }
        });
    }

    /// Has a container die, as `docker stop` or a crash does.
    pub(crate) fn stop(&self, id: &str) {
        self.with(|state| {
            let Some(container) = state.running.get(id).cloned() else {
                return;
            };
            state.event(id, "kill", json!({"signal": "15"}));
            let died = json::event(&container, "die", json!({"exitCode": "0"}), state.dialect());
            let stopped = json::event(&container, "stop", json!({}), state.dialect());
            state.running.remove(id);
            state.say(died);
            for network in container.networks.keys() {
                state.network_event(id, "disconnect", network);
            }
            state.say(stopped);
        });
    }

    /// Changes a container and tells so by an event with this action.
    pub(crate) fn change(&self, id: &str, action: &str, change: impl FnOnce(&mut Container)) {
        self.with(|state| {
            change(state.running.get_mut(id).expect("a container that runs"));
            state.event(id, action, json!({}));
        });
    }

    /// Connects a container to another network.
    pub(crate) fn connect(&self, id: &str, network: &str, address: &str, aliases: &[&str]) {
        self.with(|state| {
            let container = state.running.get_mut(id).expect("a container that runs");
            *container = container.clone().network(network, address, aliases);
            state.network_event(id, "connect", network);
        });
    }

    /// Takes a container out of a network.
    pub(crate) fn disconnect(&self, id: &str, network: &str) {
        self.with(|state| {
            let container = state.running.get_mut(id).expect("a container that runs");
            container.networks.remove(network);
            state.network_event(id, "disconnect", network);
        });
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.vanish();
    }
}

impl State {
    fn dialect(&self) -> Dialect {
        self.dialect.expect("an engine has a dialect")
    }

    fn put(&mut self, mut container: Container) -> String {
        self.made += 1;
        container.created = self.made;
        // No two engines give the same.
        let number = self.number << 40 | (0xc0_ffee_0000 + self.made);
        container.id = format!("{number:012x}{number:052x}");
        if container.hostname.is_empty() {
            container.hostname = container.id[..12].into();
        }
        let id = container.id.clone();
        self.running.insert(id.clone(), container);
        id
    }

    fn event(&mut self, id: &str, action: &str, more: Value) {
        if let Some(container) = self.running.get(id) {
            let event = json::event(container, action, more, self.dialect());
            self.say(event);
        }
    }

    fn network_event(&mut self, container: &str, action: &str, network: &str) {
        let dialect = self.dialect();
        if dialect.version < 22 {
            return;
        }
        self.say(json::network_event(container, action, network, dialect));
    }

    fn say(&mut self, event: Value) {
        match &mut self.held {
            Some(held) => held.push(event),
            None => self.tell(&event),
        }
    }

    fn tell(&mut self, event: &Value) {
        let separator = if self.dialect().separators {
            "\u{1e}"
        } else {
            ""
        };
        let text = format!("{separator}{event}\n").into_bytes();
        let times = if self.dialect().twice { 2 } else { 1 };
        self.told.extend(std::iter::repeat_n(text, times));
    }

    /// The answer to a request: status and body.
    fn answer(&self, path: &str) -> (u16, Value) {
        let dialect = self.dialect();
        let version = format!("1.{}", dialect.version);
        let (asked, path) = match path.strip_prefix("/v1.").and_then(|it| it.split_once('/')) {
            Some((minor, rest)) => (minor.parse().unwrap_or(u16::MAX), format!("/{rest}")),
            None => (dialect.version, path.to_owned()),
        };
        if asked > dialect.version {
            let message = format!(
                "client version 1.{asked} is too new. Maximum supported API version is {version}"
            );
            return (400, json!({"message": message}));
        }
        match path.as_str() {
            "/_ping" => (200, json!("OK")),
            "/version" => (
                200,
                json!({"Version": "fake", "ApiVersion": version, "MinAPIVersion": "1.12"}),
            ),
            "/containers/json" => (200, self.running.values().map(json::summary).collect()),
            "/networks" => {
                let networks = self.running.values().flat_map(|it| it.networks.keys());
                let networks: BTreeMap<&String, Value> = networks
                    .map(|name| (name, json::network(name, self.gateway)))
                    .collect();
                (200, networks.into_values().collect())
            }
            path => {
                let id = path.strip_prefix("/containers/");
                let id = id.and_then(|it| it.strip_suffix("/json"));
                let container = id.and_then(|id| self.running.get(id));
                let fault = container.and_then(|it| self.faults.get(&it.name));
                match (container, fault) {
                    (_, Some(Fault::Broken)) => (500, json!({"message": "layer not known"})),
                    (Some(it), Some(Fault::Removed)) => {
                        let message = format!("looking up {}: no such container", it.id);
                        let cause = "no such container";
                        (
                            500,
                            json!({"cause": cause, "message": message, "response": 500}),
                        )
                    }
                    (Some(container), None | Some(Fault::Held)) => {
                        (200, json::detail(container, dialect))
                    }
                    (None, _) | (_, Some(Fault::Missing)) => {
                        (404, json!({"message": "No such container"}))
                    }
                }
            }
        }
    }

    /// Whether a request has to wait.
    fn holds(&self, path: &str) -> bool {
        let held = |container: &Container| {
            self.faults.get(&container.name) == Some(&Fault::Held) && path.contains(&container.id)
        };
        let holds_any = self.faults.values().any(|fault| *fault == Fault::Held);
        self.hangs || holds_any && self.running.values().any(held)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics")
    }

    /// Answers the requests of a connection, one after the other.
    fn serve(&self, stream: &UnixStream, life: u64) {
        let mut writer = stream;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while let Some(request) = lines.next() {
            // No request here has a body.
            if !lines.by_ref().any(|line| line.is_empty()) {
                return;
            }
            let target = request.split(' ').nth(1).unwrap_or_default();
            let path = target.split('?').next().unwrap_or_default();
            let mut state = self.lock();
            while state.life == life && state.holds(path) {
                let waited = self.changed.wait_timeout(state, LOOK);
                state = waited.expect("no thread panics").0;
            }
            if state.life != life {
                return;
            }
            if path.ends_with("/events") && state.refuses_events {
                // The other side may have closed it.
                let _ = writer.write_all(b"HTTP/1.1 500 Status\r\nContent-Length: 9\r\n\r\n{");
                while state.life == life {
                    let waited = self.changed.wait_timeout(state, LOOK);
                    state = waited.expect("no thread panics").0;
                }
                return;
            }
            if path.ends_with("/events") {
                let next = state.told.len();
                drop(state);
                // Whoever listened is gone.
                let _ = self.tell_events(writer, next, life);
                let _ = writer.shutdown(Shutdown::Both);
                return;
            }
            let (status, body) = state.answer(path);
            drop(state);
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if writer.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn tell_events(
        &self,
        mut writer: &UnixStream,
        mut next: usize,
        life: u64,
    ) -> std::io::Result<()> {
        writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            let mut state = self.lock();
            while state.life == life && state.told.len() <= next {
                let waited = self.changed.wait_timeout(state, LOOK);
                state = waited.expect("no thread panics").0;
            }
            if state.life != life {
                return Ok(());
            }
            let mut text = state.told[next..].concat();
            next = state.told.len();
            let cut = state.cut.take();
            let size = match state.dialect().chunk {
                0 => text.len(),
                size => size,
            };
            drop(state);
            text.truncate(cut.unwrap_or(text.len()));
            for chunk in text.chunks(size) {
                let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
                framed.extend_from_slice(chunk);
                framed.extend_from_slice(b"\r\n");
                writer.write_all(&framed)?;
            }
            if cut.is_some() {
                return Ok(());
            }
        }
    }
}
