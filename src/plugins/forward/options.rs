//! The lines in the block of a `forward`, one by one.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use answer::{Name, Rcode};
use corefile::{Diagnostic, Diagnostics, Directive, Token};
use hyper::Method;
use rustls::pki_types::ServerName;

use super::policy::Policy;
use super::target;
use super::tls::TlsFiles;
use super::upstream::Way;
use crate::config;
use crate::plugins::BlockDraft;

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

/// The highest of the numbers that count something.
const MOST: u32 = 1_000_000;

/// The most resolvers.
const MOST_RESOLVERS: usize = 15;

/// What the lines say, with what holds where they say nothing.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) except: Vec<Name>,
    pub(super) way: Way,
    pub(super) expire: Duration,
    pub(super) max_age: Duration,
    pub(super) max_idle: usize,
    pub(super) read_timeout: Duration,
    pub(super) max_fails: u32,
    pub(super) max_attempts: usize,
    pub(super) max_concurrent: usize,
    pub(super) policy: Policy,
    pub(super) check_interval: Duration,
    pub(super) check_recursion: bool,
    pub(super) check_domain: Option<Name>,
    pub(super) fail_fast: bool,
    pub(super) failover: Vec<Rcode>,
    pub(super) next: Vec<Rcode>,
    pub(super) next_on_nodata: bool,
    pub(super) tls: TlsFiles,
    pub(super) server_name: Option<String>,
    pub(super) method: Method,
    pub(super) source: Option<IpAddr>,
    pub(super) resolvers: Vec<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            except: Vec::new(),
            way: Way::default(),
            expire: SECOND * 10,
            max_age: Duration::ZERO,
            max_idle: 0,
            read_timeout: SECOND * 2,
            max_fails: 2,
            max_attempts: 0,
            max_concurrent: 0,
            policy: Policy::default(),
            check_interval: SECOND / 2,
            check_recursion: true,
            check_domain: None,
            fail_fast: false,
            failover: Vec::new(),
            next: Vec::new(),
            next_on_nodata: false,
            tls: TlsFiles::default(),
            server_name: None,
            method: Method::POST,
            source: None,
            resolvers: Vec::new(),
        }
    }
}

const NAMES: &[&str] = &[
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_age",
    "max_idle_conns",
    "read_timeout",
    "max_fails",
    "max_connect_attempts",
    "max_concurrent",
    "policy",
    "health_check",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "next",
    "next_on_nodata",
    "tls",
    "tls_servername",
    "doh_method",
    "source_address",
    "resolver",
];

const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("BADVERS", 16),
];

/// Reads all lines; every mistake goes to `found`.
pub(super) fn read(directive: &Directive, block: &BlockDraft, found: &mut Diagnostics) -> Options {
    let mut options = Options::default();
    let mut seen: Vec<&Directive> = Vec::new();
    for line in directive.options() {
        let first = seen.iter().find(|first| first.name() == line.name());
        // Names may be excepted on several lines.
        if let Some(first) = first.filter(|_| line.name() != "except") {
            found.push(line.repeated(first));
            continue;
        }
        seen.push(line);
        let result = option(&mut options, line, block, found);
        found.keep(result.and_then(|()| line.no_block(line.name())));
    }
    let named = |name: &str| seen.iter().find(|line| line.name() == name);
    if let (Some(tcp), Some(udp)) = (named("force_tcp"), named("prefer_udp")) {
        found.push(
            Diagnostic::error(
                udp.line(),
                "`prefer_udp` and `force_tcp` exclude each other",
            )
            .context(tcp.line(), "TCP is forced here"),
        );
    }
    options
}

fn option(
    options: &mut Options,
    line: &Directive,
    block: &BlockDraft,
    found: &mut Diagnostics,
) -> Result<(), Diagnostic> {
    let count = |syntax: &str| -> Result<usize, Diagnostic> {
        Ok(line.one_argument(syntax)?.integer(0..=MOST)? as usize)
    };
    match line.name() {
        "except" => {
            for word in line.at_least(1, "except NAMES...")? {
                let zones = found.keep(config::zones(word));
                options.except.extend(zones.unwrap_or_default());
            }
        }
        "force_tcp" => {
            line.no_arguments("force_tcp")?;
            options.way = Way::Tcp;
        }
        "prefer_udp" => {
            line.no_arguments("prefer_udp")?;
            options.way = Way::Udp;
        }
        "expire" => {
            let word = line.one_argument("expire DURATION")?;
            options.expire = word.duration(SECOND / 10..=DAY)?;
        }
        "max_age" => {
            let word = line.one_argument("max_age DURATION")?;
            options.max_age = word.duration(Duration::ZERO..=DAY)?;
        }
        "max_idle_conns" => options.max_idle = count("max_idle_conns N")?,
        "read_timeout" => {
            let word = line.one_argument("read_timeout DURATION")?;
            options.read_timeout = word.duration(SECOND / 100..=SECOND * 5)?;
        }
        "max_fails" => {
            options.max_fails = line.one_argument("max_fails N")?.integer(0..=MOST)?;
        }
        "max_connect_attempts" => options.max_attempts = count("max_connect_attempts N")?,
        "max_concurrent" => options.max_concurrent = count("max_concurrent N")?,
        "policy" => {
            let policies = [
                ("random", Policy::Random),
                ("round_robin", Policy::RoundRobin),
                ("sequential", Policy::Sequential),
            ];
            let word = line.one_argument("policy random|round_robin|sequential")?;
            options.policy = word.one_of("policy", &policies)?;
        }
        "health_check" => health_check(options, line)?,
        "failfast_all_unhealthy_upstreams" => {
            line.no_arguments("failfast_all_unhealthy_upstreams")?;
            options.fail_fast = true;
        }
        "failover" => options.failover = codes(line.at_least(1, "failover RCODE...")?, found),
        "next" => options.next = codes(line.at_least(1, "next RCODE...")?, found),
        "next_on_nodata" => {
            line.no_arguments("next_on_nodata")?;
            options.next_on_nodata = true;
        }
        "tls" => {
            let path = |word: &Token| -> PathBuf { block.path(&word.text) };
            let (identity, authority) = match line.between(0, 3, "tls [CERT KEY] [CA]")? {
                [] => (None, None),
                [authority] => (None, Some(path(authority))),
                [certificate, key] => (Some((path(certificate), path(key))), None),
                [certificate, key, authority, ..] => {
                    (Some((path(certificate), path(key))), Some(path(authority)))
                }
            };
            options.tls = TlsFiles {
                identity,
                authority,
            };
        }
        "tls_servername" => {
            let word = line.one_argument("tls_servername NAME")?;
            if ServerName::try_from(word.text.as_str()).is_err() {
                let message = format!("{} is no name for a server", word.shown());
                return Err(Diagnostic::error(word.span, message)
                    .label("expected a host name or an address"));
            }
            options.server_name = Some(word.text.clone());
        }
        "doh_method" => {
            let word = line.one_argument("doh_method GET|POST")?;
            let get = word.one_of("method", &[("GET", true), ("POST", false)])?;
            options.method = if get { Method::GET } else { Method::POST };
        }
        "source_address" => {
            let word = line.one_argument("source_address IP")?;
            let source = word.text.parse().map_err(|_| not_an_address(word))?;
            options.source = Some(source);
        }
        "resolver" => {
            let words = line.between(1, MOST_RESOLVERS, "resolver IP[:PORT]...")?;
            options.resolvers.extend(words.iter().filter_map(|word| {
                let address = target::address(&word.text, 53);
                found.keep(address.ok_or_else(|| not_an_address(word)))
            }));
        }
        _ => return Err(line.name.unknown("option", NAMES)),
    }
    Ok(())
}

fn not_an_address(word: &Token) -> Diagnostic {
    Diagnostic::error(word.span, format!("{} is no IP address", word.shown()))
        .label("expected an IP address")
}

fn health_check(options: &mut Options, line: &Directive) -> Result<(), Diagnostic> {
    const SYNTAX: &str = "health_check DURATION [no_rec] [domain FQDN]";
    let [interval, rest @ ..] = line.between(1, 4, SYNTAX)? else {
        return Ok(());
    };
    options.check_interval = interval.duration(SECOND / 100..=SECOND * 3600)?;
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "no_rec" => options.check_recursion = false,
            "domain" => {
                let Some(word) = rest.next() else {
                    return Err(Diagnostic::error(word.span, "`domain` without a name")
                        .label("expected a name after this")
                        .help(format!("syntax: {SYNTAX}")));
                };
                let name = Name::parse(&word.text).map_err(|error| {
                    let message = format!("{} is no name", word.shown());
                    Diagnostic::error(word.span, message).label(error.to_string())
                })?;
                options.check_domain = Some(name);
            }
            _ => return Err(word.unknown("setting", &["no_rec", "domain"])),
        }
    }
    Ok(())
}

fn codes(words: &[Token], found: &mut Diagnostics) -> Vec<Rcode> {
    let codes = words
        .iter()
        .filter_map(|word| found.keep(word.one_of("response code", RCODES)));
    codes.map(Rcode::new).collect()
}
