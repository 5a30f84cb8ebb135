//! Commands that run when something happens to a claim.
//!
//! A pool has one [`Hooks`]: its commands run one after the other, in the order of the events, so
//! that a script never sees `lost` before the `claimed` that it ends.

pub(super) mod process;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

pub use process::CommandLine;

use crate::store::{Epoch, Slot};

/// How many events may wait for the commands of earlier ones.
pub const QUEUE: usize = 64;

/// How long one command may take; then it is killed.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How many lines of one command's output reach the log.
pub const LINES: usize = 100;

/// What can happen to a claim or to the members of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// This node holds a name.
    Claimed,
    /// This node holds its name but cannot renew it: the store is away.
    Degraded,
    /// This node's name was taken from it, or its time ran out.
    Lost,
    /// This node gave its name back.
    Released,
    /// Another node holds a name from now on.
    MemberJoin,
    /// Another node's name is free from now on.
    MemberLeave,
}

impl Event {
    /// All events, in the order in which the documentation has them.
    pub const ALL: [Self; 6] = [
        Self::Claimed,
        Self::Degraded,
        Self::Lost,
        Self::Released,
        Self::MemberJoin,
        Self::MemberLeave,
    ];

    /// The event's word in a Corefile and in `CALLSIGN_EVENT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Degraded => "degraded",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::MemberJoin => "member-join",
            Self::MemberLeave => "member-leave",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Event {
    type Err = String;

    /// Reads an event's word; the error names all of them.
    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|event| event.name() == word);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no event {word:?}: events are {names}")
        })
    }
}

/// A command and the event that it waits for: one `on` of a Corefile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When to run it.
    pub event: Event,
    /// What to run.
    pub command: CommandLine,
}

/// What a command is told, in environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CALLSIGN_POOL`
    pub pool: String,
    /// `CALLSIGN_NAME`: this node's name with the dot at its end; empty where it has none.
    pub name: String,
    /// `CALLSIGN_SLOT`: this node's slot; [`None`] makes it empty.
    pub slot: Option<Slot>,
    /// `CALLSIGN_EPOCH`: the fencing token of this node's claim; [`None`] makes it empty.
    pub epoch: Option<Epoch>,
    /// `CALLSIGN_ADDRESSES`: what this node publishes, with spaces between.
    pub addresses: Vec<IpAddr>,
    /// Who came or went, for [`Event::MemberJoin`] and [`Event::MemberLeave`].
    pub member: Option<MemberEnvironment>,
}

/// What a command is told of another member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberEnvironment {
    /// `CALLSIGN_MEMBER_NAME`, with the dot at its end.
    pub name: String,
    /// `CALLSIGN_MEMBER_SLOT`
    pub slot: Slot,
    /// `CALLSIGN_MEMBER_ADDRESSES`, with spaces between.
    pub addresses: Vec<IpAddr>,
}

impl Environment {
    /// The variables of an event.
    fn variables(&self, event: Event) -> Vec<(&'static str, String)> {
        let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
        let mut variables = vec![
            ("CALLSIGN_EVENT", event.name().to_owned()),
            ("CALLSIGN_POOL", self.pool.clone()),
            ("CALLSIGN_NAME", self.name.clone()),
            ("CALLSIGN_SLOT", number(self.slot.map(u64::from))),
            ("CALLSIGN_EPOCH", number(self.epoch)),
            ("CALLSIGN_ADDRESSES", spaced(&self.addresses)),
        ];
        if let Some(member) = &self.member {
            variables.extend([
                ("CALLSIGN_MEMBER_NAME", member.name.clone()),
                ("CALLSIGN_MEMBER_SLOT", member.slot.to_string()),
                ("CALLSIGN_MEMBER_ADDRESSES", spaced(&member.addresses)),
            ]);
        }
        variables
    }
}

fn spaced(addresses: &[IpAddr]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(" ")
}

/// The commands of one pool and the events that wait for them.
#[derive(Debug)]
pub struct Hooks {
    hooks: Arc<[Hook]>,
    queue: mpsc::Sender<(Event, Environment)>,
    dropped: AtomicU64,
    worker: JoinHandle<()>,
}

impl Hooks {
    /// Starts to wait for events.
    ///
    /// Dropping the result lets the commands that wait run to their end; [`Hooks::finish`] waits
    /// for that.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    #[must_use]
    pub fn start(hooks: Vec<Hook>) -> Self {
        Self::with_limit(hooks, TIME_LIMIT)
    }

    fn with_limit(hooks: Vec<Hook>, limit: Duration) -> Self {
        let hooks: Arc<[Hook]> = hooks.into();
        let (queue, mut waiting) = mpsc::channel::<(Event, Environment)>(QUEUE);
        let commands = hooks.clone();
        let worker = tokio::spawn(async move {
            while let Some((event, environment)) = waiting.recv().await {
                for hook in commands.iter().filter(|hook| hook.event == event) {
                    run(hook, &environment, limit).await;
                }
            }
        });
        Self {
            hooks,
            queue,
            dropped: AtomicU64::new(0),
            worker,
        }
    }

    /// Has the commands of `event` run after those of all earlier events. Returns at once.
    ///
    /// Where [`QUEUE`] events wait already, this one is dropped, counted and said.
    pub fn run(&self, event: Event, environment: Environment) {
        if !self.hooks.iter().any(|hook| hook.event == event) {
            return;
        }
        if let Err(TrySendError::Full((event, environment))) =
            self.queue.try_send((event, environment))
        {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            warn!(
                pool = environment.pool,
                dropped, "the commands on {event} are left out: {QUEUE} events wait before it"
            );
        }
    }

    /// How many events were dropped because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that waits has run, at most for `limit`: then the command that runs is
    /// killed and the rest is left out. Returns whether everything has run.
    pub async fn finish(self, limit: Duration) -> bool {
        drop(self.queue);
        let mut worker = self.worker;
        let finished = timeout(limit, &mut worker).await.is_ok();
        if !finished {
            worker.abort();
            let _ = worker.await;
            warn!("commands of hooks were cut short after {limit:?}");
        }
        finished
    }
}

/// Runs one command, with its output in the log.
async fn run(hook: &Hook, environment: &Environment, limit: Duration) {
    let Hook { event, command } = hook;
    let pool = environment.pool.as_str();
    let mut lines = 0_usize;
    let line = |text: &str| {
        lines += 1;
        if lines <= LINES {
            info!(pool, "on {event}: {text}");
        }
    };
    let variables = environment.variables(*event);
    let result = command.run(&variables, limit, Some(line)).await;
    if lines > LINES {
        info!(pool, "on {event}: {} more lines", lines - LINES);
    }
    if let Err(failure) = result {
        warn!(pool, "the command on {event} {failure}: {command}");
    }
}
