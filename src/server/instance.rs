//! The server as one configuration makes it, and how the next one takes its place.

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use corefile::{Diagnostic, ProcessEnvironment, Sources};
use tokio::sync::watch;
use tracing::warn;

use super::reloads::Reloads;
use super::{addresses, banner, panics};
use crate::admin::Admin;
use crate::config::{self, Configuration, Endpoint, ListenAddress, Origin, StartOptions, Text};
use crate::console::stderr_has_colors;
use crate::docker::share::Shares;
use crate::fatal::Fatal;
use crate::identity::pools::{NodeOptions, Pools};
use crate::journal::{Journal, Kind};
use crate::lines::Lines;
use crate::listen::{BindError, Bound, Listener, Shared, bind_missing};
use crate::log;
use crate::metrics::Registry;
use crate::plugins::blocks::Blocks;
use crate::plugins::setup::{Build, build_blocks};
use crate::plugins::{ProcessOptions, Watching};
use crate::reason;

/// How long the listeners of an old configuration may take to answer what had arrived.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

/// How long a reload may wait for the names of pools that are new.
const LISTING: Duration = Duration::from_secs(1);

/// Ports that are tried after 53 and 1053 where nobody has asked for one.
const OTHER_PORTS: std::ops::RangeInclusive<u16> = 1053..=1152;

/// What runs.
pub(super) struct Server {
    pub(super) options: StartOptions,
    /// Standard input can be read only once.
    text_of_stdin: Option<Text>,
    shared: Arc<Shared>,
    fatal: Fatal,
    /// Made when the first configuration is known to be right: it writes down who this node is.
    pools: Option<Arc<Pools>>,
    /// Made together with them.
    shares: Option<Arc<Shares>>,
    admin: Admin,
    metrics: Arc<Registry>,
    journal: Arc<Journal>,
    lines: Lines,
    reloads: Arc<Reloads>,
    process: ProcessOptions,
    pub(super) listeners: Vec<Listener>,
    endpoints: Vec<Endpoint>,
    /// The server blocks that run.
    blocks: Arc<Blocks>,
    /// Why the usual port is not the one that is served.
    other_port: Option<String>,
    /// What the banner says of the configuration.
    remark: Option<String>,
}

/// Why a configuration does not run.
enum Failure {
    /// One address cannot be had.
    Bind(BindError, Vec<Diagnostic>),
    /// Something in the Corefile, or several things.
    Corefile(Vec<Diagnostic>),
}

impl Server {
    /// A server that does nothing yet.
    pub(super) fn new(
        options: StartOptions,
        shared: Arc<Shared>,
        fatal: Fatal,
        lines: Lines,
    ) -> Self {
        let metrics = Arc::new(Registry::default());
        let reloads = Arc::<Reloads>::default();
        metrics.add(shared.clone());
        metrics.add(Arc::new(lines.clone()));
        metrics.add(reloads.clone());
        Self {
            lines,
            reloads,
            options,
            journal: Arc::default(),
            text_of_stdin: None,
            metrics,
            admin: Admin::new(shared.runtime.clone()),
            process: ProcessOptions::default(),
            shared,
            fatal,
            pools: None,
            shares: None,
            listeners: Vec::new(),
            endpoints: Vec::new(),
            blocks: Arc::default(),
            other_port: None,
            remark: None,
        }
    }

    /// Starts what the configuration says.
    ///
    /// # Errors
    ///
    /// What is wrong, ready to be shown. Nothing has been claimed then.
    pub(super) async fn start(&mut self) -> Result<(), String> {
        let first = self.options.dns_port;
        let mut ports = OTHER_PORTS.filter(|port| *port != first);
        loop {
            // Each time anew: what is built in depends on the port.
            let text = self.read()?;
            self.remark.clone_from(&text.remark);
            let mut sources = Sources::new();
            match self.apply(&text, &mut sources).await {
                Ok(()) => return Ok(()),
                Err(Failure::Bind(error, _)) if self.may_serve_some(&error) => {}
                Err(Failure::Bind(error, diagnostics)) => {
                    self.options.addresses.clear();
                    let next = (self.options.may_change_port && error.is_about_the_port())
                        .then(|| ports.next())
                        .flatten();
                    let Some(next) = next else {
                        return Err(shown(&diagnostics, &sources));
                    };
                    if self.options.dns_port == first {
                        self.other_port = Some(format!("port {first} is {}", error.reason()));
                    }
                    self.options.dns_port = next;
                }
                Err(Failure::Corefile(diagnostics)) => return Err(shown(&diagnostics, &sources)),
            }
        }
    }

    /// Whether the port can be had at some addresses though not at all, and is to be; asked once.
    fn may_serve_some(&mut self, error: &BindError) -> bool {
        let is_first =
            self.other_port.is_none() && matches!(error.address, ListenAddress::Every(_));
        if !(self.options.may_change_port && is_first && error.is_in_use()) {
            return false;
        }
        let Some(free) = addresses::free(self.options.dns_port) else {
            return false;
        };
        self.options.addresses = free.addresses;
        self.other_port = Some(free.why);
        true
    }

    /// Whether some addresses of the machine are served because all cannot be.
    pub(super) fn serves_some(&self) -> bool {
        !self.options.addresses.is_empty()
    }

    /// Serves another address as the first one is.
    ///
    /// # Errors
    ///
    /// The system's own; see [`Listener::start`].
    pub(super) fn listen(&mut self, bound: Bound, address: ListenAddress) -> io::Result<()> {
        let Some(first) = self.endpoints.first() else {
            return Ok(());
        };
        let endpoint = Endpoint {
            address,
            ..first.clone()
        };
        let routes = self.blocks.routes(&endpoint, &self.metrics);
        let listener = Listener::start(bound, routes, &self.shared)?;
        self.listeners.push(listener);
        self.endpoints.push(endpoint);
        Ok(())
    }

    /// Ends an address that is served no more, once what has arrived is answered.
    pub(super) fn let_go(&mut self, mut listener: Listener) {
        self.endpoints
            .retain(|endpoint| endpoint.address != listener.address());
        listener.shut_down();
        self.shared.runtime.spawn(listener.drained(DRAIN));
    }

    /// Tells the blocks at which addresses they are served now; all of them are served at the same.
    pub(super) fn served_at(&self, addresses: &[ListenAddress]) {
        for block in self.blocks.iter() {
            block.servers.send_replace(addresses.to_vec());
        }
    }

    /// Reads the configuration again and puts it in the place of the running one. Sockets whose
    /// address stays are kept.
    ///
    /// # Errors
    ///
    /// What is wrong, ready to be shown. The running configuration goes on then.
    pub(super) async fn reload(&mut self) -> Result<(), String> {
        if self.serves_some() {
            self.follow_addresses();
        }
        let text = self.read()?;
        let mut sources = Sources::new();
        let applied = self.apply(&text, &mut sources).await;
        let (kind, text) = match &applied {
            Ok(()) => (Kind::Reloaded, "another configuration runs"),
            Err(_) => (
                Kind::NotReloaded,
                "a configuration is wrong, the old one goes on; the log says why",
            ),
        };
        self.journal.tell(kind, "server", text);
        applied.map_err(|failure| {
            self.reloads.failed();
            let (Failure::Bind(_, diagnostics) | Failure::Corefile(diagnostics)) = failure;
            shown(&diagnostics, &sources)
        })
    }

    /// How often the Corefile is to be looked at.
    pub(super) fn watching(&self) -> Option<Watching> {
        self.process.reload
    }

    /// Whether the Corefile says something else than when it was last tried, whatever came of it.
    pub(super) fn is_changed(&self) -> bool {
        // What was read once cannot be read again.
        self.text_of_stdin.is_none()
            && match self.options.read() {
                Ok(text) => self
                    .reloads
                    .is_new(config::digest(&text, &ProcessEnvironment)),
                // While it is being replaced, there may be none for a moment.
                Err(_) => false,
            }
    }

    /// The pools of this process.
    pub(super) fn pools(&mut self) -> &Arc<Pools> {
        let (state_folder, metrics) = (&self.options.state_folder, &self.metrics);
        let journal = &self.journal;
        self.pools.get_or_insert_with(|| {
            let pools = Pools::new(&NodeOptions {
                state_folder: state_folder.clone(),
                journal: journal.clone(),
            });
            metrics.add(pools.clone());
            pools
        })
    }

    /// What this process shares with others.
    pub(super) fn shares(&mut self) -> Arc<Shares> {
        let node = self.pools().node();
        let shares = self.shares.get_or_insert_with(|| Shares::new(node));
        Arc::clone(shares)
    }

    /// The lines that say what is served.
    pub(super) fn banner(&self) -> String {
        banner::banner(
            &self.endpoints,
            self.other_port.as_deref(),
            &self.options.origin,
            self.remark.as_deref(),
        )
    }

    /// Where a client on this machine can ask.
    pub(super) fn nearest_address(&self) -> Option<std::net::SocketAddr> {
        self.listeners.first().map(Listener::local)
    }

    /// Tells whoever asks for the process's health that it ends.
    pub(super) fn tell_end(&self) {
        self.admin.stop();
    }

    /// Gives them time to see it, where the Corefile says so.
    pub(super) async fn lameduck(&self) {
        tokio::time::sleep(self.process.lameduck).await;
    }

    /// Stops all listeners and waits, for a bounded time, until they have answered what had
    /// arrived.
    pub(super) async fn stop(mut self) {
        for listener in &mut self.listeners {
            listener.shut_down();
        }
        let end = tokio::time::Instant::now() + DRAIN;
        for listener in self.listeners {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            listener.drained(left).await;
        }
    }

    fn read(&mut self) -> Result<Text, String> {
        match &self.text_of_stdin {
            Some(text) => Ok(text.clone()),
            None => {
                let text = self
                    .options
                    .read()
                    .map_err(|error| format!("error: {error}"))?;
                if self.options.origin == Origin::StandardInput {
                    self.text_of_stdin = Some(text.clone());
                }
                Ok(text)
            }
        }
    }

    /// Makes a whole new configuration beside the running one and only then changes over.
    async fn apply(&mut self, text: &Text, sources: &mut Sources) -> Result<(), Failure> {
        let tried = config::digest(text, &ProcessEnvironment);
        self.reloads.tried(tried);
        let checked = config::check(sources, text, self.options.dns_port, &ProcessEnvironment);
        let Configuration {
            endpoints,
            blocks,
            process,
            warnings,
        } = checked.map_err(Failure::Corefile)?;
        let bound = self.bind(&endpoints)?;
        let mut plan = self.pools().plan();
        let shares = self.shares();
        let mut admin = self.admin.plan();
        let running: Arc<Blocks> = Arc::default();
        let metrics = self.metrics.clone();
        let mut build = Build {
            pools: &mut plan,
            shares: &shares,
            admin: &mut admin,
            lines: &self.lines,
            metrics: &metrics,
            blocks: &running,
            journal: &self.journal,
            runtime: &self.shared.runtime,
            fatal: &self.fatal,
            servers: watch::channel(Vec::new()).1,
        };
        build_blocks(blocks, &mut build).map_err(Failure::Corefile)?;
        let admin = self.admin.bind(admin).map_err(Failure::Corefile)?;
        if !self.listeners.is_empty() {
            // What is answered now is better than "not heard of yet".
            plan.heard(LISTING).await;
        }
        let routes = |endpoint: &Endpoint| running.routes(endpoint, &metrics);
        let find = |address: ListenAddress| endpoints.iter().find(|it| it.address == address);
        let mut started = Vec::new();
        for bound in bound {
            let Some(endpoint) = find(bound.address()) else {
                continue;
            };
            match Listener::start(bound, routes(endpoint), &self.shared) {
                Ok(listener) => started.push(listener),
                Err(error) => {
                    started.iter_mut().for_each(Listener::shut_down);
                    let message =
                        format!("cannot serve {}: {}", endpoint.address, reason::of(&error));
                    return Err(Failure::Corefile(vec![Diagnostic::error(
                        endpoint.span,
                        message,
                    )]));
                }
            }
        }
        // From here on nothing fails.
        let mut ended = Vec::new();
        for listener in std::mem::take(&mut self.listeners) {
            match find(listener.address()) {
                Some(endpoint) => {
                    listener.reroute(routes(endpoint));
                    started.push(listener);
                }
                None => ended.push(listener),
            }
        }
        self.listeners = started;
        self.endpoints = endpoints;
        self.blocks = running;
        self.reloads.applied(tried);
        self.lines.show_debug(process.debug);
        panics::configure(&process);
        log::tell_more(process.debug);
        self.process = process;
        self.admin.commit(admin);
        plan.commit();
        for mut listener in ended {
            listener.shut_down();
            self.shared.runtime.spawn(listener.drained(DRAIN));
        }
        for warning in &warnings {
            warn!("{}", one_line(warning, sources));
        }
        Ok(())
    }

    fn bind(&self, endpoints: &[Endpoint]) -> Result<Vec<Bound>, Failure> {
        let wanted: Vec<ListenAddress> =
            endpoints.iter().map(|endpoint| endpoint.address).collect();
        let processors = available_parallelism().map_or(1, usize::from);
        let workers = |address| {
            let endpoint = endpoints.iter().find(|it| it.address == address);
            let sockets = endpoint.and_then(|endpoint| endpoint.sockets);
            sockets.unwrap_or(processors)
        };
        bind_missing(&wanted, &self.listeners, workers).map_err(|error| {
            let span = endpoints
                .iter()
                .find(|it| it.address == error.address)
                .map(|it| it.span);
            let mut diagnostic = Diagnostic::error(span, error.to_string());
            if let Some(help) = error.help() {
                diagnostic = diagnostic.help(help);
            }
            Failure::Bind(error, vec![diagnostic])
        })
    }
}

fn shown(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    config::render(diagnostics, sources, stderr_has_colors())
}

/// A warning as one line of the log.
fn one_line(warning: &Diagnostic, sources: &Sources) -> String {
    let Some(span) = warning.span else {
        return warning.message.clone();
    };
    let (line, column) = sources.position(span);
    format!(
        "{}:{line}:{column}: {}",
        sources.name(span.file),
        warning.message
    )
}
