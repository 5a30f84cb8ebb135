//! Addresses as directives have them that serve HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use corefile::{Diagnostic, Token};

use crate::config::ListenAddress;

/// Reads `[HOST]:PORT`. Without a host it is every address of the machine; `localhost` is
/// 127.0.0.1, as in CoreDNS. Other names are not looked up.
///
/// # Errors
///
/// The word is none of these.
pub fn address(word: &Token) -> Result<ListenAddress, Diagnostic> {
    let error = |label: &str| {
        let message = format!("{} is no address to listen on", word.shown());
        let help = "an address is `:PORT`, `localhost:PORT`, `IPV4:PORT` or `[IPV6]:PORT`";
        Err(Diagnostic::error(word.span, message)
            .label(label)
            .help(help))
    };
    let Some((host, port)) = word.text.rsplit_once(':') else {
        return error("expected a colon and a port after it");
    };
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
        return error("expected a port from 1 to 65535 after the colon");
    };
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let ip: IpAddr = match (host, inner.map(str::parse), host.parse::<Ipv4Addr>()) {
        ("", ..) => return Ok(ListenAddress::Every(port)),
        ("localhost", ..) => Ipv4Addr::LOCALHOST.into(),
        (_, Some(Ok(ip)), _) => IpAddr::V6(ip),
        (_, _, Ok(ip)) => ip.into(),
        _ => return error("expected an address of this machine"),
    };
    Ok(ListenAddress::One(SocketAddr::new(ip, port)))
}
