//! Referrals: who answers for what lies below a zone cut.

use super::targets::Targets;
use super::{Outcome, Writer};
use crate::name::{LookupName, is_at_or_below};
use crate::record::RecordType;
use crate::reply::{Owner, Reply, Section, suffix_pointer};
use crate::zone::Cut;

impl<'z> Writer<'z> {
    /// Writes a referral (RFC 1034 §4.3.2 step 3b).
    pub(super) fn refer(
        &mut self,
        cut: Cut<'z>,
        name: &LookupName,
        at: u16,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        // With aliases before it the reply still is an answer about names of ours
        // (RFC 1035 §4.1.1).
        reply.set_authoritative(reply.answer_count() > 0);
        let child = name.suffix(cut.label);
        let owner = suffix_pointer(name, cut.label, at).map_or(Owner::Name(child), Owner::At);
        let first = reply.position;
        if !reply.records(Section::Authority, owner, cut.servers, self.rotation) {
            return Outcome::Referral;
        }
        let end = reply.position;
        self.signing.delegation(child, owner, reply);
        self.signing.prove(reply);
        // Hosts inside the other zone cannot be found without their addresses: they go first, and
        // must fit. Others are a courtesy (RFC 9471 §3).
        for section in [Section::Glue, Section::Additional] {
            let mut hosts = Targets::new(RecordType::NS, first..end);
            while let Some(at) = hosts.next(reply) {
                let host = reply.name_at(at);
                // By reference: such a name is long to copy.
                let Some(host) = &host else {
                    break;
                };
                if is_at_or_below(host.as_wire(), child) != (section == Section::Glue) {
                    continue;
                }
                for rrset in self.zone.addresses_or_glue(host).into_iter().flatten() {
                    let rtype = rrset.rtype();
                    reply.records(section, Owner::At(at), rrset, 0);
                    self.signing.additional(host, Owner::At(at), rtype, reply);
                }
            }
        }
        Outcome::Referral
    }
}
