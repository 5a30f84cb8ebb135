//! `template`: makes records of the name that is asked for.
//!
//! The templates of a block are tried in the order of the file; the first whose expression finds
//! something in the name answers. Its records are rendered as text and read as a line of a zone file
//! is. An alias is followed by asking this server for its target.

mod data;
mod setup;
#[cfg(test)]
mod tests;

use answer::{Class, MessageRecord, Name, Rcode, RecordType, RelayedRecord, Request, Section};
use expression::Expression;
use regex::Regex;
use template::Program;

use super::zones::{Fallthrough, Zones};
use super::{Build, Classes, Exchange, Part, Plugin, Step};
use crate::resolver::Answer;
use crate::zonefile::{Defaults, parse_record};
use data::{Found, Query};

pub use setup::TEMPLATE;

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

/// Time to live of records that do not say it, in seconds, as in CoreDNS.
const USUAL_TTL: u32 = 3600;

/// The templates of a block.
#[derive(Debug)]
struct Templates {
    rules: Vec<Rule>,
}

/// One directive.
#[derive(Debug)]
struct Rule {
    class: Class,
    rtype: RecordType,
    zones: Zones,
    /// The first that finds something counts.
    expressions: Vec<Regex>,
    /// All must hold.
    conditions: Vec<Expression>,
    variables: Vec<(String, Expression)>,
    records: Vec<Record>,
    rcode: Rcode,
    /// A code of RFC 8914 and a text.
    extended_error: Option<(u16, String)>,
    fallthrough: Fallthrough,
}

/// What a record is made of.
#[derive(Debug)]
struct Record {
    section: Section,
    program: Program,
}

/// A record that was made.
type Made = (Section, (RecordType, Class), RelayedRecord);

/// Whether a rule is for a query.
enum Turn<'r> {
    /// It answers.
    Answers(Box<Found<'r>>),
    /// It says nothing; the next one is asked.
    Passes,
    /// It is for the query, but finds nothing in the name, and no other is to be asked.
    Fails,
}

impl Part for Templates {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

impl Plugin for Templates {
    fn name(&self) -> &'static str {
        "template"
    }

    fn classes(&self) -> Classes {
        match self.rules.iter().any(|rule| rule.class != Class::IN) {
            true => Classes::Answered,
            false => Classes::Internet,
        }
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        for rule in &self.rules {
            let made = match rule.turn(exchange) {
                Turn::Passes => continue,
                Turn::Fails => {
                    exchange.fail(OTHER_ERROR, "no template is for this name");
                    return Step::Answered;
                }
                Turn::Answers(found) => rule.make(&found),
            };
            match made {
                Ok(records) => return rule.answer(exchange, &records),
                Err(reason) => {
                    exchange.fail(OTHER_ERROR, format!("template: {reason}"));
                    return Step::Answered;
                }
            }
        }
        Step::Next
    }
}

impl Rule {
    fn turn<'r>(&'r self, exchange: &'r Exchange<'_, '_>) -> Turn<'r> {
        let query = exchange.query;
        let class = self.class == query.qclass || [self.class, query.qclass].contains(&Class::ANY);
        let rtype =
            self.rtype == query.qtype || [self.rtype, query.qtype].contains(&RecordType::ANY);
        let zone = self.zones.find(&exchange.name).filter(|_| class && rtype);
        let Some(zone) = zone else {
            return Turn::Passes;
        };
        let query = Query::new(exchange.incoming(), zone);
        let found = self.expressions.iter().find_map(|regex| query.find(regex));
        let found = found.filter(|found| {
            let mut conditions = self.conditions.iter();
            conditions.all(|condition| condition.holds(found).unwrap_or(false))
        });
        match found {
            Some(found) => Turn::Answers(found.into()),
            None if self.fallthrough.applies(&exchange.name) => Turn::Passes,
            None => Turn::Fails,
        }
    }

    /// Makes the records.
    fn make(&self, found: &Found<'_>) -> Result<Vec<Made>, String> {
        let mut variables = Vec::new();
        for (name, expression) in &self.variables {
            let value = expression.evaluate(found);
            let value = value.map_err(|failure| format!("var {name}: {failure}"))?;
            variables.push(value.to_string());
        }
        let data = data::Fields {
            found,
            variables: &self.variables,
            values: &variables,
        };
        let defaults = Defaults {
            origin: Name::root(),
            ttl: Some(USUAL_TTL),
            class: Class::IN,
        };
        let made = self.records.iter().map(|record| {
            let text = record.program.run(&data).map_err(|it| it.to_string())?;
            let parsed = parse_record(&text, &defaults)
                .map_err(|error| format!("{:?} is no record: {error}", text.trim()))?;
            let relayed = RelayedRecord {
                owner: parsed.owner,
                ttl: parsed.ttl,
                data: parsed.data.as_bytes().to_vec(),
            };
            Ok((record.section, (parsed.rtype, parsed.class), relayed))
        });
        made.collect()
    }

    fn answer(&self, exchange: &mut Exchange<'_, '_>, records: &[Made]) -> Step {
        let head = Head {
            rcode: self.rcode,
            extended_error: self.extended_error.clone(),
        };
        let Some(request) = target(exchange, records) else {
            head.write(exchange, records, None);
            return Step::Answered;
        };
        let records = records.to_vec();
        let asking = exchange.server().ask(&request);
        asking.then(exchange, move |exchange, answer| {
            head.write(exchange, &records, Some(&answer));
            Step::Answered
        })
    }
}

/// The question for the target of an alias, where the client wants addresses and there is one.
fn target(exchange: &Exchange<'_, '_>, records: &[Made]) -> Option<Request> {
    if ![RecordType::A, RecordType::AAAA].contains(&exchange.query.qtype) {
        return None;
    }
    let mut answers = records.iter().rev();
    let (.., alias) = answers.find(|(section, (rtype, _), _)| {
        (*section, *rtype) == (Section::Answer, RecordType::CNAME)
    })?;
    let target = Name::from_wire(&alias.data).ok()?;
    Some(Request {
        name: target.as_wire().into(),
        ..Request::like(exchange.query)
    })
}

/// What a reply is besides its records.
struct Head {
    rcode: Rcode,
    extended_error: Option<(u16, String)>,
}

impl Head {
    /// Writes the reply, with the records of an alias's target if they were asked for.
    fn write(&self, exchange: &mut Exchange<'_, '_>, records: &[Made], behind: Option<&Answer>) {
        let reply = &mut exchange.reply;
        reply.set_authoritative(true);
        reply.set_rcode(self.rcode);
        if let Some((code, text)) = &self.extended_error {
            reply.extended_error(*code, text);
        }
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            let own = records.iter().filter(|(of, ..)| *of == section);
            for (_, kind, record) in own {
                reply.put_relayed(section, *kind, record);
            }
            let Some(answer) = behind.filter(|_| section == Section::Answer) else {
                continue;
            };
            let others = answer.message.section(Section::Answer);
            let kind = |record: &MessageRecord<'_>| (record.rtype, record.class);
            for record in others {
                reply.put_relayed(section, kind(&record), &RelayedRecord::of(&record));
            }
        }
        let Some(answer) = behind else {
            return;
        };
        exchange.origin = answer.origin;
        // The code is about the last name of a chain of aliases (RFC 6604 §3).
        let code = answer.message.rcode();
        if self.rcode == Rcode::NOERROR && [Rcode::NXDOMAIN, Rcode::SERVFAIL].contains(&code) {
            reply.set_rcode(code);
            exchange.failure = answer.failure.clone();
        }
    }
}
