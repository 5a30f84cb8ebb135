//! Zones that are files: what `file` and `auto` have in common.
//!
//! | file | what it does |
//! |---|---|
//! | `load.rs` | from a file to a zone |
//! | `table.rs` | the zone that a name lies in |
//! | `follow.rs` | reading the file again when it changes |
//! | `answer.rs` | from a zone to the reply, through this server where an alias leads out of it |

mod answer;
mod follow;
mod load;
mod table;

pub(super) use answer::answer;
pub(super) use follow::ZoneFollower;
pub(super) use table::Table;

use std::time::Duration;

use corefile::{Diagnostic, Directive};

/// The shortest time between two looks at a file.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Reads `reload DURATION`: how often to look at the files; [`None`] for never again.
pub(super) fn reload(line: &Directive) -> Result<Option<Duration>, Diagnostic> {
    let word = line.one_argument("reload DURATION")?;
    let interval = word.duration(Duration::ZERO..=LONGEST)?;
    Ok((!interval.is_zero()).then_some(interval.max(SHORTEST)))
}

/// Reads `upstream`, which older Corefiles have with arguments. It has no effect: aliases that
/// lead out of a zone are always asked of this server.
pub(super) fn upstream(line: &Directive) -> Result<(), Diagnostic> {
    line.no_block("upstream")
}
