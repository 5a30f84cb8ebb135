//! How far somebody has come in etcd's history, reading all keys with a prefix, and knowing later
//! that the history is still the same one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use etcd_client::{Error, GetOptions, KeyValue, ResponseHeader};

use super::connection::Connection;
use super::errors::in_time;
use super::requests::{revision, signed, unsigned};

/// How long any answer may take before etcd counts as away.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How many keys one request reads.
pub(super) const PAGE: i64 = 1000;

/// How far a follower has come in the history of an etcd cluster.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// The last revision that the feed was told about.
    pub(super) revision: u64,
    cluster: u64,
    witness: Option<Witness>,
}

/// One value of those, as it must still stand in an etcd that has lost nothing.
///
/// A restored or emptied etcd has other revisions under the same numbers. While they are lower
/// than ours the number alone tells; once its nodes have claimed anew they may be higher, and a
/// watch that resumes there would miss all that came before.
#[derive(Clone, Debug)]
struct Witness {
    key: Vec<u8>,
    revision: i64,
    value: u64,
}

impl Position {
    /// Where a listing stands that read these values, as its first answer's header says.
    pub(super) fn of<'k>(
        header: Option<&ResponseHeader>,
        values: impl Iterator<Item = &'k KeyValue>,
    ) -> Self {
        Self {
            revision: revision(header),
            cluster: header.map_or(0, ResponseHeader::cluster_id),
            witness: values.max_by_key(|kv| kv.mod_revision()).map(Witness::of),
        }
    }

    /// Goes on to a change of one of the values that are followed.
    pub(super) fn advance(&mut self, change: &KeyValue) {
        self.revision = self.revision.max(unsigned(change.mod_revision()));
        if change.version() != 0 {
            self.witness = Some(Witness::of(change));
        } else if self
            .witness
            .as_ref()
            .is_some_and(|it| it.key == change.key())
        {
            self.witness = None;
        }
    }

    /// Whether a header may come from the history that this position is in.
    pub(super) fn fits(&self, header: Option<&ResponseHeader>) -> bool {
        revision(header) >= self.revision
            && header.is_some_and(|header| header.cluster_id() == self.cluster)
    }

    /// Whether there is a value by which [`Self::stands`] can tell one history from another.
    pub(super) fn is_proven(&self) -> bool {
        self.witness.is_some()
    }

    /// Asks etcd whether its history is still the one of this position.
    pub(super) async fn stands(&self, connection: &Connection) -> Result<bool, Error> {
        let Some(witness) = &self.witness else {
            return Ok(false);
        };
        let mut kv = connection.kv();
        let answer = in_time(PATIENCE, kv.get(witness.key.as_slice(), None)).await?;
        let same = |kv: &KeyValue| Witness::of(kv).matches(witness);
        Ok(self.fits(answer.header()) && answer.kvs().first().is_some_and(same))
    }
}

impl Witness {
    fn of(kv: &KeyValue) -> Self {
        let mut hasher = DefaultHasher::new();
        kv.value().hash(&mut hasher);
        Self {
            key: kv.key().to_vec(),
            revision: kv.mod_revision(),
            value: hasher.finish(),
        }
    }

    fn matches(&self, other: &Self) -> bool {
        self.revision == other.revision && self.value == other.value
    }
}

/// Reads the pages after the first, all as of its revision.
pub(super) async fn rest(
    connection: &Connection,
    prefix: &str,
    revision: u64,
    kvs: &mut Vec<KeyValue>,
) -> Result<(), Error> {
    let end = prefix_end(prefix);
    let mut kv = connection.kv();
    while let Some(last) = kvs.last() {
        let mut next = last.key().to_vec();
        next.push(0);
        let options = GetOptions::new()
            .with_range(end.as_slice())
            .with_revision(signed(revision))
            .with_limit(PAGE);
        let mut page = in_time(PATIENCE, kv.get(next, Some(options))).await?;
        let (more, found) = (page.more(), page.take_kvs());
        let is_last = !more || found.is_empty();
        kvs.extend(found);
        if is_last {
            break;
        }
    }
    Ok(())
}

/// The first key after all those with a prefix; etcd's own `\0` where there is none.
fn prefix_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_where_the_prefix_ends() {
        assert_eq!(prefix_end("worker"), b"workes");
        assert_eq!(prefix_end("/a/"), b"/a0");
        assert_eq!(prefix_end(""), b"\0");
    }
}
