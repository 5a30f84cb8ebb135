//! Containers, their names, and the engines that run them, as JSON.

use std::net::IpAddr;

use serde::Serialize;

use super::Desk;
use super::pools::{away, word};
use crate::docker::EngineState;
use crate::docker::names::{Line, Standing};
use crate::plugins::Plugin;
use crate::plugins::docker::Onlooker;

/// The most claims of one answer.
const MOST_CLAIMS: usize = 2000;

/// An engine, or what other hosts share.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Engine<'a> {
    place: &'a str,
    freshness: &'static str,
    away_seconds: Option<u64>,
    version: Option<&'a str>,
    containers: usize,
    unreadable: usize,
    trouble: Option<&'a str>,
    expected: bool,
}

/// A container's claim to a name.
#[derive(Debug, Serialize)]
struct Claim {
    name: String,
    source: &'static str,
    container: String,
    id: String,
    network: Option<String>,
    addresses: Vec<IpAddr>,
    standing: &'static str,
    /// How many have the name together.
    among: Option<usize>,
    reason: Option<String>,
    host: Option<String>,
    unshared: Option<String>,
}

/// Engines and some claims.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    engines: Vec<Engine<'a>>,
    claims: Vec<Claim>,
    /// How many claims there are.
    total: usize,
    /// The place of the claim to go on from; [`None`] where these are the last.
    next: Option<usize>,
}

/// Those who see containers in the blocks that run.
pub(super) fn onlookers(desk: &Desk) -> Vec<Onlooker> {
    let blocks = desk.blocks.iter();
    let plugins = blocks.flat_map(|block| block.chain.plugins());
    plugins.filter_map(Plugin::containers).collect()
}

/// The engines of all of these.
pub(super) fn engines(onlookers: &[Onlooker]) -> Vec<(String, EngineState)> {
    onlookers.iter().flat_map(Onlooker::engines).collect()
}

/// Every claim of all of these, by name.
pub(super) async fn lines(onlookers: &[Onlooker]) -> Vec<Line> {
    let mut lines = Vec::new();
    for onlooker in onlookers {
        lines.extend(onlooker.lines().await.unwrap_or_default());
    }
    lines
}

impl<'a> Engine<'a> {
    pub(super) fn of((place, state): &'a (String, EngineState)) -> Self {
        Self {
            place,
            freshness: word(state.freshness),
            away_seconds: away(state.freshness),
            version: state.engine.as_ref().map(|it| &*it.version),
            containers: state.containers.len(),
            unreadable: state.unreadable,
            trouble: state.trouble.as_deref(),
            expected: state.expected,
        }
    }
}

impl From<Line> for Claim {
    fn from(line: Line) -> Self {
        let (standing, among, reason) = match line.standing {
            Standing::Alone => ("alone", None, None),
            Standing::Among(number) => ("among", Some(number), None),
            Standing::Hidden(reason) => ("hidden", None, Some(reason)),
        };
        Self {
            name: line.name,
            source: line.source,
            container: line.container,
            id: line.id,
            network: line.network,
            addresses: line.addresses,
            standing,
            among,
            reason,
            host: line.host,
            unshared: line.unshared,
        }
    }
}

impl<'a> Page<'a> {
    /// The claims from this place on.
    pub(super) fn of(engines: &'a [(String, EngineState)], lines: Vec<Line>, from: usize) -> Self {
        let total = lines.len();
        let end = from.saturating_add(MOST_CLAIMS);
        Self {
            engines: engines.iter().map(Engine::of).collect(),
            claims: lines
                .into_iter()
                .skip(from)
                .take(MOST_CLAIMS)
                .map(Claim::from)
                .collect(),
            total,
            next: (end < total).then_some(end),
        }
    }
}
