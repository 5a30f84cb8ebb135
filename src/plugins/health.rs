//! `health`: whether the process lives, for whoever asks over HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use corefile::{Diagnostic, Directive, Span};

use super::{Build, Definition, Service, Setup};
use crate::admin;
use crate::config::ListenAddress;

/// See the module.
pub const HEALTH: Definition = Definition {
    name: "health",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
health [ADDRESS] {
    lameduck DURATION
}";
const LINE: &str = "health [ADDRESS]";
const LAMEDUCK: &str = "lameduck DURATION";

/// The address of CoreDNS, on which unchanged Corefiles and those who probe them agree.
const USUAL: ListenAddress = ListenAddress::Every(8080);

/// Longer than any orchestrator waits for a process to end.
const LONGEST_LAMEDUCK: Duration = Duration::from_secs(3600);

fn setup(setup: &mut Setup<'_>) {
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
    for directive in setup.directives {
        let address = setup.diagnostics.keep(address_of(directive, LINE, USUAL));
        for option in directive.options() {
            let lameduck = match option.name() {
                "lameduck" => lameduck(option),
                _ => Err(option.name.unknown("option", &["lameduck"])),
            };
            let lameduck = setup.diagnostics.keep(lameduck).unwrap_or_default();
            setup.process.lameduck = setup.process.lameduck.max(lameduck);
        }
        if let Some(address) = address {
            let place = (address, directive.line());
            setup.add_service(directive, Box::new(Health { place }));
        }
    }
}

/// The address that a directive names, or the one that it has otherwise.
pub(super) fn address_of(
    directive: &Directive,
    syntax: &str,
    usual: ListenAddress,
) -> Result<ListenAddress, Diagnostic> {
    match directive.optional_argument(syntax)? {
        Some(word) => admin::address(word),
        None => Ok(usual),
    }
}

fn lameduck(option: &Directive) -> Result<Duration, Diagnostic> {
    option.no_block(LAMEDUCK)?;
    option
        .one_argument(LAMEDUCK)?
        .duration(Duration::ZERO..=LONGEST_LAMEDUCK)
}

struct Health {
    place: (ListenAddress, Span),
}

impl Service for Health {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<(), String> {
        let stopping = build.admin.stopping();
        let handler = get(async move || match stopping.load(Ordering::Relaxed) {
            false => (StatusCode::OK, "OK"),
            true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        });
        build.admin.route(self.place, "/health", handler);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, an orchestrator ends a server that is well.
    #[test]
    fn a_server_that_runs_is_healthy() {
        let server = Server::block("health\nwhoami");
        assert_eq!(server.get(8080, "/health"), (200, "OK".to_owned()));
        assert_eq!(server.get(8080, "/other").0, 404);
        let server = Server::block("health localhost:8091 {\nlameduck 5s\n}");
        assert_eq!(server.get(8091, "/health").0, 200);
    }

    /// If this fails, a mistake in an address or a duration is not shown where it is.
    #[test]
    fn mistakes_are_shown() {
        for (text, message) in [
            ("health\nhealth", "`health` is given twice"),
            ("health 8080", "expected a colon and a port after it"),
            ("health :0", "expected a port from 1 to 65535"),
            (
                "health example.org:80",
                "expected an address of this machine",
            ),
            ("health 1.2.3.4:80 :80", "takes at most one argument"),
            ("health {\nlameduck\n}", "takes one argument"),
            ("health {\nlameduck 5\n}", "a duration needs a unit"),
            ("health {\nlamduck 5s\n}", "did you mean `lameduck`?"),
        ] {
            let shown = Server::mistakes(text);
            assert!(shown.contains(message), "{text}: {shown}");
        }
        for fine in ["health [::1]:8080", "health :80", "health 127.0.0.1:80"] {
            assert_eq!(Server::mistakes(fine), "");
        }
    }
}
