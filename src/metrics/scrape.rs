//! All numbers at one moment, and their text.
//!
//! The format is the text format of Prometheus, version 0.0.4, which everything reads that reads
//! CoreDNS's. (A library that writes OpenMetrics takes `_total` off the names of families and needs
//! its own types for numbers and labels.)

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Write as _};

use super::counters::Histogram;
use super::{Counters, Distribution};

/// What some series with the same name are.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, as Prometheus has it: `coredns_cache_hits_total`.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What kind of numbers they are.
    pub kind: Kind,
}

/// A kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many values lie below some bounds.
    Histogram,
}

impl Family {
    /// Counters; the name ends in `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: Kind::Counter,
        }
    }

    /// Gauges.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: Kind::Gauge,
        }
    }

    /// Histograms.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: Kind::Histogram,
        }
    }
}

/// All numbers at one moment. What is added twice with the same name and labels, by the plugins of
/// two blocks for example, is added up.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The server of the block whose plugins are being asked, as the label `server` has it.
    pub server: Option<String>,
    families: BTreeMap<&'static str, Collected>,
}

#[derive(Debug)]
struct Collected {
    family: Family,
    /// By their labels, names and values.
    samples: BTreeMap<Labels, Value>,
}

type Labels = Vec<(String, String)>;

#[derive(Clone, Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram(Histogram),
}

impl Scrape {
    /// Adds a counter.
    pub fn counter(&mut self, family: &Family, labels: &[(&str, &str)], value: u64) {
        self.put(family, labels, Value::Counter(value));
    }

    /// Adds a gauge.
    pub fn gauge(&mut self, family: &Family, labels: &[(&str, &str)], value: f64) {
        self.put(family, labels, Value::Gauge(value));
    }

    /// Adds a histogram, unless there is nothing in it.
    pub fn histogram(
        &mut self,
        family: &Family,
        labels: &[(&str, &str)],
        counters: &Counters,
        distribution: &Distribution,
    ) {
        let histogram = distribution.read(counters);
        if histogram.count > 0 {
            self.put(family, labels, Value::Histogram(histogram));
        }
    }

    /// The label `server` of the block whose plugins are being asked; empty where nobody listens.
    #[must_use]
    pub fn server(&self) -> String {
        self.server.clone().unwrap_or_default()
    }

    fn put(&mut self, family: &Family, labels: &[(&str, &str)], value: Value) {
        let collected = self.families.entry(family.name).or_insert(Collected {
            family: *family,
            samples: BTreeMap::new(),
        });
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        match collected.samples.entry(labels.iter().map(owned).collect()) {
            Entry::Occupied(mut sum) => sum.get_mut().add(&value),
            Entry::Vacant(place) => {
                place.insert(value);
            }
        }
    }

    /// Whether there is anything of a family.
    #[must_use]
    pub fn has(&self, family: &str) -> bool {
        self.families.contains_key(family)
    }

    /// The sum of all counters or gauges of a family.
    #[must_use]
    pub fn sum(&self, family: &str) -> u64 {
        let sums = self.sums(family, "");
        sums.values().fold(0, |sum, more| sum.wrapping_add(*more))
    }

    /// The sums of the counters or gauges of a family, by the value of a label; it is empty for those
    /// without the label.
    #[must_use]
    pub fn sums(&self, family: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::<String, u64>::new();
        let samples = self.families.get(family).map(|it| &it.samples);
        for (labels, value) in samples.into_iter().flatten() {
            let named = labels.iter().find(|(name, _)| name == label);
            let value = match value {
                Value::Counter(value) => *value,
                // What is not a whole number of something is nothing to be added up.
                Value::Gauge(value) => *value as u64,
                Value::Histogram(_) => continue,
            };
            let label = named.map(|(_, value)| value.clone()).unwrap_or_default();
            let sum = sums.entry(label).or_default();
            *sum = sum.wrapping_add(value);
        }
        sums
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        for Collected { family, samples } in self.families.values() {
            let Family { name, help, kind } = family;
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let labels = &shown(labels);
                let _ = match value {
                    Value::Counter(value) => writeln!(text, "{name}{} {value}", braced(labels)),
                    Value::Gauge(value) => writeln!(text, "{name}{} {value}", braced(labels)),
                    Value::Histogram(histogram) => {
                        write_histogram(&mut text, name, labels, histogram)
                    }
                };
            }
        }
        text
    }
}

impl Value {
    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Counter(sum), Self::Counter(more)) => *sum = sum.wrapping_add(*more),
            (Self::Gauge(sum), Self::Gauge(more)) => *sum += more,
            (Self::Histogram(sum), Self::Histogram(more)) => sum.add(more),
            // Two kinds under one name: a mistake of whoever adds them.
            _ => {}
        }
    }
}

fn write_histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    histogram: &Histogram,
) -> fmt::Result {
    let Histogram {
        buckets,
        count,
        sum,
    } = histogram;
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, below) in buckets {
        writeln!(
            text,
            "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}"
        )?;
    }
    writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}")?;
    writeln!(text, "{name}_sum{} {sum}", braced(labels))?;
    writeln!(text, "{name}_count{} {count}", braced(labels))
}

fn braced(labels: &str) -> String {
    match labels {
        "" => String::new(),
        labels => format!("{{{labels}}}"),
    }
}

/// Labels as the format has them, without the braces.
fn shown(labels: &Labels) -> String {
    let one = |(name, value): &(String, String)| {
        let value = value.replace('\\', "\\\\");
        let value = value.replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    labels.iter().map(one).collect::<Vec<_>>().join(",")
}
