//! Which pool a command is about: by a Corefile, or by flags.

use std::path::PathBuf;
use std::sync::Arc;

use corefile::{ProcessEnvironment, Sources};

use super::flags::Pool;
use crate::config::{self, DNS_PORT, Origin};
use crate::console::stderr_has_colors;
use crate::identity::pattern::Pattern;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;
use crate::store::Space;
use crate::store::etcd::{EtcdOptions, Layout};

/// Finds the pool.
///
/// # Errors
///
/// What is wrong with the Corefile or with the flags, ready to be shown.
pub(super) fn pool(flags: &Pool) -> Result<(StoreConfig, PoolConfig), String> {
    match &flags.conf {
        Some(file) => configured(&super::origin(file), flags.pool.as_deref()),
        None => flagged(flags).map_err(|message| format!("error: {message}")),
    }
}

fn configured(origin: &Origin, wanted: Option<&str>) -> Result<(StoreConfig, PoolConfig), String> {
    let error = |message: String| format!("error: {message}");
    let text = origin.read(DNS_PORT).map_err(error)?;
    let mut sources = Sources::new();
    let configuration = config::check(&mut sources, &text, DNS_PORT, &ProcessEnvironment)
        .map_err(|found| config::render(&found, &sources, stderr_has_colors()))?;
    let blocks = configuration.blocks.into_iter();
    let mut pools: Vec<(StoreConfig, PoolConfig)> = Vec::new();
    for (store, pool) in blocks.flat_map(|block| block.options.pools) {
        // Several blocks may have one pool.
        let is_same = |known: &(StoreConfig, PoolConfig)| {
            known.0 == store && known.1.pool == pool.pool && known.1.space == pool.space
        };
        if !pools.iter().any(is_same) {
            pools.push((store, pool));
        }
    }
    let names: Vec<String> = pools.iter().map(|(_, pool)| pool.pool.clone()).collect();
    pools.retain(|(_, pool)| wanted.is_none_or(|wanted| pool.pool == wanted));
    match (pools.len(), wanted) {
        (1, _) => Ok(pools.remove(0)),
        _ if names.is_empty() => Err(error(format!("{origin} has no pool: add `identity`"))),
        (0, Some(wanted)) => Err(error(format!(
            "{origin} has no pool {wanted:?}; it has {}",
            names.join(", ")
        ))),
        (_, Some(wanted)) => Err(error(format!("{origin} has several pools {wanted:?}"))),
        (_, None) => Err(error(format!(
            "{origin} has several pools: say which with --pool ({})",
            names.join(", ")
        ))),
    }
}

fn flagged(flags: &Pool) -> Result<(StoreConfig, PoolConfig), String> {
    let pool = flags.pool.as_deref().unwrap_or(PoolConfig::POOL);
    let limit = flags.limit.unwrap_or(PoolConfig::LIMIT);
    let pattern = flags.pattern.as_deref().unwrap_or(PoolConfig::PATTERN);
    let pattern = Pattern::parse(pattern, pool)
        .and_then(|pattern| pattern.check_limit(limit).map(|()| pattern))
        .map_err(|error| format!("--pattern {pattern}: {} ({})", error.message, error.help))?;
    let store = store(flags, &pattern)?;
    let space = Space {
        pattern: Arc::new(pattern),
        limit,
    };
    Ok((store, PoolConfig::new(pool, space)))
}

fn store(flags: &Pool, pattern: &Pattern) -> Result<StoreConfig, String> {
    let store = flags.store.as_deref().unwrap_or("local");
    if !store.contains("://") {
        if flags.prefix.is_some() {
            return Err("--prefix is only for etcd: add --store URL,URL...".to_owned());
        }
        return match store {
            "local" => Ok(StoreConfig::Local(None)),
            path if path.contains('/') => Ok(StoreConfig::Local(Some(PathBuf::from(path)))),
            other => Err(format!(
                "--store {other}: a store is URLs of etcd (http://HOST:2379), `local` or a folder"
            )),
        };
    }
    let options = EtcdOptions {
        endpoints: store.split(',').map(|url| url.trim().to_owned()).collect(),
        credentials: None,
        tls: None,
        prefix: flags.prefix.clone(),
        layout: Layout::default(),
    };
    for endpoint in &options.endpoints {
        EtcdOptions::check_endpoint(endpoint).map_err(|error| format!("--store: {error}"))?;
    }
    options
        .check()
        .map_err(|error| format!("--store: {error}"))?;
    options.accepts(pattern)?;
    Ok(StoreConfig::Etcd(options))
}
