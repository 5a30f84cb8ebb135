//! All records below the path, by key, as one state of them.
//!
//! A state never changes. The records stand in the order of their keys, which is the order in which
//! etcd tells them, in chunks that states share: a change copies one chunk and the list of chunks.

use std::sync::Arc;

use super::record::Record;

/// How many records a chunk can have. It is split in halves beyond that.
const MOST: usize = 128;

/// How many a chunk has when all are built at once.
const FULL: usize = 96;

/// The records by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// In order; none is empty.
    chunks: Vec<Arc<Vec<Arc<Record>>>>,
    records: usize,
}

impl Tree {
    /// All of these records. Of several with the same key one is kept.
    pub(super) fn of(mut records: Vec<Arc<Record>>) -> Self {
        if !records.is_sorted_by(|one, next| one.key < next.key) {
            records.sort_by(|one, next| one.key.cmp(&next.key));
            records.dedup_by(|next, one| next.key == one.key);
        }
        Self {
            records: records.len(),
            chunks: records
                .chunks(FULL)
                .map(|chunk| Arc::new(chunk.to_vec()))
                .collect(),
        }
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// Puts a record in place of the one with its key, if there is one.
    pub(super) fn put(&mut self, record: Arc<Record>) {
        let number = self.chunk_for(&record.key);
        let Some(chunk) = self.chunks.get_mut(number) else {
            self.chunks.push(Arc::new(vec![record]));
            self.records += 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        let place = chunk.binary_search_by(|other| other.key.cmp(&record.key));
        match place {
            Ok(place) => {
                if let Some(old) = chunk.get_mut(place) {
                    *old = record;
                }
                return;
            }
            Err(place) => chunk.insert(place, record),
        }
        self.records += 1;
        if chunk.len() > MOST {
            let upper = chunk.split_off(chunk.len() / 2);
            self.chunks.insert(number + 1, Arc::new(upper));
        }
    }

    /// Takes out the record with this key, if there is one.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let number = self.chunk_for(key);
        let Some(chunk) = self.chunks.get_mut(number) else {
            return;
        };
        let Ok(place) = chunk.binary_search_by(|other| (*other.key).cmp(key)) else {
            return;
        };
        let chunk = Arc::make_mut(chunk);
        chunk.remove(place);
        self.records -= 1;
        if chunk.is_empty() {
            self.chunks.remove(number);
        }
    }

    /// The record with exactly this key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Record> {
        let chunk = self.chunks.get(self.chunk_for(key))?;
        let place = chunk.binary_search_by(|other| (*other.key).cmp(key)).ok()?;
        chunk.get(place).map(|record| &**record)
    }

    /// The records whose keys begin so, in order.
    pub(super) fn below<'t>(&'t self, prefix: &[u8]) -> impl Iterator<Item = &'t Record> {
        let number = self.chunk_for(prefix);
        let chunks = self.chunks.get(number..).unwrap_or_default();
        let first = chunks.first();
        let before = first.map_or(0, |chunk| {
            chunk.partition_point(|record| *record.key < *prefix)
        });
        let records = chunks.iter().flat_map(|chunk| chunk.iter()).skip(before);
        records
            .map(|record| &**record)
            .take_while(move |record| record.key.starts_with(prefix))
    }

    /// The chunk that a key stands in or would stand in.
    fn chunk_for(&self, key: &[u8]) -> usize {
        let after = self.chunks.partition_point(|chunk| {
            let first = chunk.first();
            first.is_some_and(|first| *first.key <= *key)
        });
        after.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn record(number: u16) -> Arc<Record> {
        let key = format!("/skydns/{number:04}").into_bytes();
        Arc::new(Record::read(&key, 7, br#"{"host":"10.0.0.1"}"#, None).0)
    }

    proptest! {
        /// If this fails, a record is answered that is gone, or one that is there is missed.
        #[test]
        fn it_is_a_sorted_map(
            first in proptest::collection::vec(0_u16..600, 0..400),
            changes in proptest::collection::vec((any::<bool>(), 0_u16..600), 0..400),
        ) {
            let mut model: BTreeMap<Box<[u8]>, ()> = BTreeMap::new();
            let mut tree = Tree::of(first.iter().map(|number| record(*number)).collect());
            model.extend(first.iter().map(|number| (record(*number).key.clone(), ())));
            let before = tree.clone();
            let keys_before: Vec<_> = model.keys().cloned().collect();
            for (put, number) in changes {
                let record = record(number);
                if put {
                    model.insert(record.key.clone(), ());
                    tree.put(record);
                } else {
                    model.remove(&record.key);
                    tree.remove(&record.key);
                }
            }
            let keys = |tree: &Tree, prefix: &[u8]| -> Vec<Box<[u8]>> {
                tree.below(prefix).map(|record| record.key.clone()).collect()
            };
            prop_assert_eq!(keys(&tree, b"/skydns/"), model.keys().cloned().collect::<Vec<_>>());
            prop_assert_eq!(keys(&before, b"/skydns/"), keys_before);
            prop_assert_eq!(tree.len(), model.len());
            for number in 0..60 {
                let prefix = format!("/skydns/{number:02}").into_bytes();
                let expected: Vec<_> =
                    model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
                prop_assert_eq!(keys(&tree, &prefix), expected);
                let key = record(number * 10).key.clone();
                prop_assert_eq!(tree.get(&key).is_some(), model.contains_key(&key));
            }
            prop_assert!(keys(&tree, b"/skydnt").is_empty());
            prop_assert!(keys(&tree, b"/a").is_empty());
        }
    }
}
