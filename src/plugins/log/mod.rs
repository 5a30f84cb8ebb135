//! `log`: a line for each query and its reply.
//!
//! Nothing is formatted for replies of classes that nobody wants to see. A line is written by
//! another thread ([`lines`](crate::lines)).

mod format;
mod setup;
#[cfg(test)]
mod tests;

use answer::{Name, Rcode, RecordType, Section};

use super::{After, Build, Classes, Exchange, Part, Plugin, Step};
use crate::lines::{Level, Lines};

use format::Format;
pub use setup::LOG;

/// One directive, or one of its names.
#[derive(Clone, Debug)]
struct Rule {
    /// The names at or below which it is for.
    zone: Name,
    format: Format,
    /// The classes of replies that are shown.
    classes: Shown,
}

/// Which classes of replies are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    success: bool,
    denial: bool,
    error: bool,
}

impl Shown {
    const ALL: Self = Self {
        success: true,
        denial: true,
        error: true,
    };
}

struct Parts(Vec<Rule>);

impl Part for Parts {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(Box::new(Log {
            rules: self.0,
            lines: build.lines.clone(),
        }))
    }
}

struct Log {
    rules: Vec<Rule>,
    lines: Lines,
}

impl Plugin for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        // The first that is for the name decides, as in CoreDNS.
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| exchange.name.is_at_or_below(&rule.zone));
        if let Some(rule) = rule.filter(|rule| rule.shows(exchange)) {
            self.lines
                .write(Level::Info, |line| rule.format.write(exchange, line));
        }
        After::Done
    }
}

impl Rule {
    fn shows(&self, exchange: &Exchange<'_, '_>) -> bool {
        self.classes == Shown::ALL
            || match exchange.reply.rcode() {
                Rcode::NXDOMAIN => self.classes.denial,
                Rcode::NOERROR if lacks_data(exchange) => self.classes.denial,
                Rcode::NOERROR => self.classes.success,
                _ => self.classes.error,
            }
    }
}

/// Whether the reply says that the name exists and has no records of the type (RFC 2308 §2.2).
fn lacks_data(exchange: &Exchange<'_, '_>) -> bool {
    let reply = &exchange.reply;
    reply.answer_count() == 0
        && reply
            .written()
            .any(|record| record.section == Section::Authority && record.rtype == RecordType::SOA)
}
