//! Which records a question is about.

use answer::{LookupName, RecordType};

use super::few::Few;
use super::path::{self, Key};
use super::record::{Host, Record, Service};
use super::tree::Tree;

/// How many records count for one name. More have no room in any message.
const MOST: usize = 4096;

/// A record that can be read.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    pub(super) record: &'t Record,
    pub(super) service: &'t Service,
}

/// What there is for a name.
pub(super) struct Findings<'t> {
    /// The records of a kind that the question can be about, in the order of their keys.
    found: Few<Found<'t>>,
    /// Of these only records of this group count, and those without a group.
    group: Option<&'t str>,
    /// Whether there is any record at or below the name.
    pub(super) exists: bool,
    /// Whether one of them cannot be read.
    pub(super) unreadable: bool,
}

/// How much below a name counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// What lies below it, and only if there is nothing the name itself.
    Subtree,
    /// The name itself.
    Exact,
}

/// The records of a name. A label `*` or `any` in it stands for all labels.
pub(super) fn find<'t>(
    tree: &'t Tree,
    path: &[u8],
    name: &LookupName,
    reach: Reach,
    rtype: RecordType,
) -> Findings<'t> {
    let wildcard = path::wildcard(name);
    let from = wildcard.map_or(0, |label| label + 1);
    let key = Key::of(path, name, from).below();
    let mut findings = Findings {
        found: Few::new(),
        group: None,
        exists: false,
        unreadable: false,
    };
    let is_meant = |record: &Record| wildcard.is_none() || path::matches(path, name, &record.key);
    if reach == Reach::Subtree {
        for record in tree.below(key.as_bytes()) {
            findings.exists = true;
            if is_meant(record) && !findings.add(record, rtype) {
                break;
            }
        }
    }
    if !findings.exists
        && let Some(record) = tree.get(key.itself())
    {
        findings.exists = true;
        if is_meant(record) {
            findings.add(record, rtype);
        }
    }
    if !findings.exists && reach == Reach::Exact {
        findings.exists = tree.below(key.as_bytes()).next().is_some();
    }
    findings.group = findings.group();
    findings
}

impl<'t> Findings<'t> {
    /// The records that count.
    pub(super) fn iter(&self) -> impl Iterator<Item = Found<'t>> + '_ {
        self.found.iter().filter(|found| {
            let group = &*found.service.group;
            group.is_empty() || self.group.is_none_or(|wanted| wanted == group)
        })
    }

    /// Takes a record in, if it is of a kind that the question can be about. Returns whether there
    /// is room for more.
    fn add(&mut self, record: &'t Record, rtype: RecordType) -> bool {
        let Some(service) = &record.service else {
            self.unreadable = true;
            return true;
        };
        let has_text = rtype == RecordType::TXT && !service.text.is_empty();
        if has_text || !matches!(service.host, Host::Nowhere) {
            self.found.push(Found { record, service });
        }
        self.found.len() < MOST
    }

    /// The group that the shortest key says, unless keys of that length say different ones.
    fn group(&self) -> Option<&'t str> {
        let first = self.found.iter().next()?;
        let (mut group, mut depth) = (&*first.service.group, first.record.depth());
        // Keys behind the first shorter one without a group are not looked at.
        let mut looked_at = 0;
        for found in self.found.iter() {
            looked_at += 1;
            let depth_here = found.record.depth();
            if depth_here < depth {
                if found.service.group.is_empty() {
                    break;
                }
                (depth, group) = (depth_here, &*found.service.group);
            }
        }
        let mut others = self.found.iter().take(looked_at);
        let disagree = others.any(|found| {
            let other = &*found.service.group;
            !other.is_empty() && other != group && found.record.depth() == depth
        });
        (!group.is_empty() && !disagree).then_some(group)
    }
}
