//! What was measured, as a page.

use std::fmt::Write as _;
use std::time::Duration;

use crate::contestant::Usage;
use crate::percentile;
use crate::rows::Row;

/// What Callsign is called with one worker, in a row in which it has two.
pub const ONE_WORKER: &str = "Callsign, one worker";

/// What the echo is called with one socket, in a row in which it has two.
pub const ONE_SOCKET: &str = "echo, one socket";

/// One measurement of one server.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Processor time of each answer in microseconds, when as much is asked as is answered.
    pub micros: f64,
    /// The same, at half the load that the echo could bear.
    pub half_micros: f64,
    /// Answers in a second.
    pub rate: f64,
    /// From query to reply at half load in microseconds: the half that is quickest, and 99 of 100.
    pub latencies: [f64; 2],
}

/// All measurements of one server in one row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The server.
    pub name: String,
    /// In order.
    pub samples: Vec<Sample>,
    /// From its start to its first right answer.
    pub loaded: Duration,
    /// What it has used.
    pub usage: Usage,
    /// Queries without an answer, and wrong answers.
    pub failed: [u64; 2],
    /// How many answers were read whole.
    pub inspected: u64,
    /// What was wrong with some.
    pub complaints: Vec<String>,
    /// The octets of a reply.
    pub octets: u64,
}

/// The middle one of some numbers.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

impl Entry {
    /// The median of one number of all samples.
    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of))
    }

    /// The median of what it cost in comparison with another server in the same round.
    #[must_use]
    pub fn ratio(&self, other: &Self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.ratios(other, of))
    }

    /// The least and the greatest of what it cost in comparison with another in the same round.
    fn range(&self, other: &Self, of: impl Fn(&Sample) -> f64) -> [f64; 2] {
        let mut ratios: Vec<f64> = self.ratios(other, of).collect();
        ratios.sort_by(f64::total_cmp);
        [ratios.first(), ratios.last()].map(|ratio| ratio.copied().unwrap_or_default())
    }

    /// The 99th percentile of the round in which it was least: what else the machine does only
    /// adds to it.
    fn quietest(&self) -> f64 {
        let all = self.samples.iter().map(|sample| sample.latencies[1]);
        all.fold(f64::INFINITY, f64::min)
    }

    fn ratios(&self, other: &Self, of: impl Fn(&Sample) -> f64) -> impl Iterator<Item = f64> {
        let pairs = self.samples.iter().zip(&other.samples);
        pairs.map(move |(own, other)| of(own) / of(other))
    }
}

/// The lines of a row; the first entry is the echo's.
#[must_use]
pub fn lines(row: &Row, entries: &[Entry]) -> String {
    let mut text = String::new();
    let Some(echo) = entries.first() else {
        return text;
    };
    let _ = writeln!(
        text,
        "\n### {}: {}\n\n`examples/{}`; replies of {} octets; the aim is {:.2}.\n",
        row.name, row.about, row.corefile, echo.octets, row.aim
    );
    text.push_str(
        "| | µs CPU | ÷ echo | least to most | queries/s | at half load: µs CPU | ÷ echo | p50 µs | p99 µs \
         | quietest p99 | ÷ echo | MiB | ready s | lost | wrong | read whole |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for entry in entries {
        let [lost, wrong] = entry.failed;
        let [least, most] = entry.range(echo, |sample| sample.micros);
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {least:.2} to {most:.2} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} \
             | {:.0} | {:.2} | {:.1} | {:.2} \
             | {lost} | {wrong} | {} |",
            entry.name,
            entry.median(|sample| sample.micros),
            entry.ratio(echo, |sample| sample.micros),
            entry.median(|sample| sample.rate),
            entry.median(|sample| sample.half_micros),
            entry.ratio(echo, |sample| sample.half_micros),
            entry.median(|sample| sample.latencies[0]),
            entry.median(|sample| sample.latencies[1]),
            entry.quietest(),
            entry.quietest() / echo.quietest(),
            entry.usage.resident as f64 / 1024.0,
            entry.loaded.as_secs_f64(),
            entry.inspected,
        );
    }
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    if let ([two_sockets, two, ..], Some(one), Some(one_socket)) =
        (entries, named(ONE_WORKER), named(ONE_SOCKET))
    {
        let ratio = two.ratio(one, |sample| sample.micros);
        let floor = two_sockets.ratio(one_socket, |sample| sample.micros);
        let _ = writeln!(
            text,
            "\nTwo workers ÷ one: {ratio:.2}; the aim is 1.05. The echo with two sockets ÷ one: {floor:.2}."
        );
    }
    for entry in entries {
        for complaint in &entry.complaints {
            let _ = writeln!(text, "\n{}: {complaint}", entry.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(micros: &[f64]) -> Entry {
        let sample = |micros: &f64| Sample {
            micros: *micros,
            ..Sample::default()
        };
        Entry {
            name: String::new(),
            samples: micros.iter().map(sample).collect(),
            loaded: Duration::ZERO,
            usage: Usage::default(),
            failed: [0, 0],
            inspected: 0,
            complaints: Vec::new(),
            octets: 0,
        }
    }

    /// If this fails, a server that was measured in a quiet minute is compared with the echo of a
    /// busy one.
    #[test]
    fn rounds_are_compared_with_themselves() {
        let (own, echo) = (entry(&[2.2, 4.4, 9.0]), entry(&[2.0, 4.0, 1.0]));
        let ratio = own.ratio(&echo, |sample| sample.micros);
        assert!((ratio - 1.1).abs() < 1e-9, "{ratio}");
    }
}
