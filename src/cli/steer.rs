//! `callsign release` and `callsign evict`.

use super::block_on;
use super::flags::{Evict, Release};
use super::members::cluster;
use super::pool::pool;
use crate::console::{complain, say};
use crate::identity::node;
use crate::server::{FAILED, OK};
use crate::store::Slot;

/// Gives back what this node has left behind; returns the exit status: 1 where a process that lives
/// holds a name.
pub(super) fn release(flags: &Release) -> u8 {
    let released = cluster(&flags.pool).and_then(|cluster| {
        let (_, config) = pool(&flags.pool)?;
        let error = |message: String| format!("error: {message}");
        // Their locks are kept until all is done: nobody takes them over meanwhile.
        let seats = node::seats(flags.state.as_deref(), config.node.as_deref()).map_err(error)?;
        let released = block_on(cluster.release(&seats, config.node.as_deref()))?;
        released.map_err(error)
    });
    match released {
        Ok(released) => {
            for name in &released.names {
                say(&format!("{name} is free"));
            }
            for line in &released.held {
                complain(line);
            }
            if released.held.is_empty() { OK } else { FAILED }
        }
        Err(message) => {
            complain(message.trim_end());
            FAILED
        }
    }
}

/// Takes a slot from its holder; returns the exit status.
pub(super) fn evict(flags: &Evict) -> u8 {
    let done = cluster(&flags.pool).and_then(|cluster| {
        let error = |message: String| format!("error: {message}");
        let pattern = &cluster.space.pattern;
        let name = format!("{}.", flags.slot.trim_end_matches('.').to_ascii_lowercase());
        let number = flags.slot.parse::<Slot>().ok().filter(|slot| *slot > 0);
        let Some(slot) = number.or_else(|| pattern.slot_of_text(&name)) else {
            let example = pattern.text(1);
            return Err(error(format!(
                "{:?} is no slot of this pool: a slot is a number, or a name such as {example}",
                flags.slot
            )));
        };
        block_on(cluster.evict(slot))?.map_err(error)
    });
    match done {
        Ok(line) => {
            say(&line);
            OK
        }
        Err(message) => {
            complain(message.trim_end());
            FAILED
        }
    }
}
