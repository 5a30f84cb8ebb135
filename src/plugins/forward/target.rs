//! The words after FROM: which upstreams they name.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;

use answer::Name;
use corefile::{Diagnostic, Token};
use nix::net::if_::if_nametoindex;

use crate::reason;

/// How an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// DNS over UDP and TCP (RFC 1035, RFC 7766).
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

const SCHEMES: &[(&str, Scheme)] = &[
    ("dns", Scheme::Dns),
    ("tls", Scheme::Tls),
    ("https", Scheme::Https),
];

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

/// What stands between the scheme and the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An address; its port is that of the target.
    Address(SocketAddr),
    /// A name that is to be looked up.
    Name(String),
}

/// One upstream as the Corefile names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
    /// The name that its certificate must have: `%NAME` after the address.
    pub(super) server_name: Option<String>,
    /// The path and query of a URL.
    pub(super) path: String,
}

/// Shows a target as it is named in logs.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.scheme {
            Scheme::Dns => "",
            Scheme::Tls => "tls://",
            Scheme::Https => "https://",
        })?;
        match &self.host {
            Host::Address(address) => write!(formatter, "{address}")?,
            Host::Name(name) => write!(formatter, "{name}:{}", self.port)?,
        }
        formatter.write_str(&self.path)
    }
}

impl Target {
    /// A server at an address.
    pub(super) fn dns(address: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Dns,
            host: Host::Address(address),
            port: address.port(),
            server_name: None,
            path: String::new(),
        }
    }
}

/// The upstreams of one word: one, or those of a file in the format of resolv.conf. `path` is where
/// that file would be.
pub(super) fn parse(word: &Token, path: &Path) -> Result<Vec<Target>, Diagnostic> {
    let text = word.text.as_str();
    if let Some((scheme, rest)) = text.split_once("://") {
        let scheme = scheme_of(word, scheme)?;
        return Ok(vec![with_scheme(word, scheme, rest)?]);
    }
    if let Some(address) = address(text, 53) {
        return Ok(vec![Target::dns(address)]);
    }
    if path.is_file() || text.contains('/') {
        let servers = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read {}: {}", word.shown(), reason::of(&error));
            Diagnostic::error(word.span, message).label("taken for a file like resolv.conf")
        })?;
        return Ok(name_servers(&servers).map(Target::dns).collect());
    }
    Ok(vec![with_scheme(word, Scheme::Dns, text)?])
}

fn scheme_of(word: &Token, scheme: &str) -> Result<Scheme, Diagnostic> {
    if let Some((_, found)) = SCHEMES.iter().find(|(name, _)| *name == scheme) {
        return Ok(*found);
    }
    let names = SCHEMES.iter().map(|(name, _)| *name);
    let error = |message: String, label: String| {
        Err(Diagnostic::error(word.span, message)
            .label(label)
            .help("accepted here: dns://, tls://, https://"))
    };
    match scheme {
        "quic" | "grpc" | "https3" => error(
            format!("upstreams over {scheme}:// are not available"),
            "not available here".into(),
        ),
        _ => error(
            format!("{} has an unknown scheme", word.shown()),
            match corefile::nearest(scheme, names) {
                Some(meant) => format!("did you mean `{meant}://`?"),
                None => "no such scheme".into(),
            },
        ),
    }
}

fn with_scheme(word: &Token, scheme: Scheme, rest: &str) -> Result<Target, Diagnostic> {
    let (authority, path) = match (scheme, rest.find('/')) {
        (Scheme::Https, Some(slash)) => rest.split_at(slash),
        (Scheme::Https, None) => (rest, "/dns-query"),
        _ => (rest, ""),
    };
    let printable = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let bad = |label: &str| {
        Diagnostic::error(word.span, format!("{} is no upstream", word.shown()))
            .label(label)
            .help("an upstream is an address, a host name or a file like resolv.conf, with `dns://`, `tls://` or `https://` before it and `:PORT` after it if wanted")
    };
    if !printable {
        return Err(bad("its path has characters that a URL cannot have"));
    }
    let (authority, server_name) = match scheme {
        Scheme::Tls => split_server_name(authority),
        _ => (authority.to_owned(), None),
    };
    let target = |host, port| Target {
        scheme,
        host,
        port,
        server_name,
        path: path.to_owned(),
    };
    if let Some(address) = address(&authority, scheme.port()) {
        return Ok(target(Host::Address(address), address.port()));
    }
    let (host, port) = match authority.rsplit_once(':') {
        None => (authority.as_str(), scheme.port()),
        Some((host, port)) => match port.parse() {
            Ok(port) if port > 0 => (host, port),
            _ => return Err(bad("expected a port from 1 to 65535 after the colon")),
        },
    };
    let is_host = |host: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        // What ends in digits was meant to be an address.
        let last = host.trim_end_matches('.').rsplit('.').next();
        let named = last.is_some_and(|label| label.bytes().any(|byte| !byte.is_ascii_digit()));
        named && host.bytes().all(letters) && Name::parse(host).is_ok()
    };
    match is_host(host) {
        true => Ok(target(Host::Name(host.to_owned()), port)),
        false => Err(bad("neither an address nor a host name")),
    }
}

/// Takes the `%NAME` out of `ADDRESS%NAME`, `ADDRESS%NAME:PORT` or `[ADDRESS%NAME]:PORT`.
fn split_server_name(authority: &str) -> (String, Option<String>) {
    let Some((before, rest)) = authority.rsplit_once('%') else {
        return (authority.to_owned(), None);
    };
    let end = rest.find([']', ':']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    (format!("{before}{after}"), Some(name.to_owned()))
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1`,
/// `[2001:db8::1]:53`, `fe80::1%eth0`.
pub(super) fn address(text: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() > 0).then_some(address);
    }
    let (host, port) = match text.strip_prefix('[') {
        None => (text, port),
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, port),
            (host, after) => (host, after.strip_prefix(':')?.parse().ok()?),
        },
    };
    if port == 0 {
        return None;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some((address, port).into());
    }
    let (host, scope) = host.split_once('%')?;
    let index = scope.parse().ok().or_else(|| if_nametoindex(scope).ok())?;
    Some(SocketAddrV6::new(host.parse().ok()?, port, 0, index).into())
}

/// The servers of a file in the format of resolv.conf(5).
pub(super) fn name_servers(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let first = words.next().filter(|word| *word == "nameserver");
        first.and_then(|_| address(words.next()?, 53))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Result<Vec<String>, String> {
        let mut sources = corefile::Sources::new();
        let file = corefile::parse(
            &mut sources,
            "",
            "".as_ref(),
            &format!(".\nforward {text}"),
            &corefile::ProcessEnvironment,
        );
        let word = file.unwrap().blocks[0].directives[0].arguments[0].clone();
        let targets = parse(&word, Path::new(text)).map_err(|error| error.message)?;
        let shown = targets.iter().map(|target| match &target.server_name {
            Some(name) => format!("{target} as {name}"),
            None => target.to_string(),
        });
        Ok(shown.collect())
    }

    /// If this fails, queries go to another server, port or transport than the Corefile says.
    #[test]
    fn each_form_of_an_upstream_is_understood() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:1053", "192.0.2.1:1053"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:54", "[2001:db8::1]:54"),
            ("dns://192.0.2.1", "192.0.2.1:53"),
            ("tls://192.0.2.1", "tls://192.0.2.1:853"),
            (
                "tls://192.0.2.1%dns.example",
                "tls://192.0.2.1:853 as dns.example",
            ),
            (
                "tls://192.0.2.1%dns.example:8853",
                "tls://192.0.2.1:8853 as dns.example",
            ),
            (
                "tls://[2001:db8::1%dns.example]:8853",
                "tls://[2001:db8::1]:8853 as dns.example",
            ),
            ("tls://dns.example", "tls://dns.example:853"),
            ("https://dns.example/q?x=1", "https://dns.example:443/q?x=1"),
            ("https://192.0.2.1:8443", "https://192.0.2.1:8443/dns-query"),
            ("dns.example:5353", "dns.example:5353"),
        ] {
            assert_eq!(targets(text), Ok(vec![shown.to_owned()]), "{text}");
        }
    }

    /// If this fails, a mistyped upstream is taken for a name, and every query fails.
    #[test]
    fn what_is_no_upstream_is_refused() {
        for text in [
            "192.0.2",
            "192.0.2.256",
            "192.0.2.1:",
            "192.0.2.1:99999",
            "host:0",
            "a..b",
            "tls://",
            "quic://192.0.2.1",
            "grpc://192.0.2.1",
            "tsl://192.0.2.1",
            "/nowhere/at/all",
        ] {
            assert!(targets(text).is_err(), "{text}: {:?}", targets(text));
        }
    }

    /// If this fails, the machine's own resolvers are not those that are asked.
    #[test]
    fn resolv_conf_names_servers() {
        let text = "# nameserver 192.0.2.9\n nameserver\t192.0.2.1 \nsearch a\nnameserver ::1\nnameserver\nnameserver x\n";
        let servers: Vec<String> = name_servers(text).map(|it| it.to_string()).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[::1]:53"]);
    }
}
