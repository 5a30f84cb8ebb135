//! Starting, reloading and stopping.
//!
//! [`run`] is the whole life of a server: it starts what the configuration says, then obeys
//! signals until one of them ends it. What must survive a reload (the sockets of an address that
//! stays, the claimed names) is held by [`instance::Server`] and the process-wide pools; all else
//! is made anew.

mod addresses;
pub mod banner;
mod instance;
mod notify;
mod panics;
mod reloads;
mod tell;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing::{debug, error, info};

use crate::config::StartOptions;
use crate::console::{complain, say};
use crate::counters::{Count, Tally};
use crate::fatal::Fatal;
use crate::lines::Lines;
use crate::listen::Shared;
use crate::plugins::Watching;
use crate::reason;
use instance::Server;
use tell::Teller;

/// Exit status: stopped as asked.
pub const OK: u8 = 0;

/// Exit status: could not start, or lost what it may not run without.
pub const FAILED: u8 = 1;

/// Exit status: interrupted a second time while stopping.
pub const INTERRUPTED: u8 = 2;

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often replaced routes are looked at until no worker uses them.
const SWEEP: Duration = Duration::from_secs(1);

/// Runs a server until a signal ends it; returns the exit status. Mistakes are shown on standard
/// error, the banner on standard output.
#[must_use]
pub fn run(options: StartOptions) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!(
                "error: cannot start the runtime: {}",
                reason::of(&error)
            ));
            return FAILED;
        }
    };
    panics::bound_messages();
    let status = runtime.block_on(live(options));
    // Nothing that is still waiting may keep the program.
    runtime.shutdown_background();
    status
}

async fn live(options: StartOptions) -> u8 {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            complain(&format!(
                "error: cannot receive signals: {}",
                reason::of(&error)
            ));
            return FAILED;
        }
    };
    let shared = Shared::new(tokio::runtime::Handle::current());
    let pid_file = match PidFile::write(options.pid_file.clone()) {
        Ok(pid_file) => pid_file,
        Err(message) => {
            complain(&format!("error: {message}"));
            return FAILED;
        }
    };
    let quiet = options.quiet;
    let require_claim = options.require_claim;
    let fatal = Fatal::default();
    let lines = match Lines::to_standard_output() {
        Ok(lines) => lines,
        Err(error) => {
            complain(&format!(
                "error: cannot start a thread: {}",
                reason::of(&error)
            ));
            return FAILED;
        }
    };
    let mut server = Server::new(options, shared.clone(), fatal.clone(), lines.clone());
    if let Err(message) = server.start().await {
        complain(&message);
        return FAILED;
    }
    if !quiet {
        say(server.banner().trim_end());
    }
    notify::ready();
    let mut teller = Teller::new(server.pools().subscribe(), quiet, require_claim);
    let mut sweeping = false;
    let mut look = next_look(&server);
    let mut machine = server.serves_some().then(addresses::watch);
    let status = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => {
                    reload(&mut server).await;
                    look = next_look(&server);
                    sweeping = true;
                }
                Asked::Quit => break None,
                Asked::Stop | Asked::Interrupt => break Some(OK),
            },
            full = teller.until_full(server.nearest_address()) => {
                complain(&format!("error: {full}; --require-claim was given, so nothing is served"));
                break Some(FAILED);
            }
            () = addresses::changed(&mut machine) => server.follow_addresses(),
            message = fatal.reported() => {
                error!("{message}");
                break Some(FAILED);
            }
            () = tokio::time::sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                if server.is_changed() {
                    reload(&mut server).await;
                    sweeping = true;
                }
                look = next_look(&server);
            }
            () = tokio::time::sleep(SWEEP), if sweeping => sweeping = shared.sweep(),
        }
    };
    let status = match status {
        None => OK,
        Some(status) => {
            notify::stopping();
            signals.unless_interrupted(stop(server), status).await
        }
    };
    lines.flush(LAST_LINES);
    let counts = counted(&shared.statistics.total());
    match quiet {
        true => debug!("stopped; {counts}"),
        false => info!("stopped; {counts}"),
    }
    drop(pid_file);
    status
}

/// Reads the Corefile again, and says what came of it.
async fn reload(server: &mut Server) {
    notify::reloading();
    match server.reload().await {
        Ok(()) => info!("reloaded"),
        Err(message) => error!("not reloaded, the old configuration goes on:\n{message}"),
    }
    notify::ready();
}

/// When the Corefile is to be looked at next, if it is at all.
fn next_look(server: &Server) -> Option<Instant> {
    let Watching { interval, jitter } = server.watching()?;
    let chance = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Instant::now().checked_add(interval + jitter.mul_f64(chance))
}

/// What was counted, in one line; what never happened is left out.
fn counted(total: &Tally) -> String {
    let happened = Count::ALL.iter().filter(|count| total.get(**count) > 0);
    let shown: Vec<String> = happened
        .map(|count| format!("{}: {}", count.name().replace('_', " "), total.get(*count)))
        .collect();
    if shown.is_empty() {
        return "nobody asked anything".to_owned();
    }
    shown.join(", ")
}

/// Gives up the names first, so that nobody is sent here any more, waits for those who were, then
/// stops.
async fn stop(mut server: Server) {
    server.tell_end();
    let shares = server.shares();
    tokio::join!(server.pools().release_all(), shares.withdraw_all());
    server.lameduck().await;
    server.stop().await;
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Interrupt,
    Quit,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.quit.recv() => Asked::Quit,
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.user1.recv() => Asked::Reload,
        }
    }

    /// Waits for `stopping`, unless the user loses patience first.
    async fn unless_interrupted(&mut self, stopping: impl Future<Output = ()>, status: u8) -> u8 {
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = &mut stopping => return status,
                asked = self.next() => match asked {
                    Asked::Interrupt => return INTERRUPTED,
                    Asked::Quit => return OK,
                    Asked::Stop | Asked::Reload => {}
                },
            }
        }
    }
}

/// The file with the number of the process, removed when the server ends.
struct PidFile(Option<PathBuf>);

impl PidFile {
    fn write(path: Option<PathBuf>) -> Result<Self, String> {
        if let Some(path) = &path {
            std::fs::write(path, format!("{}\n", std::process::id())).map_err(|error| {
                format!(
                    "cannot write the pid file {}: {}",
                    path.display(),
                    reason::of(&error)
                )
            })?;
        }
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may be gone already, and nobody is left to be told.
            let _ = std::fs::remove_file(path);
        }
    }
}
