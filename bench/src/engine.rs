//! Container engines of our own: a real one, and one that only says that it runs many.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::process::Killed;
use crate::questions::address;

/// How long an event may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Docker Engine that `scripts/sandboxed-engine` has started; it ends with this.
#[derive(Debug)]
pub struct Engine {
    process: Child,
    input: Option<ChildStdin>,
    folder: PathBuf,
}

impl Engine {
    /// Starts one, in networks of its own.
    ///
    /// # Errors
    ///
    /// It is not installed, does not start, or we are not root.
    pub fn start() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/sandboxed-engine");
        let mut process = Command::new(script)
            .arg("docker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let folder = line.split_whitespace().nth(2).ok_or("no engine")?.into();
        Ok(Self {
            process,
            input,
            folder,
        })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}/engine.sock", self.folder.display())
    }

    /// Docker's command line, for this engine.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.url()]).args(arguments);
        docker.stdin(Stdio::null()).stdout(Stdio::null());
        docker
    }

    /// Listens to what happens to its containers.
    ///
    /// # Errors
    ///
    /// `docker events` cannot be started.
    pub fn events(&self) -> Result<Events> {
        let format = "{{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}";
        // What happened since then is told too, so nothing is lost before it listens.
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut process = self
            .docker(&["events", "--filter", "type=container", "--format", format])
            .args(["--since", &since.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no pipe")?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output)
                .lines()
                .map_while(std::io::Result::ok)
            {
                let mut words = line.split(' ').map(ToOwned::to_owned);
                let time = words.next().and_then(|word| word.parse().ok());
                if let (Some(time), Some(action), Some(name)) = (time, words.next(), words.next()) {
                    let time = UNIX_EPOCH + Duration::from_nanos(time);
                    if sender.send((time, action, name)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Events {
            receiver,
            _process: Killed(process),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends with its input, and clears away.
        self.input = None;
        let _ = self.process.wait();
    }
}

/// What happens to an engine's containers, by the engine's clock, which is this machine's.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<(SystemTime, String, String)>,
    _process: Killed,
}

impl Events {
    /// When this happened to the container with this name. What happened before is dropped.
    ///
    /// # Errors
    ///
    /// It does not happen within a minute.
    pub fn time(&self, action: &str, name: &str) -> Result<SystemTime> {
        loop {
            let (time, what, whom) = self.receiver.recv_timeout(PATIENCE)?;
            if what == action && whom == name {
                return Ok(time);
            }
        }
    }

    /// The next event that is this: when, and to whom.
    ///
    /// # Errors
    ///
    /// It does not happen within a minute.
    pub fn next(&self, action: &str) -> Result<(SystemTime, String)> {
        loop {
            let (time, what, whom) = self.receiver.recv_timeout(PATIENCE)?;
            if what == action {
                return Ok((time, whom));
            }
        }
    }
}

/// An engine that says that it runs many containers, `worker1`, `worker2`, ..., in its default
/// network, with the addresses that [`address`] gives. It lives as long as the process.
#[derive(Debug)]
pub struct Many {
    /// Its socket.
    pub path: PathBuf,
    /// When it was first connected to.
    pub connected: Arc<OnceLock<SystemTime>>,
}

impl Many {
    /// Starts it with a socket in this folder.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound.
    pub fn start(folder: &Path, containers: u32) -> Result<Self> {
        let path = folder.join("many.sock");
        let listener = UnixListener::bind(&path)?;
        let connected = Arc::new(OnceLock::new());
        let first = connected.clone();
        let list: Arc<str> = list(containers).into();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                first.get_or_init(SystemTime::now);
                let list = list.clone();
                // It ends when the other side closes.
                std::thread::spawn(move || serve(stream, &list));
            }
        });
        Ok(Self { path, connected })
    }
}

/// Answers the requests of a connection.
fn serve(stream: UnixStream, list: &str) -> Option<()> {
    let mut requests = BufReader::new(stream.try_clone().ok()?);
    let mut answers = stream;
    loop {
        let mut request = String::new();
        requests.read_line(&mut request).ok()?;
        // The fields of the header matter to nobody.
        let mut field = String::new();
        while requests.read_line(&mut field).ok()? > 2 {
            field.clear();
        }
        let path = request.split(' ').nth(1)?;
        // Without the version that it begins with.
        let path = path.strip_prefix("/v1.41").unwrap_or(path);
        let body = match path
            .trim_start_matches('/')
            .split(['/', '?'])
            .collect::<Vec<_>>()[..]
        {
            ["version"] => {
                r#"{"Version":"many","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#.into()
            }
            ["events", ..] => {
                answers.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
                // Nothing ever happens: until the other side closes.
                requests.read_to_end(&mut Vec::new()).ok()?;
                return None;
            }
            ["networks"] => r#"[{"Id":"n","Name":"bridge","Driver":"bridge",
                "IPAM":{"Config":[{"Subnet":"10.0.0.0/8","Gateway":"10.255.0.1"}]}}]"#
                .into(),
            ["containers", "json"] => list.to_owned(),
            ["containers", id, "json"] => detail(u32::from_str_radix(id, 16).ok()?),
            _ => "{}".into(),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        answers.write_all((head + &body).as_bytes()).ok()?;
    }
}

fn list(containers: u32) -> String {
    let each = (1..=containers).map(|number| {
        let address = address(number);
        format!(
            r#"{{"Id":"{number:064x}","Names":["/worker{number}"],"State":"running","Labels":{{}},
            "NetworkSettings":{{"Networks":{{"bridge":{{"NetworkID":"n","IPAddress":"{address}"}}}}}}}}"#
        )
    });
    format!("[{}]", each.collect::<Vec<_>>().join(","))
}

/// A container as Docker 20.10 shows it, less what nobody reads but with as many words.
fn detail(number: u32) -> String {
    let address = address(number);
    let unread = "x".repeat(4000);
    format!(
        r#"{{"Id":"{number:064x}","Name":"/worker{number}","Created":"2026-01-01T00:00:00Z","Unread":"{unread}",
        "State":{{"Status":"running","Running":true,"Paused":false,"Restarting":false}},
        "Config":{{"Hostname":"h{number}","Image":"busybox","Labels":{{"a":"b"}},"Env":["PATH=/bin"]}},
        "HostConfig":{{"NetworkMode":"default"}},
        "NetworkSettings":{{"Ports":{{}},"Networks":{{"bridge":{{"NetworkID":"n","IPAddress":"{address}"}}}}}}}}"#
    )
}
