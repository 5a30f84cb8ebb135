//! The names of a signed zone in order: for proofs that there is nothing between two of them.

use std::cmp::Ordering;

use super::{Entry, Inner};
use crate::name::LookupName;
use crate::record::RecordType;

/// The names of a zone that have an NSEC record, in canonical order (RFC 4034 §6.1).
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The names in wire form, each behind its length, in no order.
    names: Vec<u8>,
    /// Where each begins, in order.
    offsets: Vec<u32>,
}

impl Order {
    /// The order of a signed zone; [`None`] for a zone whose apex has no signature.
    pub(super) fn of(zone: &Inner) -> Option<Self> {
        zone.find(zone.apex.as_wire())?.rrset(RecordType::RRSIG)?;
        let mut order = Self::default();
        let denies = |entry: &Entry<'_>| entry.rrset(RecordType::NSEC).is_some();
        for entry in zone.entries().filter(denies) {
            // Names of four gigabytes do not fit into a machine that answers for them.
            let offset = u32::try_from(order.names.len()).ok()?;
            order.names.push(entry.name.len() as u8);
            order.names.extend_from_slice(entry.name);
            order.offsets.push(offset);
        }
        order.names.shrink_to_fit();
        order.offsets.shrink_to_fit();
        let Self { names, offsets } = &mut order;
        offsets.sort_unstable_by(
            |one, other| match (name(names, *one), name(names, *other)) {
                (Some(one), Some(other)) => one.canonical_cmp(&other),
                _ => Ordering::Equal,
            },
        );
        Some(order)
    }

    /// The name itself, or the last one before it: its NSEC record tells of the name.
    pub(super) fn at_or_before(&self, asked: &LookupName) -> Option<LookupName> {
        let before = self.offsets.partition_point(|&offset| {
            name(&self.names, offset)
                .is_some_and(|name| name.canonical_cmp(asked) != Ordering::Greater)
        });
        name(&self.names, *self.offsets.get(before.checked_sub(1)?)?)
    }

    /// Octets held on the heap.
    pub(super) fn memory(&self) -> usize {
        self.names.capacity() + self.offsets.capacity() * size_of::<u32>()
    }
}

fn name(names: &[u8], offset: u32) -> Option<LookupName> {
    let (&length, rest) = names.get(offset as usize..)?.split_first()?;
    LookupName::from_checked(rest.get(..usize::from(length))?)
}
