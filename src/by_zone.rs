//! What there is for each zone, found by a name that lies in it.

use std::collections::HashMap;

use answer::{LookupName, Name, RecordType};
use foldhash::fast::RandomState;

/// Values by zone. A look-up takes one search for each number of labels that some zone above the
/// name may have, however many labels the name has.
#[derive(Clone, Debug)]
pub struct ByZone<T> {
    /// By the zone's name in wire form and lower case.
    zones: HashMap<Box<[u8]>, T, RandomState>,
    /// The numbers of labels that zones have, each once, the largest first.
    depths: Vec<usize>,
}

impl<T> Default for ByZone<T> {
    fn default() -> Self {
        Self {
            zones: HashMap::default(),
            depths: Vec::new(),
        }
    }
}

impl<T> ByZone<T> {
    /// Puts a value in place of what the zone has, if it has one.
    pub fn set(&mut self, zone: &Name, value: T) {
        self.note(zone);
        self.zones.insert(zone.as_wire().into(), value);
    }

    /// What exactly this zone has; the default to begin with.
    pub fn entry(&mut self, zone: &Name) -> &mut T
    where
        T: Default,
    {
        self.note(zone);
        self.zones.entry(zone.as_wire().into()).or_default()
    }

    /// Takes a zone out.
    pub fn remove(&mut self, zone: &Name) {
        self.zones.remove(zone.as_wire());
    }

    /// What exactly this zone has.
    #[must_use]
    pub fn get(&self, zone: &Name) -> Option<&T> {
        self.zones.get(zone.as_wire())
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, zone: &Name) -> Option<&mut T> {
        self.zones.get_mut(zone.as_wire())
    }

    /// What all zones have.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.zones.values()
    }

    /// What `choose` makes of a zone that the name lies in: of several, of the one with the most
    /// labels of which it makes something.
    ///
    /// DS records stand on the parent's side of a zone cut (RFC 4035 §2.4), so for them the zone
    /// with the name itself comes last.
    #[inline]
    pub fn find<'z, R>(
        &'z self,
        name: &LookupName,
        rtype: RecordType,
        mut choose: impl FnMut(&'z T) -> Option<R>,
    ) -> Option<R> {
        let labels = name.label_count();
        let mut at = |depth: usize| choose(self.zones.get(name.suffix(labels - depth))?);
        let is_above = rtype == RecordType::DS;
        for &depth in &self.depths {
            if (depth < labels || depth == labels && !is_above)
                && let Some(found) = at(depth)
            {
                return Some(found);
            }
        }
        is_above.then(|| at(labels)).flatten()
    }

    /// Notes that there is a zone with so many labels.
    fn note(&mut self, zone: &Name) {
        let depth = zone.label_count();
        if let Err(place) = self.depths.binary_search_by(|it| depth.cmp(it)) {
            self.depths.insert(place, depth);
        }
    }
}
