//! `acl`: who may ask what.
//!
//! The rules of all directives of a block are gone through in order, and the first that fits says
//! what becomes of the query. What no rule fits is allowed. The networks of a rule are searched in
//! logarithmic time, so a rule may have thousands.

mod setup;

use std::net::IpAddr;

use answer::{Rcode, RecordType};

use super::zones::Zones;
use super::{Build, Classes, Exchange, Part, Plugin, Step};
use crate::networks::Networks;

pub use setup::ACL;

/// Extended error codes: blocked by the operator, filtered by the operator (RFC 8914 §4.16, §4.18).
const BLOCKED: u16 = 15;
const FILTERED: u16 = 17;

/// The rules of one directive.
#[derive(Debug)]
struct Rules {
    zones: Zones,
    rules: Vec<Rule>,
}

/// What becomes of some queries.
#[derive(Debug)]
struct Rule {
    action: Action,
    /// The types that are asked for, in order; [`None`] for all.
    types: Option<Box<[RecordType]>>,
    /// Where they come from; [`None`] for anywhere.
    networks: Option<Networks>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The query goes on, and no further rule is looked at.
    Allow,
    /// It is refused.
    Block,
    /// It is answered with nothing.
    Filter,
    /// It is not answered.
    Drop,
}

impl Rule {
    fn fits(&self, qtype: RecordType, client: IpAddr) -> bool {
        let types = self.types.as_deref();
        types.is_none_or(|types| types.binary_search(&qtype).is_ok())
            && self.networks.as_ref().is_none_or(|it| it.contain(client))
    }
}

/// All rules of a block.
#[derive(Debug)]
struct Acl(Vec<Rules>);

impl Acl {
    fn action(&self, exchange: &Exchange<'_, '_>) -> Action {
        let (qtype, client) = (exchange.query.qtype, exchange.client.peer.ip());
        let here = self
            .0
            .iter()
            .filter(|rules| rules.zones.find(&exchange.name).is_some());
        let mut rules = here.flat_map(|rules| &rules.rules);
        let rule = rules.find(|rule| rule.fits(qtype, client));
        rule.map_or(Action::Allow, |rule| rule.action)
    }
}

impl Part for Acl {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn classes(&self) -> Classes {
        Classes::Watched
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let action = self.action(exchange);
        let reply = &mut exchange.reply;
        match action {
            Action::Allow => return Step::Next,
            Action::Block => {
                reply.set_rcode(Rcode::REFUSED);
                reply.extended_error(BLOCKED, "");
            }
            Action::Filter => {
                reply.extended_error(FILTERED, "");
            }
            Action::Drop => reply.withhold(),
        }
        Step::Answered
    }
}

#[cfg(test)]
mod tests;
