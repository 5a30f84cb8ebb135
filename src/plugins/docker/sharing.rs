//! What the publisher shares with other hosts, and what it takes of theirs.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use crate::docker::names::NameOptions;
use crate::docker::share::{Own, Presence, ShareOptions, Shares, share};
use crate::docker::{EngineState, Places};
use crate::freshness::Freshness;
use crate::store::board::{Board, Values};

/// The share of one directive.
pub(super) struct Sharing {
    own: Own,
    wanted: watch::Sender<Option<Values>>,
    /// The containers that our engines show.
    direct: BTreeSet<String>,
    /// Those that they showed and do no more, as long as others have yet to notice.
    gone: BTreeSet<String>,
}

/// A share that is about to begin.
pub(super) struct Beginning {
    board: Board,
    presence: Presence,
    options: ShareOptions,
    wanted: watch::Receiver<Option<Values>>,
}

impl Sharing {
    /// Opens the board. Nothing is pinned before it begins.
    pub(super) fn open(
        options: ShareOptions,
        names: &NameOptions,
        engines: &[Places],
        shares: &Arc<Shares>,
        runtime: &Handle,
    ) -> Result<(Self, Beginning), String> {
        let (board, note) = options.open()?;
        if let Some(note) = note {
            info!("docker: {note}");
        }
        let endpoints = engines.iter().map(|places| format!("{places:?}"));
        let zones = names.zones.iter().map(ToString::to_string);
        let what: Vec<String> = endpoints.chain(zones).collect();
        let (sender, wanted) = watch::channel(None);
        let sharing = Self {
            own: Own::new(names.clone(), options.clone()),
            wanted: sender,
            direct: BTreeSet::new(),
            gone: BTreeSet::new(),
        };
        let beginning = Beginning {
            presence: shares.presence(what, runtime),
            board,
            options,
            wanted,
        };
        Ok((sharing, beginning))
    }

    /// Offers what our engines run, as soon as it is known: those of them that cannot be reached
    /// have nothing.
    pub(super) fn offer(&mut self, engines: &[EngineState], host: &[IpAddr]) {
        let is_heard = |it: &EngineState| it.freshness != Freshness::Unknown;
        let is_known = engines.iter().any(is_heard)
            && engines
                .iter()
                .all(|it| is_heard(it) || it.trouble.is_some());
        if !is_known {
            return;
        }
        let values = self.own.values(engines, host);
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.as_ref() != Some(&values);
            if is_new {
                *wanted = Some(values);
            }
            is_new
        });
    }

    /// Why other hosts do not get to see some of our containers, by their ids.
    pub(super) fn hidden(&self) -> HashMap<String, String> {
        let hidden = self.own.hidden();
        hidden.map(|it| (it.id, it.reason)).collect()
    }

    /// Leaves out of what others show what our engines know to have ended: another process beside
    /// the same engine may be slower than we are.
    pub(super) fn without_gone(&mut self, engines: &[EngineState], others: &mut EngineState) {
        let direct = engines.iter().flat_map(|it| it.containers.keys());
        let direct: BTreeSet<String> = direct.cloned().collect();
        self.gone.extend(self.direct.difference(&direct).cloned());
        self.gone
            .retain(|id| others.containers.contains_key(id) && !direct.contains(id));
        self.direct = direct;
        if !self.gone.is_empty() {
            let containers = Arc::make_mut(&mut others.containers);
            containers.retain(|id, _| !self.gone.contains(id));
        }
    }
}

impl Beginning {
    /// Shares, and keeps `others` what others share, for as long as this is polled.
    pub(super) async fn run(self, others: watch::Sender<EngineState>) {
        let ttl = self.options.ttl;
        share(self.board, self.presence, ttl, self.wanted, others).await;
    }
}

/// What is known of others before anything is heard.
pub(super) fn unheard() -> EngineState {
    EngineState {
        expected: true,
        ..EngineState::default()
    }
}
