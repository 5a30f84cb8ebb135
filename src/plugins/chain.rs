//! The plugins of a server block in order, and the way of a query down and up again.

use std::fmt;

use answer::{Class, Rcode};

use super::view::View;
use super::{After, Classes, Exchange, Incoming, Job, Plugin, Step, Wait};

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// The plugins of one server block, in the order of the table of directives.
pub struct Chain {
    plugins: Box<[Box<dyn Plugin>]>,
    /// Which of them says whose queries the block is for.
    view: Option<usize>,
}

/// Where in a chain a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On the way in, at this plugin.
    Down(usize),
    /// Past the last plugin without an answer; this plugin is asked what it makes of that.
    End(usize),
    /// On the way back: the plugins below this number are still to be passed.
    Up(usize),
}

impl Stage {
    /// Where every query begins.
    pub const START: Self = Self::Down(0);
}

/// How far a query came.
pub enum Progress {
    /// All the way: the reply is written.
    Done,
    /// Up to a plugin that has to wait.
    Deferred {
        /// What it waits for.
        job: Job,
        /// Where the query is.
        stage: Stage,
    },
}

/// What stands at a place of a chain.
enum Place<'c> {
    Plugin(&'c dyn Plugin),
    /// A plugin that has nothing to do with the query's class.
    Skipped,
    /// Nothing: the end.
    Past,
}

impl Chain {
    /// A chain of these plugins. Without any, every query is refused.
    #[must_use]
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self {
            view: plugins.iter().position(|plugin| plugin.view().is_some()),
            plugins: plugins.into_boxed_slice(),
        }
    }

    /// The view that says whose queries the block is for; without one it is for all.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.plugins.get(self.view?)?.view()
    }

    /// Whether the block is for a query.
    #[must_use]
    pub fn admits(&self, incoming: &Incoming<'_>) -> bool {
        self.view().is_none_or(|view| view.admits(incoming))
    }

    /// The plugins in order.
    pub fn plugins(&self) -> impl Iterator<Item = &dyn Plugin> {
        self.plugins.iter().map(|plugin| &**plugin)
    }

    /// Whether queries of a class other than IN are for some plugin of the block.
    #[must_use]
    pub fn answers_other_classes(&self) -> bool {
        let mut plugins = self.plugins.iter();
        plugins.any(|plugin| plugin.classes() == Classes::Answered)
    }

    /// What the first plugin that knows a label says under it.
    pub(super) fn metadata(&self, label: &str, incoming: &Incoming<'_>) -> Option<String> {
        let mut plugins = self.plugins.iter();
        plugins.find_map(|plugin| plugin.metadata(label, incoming))
    }

    /// Takes a query on from `stage` as far as it goes without waiting: down from the query's
    /// base, and up to it again.
    pub fn run(&self, exchange: &mut Exchange<'_, '_>, mut stage: Stage) -> Progress {
        loop {
            stage = match stage {
                Stage::Down(index) => match self.at(index, exchange) {
                    Place::Past => Stage::End(exchange.way.base),
                    Place::Skipped => Stage::Down(index + 1),
                    Place::Plugin(plugin) => match plugin.request(exchange) {
                        Step::Defer(job) => return self.wait(exchange, Wait { job, stage }, index),
                        step => self.after(exchange, stage, &step),
                    },
                },
                Stage::End(index) => match self.at(index, exchange) {
                    Place::Past => {
                        self.nobody_answered(exchange);
                        Stage::Up(self.plugins.len())
                    }
                    Place::Skipped => Stage::End(index + 1),
                    Place::Plugin(plugin) => match plugin.at_end(exchange) {
                        Step::Defer(job) => {
                            let passed = self.plugins.len();
                            return self.wait(exchange, Wait { job, stage }, passed);
                        }
                        step => self.after(exchange, stage, &step),
                    },
                },
                Stage::Up(index) if index <= exchange.way.base => return Progress::Done,
                Stage::Up(index) => {
                    if let Place::Plugin(plugin) = self.at(index - 1, exchange)
                        && let After::Defer(job) = plugin.response(exchange)
                    {
                        return Progress::Deferred { job, stage };
                    }
                    Stage::Up(index - 1)
                }
            };
        }
    }

    /// A query has to wait that has passed the plugins before this number.
    fn wait(&self, exchange: &mut Exchange<'_, '_>, mut wait: Wait, passed: usize) -> Progress {
        for index in (exchange.way.base..passed).rev() {
            if let Place::Plugin(plugin) = self.at(index, exchange) {
                wait = plugin.before_waiting(exchange, wait);
            }
        }
        let Wait { job, stage } = wait;
        Progress::Deferred { job, stage }
    }

    /// What stands at a place, for this query.
    fn at(&self, index: usize, exchange: &mut Exchange<'_, '_>) -> Place<'_> {
        let Some(plugin) = self.plugins.get(index) else {
            return Place::Past;
        };
        if exchange.query.qclass != Class::IN && plugin.classes() == Classes::Internet {
            return Place::Skipped;
        }
        exchange.way.index = index;
        Place::Plugin(&**plugin)
    }

    /// The end of the block was reached without an answer. As in CoreDNS that is a failure: the
    /// block's author meant somebody to answer. Where names of our own are served it is none, for
    /// they are known one by one, and all others are not ours.
    fn nobody_answered(&self, exchange: &mut Exchange<'_, '_>) {
        if self.plugins.is_empty() || self.plugins.iter().any(|plugin| plugin.owns_names()) {
            exchange.reply.set_rcode(Rcode::REFUSED);
        } else {
            exchange.fail(OTHER_ERROR, "no plugin of the block has an answer");
        }
    }

    /// Where a query goes from `stage` once the plugin there has said `step`.
    fn after(&self, exchange: &mut Exchange<'_, '_>, stage: Stage, step: &Step) -> Stage {
        let answered = matches!(step, Step::Answered);
        if let Stage::Down(index) | Stage::End(index) = stage
            && answered
        {
            exchange.answered_by = Some(index);
        }
        match stage {
            Stage::Down(index) if answered => Stage::Up(index + 1),
            Stage::Down(index) => Stage::Down(index + 1),
            Stage::End(_) if answered => Stage::Up(self.plugins.len()),
            Stage::End(index) => Stage::End(index + 1),
            Stage::Up(index) => Stage::Up(index.saturating_sub(1)),
        }
    }

    /// The way back of a query that is given up at `stage`: past the plugins before the one that it
    /// waits for.
    #[must_use]
    pub fn before(&self, stage: Stage) -> Stage {
        match stage {
            Stage::Down(index) => Stage::Up(index),
            Stage::End(_) => Stage::Up(self.plugins.len()),
            Stage::Up(index) => Stage::Up(index.saturating_sub(1)),
        }
    }

    /// Takes a query on after the job that it waited for at `stage` has ended with `step`.
    pub fn resume(&self, exchange: &mut Exchange<'_, '_>, stage: Stage, step: Step) -> Progress {
        match step {
            Step::Defer(job) => Progress::Deferred { job, stage },
            step => {
                let stage = self.after(exchange, stage, &step);
                self.run(exchange, stage)
            }
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.plugins.iter().map(|plugin| plugin.name()))
            .finish()
    }
}
