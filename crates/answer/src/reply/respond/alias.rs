//! Following aliases: CNAME records, and those that DNAME records stand for.

use super::{Asked, Outcome, Writer};
use crate::name::LookupName;
use crate::rcode::Rcode;
use crate::record::{Class, RecordType};
use crate::reply::{Owner, Reply, Section};
use crate::wire::{LAST_POINTER, MAX_NAME};
use crate::zone::{Lookup, RECORD_HEADER, Redirect, RrsetRef};

/// How many aliases are followed in one reply.
const MOST_ALIASES: usize = 8;

/// Where an alias leads.
enum Step {
    /// To the name at this offset of the reply.
    To(u16),
    /// No further.
    Stop(Outcome),
}

impl<'z> Writer<'z> {
    /// Writes an alias and those that it leads to, and then what the last one has.
    pub(super) fn follow(
        &mut self,
        lookup: Lookup<'z>,
        asked: &Asked<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        reply.set_authoritative(true);
        let mut lookup = lookup;
        let mut name = asked.name.clone();
        // Where the owners of the aliases so far stand.
        let mut owners = [asked.at; MOST_ALIASES];
        let mut at = asked.at;
        // The last DNAME that was written: one that applies again is not repeated.
        let mut written: Option<&[u8]> = None;
        for place in 0..MOST_ALIASES {
            let step = match lookup {
                Lookup::Alias(cname) => self.alias(cname, &name, at, reply),
                Lookup::Redirect(redirect) => {
                    let body = redirect.dname.body();
                    let again = written
                        .replace(body)
                        .is_some_and(|before| std::ptr::eq(before, body));
                    self.redirect(&redirect, &name, at, again, reply)
                }
                end => return self.end(end, &name, at, reply),
            };
            if let Some(owner) = owners.get_mut(place) {
                *owner = at;
            }
            at = match step {
                Step::To(at) => at,
                Step::Stop(outcome) => return self.stop(outcome, reply),
            };
            let Some(target) = reply.name_at(at) else {
                return self.stop(Outcome::AliasLoop, reply);
            };
            name = target;
            lookup = self.zone.lookup(&name, self.rtype);
            let mut passed = owners.iter().take(place + 1);
            let known = |at: &u16| {
                let owner = reply.name_at(*at);
                owner.is_some_and(|owner| owner.as_wire() == name.as_wire())
            };
            if passed.any(known) {
                return self.stop(Outcome::AliasLoop, reply);
            }
            if lookup == Lookup::NotHere {
                let proofs = self.signing.proofs();
                return Outcome::AliasElsewhere { at, proofs };
            }
        }
        match lookup {
            Lookup::Alias(_) | Lookup::Redirect(_) => self.stop(Outcome::AliasLoop, reply),
            end => self.end(end, &name, at, reply),
        }
    }

    /// Ends an answer that is nothing but aliases.
    fn stop(&mut self, outcome: Outcome, reply: &mut Reply<'_>) -> Outcome {
        self.signing.prove(reply);
        outcome
    }

    /// Writes a CNAME record of the name that stands at offset `at`.
    fn alias(
        &mut self,
        cname: RrsetRef<'z>,
        name: &LookupName,
        at: u16,
        reply: &mut Reply<'_>,
    ) -> Step {
        // The target stands behind the record's header, whose owner is a pointer.
        let target = reply.position + RECORD_HEADER;
        if !reply.records(Section::Answer, Owner::At(at), cname, 0) {
            return Step::Stop(Outcome::Answered);
        }
        let rtypes = (RecordType::CNAME, self.rtype);
        self.signing.answer(name, Owner::At(at), at, rtypes, reply);
        to(target)
    }

    /// Writes a DNAME record above the name that stands at offset `at`, unless it has been
    /// written, and the CNAME record that it stands for (RFC 6672 §3.1).
    fn redirect(
        &mut self,
        redirect: &Redirect<'z>,
        name: &LookupName,
        at: u16,
        again: bool,
        reply: &mut Reply<'_>,
    ) -> Step {
        let Some(record) = redirect.dname.records().next() else {
            return Step::Stop(Outcome::AliasLoop);
        };
        let above = name.suffix(redirect.label);
        let owner = crate::reply::suffix_pointer(name, redirect.label, at)
            .map_or(Owner::Name(above), Owner::At);
        if !again {
            if !reply.records(Section::Answer, owner, redirect.dname, 0) {
                return Step::Stop(Outcome::Answered);
            }
            self.signing
                .at(above, Section::Answer, owner, RecordType::DNAME, reply);
        }
        let prefix = name.offset(redirect.label);
        let mut target = [0; MAX_NAME];
        let length = prefix + record.data.len();
        let parts = target
            .get_mut(..length)
            .and_then(|target| target.split_at_mut_checked(prefix));
        let (Some((start, rest)), Some(labels)) = (parts, name.as_wire().get(..prefix)) else {
            reply.set_rcode(Rcode::YXDOMAIN);
            return Step::Stop(Outcome::TooLong);
        };
        start.copy_from_slice(labels);
        rest.copy_from_slice(record.data);
        let target = target.get(..length).unwrap_or(&[0]);
        let target_at = reply.position + RECORD_HEADER;
        let kind = (RecordType::CNAME, Class::IN);
        if !reply.record(Section::Answer, Owner::At(at), kind, record.ttl, target)
            || self.rtype == RecordType::CNAME
        {
            return Step::Stop(Outcome::Answered);
        }
        to(target_at)
    }
}

fn to(target: usize) -> Step {
    match target <= LAST_POINTER {
        true => Step::To(target as u16),
        false => Step::Stop(Outcome::AliasLoop),
    }
}
