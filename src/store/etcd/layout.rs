//! Which key of etcd means what.
//!
//! | | native | idetcd |
//! |---|---|---|
//! | slot 3 | `/callsign/v1/worker%d.tf.local./slots/00000003` | `worker3.tf.local.` |
//! | reservation | `/callsign/v1/worker%d.tf.local./resv/00000003` | the same |
//! | place in the queue | `/callsign/v1/worker%d.tf.local./want/INSTANCE` | the same |
//! | note | `/callsign/v1/worker%d.tf.local./notes/roster` | the same |
//!
//! A prefix replaces `/callsign` in the native layout; in idetcd's it stands before everything.

use std::sync::Arc;

use crate::identity::pattern::Pattern;
use crate::store::{NoteName, Slot};

/// How names are laid out in etcd's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Everything of a pool under one prefix of its own.
    #[default]
    Native,
    /// The name itself is the key, as idetcd has it, so that its nodes and ours see each other.
    Idetcd,
}

/// Where in etcd all spaces of a store lie.
#[derive(Clone, Debug)]
pub(super) struct Root {
    layout: Layout,
    /// Before the names, in idetcd's layout.
    names: String,
    /// Before `/v1/`.
    own: String,
}

impl Root {
    pub(super) fn new(layout: Layout, prefix: Option<&str>) -> Self {
        let trimmed = prefix.map(|prefix| prefix.trim_end_matches('/'));
        let own = match layout {
            Layout::Native => trimmed.unwrap_or("/callsign").to_owned(),
            Layout::Idetcd => format!("{}/callsign", trimmed.unwrap_or_default()),
        };
        Self {
            layout,
            names: prefix.unwrap_or_default().to_owned(),
            own,
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// [`Store::place`](crate::store::Store::place).
    pub(super) fn place(&self) -> String {
        match self.layout {
            Layout::Native => format!("etcd {}", self.own),
            Layout::Idetcd => format!("etcd of idetcd {}", self.names),
        }
    }
}

/// The keys of one space.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    layout: Layout,
    pattern: Arc<Pattern>,
    /// What stands before the number or name in a slot's key.
    slot_root: String,
    /// All keys of slots begin with this.
    slots: String,
    reservations: String,
    queue: String,
    notes: String,
}

impl Keys {
    pub(super) fn new(root: &Root, pattern: Arc<Pattern>) -> Self {
        let space = format!("{}/v1/{}", root.own, pattern.canonical());
        let (slot_root, slots) = match root.layout {
            Layout::Native => (format!("{space}/slots/"), format!("{space}/slots/")),
            Layout::Idetcd => (
                root.names.clone(),
                format!("{}{}", root.names, pattern.literal_prefix()),
            ),
        };
        Self {
            layout: root.layout,
            pattern,
            slot_root,
            slots,
            reservations: format!("{space}/resv/"),
            queue: format!("{space}/want/"),
            notes: format!("{space}/notes/"),
        }
    }

    /// The key of a slot.
    pub(super) fn slot(&self, slot: Slot) -> String {
        match self.layout {
            Layout::Native => format!("{}{slot:08}", self.slot_root),
            Layout::Idetcd => format!("{}{}", self.slot_root, self.pattern.text(slot)),
        }
    }

    /// What all keys of slots begin with. In idetcd's layout other keys may begin so, too.
    pub(super) fn slots(&self) -> &str {
        &self.slots
    }

    /// The slot of a key; [`None`] where the key is none of this space's slots.
    pub(super) fn slot_of(&self, key: &[u8]) -> Option<Slot> {
        let rest = std::str::from_utf8(key)
            .ok()?
            .strip_prefix(&self.slot_root)?;
        match self.layout {
            Layout::Native => number(rest),
            // Only the one spelling that we would write ourselves: keys are compared as bytes.
            Layout::Idetcd => self
                .pattern
                .slot_of_text(rest)
                .filter(|slot| self.pattern.text(*slot) == rest),
        }
    }

    /// Whether a key that begins like a slot's is none of ours for a reason worth a log line.
    ///
    /// In the native layout nobody else has business below the prefix. In idetcd's, every other
    /// program may have keys there.
    pub(super) fn is_odd(&self, key: &[u8]) -> bool {
        self.layout == Layout::Native && self.slot_of(key).is_none()
    }

    /// The key of a slot's reservation.
    pub(super) fn reservation(&self, slot: Slot) -> String {
        format!("{}{slot:08}", self.reservations)
    }

    /// What all keys of reservations begin with.
    pub(super) fn reservations(&self) -> &str {
        &self.reservations
    }

    /// The slot of a reservation's key.
    pub(super) fn reserved_slot_of(&self, key: &[u8]) -> Option<Slot> {
        number(
            std::str::from_utf8(key)
                .ok()?
                .strip_prefix(&self.reservations)?,
        )
    }

    /// The key of an instance's place in the queue.
    pub(super) fn place(&self, instance: &str) -> String {
        format!("{}{instance}", self.queue)
    }

    /// The key of a note.
    pub(super) fn note(&self, name: NoteName) -> String {
        match name {
            NoteName::Roster => format!("{}roster", self.notes),
            NoteName::Ended(slot) => format!("{}ended/{slot:08}", self.notes),
        }
    }

    /// What all keys of the queue begin with.
    pub(super) fn queue(&self) -> &str {
        &self.queue
    }
}

/// Reads a number in the one spelling that is written: eight digits, more only where needed.
fn number(text: &str) -> Option<Slot> {
    let slot = text.parse().ok()?;
    (slot != 0 && format!("{slot:08}") == text).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(layout: Layout, prefix: Option<&str>) -> Keys {
        let pattern = Pattern::parse("worker{{.ID}}.tf.local.", "worker").unwrap();
        Keys::new(&Root::new(layout, prefix), Arc::new(pattern))
    }

    #[test]
    fn native_keys_sort_by_number_and_lie_under_one_prefix() {
        let keys = keys(Layout::Native, None);
        assert_eq!(
            keys.slot(3),
            "/callsign/v1/worker%d.tf.local./slots/00000003"
        );
        assert_eq!(
            keys.reservation(3),
            "/callsign/v1/worker%d.tf.local./resv/00000003"
        );
        assert_eq!(keys.place("ab"), "/callsign/v1/worker%d.tf.local./want/ab");
        assert!(keys.slot(9) < keys.slot(10));
    }

    #[test]
    fn idetcd_reads_and_writes_the_bare_name() {
        let keys = keys(Layout::Idetcd, None);
        assert_eq!(keys.slot(3), "worker3.tf.local.");
        assert_eq!(keys.slots(), "worker");
        assert_eq!(
            keys.place("ab"),
            "/callsign/v1/worker%d.tf.local./want/ab",
            "the queue must not lie among the names"
        );
    }

    #[test]
    fn two_clusters_with_prefixes_share_neither_names_nor_queues() {
        let native = keys(Layout::Native, Some("/a/"));
        assert_eq!(native.slot(1), "/a/v1/worker%d.tf.local./slots/00000001");
        let idetcd = keys(Layout::Idetcd, Some("/a/"));
        assert_eq!(idetcd.slot(1), "/a/worker1.tf.local.");
        assert_eq!(idetcd.slots(), "/a/worker");
        assert_eq!(
            idetcd.place("x"),
            "/a/callsign/v1/worker%d.tf.local./want/x"
        );
    }

    #[test]
    fn only_the_key_that_we_would_write_is_a_slot() {
        for layout in [Layout::Native, Layout::Idetcd] {
            let keys = keys(layout, None);
            for slot in [1, 10, 12_345] {
                assert_eq!(keys.slot_of(keys.slot(slot).as_bytes()), Some(slot));
                let key = keys.reservation(slot);
                assert_eq!(keys.reserved_slot_of(key.as_bytes()), Some(slot));
            }
        }
        let native = keys(Layout::Native, None);
        for rest in ["", "3", "00000000", "+0000003", "000000003", "0000000x"] {
            let key = format!("{}{rest}", native.slots());
            assert_eq!(native.slot_of(key.as_bytes()), None, "{key}");
            assert!(native.is_odd(key.as_bytes()));
        }
        let idetcd = keys(Layout::Idetcd, None);
        for key in [
            &b"worker"[..],
            b"worker3.tf.local",
            b"worker03.tf.local.",
            b"Worker3.tf.local.",
            b"worker3.other.",
            b"worker\xff.tf.local.",
        ] {
            assert_eq!(idetcd.slot_of(key), None);
            assert!(!idetcd.is_odd(key));
        }
    }
}
