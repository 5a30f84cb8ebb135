//! `auto`: a folder of zone files, each a zone that its name says.
//!
//! | file | what it does |
//! |---|---|
//! | `setup.rs` | the directive |
//! | `folder.rs` | which files of the folder are which zones |
//! | `follow.rs` | reading what has come or changed, dropping what has gone |

mod folder;
mod follow;
mod setup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::zonefiles::{self, Table};
use super::{Build, Exchange, Part, Plugin, Step};
use crate::current::Current;
use crate::task::Task;
use follow::{Follower, Source};

pub use setup::AUTO;

/// All directives of a block.
struct Parts(Vec<Source>);

impl Part for Parts {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let mut tasks = Vec::new();
        let mut tables = Vec::new();
        for source in self.0 {
            let reload = source.reload;
            let mut follower = Follower::new(source);
            follower.look();
            let current = Arc::new(Current::new(follower.table().clone()));
            tables.push(Arc::clone(&current));
            if let Some(reload) = reload {
                let follow = follow::follow(follower, reload, current);
                tasks.push(Task::start(build.runtime, follow));
            }
        }
        Ok(Box::new(Auto {
            tables,
            _tasks: tasks,
        }))
    }
}

struct Auto {
    /// The zones of each directive.
    tables: Vec<Arc<Current<Table>>>,
    _tasks: Vec<Task>,
}

impl Plugin for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn owns_names(&self) -> bool {
        true
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let rtype = exchange.query.qtype;
        for table in &self.tables {
            let table = table.load();
            if let Some(zone) = table.find(&exchange.name, rtype) {
                return zonefiles::answer(zone, exchange, |_, _| false);
            }
        }
        Step::Next
    }
}
