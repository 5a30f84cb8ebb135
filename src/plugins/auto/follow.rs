//! Reading what has come or changed in the folder, and dropping what has gone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use answer::Name;
use tokio::time::sleep;

use super::folder::{Naming, files};
use crate::current::Current;
use crate::plugins::zonefiles::{Table, ZoneFollower};
use crate::plugins::zones::Zones;

/// A folder of zone files.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) folder: PathBuf,
    pub(super) naming: Naming,
    /// Only zones at or below these are read.
    pub(super) zones: Zones,
    /// How often the folder is looked at; [`None`] for never again.
    pub(super) reload: Option<Duration>,
}

/// The zones of a folder, and their files.
pub(super) struct Follower {
    source: Source,
    files: BTreeMap<Name, ZoneFollower>,
    table: Table,
    /// What was wrong with the folder when it was looked at last.
    complaint: Option<String>,
}

/// Looks at the folder now and then, for as long as the task lives.
pub(super) async fn follow(
    mut follower: Follower,
    interval: Duration,
    current: Arc<Current<Table>>,
) {
    loop {
        sleep(interval).await;
        // Files wait for disks, and many take a while to be read.
        let look = tokio::task::spawn_blocking(move || {
            let changed = follower.look();
            (follower, changed)
        });
        // If reading panics, the zones stay as they are.
        let Ok((next, changed)) = look.await else {
            return;
        };
        follower = next;
        if changed {
            current.replace(follower.table.clone());
        }
    }
}

impl Follower {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            files: BTreeMap::new(),
            table: Table::default(),
            complaint: None,
        }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Looks at the folder. Returns whether any zone is another one now.
    pub(super) fn look(&mut self) -> bool {
        let Source {
            folder,
            naming,
            zones,
            ..
        } = &self.source;
        let found = match files(folder, naming, zones) {
            Ok(found) => found,
            Err(complaint) => {
                // A folder that cannot be read is no reason to drop zones.
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!("auto: {complaint}");
                }
                self.complaint = Some(complaint);
                return false;
            }
        };
        self.complaint = None;
        let mut changed = false;
        self.files.retain(|apex, _| {
            let stays = found.contains_key(apex);
            if !stays {
                tracing::info!("auto: the file of {apex} has gone, and so has the zone");
                self.table.remove(apex);
                changed = true;
            }
            stays
        });
        for (apex, path) in found {
            let file = self.files.entry(apex.clone());
            let file = file.or_insert_with(|| ZoneFollower::new("auto", apex.clone(), false));
            match file.look(&path) {
                Some(zone) => {
                    self.table.set(&apex, Some(zone));
                    changed = true;
                }
                // A zone whose file is wrong is one all the same: its names are no one else's.
                None if !self.table.has(&apex) => {
                    self.table.set(&apex, None);
                    changed = true;
                }
                None => {}
            }
        }
        changed
    }
}
