//! Where claimants meet, and how they are judged.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use callsign::identity::pattern::Pattern;
use callsign::store::etcd::{Credentials, EtcdOptions, EtcdStore};
use callsign::store::{Slot, Space};
use history::{Event, Violation, What};
use tempfile::TempDir;

use super::claimant::Launch;
use super::onlooker::Onlooker;
use super::*;

/// One store, a folder for everybody's files, and an onlooker.
pub(super) struct Scene {
    folder: Option<TempDir>,
    endpoints: Vec<String>,
    pub(super) onlooker: Onlooker,
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
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref().expect("kept until the end").path()
    }

    /// A claimant that is about to be started, at the scene's own endpoints.
    pub(super) fn claimant(&self, name: &str) -> Launch {
        Launch::new(self.path(), name).at(&self.endpoints)
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
