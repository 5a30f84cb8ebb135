//! `errors`: a line for each query that could not be answered as it should.
//!
//! Errors that come in great numbers can be told together, once in a while.

mod setup;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use regex::Regex;
use tokio::runtime::Handle;

use super::{After, Build, Classes, Exchange, Part, Plugin, Step};
use crate::lines::{Level, Lines};

pub use setup::ERRORS;

/// Errors that are told together.
#[derive(Clone, Debug)]
struct Kind {
    /// What their reasons are like.
    like: Regex,
    /// How long they are gathered, from the first of them.
    period: Duration,
    /// The same as it stands in the Corefile.
    shown_period: String,
    level: Level,
    /// Whether the first of them is told at once.
    show_first: bool,
}

struct Parts(Vec<Kind>);

impl Part for Parts {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let gathered = |kind| {
            Arc::new(Gathered {
                kind,
                number: AtomicU64::new(0),
                lines: build.lines.clone(),
            })
        };
        Ok(Box::new(Errors {
            gathered: self.0.into_iter().map(gathered).collect(),
            lines: build.lines.clone(),
            runtime: build.runtime.clone(),
        }))
    }
}

struct Errors {
    gathered: Vec<Arc<Gathered>>,
    lines: Lines,
    runtime: Handle,
}

/// Errors that were not told yet.
struct Gathered {
    kind: Kind,
    number: AtomicU64,
    lines: Lines,
}

impl Plugin for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        if let Some(reason) = &exchange.failure {
            let mut kinds = self.gathered.iter();
            match kinds.find(|it| it.kind.like.is_match(reason)) {
                None => self.tell(Level::Error, exchange, reason),
                Some(gathered) => {
                    if gathered.add(&self.runtime) && gathered.kind.show_first {
                        self.tell(gathered.kind.level, exchange, reason);
                    }
                }
            }
        }
        After::Done
    }
}

impl Errors {
    /// CoreDNS's line: the code is a number there.
    fn tell(&self, level: Level, exchange: &Exchange<'_, '_>, reason: &str) {
        self.lines.write(level, |line| {
            let (rcode, name) = (exchange.reply.rcode().value(), exchange.name.to_name());
            let rtype = exchange.query.qtype;
            // Writing to a string does not fail.
            let _ = write!(line, "plugin/errors: {rcode} {name} {rtype}: {reason}");
        });
    }
}

impl Gathered {
    /// Counts an error; returns whether it is the first. All of them are told once the period is
    /// over.
    fn add(self: &Arc<Self>, runtime: &Handle) -> bool {
        let first = self.number.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            let gathered = Arc::clone(self);
            runtime.spawn(async move {
                tokio::time::sleep(gathered.kind.period).await;
                gathered.tell();
            });
        }
        first
    }

    fn tell(&self) {
        let number = self.number.swap(0, Ordering::Relaxed);
        // A single one that was told already is told once.
        if number == 0 || number == 1 && self.kind.show_first {
            return;
        }
        self.lines.write(self.kind.level, |line| {
            let (like, period) = (self.kind.like.as_str(), &self.kind.shown_period);
            let _ = write!(
                line,
                "plugin/errors: {number} errors like '{like}' occurred in last {period}"
            );
        });
    }
}

impl Drop for Errors {
    /// What was gathered is told when the configuration goes.
    fn drop(&mut self) {
        self.gathered.iter().for_each(|gathered| gathered.tell());
    }
}
