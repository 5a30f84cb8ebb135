//! What engines run now, asked once.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::names::{Line, NameOptions, Names};
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
}

/// What a [`Survey`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Every claim, by name.
    pub lines: Vec<Line>,
    /// How many containers run that an engine could not show.
    pub unreadable: usize,
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
        let mut names = Names::new(self.names.clone(), 1);
        names.update(&states, &[], &host);
        Ok(Found {
            lines: names.report(),
            unreadable: states.iter().map(|state| state.unreadable).sum(),
        })
    }
}

fn begin(places: Places) -> watch::Receiver<EngineState> {
    let (sender, receiver) = watch::channel(EngineState::default());
    tokio::spawn(follow(places, Pace::default(), sender));
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
