//! What many directives take: zones, and `fallthrough`.

use answer::{LookupName, Name};
use corefile::{Diagnostics, Token};

use super::BlockDraft;
use crate::config;

/// The zones that a directive is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones(Vec<Name>);

impl Zones {
    /// The zones that these words name, or all zones of the block where there are none. A network
    /// stands for its reverse zones, as in the block's keys.
    pub fn read(words: &[Token], block: &BlockDraft, found: &mut Diagnostics) -> Self {
        let mut names = match words {
            [] => block.zones.iter().map(|zone| zone.name.clone()).collect(),
            words => named(words, found),
        };
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// The zone that a name lies in: of several, the one with the most labels.
    #[must_use]
    pub fn find(&self, name: &LookupName) -> Option<&Name> {
        // In canonical order a zone stands before those below it.
        self.0.iter().rev().find(|zone| name.is_at_or_below(zone))
    }

    /// All of them, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }
}

/// Where names that a plugin does not have are passed on to the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallthrough(Vec<Name>);

impl Fallthrough {
    /// What the words behind `fallthrough` say: these zones, or all names where there are none.
    pub fn read(words: &[Token], found: &mut Diagnostics) -> Self {
        match words {
            [] => Self(vec![Name::root()]),
            words => Self(named(words, found)),
        }
    }

    /// Whether a name is passed on. Never, unless the directive says `fallthrough`.
    #[must_use]
    pub fn applies(&self, name: &LookupName) -> bool {
        self.0.iter().any(|zone| name.is_at_or_below(zone))
    }
}

fn named(words: &[Token], found: &mut Diagnostics) -> Vec<Name> {
    let zones = words
        .iter()
        .filter_map(|word| found.keep(config::zones(word)));
    zones.flatten().collect()
}
