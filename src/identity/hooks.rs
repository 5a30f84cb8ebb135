//! Commands that run when something happens to a claim.
//!
//! A pool has one [`Hooks`] with two lanes: one for the events of this node's own claim, one for
//! those of other members. In each the commands run one after the other, in the order of the
//! events, so that a script never sees `lost` before the `claimed` that it ends. The lanes do not
//! wait for each other: `lost` is not kept back by a herd that comes or goes.

pub(super) mod process;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

pub use process::CommandLine;

use crate::store::{Epoch, Slot};

/// How many events of other members may wait for the commands of earlier ones.
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

    /// Whether it is about another node.
    const fn is_of_member(self) -> bool {
        matches!(self, Self::MemberJoin | Self::MemberLeave)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
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
    commands: Arc<[Hook]>,
    own: mpsc::UnboundedSender<Waiting>,
    members: mpsc::Sender<Waiting>,
    /// How many events of members were left out and not said yet.
    left_out: Arc<AtomicU64>,
    lanes: JoinSet<()>,
}

/// An event that waits, with the commands that were set when it happened.
#[derive(Debug)]
struct Waiting {
    event: Event,
    environment: Environment,
    commands: Arc<[Hook]>,
}

impl Hooks {
    /// Starts to wait for events.
    ///
    /// [`Hooks::finish`] waits for what still runs; dropping the result ends it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    #[must_use]
    pub fn start(hooks: Vec<Hook>) -> Self {
        Self::with_limit(hooks, TIME_LIMIT)
    }

    fn with_limit(hooks: Vec<Hook>, limit: Duration) -> Self {
        let (own, mut own_events) = mpsc::unbounded_channel::<Waiting>();
        let (members, mut member_events) = mpsc::channel::<Waiting>(QUEUE);
        let left_out = Arc::new(AtomicU64::new(0));
        let mut lanes = JoinSet::new();
        lanes.spawn(async move {
            while let Some(waiting) = own_events.recv().await {
                waiting.run(limit).await;
            }
        });
        let uncounted = Arc::clone(&left_out);
        lanes.spawn(async move {
            while let Some(waiting) = member_events.recv().await {
                let pool = &waiting.environment.pool;
                let count = uncounted.swap(0, Relaxed);
                if count > 0 {
                    warn!(
                        pool,
                        "hooks of {count} members that came or went are left out: {QUEUE} were waiting"
                    );
                }
                waiting.run(limit).await;
            }
        });
        Self {
            commands: hooks.into(),
            own,
            members,
            left_out,
            lanes,
        }
    }

    /// Changes the commands of later events. Those of earlier ones run as they were, and before.
    pub fn replace(&mut self, hooks: Vec<Hook>) {
        self.commands = hooks.into();
    }

    /// Has the commands of `event` run after those of all earlier events of its lane. Returns at
    /// once.
    ///
    /// Events of this node's own claim are never left out: they are as rare as claims. Where
    /// [`QUEUE`] events of other members wait already, one more is left out, counted and said.
    pub fn run(&self, event: Event, environment: Environment) {
        if !self.commands.iter().any(|hook| hook.event == event) {
            return;
        }
        let waiting = Waiting {
            event,
            environment,
            commands: Arc::clone(&self.commands),
        };
        // The lanes are open as long as this is.
        if !event.is_of_member() {
            let _ = self.own.send(waiting);
        } else if self.members.try_send(waiting).is_err() {
            self.left_out.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all that waits has run, at most for `limit`: then the commands that run are
    /// killed and the rest is left out. Returns whether everything has run.
    pub async fn finish(self, limit: Duration) -> bool {
        drop((self.own, self.members));
        let mut lanes = self.lanes;
        let all = async { while lanes.join_next().await.is_some() {} };
        let finished = timeout(limit, all).await.is_ok();
        if !finished {
            lanes.shutdown().await;
            warn!("commands of hooks were cut short after {limit:?}");
        }
        finished
    }
}

impl Waiting {
    async fn run(&self, limit: Duration) {
        for hook in self.commands.iter().filter(|hook| hook.event == self.event) {
            run(hook, &self.environment, limit).await;
        }
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
