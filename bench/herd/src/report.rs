//! What a herd did, as lines of a table.

use std::collections::BTreeMap;
use std::time::Duration;

use callsign::clock::BootTime;
use callsign::store::Slot;

use callsign_bench::etcd::Counts;
use callsign_bench::percentile;

/// One run of the herd: from a barrier until everybody has a name.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What was tried.
    pub(crate) name: String,
    /// How many claimants waited at the barrier.
    pub(crate) claimants: usize,
    /// How many of them came by a name.
    pub(crate) held: usize,
    /// How many different names all living claimants hold, and how many living claimants there
    /// are. These are equal where names are unique and everybody has one.
    pub(crate) unique: (usize, usize),
    /// The names on whose holder the claimants and etcd do not agree.
    pub(crate) disputed: usize,
    /// How often a name was lost.
    pub(crate) losses: usize,
    /// The highest slot that is held, and how many below it are not.
    pub(crate) highest: (Slot, usize),
    /// From the barrier to each name, ascending.
    pub(crate) times: Vec<Duration>,
    /// When the last name was held.
    pub(crate) last: BootTime,
    /// From the moment when the last name of the dead was free to the last name held.
    pub(crate) after_free: Option<Duration>,
    /// The requests of each claimant until its name was held, by its own count; ascending.
    pub(crate) requests: Vec<u32>,
    /// How many reservations were written, two requests each, after names were held.
    pub(crate) reservations: usize,
    /// What etcd counted from the barrier until all reservations were written.
    pub(crate) counts: Counts,
    /// Processor time until the last name: etcd's and the claimants'.
    pub(crate) processor: [Duration; 2],
}

impl Run {
    /// Whether everybody holds a name, nobody another's, and etcd says the same.
    #[must_use]
    pub(crate) fn is_unique(&self) -> bool {
        self.held == self.claimants && self.unique.0 == self.unique.1 && self.disputed == 0
    }

    /// The requests that etcd counted for each claimant until its name was held.
    #[must_use]
    pub(crate) fn requests_at_etcd(&self) -> f64 {
        let others = 2 * self.reservations as u64;
        self.counts.requests().saturating_sub(others) as f64 / self.claimants.max(1) as f64
    }

    /// Prints the run.
    pub(crate) fn print(&self) {
        let row = |what: &str, value: String| println!("  {what:<28} {value}");
        println!("{}", self.name);
        row("names held", format!("{} of {}", self.held, self.claimants));
        let (unique, living) = self.unique;
        row(
            "unique names",
            format!("{unique} among {living} living claimants"),
        );
        row("disputed with etcd", self.disputed.to_string());
        row("lost and claimed again", self.losses.to_string());
        let (highest, unused) = self.highest;
        row(
            "highest slot",
            format!("{highest}, {unused} unused below it"),
        );
        let [early, middle, most] = [10, 50, 99].map(|part| percentile(&self.times, part));
        let last = self.times.last().copied().unwrap_or_default();
        row(
            "seconds from the barrier",
            format!(
                "{:.2} to the last name; p10 {:.2}, p50 {:.2}, p99 {:.2}",
                last.as_secs_f64(),
                early.as_secs_f64(),
                middle.as_secs_f64(),
                most.as_secs_f64()
            ),
        );
        if let Some(after) = self.after_free {
            row(
                "after the last free slot",
                format!("{:.2} s", after.as_secs_f64()),
            );
        }
        let [own, worst] = [50, 100].map(|part| percentile(&self.requests, part));
        row(
            "requests per claimant",
            format!(
                "{:.2} at etcd; by their own count p50 {own}, most {worst}",
                self.requests_at_etcd()
            ),
        );
        row("calls at etcd", calls(&self.counts.calls));
        row(
            "of these for reservations",
            (2 * self.reservations).to_string(),
        );
        row("raft writes", self.counts.writes.to_string());
        let [etcd, claimants] = self.processor.map(|time| time.as_secs_f64());
        row(
            "processor seconds",
            format!("{etcd:.1} etcd, {claimants:.1} claimants"),
        );
    }
}

/// A line of calls by method.
#[must_use]
pub(crate) fn calls(calls: &BTreeMap<String, u64>) -> String {
    let each = calls
        .iter()
        .map(|(method, count)| format!("{method} {count}"));
    each.collect::<Vec<_>>().join(", ")
}
