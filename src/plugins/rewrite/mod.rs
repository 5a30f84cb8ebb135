//! `rewrite`: changes queries before the plugins behind it see them, and answers so that they fit.
//!
//! The rules make a query of their own of the client's ([`draft`]). It is asked of the plugins
//! behind this one; what is to be changed of the answer is done on the way back ([`undo`]). A query
//! that no rule is for goes on as it came.

mod draft;
mod edns;
mod matching;
mod rule;
mod setup;
#[cfg(test)]
mod tests;
mod undo;

use std::sync::Arc;

use super::{Build, Classes, Exchange, Part, Plugin, Step};
use crate::resolver::Answer;
use draft::Draft;
use rule::Rule;
use undo::Return;

pub use setup::REWRITE;

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// The rules of a block, in the order of the file.
#[derive(Debug)]
struct Rewrite {
    rules: Vec<Rule>,
}

impl Part for Rewrite {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn classes(&self) -> Classes {
        match self.rules.iter().any(Rule::is_of_classes) {
            true => Classes::Answered,
            false => Classes::Watched,
        }
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let mut draft = Draft::new(exchange);
        for rule in &self.rules {
            if rule.apply(&mut draft) && !rule.goes_on {
                break;
            }
        }
        match draft.finish() {
            Ok(None) => Step::Next,
            Ok(Some((request, back))) => {
                let asking = exchange.below().ask(&request);
                asking.then(exchange, move |exchange, answer| {
                    came_back(exchange, answer, back)
                })
            }
            Err(reason) => {
                exchange.fail(OTHER_ERROR, reason);
                Step::Answered
            }
        }
    }
}

/// Goes on with the answer to the query that was made of the client's.
fn came_back(exchange: &mut Exchange<'_, '_>, answer: Answer, back: Return) -> Step {
    let Some((alias, request)) = back.other_target(&answer.message) else {
        back.write(exchange, answer);
        return Step::Answered;
    };
    // Asked as a client would ask it, since other plugins or blocks may have the new target.
    let back = Arc::new(back);
    let asking = exchange.server().ask(&request);
    asking.then(exchange, move |exchange, addresses| {
        back.write_aliased(exchange, answer, &alias, &addresses);
        Step::Answered
    })
}
