//! From a zone to the reply.

use answer::{
    Asked, Lookup, LookupName, Outcome, Proofs, Rcode, RecordType, RelayedRecord, Request, Section,
    Zone, respond,
};

use crate::plugins::{Exchange, Origin, Step};
use crate::resolver::Answer;

/// Extended error code: not ready (RFC 8914 §4.15).
const NOT_READY: u16 = 14;

/// Answers a query from the zone that its name lies in, [`None`] for one that could not be read
/// yet. Names that do not exist are passed on where `is_passed_on` says so.
pub(in crate::plugins) fn answer(
    zone: Option<&Zone>,
    exchange: &mut Exchange<'_, '_>,
    is_passed_on: impl Fn(&Zone, &LookupName) -> bool,
) -> Step {
    let Some(zone) = zone else {
        exchange.fail(NOT_READY, "the zone's file could not be read yet");
        return Step::Answered;
    };
    if [RecordType::AXFR, RecordType::IXFR].contains(&exchange.query.qtype) {
        // Nobody has said who may have the whole zone. An empty answer would look like an empty zone
        // (RFC 5936 §2.2.1).
        exchange.reply.set_rcode(Rcode::REFUSED);
        return Step::Answered;
    }
    let lookup = zone.lookup(&exchange.name, exchange.query.qtype);
    match lookup == Lookup::NoSuchName && is_passed_on(zone, &exchange.name) {
        true => Step::Next,
        false => write(zone, lookup, exchange),
    }
}

/// Writes what there is. Where an alias leads out of the zone, this server is asked for the rest.
fn write(zone: &Zone, lookup: Lookup<'_>, exchange: &mut Exchange<'_, '_>) -> Step {
    let asked = Asked {
        servers: true,
        ..Asked::by_query(exchange.query, &exchange.name, exchange.rotation)
    };
    let Outcome::AliasElsewhere { at, proofs } = respond(zone, lookup, &asked, &mut exchange.reply)
    else {
        return Step::Answered;
    };
    let Some(target) = exchange.reply.name_at(at) else {
        return Step::Answered;
    };
    let mut request = Request::like(exchange.query);
    request.name = target.as_wire().into();
    if let Some(edns) = &mut request.edns {
        // What the client says to us is not for whoever knows the target.
        edns.options.clear();
    }
    let written = exchange.reply.record_count();
    let zone = zone.clone();
    let asking = exchange.server().ask(&request);
    asking.then(exchange, move |exchange, answer| {
        let proofs = match exchange.reply.record_count() == written {
            true => proofs,
            // The client waited for it: the reply is empty again.
            false => aliases(&zone, exchange).unwrap_or(proofs),
        };
        append(&zone, proofs, &answer, exchange);
        Step::Answered
    })
}

/// Writes the aliases again.
fn aliases(zone: &Zone, exchange: &mut Exchange<'_, '_>) -> Option<Proofs> {
    let lookup = zone.lookup(&exchange.name, exchange.query.qtype);
    let asked = Asked::by_query(exchange.query, &exchange.name, exchange.rotation);
    match respond(zone, lookup, &asked, &mut exchange.reply) {
        Outcome::AliasElsewhere { proofs, .. } => Some(proofs),
        _ => None,
    }
}

/// Adds what there is to know of an alias's target. The code is that of the target (RFC 6604 §3),
/// except where nobody here knows it: then the alias is all there is to say.
fn append(zone: &Zone, proofs: Proofs, answer: &Answer, exchange: &mut Exchange<'_, '_>) {
    let message = &answer.message;
    exchange.reply.set_rcode(match message.rcode() {
        Rcode::REFUSED => Rcode::NOERROR,
        rcode => rcode,
    });
    for record in message.section(Section::Answer) {
        let kind = (record.rtype, record.class);
        let record = RelayedRecord::of(&record);
        exchange.reply.put_relayed(Section::Answer, kind, &record);
    }
    proofs.write(zone, &mut exchange.reply);
    // A negative answer is remembered by its SOA (RFC 2308 §2); the name servers of a positive one
    // are those of another zone.
    let authority = || message.section(Section::Authority);
    if authority().any(|record| record.rtype == RecordType::SOA) {
        for record in authority() {
            let kind = (record.rtype, record.class);
            let record = RelayedRecord::of(&record);
            exchange
                .reply
                .put_relayed(Section::Authority, kind, &record);
        }
    }
    if answer.origin == Origin::Elsewhere {
        exchange.origin = Origin::Elsewhere;
    }
    if answer.failure.is_some() {
        exchange.failure.clone_from(&answer.failure);
    }
}
