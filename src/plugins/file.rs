//! `file`: zones from zone files.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use answer::{Name, Zone};
use corefile::{Diagnostics, Directive};
use tokio::time::{Instant, sleep_until};

use super::zonefiles::{self, Table, ZoneFollower};
use super::zones::{Fallthrough, Zones};
use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step};
use crate::current::Current;
use crate::task::Task;

/// See the module.
pub const FILE: Definition = Definition {
    name: "file",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
file DBFILE [ZONES...] {
    reload DURATION
    reload_by_mtime
    fallthrough [ZONES...]
    upstream
}";

const OPTIONS: &[&str] = &["reload", "reload_by_mtime", "fallthrough", "upstream"];

fn setup(setup: &mut Setup<'_>) {
    let mut files = Vec::new();
    let mut names: Vec<(Name, &Directive)> = Vec::new();
    for directive in setup.directives {
        let Some([path, zones @ ..]) = setup.diagnostics.keep(directive.at_least(1, SYNTAX)) else {
            continue;
        };
        let zones = Zones::read(zones, setup.block, setup.diagnostics);
        for zone in zones.iter() {
            match names.iter().find(|(name, _)| name == zone) {
                Some((_, first)) => {
                    let message = format!("the zone {zone} is given a second file");
                    let diagnostic = corefile::Diagnostic::error(directive.line(), message);
                    let diagnostic = diagnostic.context(first.line(), "the first one");
                    setup.diagnostics.push(diagnostic);
                }
                None => names.push((zone.clone(), directive)),
            }
        }
        let mut file = File {
            path: setup.block.path(&path.text),
            zones,
            reload: Some(Duration::from_secs(60)),
            by_content: false,
            fallthrough: Fallthrough::default(),
        };
        options(&mut file, directive, setup.diagnostics);
        files.push(file);
    }
    if !files.is_empty() {
        setup.add(Box::new(Files(files)));
    }
}

fn options(file: &mut File, directive: &Directive, found: &mut Diagnostics) {
    let mut seen: Vec<&Directive> = Vec::new();
    for line in directive.options() {
        if let Some(first) = seen.iter().find(|first| first.name() == line.name()) {
            found.push(line.repeated(first));
            continue;
        }
        seen.push(line);
        let read = line.no_block(line.name()).and_then(|()| match line.name() {
            "reload" => zonefiles::reload(line).map(|reload| file.reload = reload),
            "reload_by_mtime" => {
                file.by_content = true;
                line.no_arguments("reload_by_mtime")
            }
            "fallthrough" => {
                file.fallthrough = Fallthrough::read(&line.arguments, found);
                Ok(())
            }
            "upstream" => zonefiles::upstream(line),
            _ => Err(line.name.unknown("option", OPTIONS)),
        });
        found.keep(read);
    }
}

/// One directive.
struct File {
    path: PathBuf,
    zones: Zones,
    /// How often the file is looked at; [`None`] for never again.
    reload: Option<Duration>,
    /// Whether a file that has changed is read again though its serial number is the same.
    by_content: bool,
    fallthrough: Fallthrough,
}

/// All directives of a block.
struct Files(Vec<File>);

impl Part for Files {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let mut table = Table::default();
        let mut followed = Vec::new();
        for file in &self.0 {
            for apex in file.zones.iter() {
                let mut zone = ZoneFollower::new("file", apex.clone(), file.by_content);
                table.set(apex, first(&mut zone, file)?);
                followed.extend(file.reload.map(|reload| Followed {
                    zone,
                    path: file.path.clone(),
                    reload,
                    due: Instant::now() + reload,
                }));
            }
        }
        let current = Arc::new(Current::new(table.clone()));
        let task = (!followed.is_empty()).then(|| {
            let follow = follow(followed, table, Arc::clone(&current));
            Task::start(build.runtime, follow)
        });
        let files = self.0.into_iter();
        Ok(Box::new(Answering {
            current,
            fallthrough: files.map(|file| (file.zones, file.fallthrough)).collect(),
            _task: task,
        }))
    }
}

struct Answering {
    current: Arc<Current<Table>>,
    /// What is passed on, by the zones of each directive.
    fallthrough: Vec<(Zones, Fallthrough)>,
    _task: Option<Task>,
}

impl Plugin for Answering {
    fn name(&self) -> &'static str {
        "file"
    }

    fn owns_names(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        self.current.load().is_whole()
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let table = self.current.load();
        match table.find(&exchange.name, exchange.query.qtype) {
            None => Step::Next,
            Some(zone) => zonefiles::answer(zone, exchange, |zone, name| {
                let mut directives = self.fallthrough.iter();
                let directive =
                    directives.find(|(zones, _)| zones.iter().any(|it| it == zone.apex()));
                directive.is_some_and(|(_, fallthrough)| fallthrough.applies(name))
            }),
        }
    }
}

/// Looks at the files now and then, for as long as the task lives, and takes over what is new.
async fn follow(followed: Vec<Followed>, mut table: Table, current: Arc<Current<Table>>) {
    let mut places: Vec<Option<Followed>> = followed.into_iter().map(Some).collect();
    while let Some(next) = places.iter().flatten().map(|followed| followed.due).min() {
        sleep_until(next).await;
        for place in &mut places {
            let Some(mut followed) = place.take_if(|followed| followed.due <= Instant::now())
            else {
                continue;
            };
            // Files wait for disks, and a large one takes a while to be read.
            let look = tokio::task::spawn_blocking(move || {
                let zone = followed.zone.look(&followed.path);
                followed.due = Instant::now() + followed.reload;
                (followed, zone)
            });
            // If reading panics, the zone stays as it is.
            let Ok((followed, zone)) = look.await else {
                continue;
            };
            if zone.is_some() {
                table.set(followed.zone.apex(), zone);
                current.replace(table.clone());
            }
            *place = Some(followed);
        }
    }
}

/// A zone, and how often its file is looked at.
struct Followed {
    zone: ZoneFollower,
    path: PathBuf,
    reload: Duration,
    /// When it is to be looked at next.
    due: Instant,
}

/// The zone at the start; a file that is not there may come later.
fn first(zone: &mut ZoneFollower, file: &File) -> Result<Option<Zone>, String> {
    zone.read(&file.path).or_else(|error| {
        if file.reload.is_none() || file.path.exists() {
            return Err(error.to_string());
        }
        let apex = zone.apex();
        tracing::warn!("file: {error}; queries for {apex} fail until it is there");
        Ok(None)
    })
}
