//! From directives to plugins: what a directive's `setup` is given and what it gives back.
//!
//! It happens in two steps. `setup` reads the directives and checks them without touching
//! anything, so that `callsign check` can run it. What it adds is a [`Part`] for each plugin;
//! [`Part::build`] makes the plugin once the whole configuration is known to be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use answer::Name;
use corefile::{Diagnostic, Diagnostics, Directive, Span};
use tokio::sync::watch;

use super::blocks::{Block, Blocks};
use super::{Chain, Plugin};
use crate::config::ListenAddress;
use crate::docker::survey::Survey;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;
use crate::journal::Journal;
use crate::lines::Lines;
use crate::metrics::Registry;

/// What there is to know of a directive before it is met: one row of the table
/// [`DIRECTIVES`](super::DIRECTIVES).
#[derive(Debug)]
pub struct Definition {
    /// The word in the Corefile.
    pub name: &'static str,
    /// How it is written, as messages and the documentation show it.
    pub syntax: &'static str,
    /// Checks the directives of one block. It has no effect on anything but the [`Setup`].
    pub setup: fn(&mut Setup<'_>),
}

/// What a directive's setup works on.
pub struct Setup<'a> {
    /// Every directive of this name in the block, in the order of the file; at least one.
    pub directives: &'a [&'a Directive],
    /// The block that they stand in, as far as it is known.
    pub block: &'a mut BlockDraft,
    /// What the directives of all blocks say about the process.
    pub process: &'a mut ProcessOptions,
    /// Where mistakes go.
    pub diagnostics: &'a mut Diagnostics,
}

impl Setup<'_> {
    /// Reports that the directive is given more than once in the block, where it is.
    pub fn once(&mut self) {
        if let [first, second, ..] = self.directives {
            self.diagnostics.push(second.repeated(first));
        }
    }

    /// Reports what is wrong with a directive that is a single word, given once.
    pub fn bare(&mut self, syntax: &str) {
        self.once();
        for directive in self.directives {
            self.diagnostics.keep(directive.no_arguments(syntax));
            self.diagnostics.keep(directive.no_block(syntax));
        }
    }

    /// Adds a plugin to the block, named in errors by the first directive.
    pub fn add(&mut self, part: Box<dyn Part>) {
        if let Some(first) = self.directives.first() {
            let span = first.line();
            self.block.parts.push(PlannedPart { span, part });
        }
    }

    /// Adds something that no query passes, named in errors by this directive.
    pub fn add_service(&mut self, directive: &Directive, service: Box<dyn Service>) {
        let span = directive.line();
        self.block.services.push(PlannedService { span, service });
    }
}

/// What the directives of all blocks say about the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessOptions {
    /// How long DNS goes on after the process was told to stop, while whoever asks for its health
    /// is told that it ends.
    pub lameduck: Duration,
    /// How often the Corefile is looked at; [`None`] for never.
    pub reload: Option<Watching>,
    /// Whether more is told, and a panic ends the process.
    pub debug: bool,
    /// Whether panics are told with what led to them.
    pub stacktrace: bool,
    /// Where the one `admin` stands.
    pub admin: Option<Span>,
}

/// How often the Corefile is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// The least time from one look to the next.
    pub interval: Duration,
    /// The most that is added to it, by chance.
    pub jitter: Duration,
}

/// A server block while its directives are read.
#[derive(Default)]
pub struct BlockDraft {
    /// What the block's keys say it serves.
    pub zones: Vec<ZoneKey>,
    /// The addresses to listen on; none means all of the machine.
    pub binds: Vec<Bind>,
    /// The folder that relative paths start from; empty for the one that the program runs in.
    pub root: PathBuf,
    /// The `view` that the block is for some queries by; [`None`] where it is for all.
    pub view: Option<Span>,
    /// The plugins so far, in the order in which queries will meet them.
    pub parts: Vec<PlannedPart>,
    /// What else the block has, which no query passes.
    pub services: Vec<PlannedService>,
    /// What others may want to know of the block once it runs.
    pub options: BlockOptions,
}

/// What others may want to know of a block once it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockOptions {
    /// Whether its plugins are asked if they are ready, and until when.
    pub ready: Option<Monitor>,
    /// Whether its queries are counted one by one.
    pub measured: bool,
    /// What connections to its addresses may take, where it says so.
    pub timeouts: Option<Timeouts>,
    /// How many sockets for UDP its addresses get, where it says so.
    pub sockets: Option<usize>,
    /// Where it finds containers to name, and how it names them.
    pub containers: Option<Survey>,
    /// The pools whose names it answers for.
    pub pools: Vec<(StoreConfig, PoolConfig)>,
    /// The addresses that it is served at; known once the whole configuration is.
    pub servers: Vec<ListenAddress>,
}

impl BlockOptions {
    /// Takes down that the block is served at an address.
    pub fn served_at(&mut self, address: ListenAddress) {
        if !self.servers.contains(&address) {
            self.servers.push(address);
        }
    }
}

/// What a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to its first query.
    pub read: Duration,
    /// From the end of one query to that of the next.
    pub idle: Duration,
    /// For the peer to take what it asked for.
    pub write: Duration,
    /// How many queries one connection may have; [`None`] for any number.
    pub most_queries: Option<u64>,
}

impl Default for Timeouts {
    /// CoreDNS's.
    fn default() -> Self {
        Self {
            read: Duration::from_secs(3),
            idle: Duration::from_secs(10),
            write: Duration::from_secs(5),
            most_queries: None,
        }
    }
}

/// Until when plugins are asked whether they are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitor {
    /// Until all of them have been.
    UntilReady,
    /// Always.
    Continuously,
}

impl BlockDraft {
    /// A path of the block's directives, as it is to be opened.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// One zone of a block's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneKey {
    /// The zone.
    pub name: Name,
    /// The port that it is served on.
    pub port: u16,
    /// The key in the Corefile.
    pub span: Span,
}

/// An address that a `bind` directive names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The address; its port is not used, its scope is.
    pub address: SocketAddr,
    /// The word in the Corefile.
    pub span: Span,
}

/// A plugin to be, and where the Corefile asks for it.
pub struct PlannedPart {
    /// The words in the Corefile.
    pub span: Span,
    /// What makes the plugin.
    pub part: Box<dyn Part>,
}

/// A plugin that has been checked and not yet made.
pub trait Part: Send {
    /// Makes the plugin: opens what it needs, but claims nothing yet.
    ///
    /// # Errors
    ///
    /// One line; it is shown with the directive's place.
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String>;
}

/// Something beside the query path that has been checked and not yet made.
pub trait Service: Send {
    /// Makes it: plans what it needs. It runs once the configuration does.
    ///
    /// # Errors
    ///
    /// One line; it is shown with the directive's place.
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<(), String>;
}

/// A service to be, and where the Corefile asks for it.
pub struct PlannedService {
    /// The words in the Corefile.
    pub span: Span,
    /// What makes it.
    pub service: Box<dyn Service>,
}

/// A server block that has been checked and not yet made.
pub struct PlannedBlock {
    /// Its plugins, in the order in which queries will meet them.
    pub parts: Vec<PlannedPart>,
    /// What else it has.
    pub services: Vec<PlannedService>,
    /// What others may want to know of it.
    pub options: BlockOptions,
}

impl From<BlockDraft> for PlannedBlock {
    fn from(draft: BlockDraft) -> Self {
        Self {
            parts: draft.parts,
            services: draft.services,
            options: draft.options,
        }
    }
}

/// What a [`Part`] may use while it makes its plugin.
pub struct Build<'a> {
    /// The pools of the configuration that is being built. Nothing is claimed before the plan is
    /// committed, which happens when everything else has been built.
    pub pools: &'a mut crate::identity::pools::Plan,
    /// What this process shares with others: see [`share`](crate::docker::share).
    pub shares: &'a Arc<crate::docker::share::Shares>,
    /// What is served over HTTP; see [`admin`](crate::admin).
    pub admin: &'a mut crate::admin::Plan,
    /// Where lines of the log go.
    pub lines: &'a Lines,
    /// Where numbers are found.
    pub metrics: &'a Arc<Registry>,
    /// The blocks of this configuration, empty until all of them are built. For what is served over
    /// HTTP: a plugin that kept them would keep itself.
    pub blocks: &'a Arc<Blocks>,
    /// Where what happens is written down.
    pub journal: &'a Arc<Journal>,
    /// Where work in the background runs. A plugin ends its own when it is dropped: see
    /// [`Task`](crate::task::Task).
    pub runtime: &'a tokio::runtime::Handle,
    /// For a plugin that finds out that the server must not go on.
    pub fatal: &'a crate::fatal::Fatal,
    /// The addresses at which the block that is being made is served.
    pub servers: watch::Receiver<Vec<ListenAddress>>,
}

/// Makes the plugins of every block and fills [`Build::blocks`] with them.
///
/// # Errors
///
/// What cannot be made, with the places in the Corefile.
pub fn build_blocks(
    blocks: Vec<PlannedBlock>,
    build: &mut Build<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut running = Vec::new();
    for block in blocks {
        let mut plugins = Vec::new();
        let (servers, receiver) = watch::channel(block.options.servers.clone());
        build.servers = receiver;
        for PlannedPart { span, part } in block.parts {
            match part.build(build) {
                Ok(plugin) => plugins.push(plugin),
                Err(message) => errors.push(Diagnostic::error(span, message)),
            }
        }
        for PlannedService { span, service } in block.services {
            if let Err(message) = service.build(build) {
                errors.push(Diagnostic::error(span, message));
            }
        }
        running.push(Block::new(
            Arc::new(Chain::new(plugins)),
            block.options,
            servers,
        ));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    build.blocks.fill(running);
    Ok(())
}
