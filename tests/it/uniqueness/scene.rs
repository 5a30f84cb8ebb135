//! Where claimants meet, and how they are judged.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use callsign::clock::BootTime;
use callsign::identity::pattern::Pattern;
use callsign::store::etcd::{Credentials, EtcdOptions, EtcdStore};
use callsign::store::{Epoch, Request, Session, Slot, Space, Store};
use history::{Event, Violation, What};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::claimant::Launch;
use super::onlooker::Onlooker;
use super::*;

/// One store, a folder for everybody's files, and an onlooker.
pub(super) struct Scene {
    folder: Option<TempDir>,
    endpoints: Vec<String>,
    store: EtcdStore,
    space: Space,
    pub(super) onlooker: Onlooker,
}

/// How long another client waits from one answer to its next question.
const BEAT: Duration = Duration::from_millis(50);

/// A clock that stands still where etcd or the machine does: it counts the answers that one who
/// asks every [`BEAT`] gets.
pub(super) struct Beats {
    /// When they came.
    answers: Arc<Mutex<Vec<u64>>>,
    task: JoinHandle<()>,
}

impl Beats {
    /// How much time of this clock has passed from one moment to the other.
    pub(super) fn between(&self, from: u64, to: u64) -> Duration {
        let answers = self.answers.lock().expect("nobody panics with it");
        let count = answers
            .iter()
            .filter(|at| from < **at && **at <= to)
            .count();
        BEAT * u32::try_from(count).expect("few")
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scene {
    /// A scene at an etcd of one member.
    pub(super) fn at(etcd: &Etcd) -> Self {
        Self::with(vec![etcd.url().to_owned()], None)
    }

    /// A scene at these endpoints, which ask for these credentials.
    pub(super) fn with(endpoints: Vec<String>, credentials: Option<Credentials>) -> Self {
        let pattern = Pattern::parse("worker{{.ID}}.tf.local.", "worker").expect("a pattern");
        let space = Space {
            pattern: Arc::new(pattern),
            limit: 10_000,
        };
        let store = EtcdStore::new(EtcdOptions {
            endpoints: endpoints.clone(),
            credentials,
            ..EtcdOptions::default()
        });
        let store = store.expect("good options");
        Self {
            folder: Some(tempfile::tempdir().expect("a temporary folder")),
            endpoints,
            onlooker: Onlooker::new(&store, &space),
            store,
            space,
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref().expect("kept until the end").path()
    }

    /// A claimant that is about to be started, at the scene's own endpoints.
    pub(super) fn claimant(&self, name: &str) -> Launch {
        Launch::new(self.path(), name).at(&self.endpoints)
    }

    /// Starts a clock that goes as fast as the store answers.
    pub(super) fn beats(&self) -> Beats {
        let answers = Arc::<Mutex<Vec<u64>>>::default();
        let (notes, store, space) = (answers.clone(), self.store.clone(), self.space.clone());
        let task = tokio::spawn(async move {
            // The question of who doubts its claim, asked by somebody who has none.
            let question = Request::Verify {
                session: Session(1),
                slot: space.limit,
                epoch: 1,
            };
            loop {
                sleep(BEAT).await;
                if store.execute(&space, question.clone()).await.is_ok() {
                    let at = BootTime::now().nanoseconds();
                    notes.lock().expect("nobody panics with it").push(at);
                }
            }
        });
        Beats { answers, task }
    }

    /// A place where claimants wait with `--barrier` until it is opened.
    pub(super) fn barrier(&self) -> PathBuf {
        let barrier = self.path().join("barrier");
        mkfifo(&barrier, Mode::S_IRWXU).expect("a FIFO");
        barrier
    }

    /// Lets those at a barrier go, for as long as the result lives.
    pub(super) async fn open(&self, barrier: &Path) -> File {
        // Without waiting in the kernel, where nothing would end the wait for those who died.
        let mut options = File::options();
        options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        until("somebody waits at the barrier", || {
            options.open(barrier).ok()
        })
        .await
    }

    /// Copies a state folder, as whoever clones a machine does.
    pub(super) fn copy(&self, from: &str, to: &str) {
        let status = Command::new("cp")
            .arg("-r")
            .args([self.path().join(from), self.path().join(to)])
            .status();
        assert!(status.expect("cp is installed").success());
    }

    /// Waits until the store shows a slot free.
    pub(super) async fn is_free(&self, slot: Slot) {
        let look = || !self.onlooker.holders().contains_key(&slot);
        until(&format!("slot {slot} is free"), || look().then_some(())).await;
    }

    /// Waits until the store shows this claimant somewhere.
    pub(super) async fn shows(&self, claimant: &str) -> Slot {
        let look = || {
            self.onlooker
                .holders()
                .into_iter()
                .find(|it| it.1 == claimant)
        };
        until(&format!("{claimant} stands in the store"), look)
            .await
            .0
    }

    /// The epoch under which the store has shown this claimant first.
    pub(super) fn first_epoch(&self, claimant: &str) -> Option<Epoch> {
        self.onlooker.events().into_iter().find_map(|event| {
            let What::Stands { epoch, .. } = event.what else {
                return None;
            };
            (event.claimant == claimant).then_some(epoch)
        })
    }

    /// Waits until each of these holds a slot by its own word, and the store says the same.
    pub(super) async fn all_hold(&self, claimants: &[&Claimant]) -> Vec<Slot> {
        let look = || {
            let holders = self.onlooker.holders();
            let slot = |claimant: &&Claimant| {
                let (slot, _) = claimant.held()?;
                (holders.get(&slot) == Some(&claimant.name)).then_some(slot)
            };
            claimants.iter().map(slot).collect::<Option<Vec<_>>>()
        };
        until("everybody holds a slot", look).await
    }

    /// All that was written down.
    pub(super) fn history(&self) -> Vec<Event> {
        let mut events = self.onlooker.events();
        for file in std::fs::read_dir(self.path()).expect("our folder") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|it| it == "history") {
                let text = std::fs::read_to_string(&path).expect("a history");
                events.extend(history::read(&text).expect("whole lines"));
            }
        }
        events
    }

    /// What was wrong.
    pub(super) fn violations(&self) -> Vec<Violation> {
        history::check(&self.history())
    }

    /// Nothing may have been wrong.
    pub(super) fn judge(&self) {
        let history = self.history();
        let uses = |event: &Event| matches!(event.what, What::Used { .. });
        assert!(history.iter().any(uses), "nobody used anything");
        assert_none(&history::check(&history));
    }
}

/// None of these may have happened.
pub(super) fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("histories and logs: {}", folder.keep().display());
        }
    }
}
