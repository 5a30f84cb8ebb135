//! Lists that are short as a rule: up to a point they take no memory of their own.

use std::collections::HashSet;
use std::hash::Hash;

/// How many there can be before memory is taken.
const FEW: usize = 32;

/// A list.
pub(super) struct Few<T> {
    few: [Option<T>; FEW],
    count: usize,
    many: Vec<T>,
}

impl<T: Copy> Few<T> {
    pub(super) fn new() -> Self {
        Self {
            few: [None; FEW],
            count: 0,
            many: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, item: T) {
        match self.few.get_mut(self.count) {
            Some(place) => {
                *place = Some(item);
                self.count += 1;
            }
            None => self.many.push(item),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count + self.many.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.few
            .iter()
            .filter_map(|item| *item)
            .chain(self.many.iter().copied())
    }
}

/// What was there before.
pub(super) struct Seen<T> {
    few: Few<T>,
    many: HashSet<T>,
}

impl<T: Copy + Eq + Hash> Seen<T> {
    pub(super) fn new() -> Self {
        Self {
            few: Few::new(),
            many: HashSet::new(),
        }
    }

    /// Notes an item. Returns whether it is new.
    pub(super) fn is_new(&mut self, item: T) -> bool {
        if self.few.iter().any(|seen| seen == item) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(item);
            return true;
        }
        self.many.insert(item)
    }
}
