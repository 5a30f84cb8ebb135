//! The zone that a name lies in.

use std::collections::HashMap;

use answer::{LookupName, Name, RecordType, Zone};

/// Zones by their names. A change is another table; the zones themselves are shared.
#[derive(Clone, Debug, Default)]
pub(in crate::plugins) struct Table {
    /// By name in wire form and lower case; [`None`] for a zone whose file could not be read yet.
    zones: HashMap<Box<[u8]>, Option<Zone>>,
    /// Bit N is set where a zone has N labels, so that a look-up skips lengths that nobody has.
    depths: u128,
}

impl Table {
    /// Puts a zone in place of the one with this name, if there is one.
    pub(in crate::plugins) fn set(&mut self, apex: &Name, zone: Option<Zone>) {
        // A name has at most 127 labels.
        self.depths |= 1 << apex.label_count().min(127);
        self.zones.insert(apex.as_wire().into(), zone);
    }

    /// Takes a zone out.
    pub(in crate::plugins) fn remove(&mut self, apex: &Name) {
        self.zones.remove(apex.as_wire());
    }

    /// Whether there is a zone with exactly this name, read or not.
    pub(in crate::plugins) fn has(&self, apex: &Name) -> bool {
        self.zones.contains_key(apex.as_wire())
    }

    /// The zone that a name lies in: of several, the one with the most labels; for DS records, which
    /// stand above a cut (RFC 4035 §2.4), that above it if there is one. Within, [`None`] stands for
    /// a zone that has not been read yet.
    pub(in crate::plugins) fn find(
        &self,
        name: &LookupName,
        rtype: RecordType,
    ) -> Option<Option<&Zone>> {
        let labels = name.label_count();
        let above = usize::from(rtype == RecordType::DS).min(labels);
        let zone = |index: usize| {
            let possible = self.depths >> (labels - index) & 1 == 1;
            possible
                .then(|| self.zones.get(name.suffix(index)))
                .flatten()
        };
        let found = (above..=labels).chain(0..above).find_map(zone);
        found.map(Option::as_ref)
    }

    /// Whether all zones have been read.
    pub(in crate::plugins) fn is_whole(&self) -> bool {
        self.zones.values().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, names are answered from the wrong one of several zones, or validators find
    /// no DS records.
    #[test]
    fn the_longest_zone_has_the_name_and_the_one_above_its_ds() {
        let mut table = Table::default();
        let name = |text: &str| Name::parse(text).unwrap();
        for zone in ["org", "example.org", "b.a.example.org"] {
            let soa = answer::Soa::new(name("ns"), name("host"), 1);
            table.set(&name(zone), Some(Zone::new(name(zone), 5, &soa)));
        }
        table.set(&name("later.org"), None);
        for (asked, rtype, zone) in [
            ("x.org", RecordType::A, Some("org.")),
            ("a.example.org", RecordType::A, Some("example.org.")),
            (
                "x.b.a.example.org",
                RecordType::DS,
                Some("b.a.example.org."),
            ),
            ("b.a.example.org", RecordType::DS, Some("example.org.")),
            ("b.a.example.org", RecordType::A, Some("b.a.example.org.")),
            ("org", RecordType::DS, Some("org.")),
            ("x.later.org", RecordType::A, Some("none")),
            ("com", RecordType::A, None),
            (".", RecordType::DS, None),
        ] {
            let found = table.find(&LookupName::from(&name(asked)), rtype);
            let shown =
                found.map(|zone| zone.map_or("none".into(), |zone| zone.apex().to_string()));
            assert_eq!(shown.as_deref(), zone, "{asked} {rtype}");
        }
        assert!(!table.is_whole());
        table.remove(&name("later.org"));
        assert!(table.is_whole() && !table.has(&name("later.org")));
    }
}
