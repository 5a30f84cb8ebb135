//! What must be the same, and what need not be.

use std::collections::BTreeSet;

use super::questions::Question;
use super::servers::Oracle;
use crate::support::dns::Reply;

/// How many aliases Callsign follows.
const MOST_ALIASES: usize = 8;

/// Records of a section, in no order. Letters of names have no case (RFC 4343).
type Records = BTreeSet<String>;

fn records(section: &[String]) -> Records {
    section
        .iter()
        .map(|record| record.to_ascii_lowercase())
        .collect()
}

/// The type of a record as it is shown.
fn rtype(record: &str) -> &str {
    record.split_whitespace().nth(3).unwrap_or_default()
}

/// What differs between our reply and another server's that may not; [`None`] if nothing does.
pub(super) fn difference(
    question: &Question,
    ours: &Reply,
    oracle: Oracle,
    theirs: &Reply,
) -> Option<String> {
    // What is left in a reply that does not fit is everyone's own business (RFC 2181 §9), also how far
    // aliases were followed: the client comes back over TCP.
    if ours.truncated || theirs.truncated {
        return None;
    }
    // An alias may have an NSEC record of its own (RFC 4034 §4.1.1 and RFC 4035 §2.5), so Knot does
    // not follow it for that type, also in a zone that has none.
    if oracle == Oracle::Knot && question.rtype == "NSEC" && !question.apex.starts_with("signed-") {
        return None;
    }
    // One RRset will do for all types, and everyone takes another (RFC 8482 §4.1).
    if question.rtype == "ANY" {
        return None;
    }
    if ours.rcode != theirs.rcode {
        return Some(format!("rcode {} is {}", ours.rcode, theirs.rcode));
    }
    if ours.authoritative != theirs.authoritative {
        return Some(format!(
            "AA {} is {}",
            ours.authoritative, theirs.authoritative
        ));
    }
    let answers = (records(&ours.answer), records(&theirs.answer));
    // A DNAME record can lead below itself, again and again: everyone gives up at another place.
    let aliases = ours
        .answer
        .iter()
        .filter(|record| rtype(record) == "CNAME")
        .count();
    if aliases >= MOST_ALIASES
        && (answers.0.is_subset(&answers.1) || answers.1.is_subset(&answers.0))
    {
        return None;
    }
    if answers.0 != answers.1 {
        return Some(format!("answer {:#?} is {:#?}", answers.0, answers.1));
    }
    // How many names are compressed decides what still fits of what need not be there.
    let longest = ours.length.max(theirs.length);
    if question.edns.unwrap_or(512) < 1000 && longest > 300 && ours.rcode == 0 {
        return None;
    }
    let authority = (
        authority(question, oracle, ours),
        authority(question, oracle, theirs),
    );
    // Knot gives a denial that a wildcard stands in for without showing that the name is none.
    let denial = oracle == Oracle::Knot && question.rtype == "NSEC" && !ours.answer.is_empty();
    if !denial && !is_same_authority(question, oracle, ours, &authority.0, &authority.1) {
        return Some(format!(
            "authority {:#?} is {:#?}",
            authority.0, authority.1
        ));
    }
    // Who asks for services of HTTPS gets the addresses too (RFC 9460 §4.1); from NSD 4.6 not yet.
    if oracle == Oracle::Nsd && question.rtype == "HTTPS" {
        return None;
    }
    let additional = (
        additional(question, oracle, ours, theirs),
        records(&theirs.additional),
    );
    // Knot proves that there is nothing more to a service's host, which nobody has asked.
    if oracle == Oracle::Knot && question.rtype == "HTTPS" && question.signatures {
        return None;
    }
    // Knot tells of hosts below a cut also where they are no glue; they are not its to tell of
    // (RFC 2181 §5.4.1).
    let hosts = matches!(question.rtype, "MX" | "SRV") && oracle == Oracle::Knot;
    if hosts && additional.0.is_subset(&additional.1) {
        return None;
    }
    // NSD 4.6 can give addresses that a wildcard stands in for to another name than the one in the
    // answer.
    let nameless = |records: &Records| -> Records {
        let data = records.iter().filter_map(|record| record.split_once(' '));
        data.map(|(_, data)| data.to_owned()).collect()
    };
    if oracle == Oracle::Nsd && nameless(&additional.0) == nameless(&additional.1) {
        return None;
    }
    if additional.0 != additional.1 {
        return Some(format!(
            "additional {:#?} is {:#?}",
            additional.0, additional.1
        ));
    }
    None
}

/// Whether a record is an NS record of the zone's own, or its signature. Beside a positive answer
/// they are a courtesy (RFC 1034 §4.3.2), which Knot does not show.
fn is_courtesy(question: &Question, oracle: Oracle, reply: &Reply, record: &str) -> bool {
    let own = record.split_whitespace().next() == Some(question.apex.as_str());
    let servers = rtype(record) == "ns" || record.contains(" rrsig ns ");
    oracle == Oracle::Knot && reply.authoritative && own && servers
}

/// The authority section, as far as it must be the same.
fn authority(question: &Question, oracle: Oracle, reply: &Reply) -> Records {
    let mut records = records(&reply.authority);
    records.retain(|record| !is_courtesy(question, oracle, reply, record));
    records
}

/// Whether the authority sections are the same, but for proofs that only one of them needs.
fn is_same_authority(
    question: &Question,
    oracle: Oracle,
    reply: &Reply,
    ours: &Records,
    theirs: &Records,
) -> bool {
    let is_proof = |record: &&String| rtype(record) == "nsec" || record.contains(" rrsig nsec ");
    let next = |record: &str| {
        record
            .split_whitespace()
            .nth(4)
            .unwrap_or_default()
            .to_owned()
    };
    let more = ours.difference(theirs);
    let mut less = theirs.difference(ours);
    match oracle {
        // Where a DNAME record has led to a wildcard NSD shows what covers the name above that of the
        // answer. What has to be shown is that the name itself does not exist (RFC 4035 §3.1.3.3).
        Oracle::Nsd => {
            let redirected = reply.answer.iter().any(|record| rtype(record) == "DNAME");
            let mut differing = more.chain(less);
            differing.all(|record| redirected && is_proof(&record))
        }
        // A wildcard that has no records but names below it stands in for names all the same
        // (RFC 4592 §2.2.3), which has to be shown (RFC 4035 §3.1.3.4). Knot does not. Nor does it
        // show of a name that begins with an asterisk that it is none.
        Oracle::Knot => {
            less.next().is_none()
                && more.clone().all(|record| is_proof(&record))
                && more
                    .filter(|record| rtype(record) == "nsec")
                    .all(|record| question.name.starts_with('*') || next(record).contains('*'))
        }
    }
}

/// Our additional section, as far as it must be the same: the addresses of servers that others do
/// not show are aside.
fn additional(question: &Question, oracle: Oracle, ours: &Reply, theirs: &Reply) -> Records {
    let mut additional = records(&ours.additional);
    let courtesy = records(&ours.authority);
    let courtesy = courtesy
        .iter()
        .filter(|record| is_courtesy(question, oracle, ours, record));
    let hosts: Vec<&str> = courtesy
        .filter_map(|record| record.split_whitespace().nth(4))
        .collect();
    let theirs = records(&theirs.additional);
    additional.retain(|record| {
        let owner = record.split_whitespace().next().unwrap_or_default();
        theirs.contains(record) || !hosts.contains(&owner)
    });
    additional
}
