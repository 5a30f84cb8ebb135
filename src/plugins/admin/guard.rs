//! Who may look.
//!
//! At an address of this machine alone whoever can reach it may look, unless there is a token. But a
//! page of a stranger, opened in a browser of this machine, can have its own name lead to 127.0.0.1 and
//! then read what is there as if it were its own (DNS rebinding). Such a request has the stranger's name
//! in its `Host`, so only names of this machine are accepted there.

use std::fmt;
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName};

/// The lengths that a token may have, in characters. Short ones are guessed.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// A word that opens the page to whoever knows it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// Checks that it has the characters of a bearer token (RFC 6750, 2.1), which can stand in a header
    /// and in a cookie as they are.
    ///
    /// # Errors
    ///
    /// What is wrong, without the token.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_of_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if !LENGTHS.contains(&text.len()) {
            let (least, most) = (LENGTHS.start(), LENGTHS.end());
            return Err(format!("a token has {least} to {most} characters"));
        }
        if !text.bytes().all(is_of_tokens) {
            return Err("a token has letters, digits and `-._~+/=` only".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether this is the token. How long that takes says nothing about where they differ.
    fn is(&self, given: &str) -> bool {
        let given = given.as_bytes();
        let mut difference = self.0.len() ^ given.len();
        for (index, byte) in self.0.bytes().enumerate() {
            let other = given.get(index).copied().unwrap_or_default();
            difference |= usize::from(byte ^ other);
        }
        black_box(difference) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// Who may look at what is served at one address.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    token: Option<Token>,
    /// The address, where it is one of this machine alone.
    loopback: Option<SocketAddr>,
    /// Cookies do not know ports; two processes on one host are not to take each other's.
    cookie: String,
}

/// Why somebody may not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name in `Host` is none of this machine.
    Host,
    /// The token is not there or another one.
    Token,
}

impl Guard {
    /// `loopback` is the address, where it is one of this machine alone.
    pub(super) fn new(token: Option<Token>, loopback: Option<SocketAddr>, port: u16) -> Self {
        Self(Arc::new(Rules {
            token,
            loopback,
            cookie: format!("callsign-{port}"),
        }))
    }

    /// Whether the request is for us, whoever sends it.
    pub(super) fn expects(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(bound) = self.0.loopback else {
            return Ok(());
        };
        let host = only(headers, HOST).and_then(host_of);
        let is_ours = host.is_some_and(|host| {
            host.eq_ignore_ascii_case("localhost")
                || host.parse().is_ok_and(|host: IpAddr| {
                    host == bound.ip() || host.is_loopback() && is_usual(host)
                })
        });
        if is_ours { Ok(()) } else { Err(Refusal::Host) }
    }

    /// Whether whoever sends the request may look.
    pub(super) fn admits(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.expects(headers)?;
        let Some(token) = &self.0.token else {
            return Ok(());
        };
        let bearer = only(headers, AUTHORIZATION).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(given.trim())
        });
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';'));
        let named = pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.0.cookie).then_some(value)
        });
        let is_it = |given: &str| token.is(given);
        if bearer.is_some_and(is_it) || named.is_some_and(is_it) {
            Ok(())
        } else {
            Err(Refusal::Token)
        }
    }

    /// The header `Set-Cookie` for whoever gives this token, if it is the right one. No page of others
    /// can have it sent (`SameSite`), and no script can read it.
    pub(super) fn cookie(&self, given: &str) -> Option<String> {
        let token = self.0.token.as_ref().filter(|token| token.is(given))?;
        let (name, Token(value)) = (&self.0.cookie, token);
        Some(format!("{name}={value}; HttpOnly; SameSite=Strict"))
    }
}

/// 127.0.0.1 and ::1: others of 127.0.0.0/8 are other servers.
fn is_usual(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => it.octets() == [127, 0, 0, 1],
        IpAddr::V6(_) => true,
    }
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The name or address in `HOST[:PORT]`, without brackets; [`None`] where it is none.
fn host_of(value: &str) -> Option<&str> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = value.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = rest.strip_prefix(':').unwrap_or(rest);
        return (rest.is_empty() || rest.len() > port.len() && is_port(port)).then_some(host);
    }
    match value.split_once(':') {
        None => Some(value),
        Some((host, port)) => is_port(port).then_some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    /// If this fails, any page that a user opens can read what is told here, or the user cannot.
    #[test]
    fn only_names_of_this_machine_are_accepted() {
        let guard = Guard::new(None, Some("127.0.0.2:8053".parse().unwrap()), 8053);
        for host in [
            "localhost",
            "LOCALHOST:8053",
            "127.0.0.1",
            "127.0.0.1:9000",
            "127.0.0.2:8053",
            "[::1]",
            "[::1]:8053",
        ] {
            assert_eq!(guard.admits(&headers(&[(HOST, host)])), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8053",
            "localhost.evil.example",
            "127.0.0.3",
            "localhost:x",
            "[::1]x",
            "[::1",
            "127.0.0.1.evil.example:8053",
            "user@localhost",
            "[::1]:80:80",
        ] {
            let refused = guard.admits(&headers(&[(HOST, host)]));
            assert_eq!(refused, Err(Refusal::Host), "{host}");
        }
        let two = headers(&[(HOST, "localhost"), (HOST, "evil.example")]);
        assert_eq!(guard.admits(&two), Err(Refusal::Host));
        assert_eq!(guard.admits(&headers(&[])), Err(Refusal::Host));
    }

    /// If this fails, whoever does not know the token may look, or whoever knows it may not.
    #[test]
    fn only_the_token_opens() {
        let guard = Guard::new(Some(Token::parse(SECRET).unwrap()), None, 8053);
        let by =
            |name, value: &str| guard.admits(&headers(&[(HOST, "any.example"), (name, value)]));
        assert_eq!(by(AUTHORIZATION, &format!("Bearer {SECRET}")), Ok(()));
        assert_eq!(by(AUTHORIZATION, &format!("bearer {SECRET}")), Ok(()));
        let cookie = guard.cookie(SECRET).unwrap();
        let cookie = cookie.split(';').next().unwrap();
        assert_eq!(by(COOKIE, &format!("a=b; {cookie}; c=d")), Ok(()));
        assert_eq!(guard.cookie("0123456789abcdeF"), None);
        for wrong in [
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            SECRET,
        ] {
            assert_eq!(by(AUTHORIZATION, wrong), Err(Refusal::Token), "{wrong}");
        }
        for wrong in ["callsign-8054=0123456789abcdef", "callsign-8053=", "x"] {
            assert_eq!(by(COOKIE, wrong), Err(Refusal::Token), "{wrong}");
        }
    }

    /// If this fails, a token can be guessed, breaks out of its header, or is told in a message.
    #[test]
    fn tokens_are_long_and_plain_and_never_shown() {
        for (text, message) in [
            ("short", "16 to 256"),
            ("0123456789abcde;", "letters, digits"),
            ("0123456789abcde\r", "letters, digits"),
            (&"a".repeat(257), "16 to 256"),
        ] {
            let error = Token::parse(text).unwrap_err();
            assert!(error.contains(message) && !error.contains(text), "{error}");
        }
        let guard = Guard::new(Some(Token::parse(SECRET).unwrap()), None, 1);
        assert!(!format!("{guard:?}").contains(SECRET));
    }
}
