//! Zones against a naive model: whatever is edited in whatever order, a look-up gives what the
//! RFCs' prose gives when it is followed step by step over a sorted map. A difference would be a
//! wrong or missing answer after some history of changes.

#![expect(
    clippy::expect_used,
    reason = "clippy sees the tests' helpers as code that is not a test"
)]

use std::collections::{BTreeMap, BTreeSet};

use answer::{Lookup, LookupName, Name, RecordData, RecordType, Rrset, Soa, Zone};
use proptest::prelude::*;

const APEX: &str = "zone.test";
const TYPES: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::DS,
    RecordType::DNAME,
];

#[derive(Clone, Debug)]
enum Change {
    Set(Name, RecordType, u8),
    Remove(Name, RecordType),
    /// Takes out some records and puts in others, or none.
    Exchange(Name, RecordType, u8, Option<u8>),
    /// Ends the edit and begins the next.
    Finish,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Found(RecordType, Vec<Vec<u8>>),
    NoData,
    NoSuchName,
    Alias(Vec<Vec<u8>>),
    Cut(Name),
    Redirect(Name),
    NotHere,
}

type Records = BTreeMap<RecordType, Vec<RecordData>>;

/// A zone as the RFCs describe it: names with records, nothing prepared.
#[derive(Default)]
struct Model(BTreeMap<Name, Records>);

impl Model {
    fn set(&mut self, name: &Name, rrset: &Rrset) {
        self.0
            .entry(name.clone())
            .or_default()
            .insert(rrset.rtype, rrset.data.clone());
    }

    /// What the set at a name would be without some records and with others, each before the
    /// first that is greater.
    fn exchanged(&self, name: &Name, gone: &Rrset, come: &Rrset) -> Rrset {
        let old = self
            .0
            .get(name)
            .and_then(|records| records.get(&come.rtype));
        let mut data = old.cloned().unwrap_or_default();
        data.retain(|data| !gone.data.contains(data) && !come.data.contains(data));
        for new in come.data.iter().collect::<BTreeSet<_>>() {
            let place = data.iter().position(|data| data > new);
            data.insert(place.unwrap_or(data.len()), new.clone());
        }
        Rrset::new(come.rtype, come.ttl, data)
    }

    /// Whether a CNAME and something else would stand at one name.
    fn conflicts(&self, name: &Name, rtype: RecordType) -> bool {
        self.0.get(name).is_some_and(|records| {
            records.keys().any(|present| {
                *present != rtype && (rtype == RecordType::CNAME || *present == RecordType::CNAME)
            })
        })
    }

    fn remove(&mut self, name: &Name, rtype: RecordType) -> bool {
        let Some(records) = self.0.get_mut(name) else {
            return false;
        };
        let removed = records.remove(&rtype).is_some();
        if records.is_empty() {
            self.0.remove(name);
        }
        removed
    }

    /// A name exists when it or a name below it has records (RFC 4592 §2.2.2).
    fn exists(&self, name: &Name) -> bool {
        self.0.keys().any(|owner| owner.is_at_or_below(name))
    }

    fn lookup(&self, apex: &Name, name: &Name, rtype: RecordType) -> Outcome {
        if !name.is_at_or_below(apex) {
            return Outcome::NotHere;
        }
        let mut way = Vec::new();
        let mut next = Some(name.clone());
        while let Some(name) = next.filter(|name| name.is_at_or_below(apex)) {
            next = name.parent();
            way.push(name);
        }
        for above in way.iter().rev() {
            let has = |rtype| {
                self.0
                    .get(above)
                    .is_some_and(|all| all.contains_key(&rtype))
            };
            let is_cut = has(RecordType::NS) && above != apex && !above.is_wildcard();
            if is_cut && !(above == name && rtype == RecordType::DS) {
                return Outcome::Cut(above.clone());
            }
            if above != name && has(RecordType::DNAME) {
                return Outcome::Redirect(above.clone());
            }
        }
        if self.exists(name) {
            return self.select(name, rtype);
        }
        let encloser = way
            .iter()
            .find(|above| self.exists(above))
            .expect("the apex exists");
        let source = encloser.prepend(b"*").expect("short names");
        if self.exists(&source) {
            self.select(&source, rtype)
        } else {
            Outcome::NoSuchName
        }
    }

    fn select(&self, name: &Name, rtype: RecordType) -> Outcome {
        let empty = Records::new();
        let records = self.0.get(name).unwrap_or(&empty);
        let bytes =
            |data: &Vec<RecordData>| data.iter().map(|one| one.as_bytes().to_vec()).collect();
        match (records.get(&rtype), records.get(&RecordType::CNAME)) {
            (Some(data), _) => Outcome::Found(rtype, bytes(data)),
            (None, Some(alias)) => Outcome::Alias(bytes(alias)),
            (None, None) => Outcome::NoData,
        }
    }
}

fn observe(zone: &Zone, name: &Name, rtype: RecordType) -> Outcome {
    let looked_up = LookupName::from(name);
    let data = |rrset: answer::RrsetRef<'_>| rrset.records().map(|one| one.data.to_vec()).collect();
    match zone.lookup(&looked_up, rtype) {
        Lookup::Found(rrset) => Outcome::Found(rrset.rtype(), data(rrset)),
        Lookup::NoData => Outcome::NoData,
        Lookup::NoSuchName => Outcome::NoSuchName,
        Lookup::Alias(rrset) => Outcome::Alias(data(rrset)),
        Lookup::Cut(cut) => {
            Outcome::Cut(Name::from_wire(looked_up.suffix(cut.label)).expect("a suffix is a name"))
        }
        Lookup::Redirect(redirect) => {
            let owner = looked_up.suffix(redirect.label);
            Outcome::Redirect(Name::from_wire(owner).expect("a suffix is a name"))
        }
        Lookup::NotHere => Outcome::NotHere,
    }
}

fn rrset(rtype: RecordType, value: u8) -> Rrset {
    let target = Name::root()
        .prepend(&[b'a' + value % 26])
        .expect("a short name");
    let one = |value: u8| match rtype {
        RecordType::A => RecordData::a([10, 0, 0, value].into()),
        RecordType::AAAA => RecordData::aaaa([u16::from(value); 8].into()),
        RecordType::CNAME | RecordType::NS | RecordType::DNAME => RecordData::ns(&target),
        _ => RecordData::txt(&vec![b'x'; usize::from(value)]).expect("a short text"),
    };
    let more = (rtype == RecordType::A).then(|| one(value ^ 1));
    Rrset::new(
        rtype,
        u32::from(value),
        std::iter::once(one(value)).chain(more),
    )
}

/// Names of few labels over a small alphabet, so that they often meet; some outside the zone.
fn any_name() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec!["a", "b", "*", "c", "Long-Label"]);
    (
        prop::collection::vec(label, 0..5),
        prop::bool::weighted(0.95),
    )
        .prop_map(|(labels, inside)| {
            let apex = if inside { APEX } else { "test" };
            let apex = Name::parse(apex).expect("a name");
            labels.iter().fold(apex, |name, label| {
                name.prepend(label.as_bytes()).expect("short")
            })
        })
}

fn any_change() -> impl Strategy<Value = Change> {
    let rtype = prop::sample::select(TYPES.to_vec());
    prop_oneof![
        6 => (any_name(), rtype.clone(), any::<u8>())
            .prop_map(|(name, rtype, value)| Change::Set(name, rtype, value)),
        5 => (any_name(), rtype.clone()).prop_map(|(name, rtype)| Change::Remove(name, rtype)),
        4 => (any_name(), rtype, 0..4_u8, prop::option::of(0..4_u8))
            .prop_map(|(name, rtype, gone, come)| Change::Exchange(name, rtype, gone, come)),
        1 => Just(Change::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_zone_answers_as_the_rfcs_say(
        changes in prop::collection::vec(any_change(), 0..60),
        asked in prop::collection::vec(any_name(), 30),
    ) {
        let apex = Name::parse(APEX).expect("a name");
        let soa = Soa::new(apex.clone(), apex.clone(), 1);
        let mut zone = Zone::new(apex.clone(), 5, &soa);
        let mut model = Model::default();
        model.set(&apex, &Rrset::new(RecordType::SOA, 5, [RecordData::soa(&soa)]));
        let mut edit = zone.edit();
        for change in &changes {
            match change {
                Change::Set(name, rtype, value) => {
                    let rrset = rrset(*rtype, *value);
                    let fine = name.is_at_or_below(&apex) && !model.conflicts(name, *rtype);
                    prop_assert_eq!(edit.set(name, &rrset).is_ok(), fine);
                    if fine {
                        model.set(name, &rrset);
                    }
                }
                Change::Remove(name, rtype) if name.is_at_or_below(&apex) => {
                    prop_assert_eq!(edit.remove(name, *rtype), Ok(model.remove(name, *rtype)));
                }
                Change::Remove(name, rtype) => {
                    prop_assert!(edit.remove(name, *rtype).is_err());
                }
                Change::Exchange(name, rtype, gone, come) => {
                    let gone = rrset(*rtype, *gone);
                    let come = come.map_or_else(
                        || Rrset::new(*rtype, 7, []),
                        |value| rrset(*rtype, value),
                    );
                    let whole = model.exchanged(name, &gone, &come);
                    let alone = matches!(*rtype, RecordType::CNAME | RecordType::DNAME);
                    let conflicts = !come.data.is_empty() && model.conflicts(name, *rtype);
                    let fine = name.is_at_or_below(&apex) && !conflicts
                        && !(alone && whole.data.len() > 1);
                    prop_assert_eq!(edit.exchange(name, &gone.data, &come).is_ok(), fine);
                    if fine && whole.data.is_empty() {
                        model.remove(name, *rtype);
                    } else if fine {
                        model.set(name, &whole);
                    }
                }
                Change::Finish => {
                    zone = edit.finish();
                    edit = zone.edit();
                }
            }
        }
        zone = edit.finish();

        prop_assert_eq!(zone.names(), model.0.keys().cloned().collect::<Vec<_>>());
        let mut existing = BTreeSet::new();
        for owner in model.0.keys() {
            let mut name = Some(owner.clone());
            while let Some(above) = name.filter(|name| name.is_at_or_below(&apex)) {
                name = above.parent();
                existing.insert(above);
            }
        }
        prop_assert_eq!(zone.name_count(), existing.len());
        for name in asked.iter().chain(&existing) {
            for rtype in TYPES {
                prop_assert_eq!(
                    observe(&zone, name, rtype),
                    model.lookup(&apex, name, rtype),
                    "{} {}", name, rtype
                );
            }
        }
    }
}
