//! The keys of a server block: which zones it serves and on which port.
//!
//! A key is `[scheme://]zone[:port]`. A zone may be written as a network (`10.0.0.0/24`), which
//! stands for the reverse zones that cover it.

use answer::{Name, NameError};

use super::reverse::{self, NetworkError};

/// The longest text of a zone, as in CoreDNS.
const MAX_ZONE_TEXT: usize = 255;

/// How queries of a server block arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// DNS over UDP and TCP (RFC 1035, RFC 7766).
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// CoreDNS's own service over gRPC.
    Grpc,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over HTTPS, version 3 of HTTP.
    Https3,
}

impl Scheme {
    /// Every scheme with the word that stands before `://`.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("dns", Self::Dns),
        ("tls", Self::Tls),
        ("quic", Self::Quic),
        ("grpc", Self::Grpc),
        ("https", Self::Https),
        ("https3", Self::Https3),
    ];
}

/// One key, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// How queries arrive.
    pub scheme: Scheme,
    /// The zones: one, or those that a network stands for.
    pub zones: Vec<Name>,
    /// The port, where the key names one.
    pub port: Option<u16>,
}

/// Why a key is none. Every offset counts bytes from the start of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The word before `://` is no scheme.
    UnknownScheme(String),
    /// The key ends in a colon.
    PortMissing,
    /// The number after the last colon is no port.
    BadPort(String),
    /// What stands before the port is no network though it has a slash.
    BadNetwork(NetworkError),
    /// What stands before the port is no name.
    BadZone(NameError),
    /// The zone is longer than 255 characters.
    TooLong(usize),
}

/// Reads one key.
///
/// # Errors
///
/// A [`KeyError`].
pub fn parse(text: &str) -> Result<Key, KeyError> {
    let (scheme, rest) = split_scheme(text)?;
    let (zone, port) = split_port(rest)?;
    if zone.len() > MAX_ZONE_TEXT {
        return Err(KeyError::TooLong(zone.len()));
    }
    Ok(Key {
        scheme,
        zones: zones(zone)?,
        port,
    })
}

/// Reads a zone as it stands in a key or among the ZONES of a directive: a name, or a network that
/// stands for its reverse zones. Nothing is the root, as in the key `:53`.
///
/// # Errors
///
/// [`KeyError::BadNetwork`] and [`KeyError::BadZone`].
pub fn zones(text: &str) -> Result<Vec<Name>, KeyError> {
    if text.is_empty() {
        return Ok(vec![Name::root()]);
    }
    if text.contains('/') {
        return reverse::zones(text).map_err(KeyError::BadNetwork);
    }
    Ok(vec![Name::parse(text).map_err(KeyError::BadZone)?])
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), KeyError> {
    let Some((word, rest)) = text.split_once("://") else {
        return Ok((Scheme::Dns, text));
    };
    let known = Scheme::ALL.iter().find(|(name, _)| *name == word);
    let (_, scheme) = known.ok_or_else(|| KeyError::UnknownScheme(word.to_owned()))?;
    Ok((*scheme, rest))
}

/// Takes the port off the end. Only digits after the last colon are a port: the colons of
/// `2001:db8::/32` are part of the network.
fn split_port(text: &str) -> Result<(&str, Option<u16>), KeyError> {
    let Some((zone, digits)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    if digits.is_empty() {
        return Err(KeyError::PortMissing);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // `2001:db8::/32` goes on as a network; `example.org:dns` is a port that is no number.
        return match text.contains('/') {
            true => Ok((text, None)),
            false => Err(KeyError::BadPort(digits.to_owned())),
        };
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok((zone, Some(port))),
        _ => Err(KeyError::BadPort(digits.to_owned())),
    }
}

/// Whether every label has the form that RFC 1035 §2.3.1 prefers: letters, digits and hyphens,
/// a letter or digit at both ends. Underscores are let pass, since services are named with them.
#[must_use]
pub fn has_preferred_syntax(zone: &Name) -> bool {
    zone.labels().all(|label| {
        let inner = label
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let ends = label.first() != Some(&b'-') && label.last() != Some(&b'-');
        inner && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> (Vec<String>, Option<u16>) {
        let key = parse(text).unwrap();
        (
            key.zones.iter().map(ToString::to_string).collect(),
            key.port,
        )
    }

    /// If this fails, a Corefile that CoreDNS accepts serves another zone or port here.
    #[test]
    fn keys_are_zone_and_port() {
        for (text, zone, port) in [
            (".", ".", None),
            (":1053", ".", Some(1053)),
            (".:53", ".", Some(53)),
            ("Example.ORG", "example.org.", None),
            ("example.org.:5353", "example.org.", Some(5353)),
            ("dns://example.org", "example.org.", None),
            ("dns://", ".", None),
            ("10.0.0.0/24", "0.0.10.in-addr.arpa.", None),
            ("10.0.0.0/24:53", "0.0.10.in-addr.arpa.", Some(53)),
            ("2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa.", None),
            ("2001:db8::/32:53", "8.b.d.0.1.0.0.2.ip6.arpa.", Some(53)),
        ] {
            assert_eq!(key(text), (vec![zone.to_owned()], port), "{text}");
        }
    }

    /// If this fails, a mistyped key is taken for a zone that nobody asks for.
    #[test]
    fn mistakes_are_not_zones() {
        assert_eq!(parse("example.org:"), Err(KeyError::PortMissing));
        assert_eq!(
            parse("example.org:99999"),
            Err(KeyError::BadPort("99999".into()))
        );
        assert_eq!(parse("example.org:0"), Err(KeyError::BadPort("0".into())));
        assert_eq!(
            parse("example.org:dns"),
            Err(KeyError::BadPort("dns".into()))
        );
        assert_eq!(parse("tsl://."), Err(KeyError::UnknownScheme("tsl".into())));
        assert!(matches!(parse("a..b"), Err(KeyError::BadZone(_))));
        assert!(matches!(parse("10.0.0.0/33"), Err(KeyError::BadNetwork(_))));
        assert!(matches!(
            parse(&"a.".repeat(200)),
            Err(KeyError::TooLong(400))
        ));
    }

    /// If this fails, odd zones pass without the warning that CoreDNS gives.
    #[test]
    fn odd_names_are_noticed() {
        let odd = |text: &str| !has_preferred_syntax(&Name::parse(text).unwrap());
        assert!(odd("a b.org".replace(' ', "\\032").as_str()));
        assert!(odd("-a.org") && odd("*.org"));
        assert!(!odd(".") && !odd("_tcp.a-b.1.org"));
    }
}
