//! `file`: zones from zone files.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use answer::{Lookup, Name, Zone};
use corefile::{Diagnostics, Directive};
use tokio::time::{Instant, sleep_until};

use super::zonefiles::{self, Loaded, Table, load};
use super::zones::{Fallthrough, Zones};
use super::{Build, Definition, Exchange, Part, Plugin, Setup, Step};
use crate::current::Current;
use crate::task::Task;
use crate::zonefile::Sources;

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

/// Extended error code: not ready (RFC 8914 §4.15).
const NOT_READY: u16 = 14;

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
        let mut followers = Vec::new();
        for file in &self.0 {
            for apex in file.zones.iter() {
                let mut follower = Follower::new(file, apex.clone());
                table.set(apex, follower.first()?);
                followers.push(follower);
            }
        }
        followers.retain(|follower| follower.reload.is_some());
        let current = Arc::new(Current::new(table.clone()));
        let task = (!followers.is_empty()).then(|| {
            let follow = follow(followers, table, Arc::clone(&current));
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
        let rtype = exchange.query.qtype;
        let zone = match table.find(&exchange.name, rtype) {
            None => return Step::Next,
            Some(None) => {
                exchange.fail(NOT_READY, "the zone's file could not be read yet");
                return Step::Answered;
            }
            Some(Some(zone)) => zone,
        };
        let lookup = zone.lookup(&exchange.name, rtype);
        if lookup == Lookup::NoSuchName && self.is_passed_on(zone, exchange) {
            return Step::Next;
        }
        zonefiles::answer(zone, lookup, exchange)
    }
}

impl Answering {
    fn is_passed_on(&self, zone: &Zone, exchange: &Exchange<'_, '_>) -> bool {
        let mut directives = self.fallthrough.iter();
        let of_zone = |(zones, _): &&(Zones, Fallthrough)| zones.iter().any(|it| it == zone.apex());
        let directive = directives.find(of_zone);
        directive.is_some_and(|(_, fallthrough)| fallthrough.applies(&exchange.name))
    }
}

/// Looks at the files now and then, for as long as the task lives, and takes over what is new.
async fn follow(followers: Vec<Follower>, mut table: Table, current: Arc<Current<Table>>) {
    let mut followers: Vec<Option<Follower>> = followers.into_iter().map(Some).collect();
    loop {
        let next = followers.iter().flatten().filter_map(Follower::due).min();
        let Some(next) = next else { return };
        sleep_until(next).await;
        for place in &mut followers {
            let now = Instant::now();
            if place
                .as_ref()
                .and_then(Follower::due)
                .is_none_or(|due| due > now)
            {
                continue;
            }
            let Some(mut follower) = place.take() else {
                continue;
            };
            // Files wait for disks, and a large one takes a while to be read.
            let look = tokio::task::spawn_blocking(move || {
                let zone = follower.look();
                (follower, zone)
            });
            // If reading panics, the zone stays as it is.
            let Ok((follower, zone)) = look.await else {
                continue;
            };
            if zone.is_some() {
                table.set(&follower.apex, zone);
                current.replace(table.clone());
            }
            *place = Some(follower);
        }
    }
}

/// A zone whose file is followed.
struct Follower {
    apex: Name,
    path: PathBuf,
    reload: Option<Duration>,
    by_content: bool,
    /// When it was looked at.
    looked: Instant,
    sources: Sources,
    /// The serial number of the zone that is served.
    serial: Option<u32>,
}

impl Follower {
    fn new(file: &File, apex: Name) -> Self {
        Self {
            apex,
            path: file.path.clone(),
            reload: file.reload,
            by_content: file.by_content,
            looked: Instant::now(),
            sources: Sources::default(),
            serial: None,
        }
    }

    /// When it is to be looked at next.
    fn due(&self) -> Option<Instant> {
        Some(self.looked + self.reload?)
    }

    /// The zone at the start; a file that is not there may come later.
    fn first(&mut self) -> Result<Option<Zone>, String> {
        match load(&self.path, &self.apex, &mut self.sources) {
            Ok(loaded) => Ok(Some(self.take(loaded))),
            Err(error) if self.reload.is_some() && !self.path.exists() => {
                let apex = &self.apex;
                tracing::warn!("file: {error}; queries for {apex} fail until it is there");
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The zone, if its file has changed and is right.
    fn look(&mut self) -> Option<Zone> {
        self.looked = Instant::now();
        if !self.sources.have_changed() {
            return None;
        }
        let mut sources = Sources::default();
        let loaded = load(&self.path, &self.apex, &mut sources);
        // Whatever comes of it, this state of the files needs no second look.
        self.sources = sources;
        match loaded {
            Ok(loaded) if self.serial == Some(loaded.serial) && !self.by_content => {
                let (path, serial) = (self.path.display(), loaded.serial);
                tracing::warn!(
                    "file: {path} has changed, but its serial number still is {serial}: the zone \
                     stays as it was"
                );
                None
            }
            Ok(loaded) => {
                let (apex, serial) = (&self.apex, loaded.serial);
                tracing::info!("file: {apex} was read again, serial number {serial}");
                Some(self.take(loaded))
            }
            Err(error) => {
                let kept = match self.serial {
                    Some(_) => "; the zone stays as it was",
                    None => "",
                };
                tracing::warn!("file: {error}{kept}");
                None
            }
        }
    }

    fn take(&mut self, loaded: Loaded) -> Zone {
        loaded.warn("file");
        self.serial = Some(loaded.serial);
        loaded.zone
    }
}
