//! Seeing and steering a cluster from the command line, without taking part in it.
//!
//! | file | what it does |
//! |---|---|
//! | `follow.rs` | the members of a pool, as its store tells them |
//! | `members.rs` | what is shown of a member |
//! | `screen.rs`, `changes.rs` | all members again and again, or one change after the other |
//! | `doctor/` | what keeps a machine from having names |
//! | `steer.rs` | giving back what a node has left behind, taking slots from others |
//! | `wait.rs`, `resolve.rs` | waiting for members, or for a name in DNS |

mod changes;
pub(crate) mod doctor;
mod follow;
mod members;
mod resolve;
mod screen;
mod steer;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::identity::pools::StoreConfig;
use crate::run::roster::Roster;
use crate::store::{Entry, HeldBy, NoteName, Slot, Space, Store};

pub(crate) use self::changes::changes;
pub(crate) use self::follow::Follower;
pub(crate) use self::members::{HEADS, Member};
pub(crate) use self::screen::screen;
pub(crate) use self::wait::{until_it_resolves, until_they_are_there};

/// How long the store may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How many questions the store is asked at a time.
const AT_A_TIME: usize = 16;

/// The names of a pool and where they are kept.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// What the pool is called.
    pub(crate) pool: String,
    /// Its names.
    pub(crate) space: Space,
    /// Where they are kept.
    pub(crate) store: Arc<dyn Store>,
}

impl Cluster {
    /// Opens the store. The second value is what the user should know about it.
    ///
    /// # Errors
    ///
    /// As for [`StoreConfig::open`].
    pub(crate) fn open(
        store: &StoreConfig,
        pool: String,
        space: Space,
    ) -> Result<(Self, Option<String>), String> {
        let (store, note) = store.open()?;
        Ok((Self { pool, space, store }, note))
    }

    /// The roster of the last job; [`None`] where there is none, or the store does not tell.
    pub(crate) async fn roster(&self) -> Option<Roster> {
        let note = self.store.note(&self.space, NoteName::Roster, None);
        let note = timeout(ANSWER, note).await.ok()?.ok()?;
        Roster::parse(&note.text)
    }

    /// What the claims of these entries hang on. What cannot be found out is left out.
    ///
    /// # Errors
    ///
    /// One line, where nothing could be found out.
    pub(crate) async fn held_by<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<BTreeMap<Slot, HeldBy>, String> {
        let mut questions = JoinSet::new();
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        for entry in entries {
            let (slot, question) = (entry.slot, self.store.held_by(&self.space, entry));
            let turns = Arc::clone(&turns);
            questions.spawn(async move {
                let _turn = turns.acquire().await;
                (slot, timeout(ANSWER, question).await)
            });
        }
        let (mut found, mut trouble) = (BTreeMap::new(), None);
        while let Some(answer) = questions.join_next().await {
            match answer {
                Ok((slot, Ok(Ok(held_by)))) => {
                    found.insert(slot, held_by);
                }
                Ok((_, Ok(Err(error)))) => trouble = Some(error.message),
                Ok((_, Err(_))) => trouble = Some(self.silent()),
                Err(_) => {}
            }
        }
        match trouble {
            Some(trouble) if found.is_empty() => Err(trouble),
            _ => Ok(found),
        }
    }

    /// What is said of a store that says nothing.
    fn silent(&self) -> String {
        format!("{} does not answer", self.store.describe())
    }
}
