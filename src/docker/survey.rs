//! What engines run now, asked once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::names::{Line, NameOptions, Names};
use super::share::{Own, ShareOptions, follow_others};
use super::{EngineState, Pace, Places, follow};
use crate::freshness::Freshness;
use crate::identity::address::{self, AddressSelection};

/// How long an engine may take to show all of its containers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where containers are, and how names are made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The engines.
    pub engines: Vec<Places>,
    /// How names are made.
    pub names: NameOptions,
    /// The addresses of this machine that count.
    pub host: Vec<AddressSelection>,
    /// How containers are shared with other hosts.
    pub share: Option<ShareOptions>,
}

/// What a [`Survey`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Every claim, by name.
    pub lines: Vec<Line>,
    /// How many containers run that an engine could not show.
    pub unreadable: usize,
    /// Whether containers are shared with other hosts.
    pub is_shared: bool,
    /// Why the containers of other hosts are not known, in one line.
    pub warning: Option<String>,
}

impl Survey {
    /// Asks every engine what it runs, and decides who has which name.
    ///
    /// # Errors
    ///
    /// One line about an engine that cannot be asked.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub async fn make(&self) -> Result<Found, String> {
        // All of them at once; each ends with its receiver.
        let engines: Vec<_> = self.engines.iter().map(|it| begin(it.clone())).collect();
        let host = address::watch(self.host.clone()).borrow().list.clone();
        let mut states = Vec::new();
        for engine in engines {
            states.push(finish(engine).await?);
        }
        let mut found = Found {
            unreadable: states.iter().map(|state| state.unreadable).sum(),
            is_shared: self.share.is_some(),
            ..Found::default()
        };
        let mut hidden = HashMap::new();
        if let Some(share) = &self.share {
            let mut own = Own::new(self.names.clone(), share.clone());
            own.values(&states, &host);
            hidden = own.hidden().map(|it| (it.id, it.reason)).collect();
            match others(share).await {
                Ok(others) => states.push(others),
                Err(reason) => found.warning = Some(reason),
            }
        }
        let mut names = Names::new(self.names.clone(), 1);
        names.update(&states, &[], &host);
        found.lines = names.report();
        for line in &mut found.lines {
            line.unshared = hidden.get(&line.whole_id).cloned();
        }
        Ok(found)
    }
}

/// What other hosts share.
async fn others(options: &ShareOptions) -> Result<EngineState, String> {
    let (board, _) = options.open()?;
    let place = board.describe();
    let (sender, mut receiver) = watch::channel(EngineState::default());
    let is_known =
        |state: &EngineState| state.freshness == Freshness::Current || state.trouble.is_some();
    let state = tokio::select! {
        () = follow_others(board, &sender) => return Err(format!("{place} is followed no more")),
        state = timeout(PATIENCE, receiver.wait_for(is_known)) => match state {
            Ok(Ok(state)) => state.clone(),
            _ => return Err(format!("{place} does not answer within {PATIENCE:?}")),
        },
    };
    match &state.trouble {
        Some(trouble) => Err(trouble.to_string()),
        None => Ok(state),
    }
}

fn begin(places: Places) -> watch::Receiver<EngineState> {
    let (sender, receiver) = watch::channel(EngineState::default());
    tokio::spawn(follow(places, Pace::default(), sender, Arc::default()));
    receiver
}

async fn finish(mut engine: watch::Receiver<EngineState>) -> Result<EngineState, String> {
    let is_known =
        |state: &EngineState| state.freshness == Freshness::Current || state.trouble.is_some();
    let state = match timeout(PATIENCE, engine.wait_for(is_known)).await {
        Ok(Ok(state)) => state.clone(),
        Ok(Err(_)) => return Err("the engine is followed no more".into()),
        Err(_) => {
            return Err(format!(
                "an engine does not show its containers within {PATIENCE:?}"
            ));
        }
    };
    match &state.trouble {
        Some(trouble) => Err(trouble.to_string()),
        None => Ok(state),
    }
}
