//! The plugins of a server block in order, and the way of a query down and up again.

use std::fmt;

use answer::Rcode;

use super::{After, Exchange, Job, Plugin, Step};

/// The plugins of one server block, in the order of the table of directives.
pub struct Chain {
    plugins: Box<[Box<dyn Plugin>]>,
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

impl Chain {
    /// A chain of these plugins. Without any, every query is refused.
    #[must_use]
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self {
            plugins: plugins.into_boxed_slice(),
        }
    }

    /// Takes a query on from `stage` as far as it goes without waiting.
    pub fn run(&self, exchange: &mut Exchange<'_, '_>, mut stage: Stage) -> Progress {
        loop {
            stage = match stage {
                Stage::Down(index) => match self.plugins.get(index) {
                    None => Stage::End(0),
                    Some(plugin) => match plugin.request(exchange) {
                        Step::Defer(job) => return Progress::Deferred { job, stage },
                        step => self.after(stage, &step),
                    },
                },
                Stage::End(index) => match self.plugins.get(index) {
                    None => {
                        // No plugin of the block knows the name, so it is not ours to say that
                        // it does not exist, nor have we failed.
                        exchange.reply.set_rcode(Rcode::REFUSED);
                        Stage::Up(self.plugins.len())
                    }
                    Some(plugin) => match plugin.at_end(exchange) {
                        Step::Defer(job) => return Progress::Deferred { job, stage },
                        step => self.after(stage, &step),
                    },
                },
                Stage::Up(0) => return Progress::Done,
                Stage::Up(index) => {
                    if let Some(plugin) = self.plugins.get(index - 1)
                        && let After::Defer(job) = plugin.response(exchange)
                    {
                        return Progress::Deferred { job, stage };
                    }
                    Stage::Up(index - 1)
                }
            };
        }
    }

    /// Where a query goes from `stage` once the plugin there has said `step`.
    fn after(&self, stage: Stage, step: &Step) -> Stage {
        let answered = matches!(step, Step::Answered);
        match stage {
            Stage::Down(index) if answered => Stage::Up(index + 1),
            Stage::Down(index) => Stage::Down(index + 1),
            Stage::End(_) if answered => Stage::Up(self.plugins.len()),
            Stage::End(index) => Stage::End(index + 1),
            Stage::Up(index) => Stage::Up(index.saturating_sub(1)),
        }
    }

    /// Takes a query on after the job that it waited for at `stage` has ended with `step`.
    pub fn resume(&self, exchange: &mut Exchange<'_, '_>, stage: Stage, step: Step) -> Progress {
        match step {
            Step::Defer(job) => Progress::Deferred { job, stage },
            step => self.run(exchange, self.after(stage, &step)),
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
