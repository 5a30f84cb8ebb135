//! `bind`: the addresses that a server block listens on.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use corefile::{Diagnostic, Directive, Token};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

use super::{Bind, Definition, Setup};

/// See the module.
pub const BIND: Definition = Definition {
    name: "bind",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "bind ADDRESS|INTERFACE... { except ADDRESS|INTERFACE... }";
const EXCEPT: &str = "except ADDRESS|INTERFACE...";

fn setup(setup: &mut Setup<'_>) {
    let interfaces = interfaces();
    let found = &mut *setup.diagnostics;
    let binds = &mut setup.block.binds;
    let mut fine = true;
    for directive in setup.directives {
        let mut without = Vec::new();
        for option in directive.options() {
            let result = match option.name() {
                "except" => except(option, &interfaces),
                _ => Err(option.name.unknown("option", &["except"])),
            };
            fine &= result.is_ok();
            without.extend(found.keep(result).unwrap_or_default());
        }
        let words = directive.at_least(1, SYNTAX);
        fine &= words.is_ok();
        for word in found.keep(words).unwrap_or_default() {
            let addresses = resolve(word, &interfaces);
            fine &= addresses.is_ok();
            for address in found.keep(addresses).unwrap_or_default() {
                let known = binds.iter().any(|bind| bind.address == address);
                if !known && !without.contains(&address) {
                    binds.push(Bind {
                        address,
                        span: word.span,
                    });
                }
            }
        }
        if binds.is_empty() && fine {
            // Without this, the block would listen everywhere instead of nowhere.
            found.push(
                Diagnostic::error(directive.line(), "`bind` leaves no address to listen on")
                    .label("all of these are excepted"),
            );
        }
    }
}

fn except(
    option: &Directive,
    interfaces: &[(String, SocketAddr)],
) -> Result<Vec<SocketAddr>, Diagnostic> {
    option.no_block(EXCEPT)?;
    let mut addresses = Vec::new();
    for word in option.at_least(1, EXCEPT)? {
        addresses.extend(resolve(word, interfaces)?);
    }
    Ok(addresses)
}

/// The addresses of an interface, or the one address that the word is.
fn resolve(
    word: &Token,
    interfaces: &[(String, SocketAddr)],
) -> Result<Vec<SocketAddr>, Diagnostic> {
    let of_interface: Vec<SocketAddr> = interfaces
        .iter()
        .filter(|(name, _)| *name == word.text)
        .map(|(_, address)| *address)
        .collect();
    if !of_interface.is_empty() {
        return Ok(of_interface);
    }
    if let Some(address) = parse_address(&word.text) {
        return Ok(vec![address]);
    }
    let mut names: Vec<&str> = interfaces.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    let error = Diagnostic::error(
        word.span,
        format!(
            "{} is neither an address nor an interface of this machine",
            word.shown()
        ),
    );
    let error = match corefile::nearest(&word.text, names.iter().copied()) {
        Some(meant) => error.label(format!("did you mean `{meant}`?")),
        None => error.label("no such interface"),
    };
    Err(error.help(format!("interfaces with addresses: {}", names.join(", "))))
}

/// An address, with `%INTERFACE` where it is a link-local one of IPv6.
fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, 0));
    }
    let (address, scope) = text.split_once('%')?;
    let index = match scope.parse() {
        Ok(index) => index,
        Err(_) => if_nametoindex(scope).ok()?,
    };
    Some(SocketAddrV6::new(address.parse().ok()?, 0, 0, index).into())
}

/// The interfaces of this machine, each as often as it has addresses, in the system's order.
pub(crate) fn interfaces() -> Vec<(String, SocketAddr)> {
    let Ok(found) = getifaddrs() else {
        return Vec::new();
    };
    let mut interfaces: Vec<(String, SocketAddr)> = found
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address
                .as_sockaddr_in()
                .map(|it| SocketAddr::new(it.ip().into(), 0));
            let v6 = || {
                address.as_sockaddr_in6().map(|it| {
                    // Only a link-local address means something else on another interface.
                    let scope = if it.ip().is_unicast_link_local() {
                        it.scope_id()
                    } else {
                        0
                    };
                    SocketAddrV6::new(it.ip(), 0, 0, scope).into()
                })
            };
            Some((interface.interface_name, v4.or_else(v6)?))
        })
        .collect();
    interfaces.sort_by(|one, two| one.0.cmp(&two.0));
    interfaces
}
