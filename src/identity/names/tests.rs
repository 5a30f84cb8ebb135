use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::clock::BootTime;
use crate::identity::record::{Member, Record, VERSION};
use crate::store::{Feed, Listing, Slot};

const TTL: u32 = 5;

fn pattern() -> Arc<Pattern> {
    Arc::new(Pattern::parse("worker{{.ID}}.tf.local.", "worker").unwrap())
}

/// A member with some of few addresses, so that members share them.
fn entry(slot: Slot, (epoch, addresses, port, down): (u64, Vec<u8>, bool, bool)) -> Entry {
    let ports = port.then(|| ("grpc".to_owned(), "2222".parse().unwrap()));
    let member = Member {
        v: VERSION,
        slot,
        addrs: addresses
            .into_iter()
            .map(|it| IpAddr::from([10, 0, 0, it]))
            .collect(),
        ports: ports.into_iter().collect(),
        down,
        ..Member::default()
    };
    Entry {
        slot,
        epoch,
        session: None,
        record: Record {
            member: Some(member),
            ..Record::default()
        },
    }
}

fn members(entries: impl IntoIterator<Item = Entry>) -> Members {
    let mut members = Members::default();
    let listing = Feed::Listing(Listing {
        revision: 9,
        entries: entries.into_iter().collect(),
        reservations: vec![],
    });
    members.follow(BootTime::from_nanoseconds(1), &listing);
    members
}

/// Everything that a zone has: names and types in an order that does not depend on how it came to
/// be, records in that in which they are told.
fn text(zone: &Zone) -> Vec<(Name, RecordType, Vec<Vec<u8>>)> {
    let mut all = Vec::new();
    for name in zone.names() {
        for rrset in zone.rrsets(&name) {
            let data = rrset.records().map(|it| it.data.to_vec()).collect();
            all.push((name.clone(), rrset.rtype(), data));
        }
    }
    all.sort();
    all
}

fn any_members() -> impl Strategy<Value = Members> {
    let one = (1..4_u64, vec(0..4_u8, 0..4), any::<bool>(), any::<bool>());
    btree_map(1..9_u32, one, 0..8).prop_map(|some| {
        let entries = some.into_iter().map(|(slot, fields)| entry(slot, fields));
        members(entries)
    })
}

proptest! {
    /// If this fails, a name or an address outlives its member, or vanishes although another
    /// member still has it.
    #[test]
    fn a_zone_is_the_same_however_its_members_came(steps in vec(any_members(), 1..6)) {
        let (mut names, mut reverse) =
            (Names::new(pattern(), TTL), ReverseNames::new(pattern(), TTL));
        for members in steps {
            names.update(&members);
            reverse.update(&members);
            let (mut fresh, mut fresh_reverse) =
                (Names::new(pattern(), TTL), ReverseNames::new(pattern(), TTL));
            fresh.update(&members);
            fresh_reverse.update(&members);
            prop_assert_eq!(text(names.zone()), text(fresh.zone()));
            prop_assert_eq!(text(reverse.zone()), text(fresh_reverse.zone()));
        }
    }
}

/// If this fails, a list name or an address has a record twice, or lacks a member's.
#[test]
fn what_members_share_is_there_once() {
    let (first, second) = (
        entry(1, (5, vec![1, 1], true, false)),
        entry(2, (6, vec![1, 2], false, false)),
    );
    let (mut names, mut reverse) = (
        Names::new(pattern(), TTL),
        ReverseNames::new(pattern(), TTL),
    );
    let all = members([first, second.clone()]);
    names.update(&all);
    reverse.update(&all);
    let count = |zone: &Zone, name: &str, rtype: RecordType| {
        let name = Name::parse(name).unwrap();
        let found = zone.rrsets(&name).find(|rrset| rrset.rtype() == rtype);
        found.map_or(0, |rrset| rrset.count())
    };
    let (list, address) = ("worker.tf.local.", "1.0.0.10.in-addr.arpa.");
    assert_eq!(count(names.zone(), list, RecordType::A), 2);
    assert_eq!(count(names.zone(), list, RecordType::SRV), 1);
    assert_eq!(count(reverse.zone(), address, RecordType::PTR), 2);
    let left = members([second]);
    names.update(&left);
    reverse.update(&left);
    assert_eq!(count(names.zone(), list, RecordType::A), 2);
    assert_eq!(count(names.zone(), list, RecordType::SRV), 0);
    assert_eq!(count(reverse.zone(), address, RecordType::PTR), 1);
}

/// If this fails, every node writes the list of all members anew whenever one of them changes, and
/// a pool of thousands keeps its nodes busy.
#[test]
fn a_change_touches_only_the_records_that_differ() {
    let names = Names::new(pattern(), TTL);
    let before = entry(1, (5, vec![1, 2], true, false));
    let renewed = entry(1, (6, vec![1, 2], true, false));
    assert_eq!(names.list_changes(&[&before], &[&renewed]).len(), 0);
    let moved = entry(1, (6, vec![1, 3], true, false));
    let changes = names.list_changes(&[&before], &[&moved]);
    let key = (pattern().list_name(), RecordType::A);
    let data = |last| RecordData::address(IpAddr::from([10, 0, 0, last])).1;
    let expected = [((key.clone(), data(2)), -1), ((key, data(3)), 1)];
    assert_eq!(changes, Changes::from(expected));
}
