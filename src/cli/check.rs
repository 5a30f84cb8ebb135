//! `callsign check`: every mistake of a Corefile, or one line that says what it would serve.

use corefile::{ProcessEnvironment, Sources};

use super::flags::Check;
use crate::config::{self, Configuration, DNS_PORT};
use crate::console::{complain, say, stderr_has_colors};
use crate::server::{FAILED, OK};

/// Checks; returns the exit status.
pub(super) fn check(flags: &Check) -> u8 {
    let origin = super::origin(&flags.file);
    let dns_port = flags.dns_port.unwrap_or(DNS_PORT);
    let text = match origin.read(dns_port) {
        Ok(text) => text,
        Err(message) => {
            complain(&format!("error: {message}"));
            return FAILED;
        }
    };
    let mut sources = Sources::new();
    match config::check(&mut sources, &text, dns_port, &ProcessEnvironment) {
        Ok(configuration) => {
            if !configuration.warnings.is_empty() {
                complain(&config::render(
                    &configuration.warnings,
                    &sources,
                    stderr_has_colors(),
                ));
            }
            say(&format!(
                "{origin} is right: it would serve {}",
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
