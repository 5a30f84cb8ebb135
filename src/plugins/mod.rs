//! The directives of a Corefile and the plugins that they set up.
//!
//! A query passes the plugins of its server block in the order of [`DIRECTIVES`], whatever the
//! order of the file, until one answers. Then the reply goes back through those that were passed.
//! Both ways are plain calls: whoever has to wait hands out a [`Job`] and the query goes on from
//! there when the job is done.

pub mod acl;
pub mod admin;
pub mod any;
pub mod auto;
pub mod bind;
pub mod blocks;
pub mod bufsize;
pub mod cache;
pub mod cancel;
pub mod chain;
pub mod chaos;
mod conditions;
pub mod coredns;
pub mod debug;
pub mod dns64;
pub mod docker;
pub mod erratic;
pub mod errors;
pub mod etcd;
pub mod exchange;
pub mod file;
pub mod forward;
#[cfg(test)]
pub(crate) mod harness;
pub mod header;
pub mod health;
mod hostname;
pub mod hosts;
pub mod identity;
pub mod loadbalance;
pub mod local;
pub mod log;
pub mod r#loop;
pub mod metadata;
pub mod minimal;
pub mod multisocket;
pub mod nsid;
pub mod prometheus;
pub mod ready;
mod regular;
pub mod reload;
pub mod rewrite;
pub mod root;
pub mod setup;
mod store;
pub mod template;
pub mod timeouts;
pub mod trust;
pub mod view;
pub mod whoami;
mod zonefiles;
pub mod zones;

use std::future::Future;
use std::pin::Pin;

use corefile::Secret;

use crate::metrics::Scrape;

pub use blocks::{Block, Blocks};
pub use chain::{Chain, Progress, Stage};
pub use exchange::{Client, Exchange, Incoming, Origin, Transport};
pub use setup::{
    Bind, BlockDraft, BlockOptions, Build, Definition, Monitor, Part, PlannedBlock, PlannedPart,
    ProcessOptions, Service, Setup, Timeouts, Watching, ZoneKey,
};

/// Every directive, in the order in which a query meets the plugins: that of CoreDNS's
/// `plugin.cfg`, with ours between `hosts` and `file`, and `admin` behind what else is told over
/// HTTP.
pub const DIRECTIVES: &[Definition] = &[
    root::ROOT,
    metadata::METADATA,
    cancel::CANCEL,
    timeouts::TIMEOUTS,
    multisocket::MULTISOCKET,
    reload::RELOAD,
    nsid::NSID,
    bufsize::BUFSIZE,
    bind::BIND,
    debug::DEBUG,
    ready::READY,
    health::HEALTH,
    prometheus::PROMETHEUS,
    admin::ADMIN,
    errors::ERRORS,
    log::LOG,
    local::LOCAL,
    dns64::DNS64,
    any::ANY,
    chaos::CHAOS,
    loadbalance::LOADBALANCE,
    rewrite::REWRITE,
    acl::ACL,
    cache::CACHE,
    header::HEADER,
    minimal::MINIMAL,
    template::TEMPLATE,
    hosts::HOSTS,
    identity::IDENTITY,
    identity::IDETCD,
    docker::DOCKER,
    file::FILE,
    auto::AUTO,
    etcd::ETCD,
    r#loop::LOOP,
    forward::FORWARD,
    erratic::ERRATIC,
    whoami::WHOAMI,
    view::VIEW,
];

/// The directives and options that have words which nobody may see, such as passwords: no message
/// about a Corefile shows these.
pub const SECRETS: &[Secret] = &[identity::CREDENTIALS, admin::TOKEN];

/// What a directive does with queries.
pub trait Plugin: Send + Sync + 'static {
    /// The directive that set it up.
    fn name(&self) -> &'static str;

    /// Which queries it is asked about besides those of the Internet class.
    fn classes(&self) -> Classes {
        Classes::Internet
    }

    /// Whether it knows all names that are its own, one by one: then a name that nobody in the
    /// block knows is refused, and no failure.
    fn owns_names(&self) -> bool {
        false
    }

    /// What it says of a query under a label, for logs, templates, conditions and other servers.
    /// The labels of a plugin begin with its name: `identity/pool`. It is asked only when somebody
    /// wants to know, and asks for no label itself.
    fn metadata(&self, _label: &str, _incoming: &Incoming<'_>) -> Option<String> {
        None
    }

    /// Whether it can answer as it is meant to: what it answers from has been heard of at least
    /// once. Asked from outside the query path, as often as somebody wants to know.
    fn ready(&self) -> bool {
        true
    }

    /// Adds what it has counted, when somebody asks: see [`metrics`](crate::metrics).
    fn metrics(&self, _scrape: &mut Scrape) {}

    /// What it knows of containers, for those who look on.
    fn containers(&self) -> Option<docker::Onlooker> {
        None
    }

    /// Whose queries the block is for, where the plugin says that.
    fn view(&self) -> Option<&view::View> {
        None
    }

    /// On the way in. It takes no lock, does not allocate and never waits.
    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step;

    /// Asked, the nearest first, when a plugin behind this one has to wait, before it does. Whoever
    /// knows of a better thing to wait for gives that; a job that is dropped instead has not begun.
    fn before_waiting(&self, _exchange: &mut Exchange<'_, '_>, wait: Wait) -> Wait {
        wait
    }

    /// On the way back, for every plugin that was passed, the one that answered included.
    fn response(&self, _exchange: &mut Exchange<'_, '_>) -> After {
        After::Done
    }

    /// Asked, in order, when no plugin of the block has answered: whoever answers for the zone
    /// that the name lies in says here that the name does not exist. If nobody does, the query
    /// is refused.
    fn at_end(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }
}

/// What a plugin has to do with queries of classes other than IN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    /// Nothing: it is passed over.
    Internet,
    /// It looks on, as it does at all queries.
    Watched,
    /// It can answer them. Without such a plugin in the block they are refused.
    Answered,
}

/// What a plugin made of a query on the way in.
pub enum Step {
    /// Nothing: the next plugin is asked.
    Next,
    /// The reply is written.
    Answered,
    /// It has to wait.
    Defer(Job),
}

/// What a plugin made of a reply on the way back.
pub enum After {
    /// It is done with it.
    Done,
    /// It has to wait. The reply so far is gone after it: the job's [`Resume`] writes it anew.
    Defer(Job),
}

/// A query that is about to wait.
pub struct Wait {
    /// What it waits for.
    pub job: Job,
    /// Where it goes on afterwards: what the job's [`Resume`] says is taken for the word of the
    /// plugin there.
    pub stage: Stage,
}

/// What a query waits for. It owns all that it needs and is run away from the query path.
///
/// Whoever runs it bounds its time; a job that takes longer is dropped and the client is told
/// SERVFAIL.
pub type Job = Pin<Box<dyn Future<Output = Resume> + Send>>;

/// How a query goes on after a job: it is given the exchange again, with an empty reply, and says
/// what the plugin would have said.
pub type Resume = Box<dyn FnOnce(&mut Exchange<'_, '_>) -> Step + Send>;

/// The directive with this name.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    DIRECTIVES.iter().find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests;
