//! Reading the directive.

use std::net::Ipv6Addr;

use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::Dns64;
use super::prefix::Prefix;
use crate::plugins::{Definition, Setup};

/// See the module.
pub const DNS64: Definition = Definition {
    name: "dns64",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
dns64 [PREFIX] {
    prefix PREFIX
    translate_all
    allow_ipv4
}";
const PREFIX: &str = "prefix PREFIX";

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut dns64 = Dns64 {
        prefix: Prefix::WELL_KNOWN,
        translate_all: false,
        allow_ipv4: false,
    };
    let found = &mut *setup.diagnostics;
    for directive in setup.directives {
        if let Some(Some(word)) = found.keep(directive.optional_argument(SYNTAX)) {
            dns64.prefix = read(word, found).unwrap_or(dns64.prefix);
        }
        for option in directive.options() {
            match option.name() {
                "prefix" => {
                    found.keep(option.no_block(PREFIX));
                    if let Some(word) = found.keep(option.one_argument(PREFIX)) {
                        dns64.prefix = read(word, found).unwrap_or(dns64.prefix);
                    }
                }
                "translate_all" => dns64.translate_all = is_said(option, found),
                "allow_ipv4" => dns64.allow_ipv4 = is_said(option, found),
                _ => {
                    let known = ["prefix", "translate_all", "allow_ipv4"];
                    found.push(option.name.unknown("option", &known));
                }
            }
        }
    }
    setup.add(Box::new(dns64));
}

/// An option that is one word.
fn is_said(option: &Directive, found: &mut Diagnostics) -> bool {
    found.keep(option.no_arguments(option.name()));
    found.keep(option.no_block(option.name()));
    true
}

fn read(word: &Token, found: &mut Diagnostics) -> Option<Prefix> {
    let parsed = word.text.split_once('/').and_then(|(address, bits)| {
        let address: Ipv6Addr = address.parse().ok()?;
        Prefix::new(address, bits.parse().ok()?)
    });
    let Some(prefix) = parsed else {
        let message = format!("{} is not a prefix", word.shown());
        found.push(
            Diagnostic::error(word.span, message)
                .label("expected an address of IPv6 and a length: `64:ff9b::/96`")
                .help("the length is 32, 40, 48, 56, 64 or 96 (RFC 6052)"),
        );
        return None;
    };
    if prefix.is_odd() {
        let warning = Diagnostic::warning(word.span, "bits 64 to 71 of the prefix are not 0");
        found.push(warning.label("translators may not accept it (RFC 6052)"));
    }
    Some(prefix)
}
