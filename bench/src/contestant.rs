//! A server that is measured: how it is started, and what it has used.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::Result;
use crate::client::Content;
use crate::questions::Question;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(120);

/// How long a server may take to end when it is asked to.
const END: Duration = Duration::from_secs(5);

/// The command that starts Callsign with a Corefile on a port; its state is kept beside the file.
#[must_use]
pub fn callsign(server: &Path, corefile: &Path, port: u16) -> Command {
    let mut command = Command::new(server);
    command.arg("--conf").arg(corefile);
    command.args(["--dns.port", &port.to_string()]);
    command.arg("--state").arg(corefile.with_extension("state"));
    command.env("CALLSIGN_LOG", "error");
    command
}

/// Callsign beside this program, unless another one is named.
///
/// # Errors
///
/// This program does not know where it is.
pub fn server(named: Option<&PathBuf>) -> Result<PathBuf> {
    match named {
        Some(named) => Ok(named.clone()),
        None => Ok(std::env::current_exe()?.with_file_name("callsign")),
    }
}

/// A server, all processes of which are killed when it goes out of sight.
#[derive(Debug)]
pub struct Contestant {
    /// What it is called in the table.
    pub name: String,
    /// Where it answers.
    pub address: SocketAddr,
    /// How it answers.
    pub content: Content,
    /// From its start to its first right answer.
    pub loaded: Duration,
    child: Child,
}

impl Contestant {
    /// Starts a server on these processors, such as `0` or `0,1`, and waits until it answers a
    /// question rightly. What it says goes into a file `log` of the folder, in which it runs.
    ///
    /// # Errors
    ///
    /// It is not installed, ends, or does not answer.
    pub fn start(
        name: &str,
        command: &Command,
        folder: &Path,
        processors: &str,
        address: SocketAddr,
        (content, question): (Content, &Question),
    ) -> Result<Self> {
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", processors]).arg(command.get_program());
        pinned.args(command.get_args());
        for (variable, value) in command.get_envs() {
            pinned.env(variable, value.unwrap_or_default());
        }
        pinned.current_dir(folder).stdin(Stdio::null());
        pinned.stdout(log.try_clone()?).stderr(log).process_group(0);
        let begin = Instant::now();
        let child = pinned
            .spawn()
            .map_err(|error| format!("{pinned:?}: {error}"))?;
        let mut contestant = Self {
            name: name.to_owned(),
            address,
            content,
            loaded: Duration::ZERO,
            child,
        };
        contestant.wait_for(question, begin).map_err(|error| {
            let log = std::fs::read_to_string(folder.join(format!("{name}.log")));
            format!("{name}: {error}\n{}", log.unwrap_or_default())
        })?;
        contestant.loaded = begin.elapsed();
        Ok(contestant)
    }

    fn wait_for(&mut self, question: &Question, begin: Instant) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut last = "no answer".to_owned();
        let mut reply = [0; 4096];
        while begin.elapsed() < START {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it has ended: {status}").into());
            }
            // Refused while nobody listens yet.
            let _ = socket.send(&question.message);
            if let Ok(length) = socket.recv(&mut reply) {
                let reply = &reply[..length];
                let expected = &question.expected;
                let glance = expected.glance(&question.message[12..question.end], reply);
                match glance.and_then(|()| expected.inspect(reply)) {
                    _ if self.content == Content::Anything => return Ok(()),
                    Ok(()) => return Ok(()),
                    Err(complaint) => last = complaint,
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("after {START:?}: {last}").into())
    }

    /// What its processes have used until now.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of_group(self.child.id())
    }

    /// Sends its first process a signal.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)?;
        Ok(())
    }

    /// Its first process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, Signal::SIGTERM);
        let end = Instant::now() + END;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Those of the group that are left, if there are any.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// What the processes of a group have used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a processor, of all living threads.
    pub processor: Duration,
    /// The same, only of those whose name begins with `udp-`: Callsign's workers.
    pub workers: Duration,
    /// Context switches, of all living threads, of their own accord and others.
    pub switches: u64,
    /// Resident memory in KiB; what processes share is counted once.
    pub resident: u64,
    /// The most that was resident at any time in KiB, of the process that had most.
    pub peak: u64,
}

impl Usage {
    /// The processes of a group.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn processes_of_group(group: u32) -> Result<Vec<u32>> {
        let mut processes = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let process = name.and_then(|name| name.parse::<u32>().ok());
            processes.extend(process.filter(|_| is_in_group(&path, group)));
        }
        Ok(processes)
    }

    /// Of all processes of a group.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn of_group(group: u32) -> Result<Self> {
        let mut usage = Self::default();
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            // Processes come and go; of one that has gone there is nothing to read.
            if is_in_group(&path, group) {
                usage.add(&path);
            }
        }
        Ok(usage)
    }

    fn add(&mut self, process: &Path) {
        let number = |file: &str, label: &str| {
            let text = std::fs::read_to_string(process.join(file)).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(label));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
        };
        self.resident += number("smaps_rollup", "Pss:");
        self.peak = self.peak.max(number("status", "VmHWM:"));
        let tasks = std::fs::read_dir(process.join("task"));
        for task in tasks.into_iter().flatten().flatten() {
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            // Nanoseconds on the processor, then waiting for it (proc(5)).
            let schedule = read("schedstat");
            let time = schedule.split_whitespace().next();
            let time = time.and_then(|word| word.parse().ok()).unwrap_or(0);
            let time = Duration::from_nanos(time);
            self.processor += time;
            if read("comm").starts_with("udp-") {
                self.workers += time;
            }
            for line in read("status").lines() {
                if let Some((label, value)) = line.split_once(':')
                    && label.ends_with("ctxt_switches")
                {
                    self.switches += value.trim().parse::<u64>().unwrap_or(0);
                }
            }
        }
    }
}

fn is_in_group(process: &Path, group: u32) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    // The name of the program, in parentheses, may have spaces; then state, parent, group.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(2) == Some(group.to_string().as_str())
}
