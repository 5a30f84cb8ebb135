//! From `identity` and `idetcd` directives to pools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use corefile::{Diagnostic, Diagnostics, Directive, Secret, Token};

use super::super::{Definition, Setup};
use super::options::{self, Options};
use super::{AnswerOptions, Parts, PoolPart, size};
use crate::identity::address::AddressSelection;
use crate::identity::pattern::{Pattern, PatternError};
use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;
use crate::store::etcd::Layout;
use crate::store::{Slot, Space};

/// Of `credentials USER PASSWORD`, the user may be shown.
pub const CREDENTIALS: Secret = Secret {
    name: "credentials",
    shown: 1,
};

/// The directive in full.
pub const IDENTITY: Definition = Definition {
    name: "identity",
    syntax: "\
identity [POOL] {
    pattern PATTERN
    limit N
    store etcd URL... | local [PATH]
    credentials USER PASSWORD
    tls [CERT KEY] [CA]
    prefix PATH
    layout native|idetcd
    claim on|off
    ttl DURATION
    answer_ttl DURATION
    node KEY
    sticky DURATION|off
    address auto|INTERFACE|CIDR|IP...
    port NAME NUMBER[/udp]
    meta KEY VALUE
    health tcp ADDRESS:PORT | http URL | exec COMMAND ARGS... {
        interval DURATION
        timeout DURATION
        failures N
    }
    on EVENT COMMAND...
    stale DURATION
    hold DURATION
    fallthrough [ZONES...]
}",
    setup: |setup| set_up(setup, &Preset::Identity),
};

/// idetcd's own directive: the same with its defaults and its layout in etcd.
pub const IDETCD: Definition = Definition {
    name: "idetcd",
    syntax: "\
idetcd {
    endpoint URL...
    limit N
    pattern PATTERN
}",
    setup: |setup| set_up(setup, &Preset::Idetcd),
};

/// Which directive it is, and so what holds where nothing is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    Identity,
    Idetcd,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Idetcd => "idetcd",
        }
    }

    fn pattern(self) -> &'static str {
        match self {
            Self::Identity => PoolConfig::PATTERN,
            Self::Idetcd => "worker{{.ID}}.tf.local.",
        }
    }

    fn limit(self) -> Slot {
        match self {
            Self::Identity => PoolConfig::LIMIT,
            Self::Idetcd => 10,
        }
    }

    fn pool(self) -> &'static str {
        match self {
            Self::Identity => PoolConfig::POOL,
            Self::Idetcd => "worker",
        }
    }
}

fn set_up(setup: &mut Setup<'_>, preset: &Preset) {
    let mut pools = Vec::new();
    for directive in setup.directives {
        let dns_port = setup.block.zones.first().map(|zone| zone.port);
        if let Some(pool) = pool(directive, *preset, dns_port, setup.diagnostics) {
            warn_of_unreachable(setup, directive, &pool);
            let planned = (pool.store.clone(), pool.config.clone());
            setup.block.options.pools.push(planned);
            pools.push(pool);
        }
    }
    if !pools.is_empty() {
        setup.add(Box::new(Parts {
            name: preset.name(),
            pools,
        }));
    }
}

/// One pool; every mistake goes to `found`.
fn pool(
    directive: &Directive,
    preset: Preset,
    dns_port: Option<u16>,
    found: &mut Diagnostics,
) -> Option<PoolPart> {
    let options = options::read(directive, preset, found);
    let pool = pool_name(directive, preset, found)?;
    let pattern = pattern(directive, preset, &options, &pool, found);
    // Also without a pattern: all mistakes are shown at once.
    let store = store(directive, preset, &options, pattern.as_ref(), found)?;
    let pattern = pattern?;
    let config = PoolConfig {
        pool,
        space: Space {
            pattern: Arc::new(pattern),
            limit: options.limit.unwrap_or(preset.limit()),
        },
        claim: options.claim.unwrap_or(true),
        ttl: options.ttl.unwrap_or(PoolConfig::TTL),
        sticky: options.sticky.unwrap_or(Some(Duration::from_secs(600))),
        node: options.node,
        addresses: if options.addresses.is_empty() {
            vec![AddressSelection::Auto]
        } else {
            options.addresses
        },
        dns_port,
        ports: options.ports.into_iter().collect::<BTreeMap<_, _>>(),
        meta: options.meta.into_iter().collect(),
        health: options.health,
        hooks: options.hooks,
    };
    if config.claim
        && let Err(message) = size::check(&config)
    {
        let help = "fewer or shorter `meta` and `port` lines";
        found.push(Diagnostic::error(directive.name.span, message).help(help));
    }
    let answer = AnswerOptions {
        ttl: options.answer_ttl.unwrap_or(5),
        stale: options.stale.unwrap_or(Duration::from_secs(3600)),
        hold: options.hold.unwrap_or_default(),
        limit: config.space.limit,
        fallthrough: options.fallthrough,
    };
    Some(PoolPart {
        store,
        config,
        answer,
    })
}

fn pool_name(directive: &Directive, preset: Preset, found: &mut Diagnostics) -> Option<String> {
    let syntax = match preset {
        Preset::Identity => "identity [POOL] { ... }",
        Preset::Idetcd => "idetcd { ... }",
    };
    let most = if preset == Preset::Identity { 1 } else { 0 };
    let word = match directive.between(0, most, syntax) {
        Ok(words) => words.first(),
        Err(error) => {
            found.push(error);
            return None;
        }
    };
    let Some(word) = word else {
        return Some(preset.pool().to_owned());
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if word.text.is_empty() || word.text.len() > 63 || !word.text.bytes().all(is_name) {
        let message = format!("{} is no name for a pool", word.shown());
        let label = "letters, digits, `-` and `_`, 63 at most";
        found.push(Diagnostic::error(word.span, message).label(label));
        return None;
    }
    Some(word.text.clone())
}

fn pattern(
    directive: &Directive,
    preset: Preset,
    options: &Options<'_>,
    pool: &str,
    found: &mut Diagnostics,
) -> Option<Pattern> {
    let text = options
        .pattern
        .map_or(preset.pattern(), |word| word.text.as_str());
    let result = Pattern::parse(text, pool).and_then(|pattern| {
        pattern
            .check_limit(options.limit.unwrap_or(preset.limit()))
            .map(|()| pattern)
    });
    found.keep(result.map_err(|error| pattern_error(options.pattern, directive, error)))
}

/// Points at the part of the pattern that is wrong, where the word in the file is its text.
fn pattern_error(word: Option<&Token>, directive: &Directive, error: PatternError) -> Diagnostic {
    let span = word.map_or(directive.name.span, |word| {
        word.part(error.offset, error.length)
    });
    let meant = error.unknown.as_ref().and_then(|unknown| {
        let candidates = unknown.candidates.iter().map(String::as_str);
        corefile::nearest(&unknown.word, candidates)
    });
    let label = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "in this pattern".to_owned(),
    };
    Diagnostic::error(span, error.message)
        .label(label)
        .help(error.help)
}

fn store(
    directive: &Directive,
    preset: Preset,
    options: &Options<'_>,
    pattern: Option<&Pattern>,
    found: &mut Diagnostics,
) -> Option<StoreConfig> {
    let (is_etcd, layout) = match preset {
        Preset::Identity => (options.store.endpoints.is_some(), Layout::default()),
        Preset::Idetcd => (true, Layout::Idetcd),
    };
    let help = "add `store etcd URL...` to the pool";
    let store = options
        .store
        .config(is_etcd, layout, &directive.name, "a pool", help, found);
    let Some(StoreConfig::Etcd(etcd)) = &store else {
        return store;
    };
    if let Some(Err(error)) = pattern.map(|pattern| etcd.accepts(pattern)) {
        let word = options.pattern.unwrap_or(&directive.name);
        found.push(Diagnostic::error(word.span, error));
        return None;
    }
    store
}

/// A pool may be claimed from a block that is not asked for its names; most likely it is a slip.
fn warn_of_unreachable(setup: &mut Setup<'_>, directive: &Directive, part: &PoolPart) {
    let list = part.config.space.pattern.list_name();
    let zones = &setup.block.zones;
    if zones.is_empty() || zones.iter().any(|zone| list.is_at_or_below(&zone.name)) {
        return;
    }
    let message = format!("queries for {list} do not get here: no key of this block is above it");
    setup
        .diagnostics
        .push(Diagnostic::warning(directive.name.span, message));
}
