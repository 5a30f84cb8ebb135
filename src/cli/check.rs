//! `callsign check`: every mistake of a Corefile, or one line that says what it would serve.

use std::io::Write;

use corefile::{ProcessEnvironment, Sources};

use super::flags::Check;
use crate::config::{self, Configuration, DNS_PORT, StartOptions};
use crate::server::{FAILED, OK, stderr_has_colors};

/// Checks; returns the exit status.
pub(super) fn check(flags: &Check) -> u8 {
    let origin = super::origin(&flags.file);
    let shown = origin.to_string();
    let options = StartOptions {
        dns_port: flags.dns_port.unwrap_or(DNS_PORT),
        origin,
        ..StartOptions::default()
    };
    let text = match options.origin.read() {
        Ok(text) => text,
        Err(message) => {
            complain(&format!("error: {message}"));
            return FAILED;
        }
    };
    let mut sources = Sources::new();
    match config::check(&mut sources, &text, &options, &ProcessEnvironment) {
        Ok(configuration) => {
            if !configuration.warnings.is_empty() {
                complain(&config::render(
                    &configuration.warnings,
                    &sources,
                    stderr_has_colors(),
                ));
            }
            super::say(&format!(
                "{shown} is right: it would serve {}",
                summary(&configuration)
            ));
            OK
        }
        Err(diagnostics) => {
            complain(&config::render(&diagnostics, &sources, stderr_has_colors()));
            FAILED
        }
    }
}

/// What would be served, as the end of a sentence.
fn summary(configuration: &Configuration) -> String {
    let endpoint = |endpoint: &config::Endpoint| {
        let zones: Vec<String> = endpoint
            .zones
            .iter()
            .map(|(zone, _)| zone.to_string())
            .collect();
        format!("{} on {}", zones.join(" "), endpoint.address)
    };
    configuration
        .endpoints
        .iter()
        .map(endpoint)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes to standard error, which nobody may be reading.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
