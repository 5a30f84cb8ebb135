//! The zone that a name lies in.

use answer::{LookupName, Name, RecordType, Zone};

use crate::by_zone::ByZone;

/// Zones by their names; [`None`] for one whose file could not be read yet. A change is another
/// table; the zones themselves are shared.
#[derive(Clone, Debug, Default)]
pub(in crate::plugins) struct Table(ByZone<Option<Zone>>);

impl Table {
    /// Puts a zone in place of the one with this name, if there is one.
    pub(in crate::plugins) fn set(&mut self, apex: &Name, zone: Option<Zone>) {
        self.0.set(apex, zone);
    }

    /// Takes a zone out.
    pub(in crate::plugins) fn remove(&mut self, apex: &Name) {
        self.0.remove(apex);
    }

    /// Whether there is a zone with exactly this name, read or not.
    pub(in crate::plugins) fn has(&self, apex: &Name) -> bool {
        self.0.get(apex).is_some()
    }

    /// The zone that a name lies in: of several, the one with the most labels; for DS records, which
    /// stand above a cut (RFC 4035 §2.4), that above it if there is one. Within, [`None`] stands for
    /// a zone that has not been read yet.
    pub(in crate::plugins) fn find(
        &self,
        name: &LookupName,
        rtype: RecordType,
    ) -> Option<Option<&Zone>> {
        self.0.find(name, rtype, |zone| Some(zone.as_ref()))
    }

    /// Whether all zones have been read.
    pub(in crate::plugins) fn is_whole(&self) -> bool {
        self.0.values().all(Option::is_some)
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
