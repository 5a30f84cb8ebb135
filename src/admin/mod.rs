//! What the process tells over HTTP: whether it lives, whether it is ready, what it has counted.
//!
//! The listeners belong to the process. Each configuration makes a [`Plan`] of what is to be found
//! at which address. An address that stays keeps its socket and its connections, and only the
//! handlers behind it are exchanged; new ones are bound before anything of the old configuration is
//! touched; those that are gone are closed after the change. A reload that fails changes nothing.

mod address;
mod listener;

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::MethodRouter;
use corefile::{Diagnostic, Span};
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub use address::address;

use crate::config::ListenAddress;
use crate::listen::{Connections, bind_stream};
use crate::reason;
use listener::Listener;

/// The most connections of a process, so that a stranger cannot take the files that DNS needs.
const MOST_CONNECTIONS: usize = 64;

/// The most of one peer.
const MOST_PER_PEER: usize = 16;

/// The listeners of a process.
pub struct Admin {
    runtime: Handle,
    connections: Arc<Connections>,
    stopping: Arc<AtomicBool>,
    listeners: Vec<Listener>,
}

/// Ends the connection that a request came by, whatever is still to be written to it: for an answer
/// without an end whose reader does not take it. Each request has one among its extensions.
#[derive(Clone, Debug, Default)]
pub struct Hangup(Arc<Notify>);

impl Hangup {
    /// Ends it.
    pub fn hang_up(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody does that.
    async fn called(&self) {
        self.0.notified().await;
    }
}

/// What is to be found where, by one configuration. It has no effect until it is bound and
/// committed.
pub struct Plan {
    stopping: Arc<AtomicBool>,
    places: Vec<Place>,
}

/// An address of a plan.
struct Place {
    address: ListenAddress,
    span: Span,
    paths: HashSet<&'static str>,
    router: Router,
}

/// A plan whose addresses can all be had.
pub struct Change {
    kept: Vec<(ListenAddress, Router)>,
    new: Vec<Listener>,
}

impl Admin {
    /// Nothing yet; what will be served is served by this runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            connections: Arc::new(Connections::limited(MOST_CONNECTIONS, MOST_PER_PEER)),
            stopping: Arc::default(),
            listeners: Vec::new(),
        }
    }

    /// Begins a plan.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan {
            stopping: self.stopping.clone(),
            places: Vec::new(),
        }
    }

    /// Has everybody be told from now on that the process is about to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Binds the addresses of a plan that are not held yet. Connections to them wait until the
    /// change is committed.
    ///
    /// # Errors
    ///
    /// Every address that cannot be had, with its place in the Corefile. Nothing is left behind.
    pub fn bind(&self, plan: Plan) -> Result<Change, Vec<Diagnostic>> {
        let wanted: Vec<ListenAddress> = plan.places.iter().map(|it| it.address).collect();
        let mut change = Change {
            kept: Vec::new(),
            new: Vec::new(),
        };
        let mut errors = Vec::new();
        for Place {
            address,
            span,
            router,
            ..
        } in plan.places
        {
            if self.listeners.iter().any(|it| it.address == address) {
                change.kept.push((address, router));
                continue;
            }
            let held = self.listeners.iter().chain(&change.new);
            let held: Vec<(ListenAddress, BorrowedFd<'_>)> =
                held.map(|it| (it.address, it.socket.as_fd())).collect();
            let _context = self.runtime.enter();
            let bound = bind_stream(address, &wanted, &held)
                .map_err(|error| error.to_string())
                .and_then(|socket| {
                    let started = Listener::new(address, socket, router);
                    started
                        .map_err(|error| format!("cannot serve {address}: {}", reason::of(&error)))
                });
            match bound {
                Ok(listener) => change.new.push(listener),
                Err(message) => errors.push(Diagnostic::error(span, message)),
            }
        }
        if errors.is_empty() {
            Ok(change)
        } else {
            Err(errors)
        }
    }

    /// Changes over: it cannot fail.
    pub fn commit(&mut self, change: Change) {
        let Change { kept, new } = change;
        self.listeners.retain(|listener| {
            let stays = kept
                .iter()
                .find(|(address, _)| *address == listener.address);
            if let Some((_, router)) = stays {
                listener.exchange(router.clone());
            }
            stays.is_some()
        });
        for mut listener in new {
            listener.start(&self.runtime, &self.connections);
            self.listeners.push(listener);
        }
    }
}

impl Plan {
    /// Has a path be found at an address. Where the path is there already, it stays as it is: what
    /// is told is about the process, whichever server block asks for it.
    pub fn route(
        &mut self,
        (address, span): (ListenAddress, Span),
        path: &'static str,
        handler: MethodRouter,
    ) {
        let known = self.places.iter().position(|it| it.address == address);
        let place = match known.and_then(|known| self.places.get_mut(known)) {
            Some(place) => place,
            None => self.places.push_mut(Place {
                address,
                span,
                paths: HashSet::new(),
                router: Router::new(),
            }),
        };
        // The router would panic at a second one.
        if place.paths.insert(path) {
            place.router = std::mem::take(&mut place.router).route(path, handler);
        }
    }

    /// Whether the process is about to end; it may change at any time.
    #[must_use]
    pub fn stopping(&self) -> Arc<AtomicBool> {
        self.stopping.clone()
    }

    /// The paths at an address, for tests.
    #[cfg(test)]
    pub(crate) fn paths(&self, port: u16) -> Vec<&'static str> {
        let mut places = self.places.iter();
        let place = places.find(|it| it.address.port() == port);
        place.map_or(Vec::new(), |it| it.paths.iter().copied().collect())
    }

    /// What is found at an address, for tests.
    #[cfg(test)]
    pub(crate) fn router(&self, port: u16) -> Option<Router> {
        let place = self.places.iter().find(|it| it.address.port() == port);
        place.map(|place| place.router.clone())
    }
}
