//! `ready`: whether the plugins can answer as they are meant to, for whoever asks over HTTP.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use axum::routing::get;
use corefile::{Diagnostic, Directive, Span};

use super::health::address_of;
use super::{Build, Definition, Monitor, Service, Setup};
use crate::config::ListenAddress;

/// See the module.
pub const READY: Definition = Definition {
    name: "ready",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
ready [ADDRESS] {
    monitor until-ready|continuously
}";
const LINE: &str = "ready [ADDRESS]";
const MONITOR: &str = "monitor until-ready|continuously";

/// The address of CoreDNS, on which unchanged Corefiles and those who probe them agree.
const USUAL: ListenAddress = ListenAddress::Every(8181);

fn setup(setup: &mut Setup<'_>) {
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
    for directive in setup.directives {
        let address = setup.diagnostics.keep(address_of(directive, LINE, USUAL));
        let mut ready = Monitor::UntilReady;
        for option in directive.options() {
            let monitor = match option.name() {
                "monitor" => monitor(option),
                _ => Err(option.name.unknown("option", &["monitor"])),
            };
            ready = setup.diagnostics.keep(monitor).unwrap_or(ready);
        }
        setup.block.options.ready = Some(ready);
        if let Some(address) = address {
            let place = (address, directive.line());
            setup.add_service(directive, Box::new(Ready { place }));
        }
    }
}

fn monitor(option: &Directive) -> Result<Monitor, Diagnostic> {
    option.no_block(MONITOR)?;
    option.one_argument(MONITOR)?.one_of(
        "mode",
        &[
            ("until-ready", Monitor::UntilReady),
            ("continuously", Monitor::Continuously),
        ],
    )
}

struct Ready {
    place: (ListenAddress, Span),
}

impl Service for Ready {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<(), String> {
        let (blocks, stopping) = (build.blocks.clone(), build.admin.stopping());
        let handler = get(async move || {
            if stopping.load(Ordering::Relaxed) {
                return (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned());
            }
            let waiting = blocks.not_ready();
            match waiting.is_empty() {
                true => (StatusCode::OK, "OK".to_owned()),
                false => (StatusCode::SERVICE_UNAVAILABLE, waiting.join(",")),
            }
        });
        build.admin.route(self.place, "/ready", handler);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    const AWAY: &str = "identity {\npattern a{{.ID}}.example.\nstore etcd http://127.0.0.1:1\n}";

    /// If this fails, clients are sent to a server that cannot answer yet, or none is sent to one
    /// that can.
    #[test]
    fn a_server_is_ready_when_its_plugins_are() {
        let server = Server::block("ready\nwhoami");
        assert_eq!(server.get(8181, "/ready"), (200, "OK".to_owned()));
        let server = Server::block(&format!("ready :8182 {{\nmonitor continuously\n}}\n{AWAY}"));
        assert_eq!(server.get(8182, "/ready"), (503, "identity".to_owned()));
    }

    /// If this fails, a block whose author does not wait for it keeps the process from being
    /// ready, or one of several blocks at the same address is not looked at.
    #[test]
    fn every_block_that_says_so_counts() {
        let server = |first: &str, second: &str| {
            let text = format!("a. {{\nwhoami\n{first}\n}}\nb. {{\n{AWAY}\n{second}\n}}\n");
            Server::corefile(&text).get(8181, "/ready").0
        };
        assert_eq!(server("ready", ""), 200);
        assert_eq!(server("ready", "ready"), 503);
    }

    /// If this fails, a mistake is not shown where it is.
    #[test]
    fn mistakes_are_shown() {
        for (text, message) in [
            ("ready\nready", "`ready` is given twice"),
            ("ready {\nmonitor sometimes\n}", "unknown mode `sometimes`"),
            ("ready {\nmonitr continuously\n}", "did you mean `monitor`?"),
            ("ready localhost", "is no address to listen on"),
        ] {
            let shown = Server::mistakes(text);
            assert!(shown.contains(message), "{text}: {shown}");
        }
    }
}
