use super::*;
use crate::record::RecordData;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn empty() -> Zone {
    let soa = Soa::new(name("ns.example"), name("host.example"), 1);
    Zone::new(name("example"), 300, &soa)
}

fn a(last: u8) -> Rrset {
    Rrset::new(RecordType::A, 5, [RecordData::a([192, 0, 2, last].into())])
}

fn pointing(rtype: RecordType, target: &str) -> Rrset {
    Rrset::new(rtype, 5, [RecordData::raw(name(target).as_wire()).unwrap()])
}

fn zone(records: &[(&str, Rrset)]) -> Zone {
    let mut edit = empty().edit();
    for (owner, rrset) in records {
        edit.set(&name(owner), rrset).unwrap();
    }
    edit.finish()
}

/// The outcome of a look-up in a word.
fn outcome(zone: &Zone, asked: &str, rtype: RecordType) -> &'static str {
    match zone.lookup(&LookupName::from(&name(asked)), rtype) {
        Lookup::Found(_) => "found",
        Lookup::NoData => "no data",
        Lookup::NoSuchName => "no such name",
        Lookup::Alias(_) => "alias",
        Lookup::Cut(_) => "cut",
        Lookup::Redirect(_) => "redirect",
        Lookup::NotHere => "not here",
    }
}

/// A node's shard and what is shared: how many shards of `two` are not those of `one`.
fn shards_copied(one: &Zone, two: &Zone) -> usize {
    let all = |zone: &Zone| -> Vec<Arc<Shard>> {
        zone.0
            .pages
            .iter()
            .flat_map(|page| page.0.clone())
            .collect()
    };
    let (one, two) = (all(one), all(two));
    assert_eq!(one.len(), two.len());
    one.iter()
        .zip(&two)
        .filter(|(one, two)| !Arc::ptr_eq(one, two))
        .count()
}

fn many(count: u32) -> Zone {
    let mut edit = empty().edit();
    for number in 0..count {
        let address = RecordData::a(number.into());
        let rrset = Rrset::new(RecordType::A, 5, [address]);
        edit.set(&name(&format!("worker{number}.tf.example")), &rrset)
            .unwrap();
    }
    edit.finish()
}

#[test]
fn the_outcomes_of_a_look_up() {
    let zone = zone(&[
        ("a.b.example", a(1)),
        ("alias.example", pointing(RecordType::CNAME, "a.b.example")),
    ]);
    use RecordType as T;
    for (asked, rtype, expected) in [
        ("a.b.example", T::A, "found"),
        ("A.B.EXAMPLE", T::ANY, "found"),
        ("a.b.example", T::AAAA, "no data"),
        ("b.example", T::A, "no data"), // an empty non-terminal exists
        ("x.a.b.example", T::A, "no such name"),
        ("c.example", T::A, "no such name"),
        ("alias.example", T::A, "alias"),
        ("alias.example", T::CNAME, "found"),
        ("alias.example", T::ANY, "found"),
        ("example", T::SOA, "found"),
        ("example", T::A, "no data"),
        ("com", T::A, "not here"),
        (".", T::A, "not here"),
        ("notexample", T::A, "not here"),
    ] {
        assert_eq!(outcome(&zone, asked, rtype), expected, "{asked} {rtype}");
    }
}

#[test]
fn a_root_zone_holds_every_name() {
    let zone = Zone::new(Name::root(), 5, &Soa::new(name("ns"), name("host"), 1));
    assert_eq!(outcome(&zone, ".", RecordType::SOA), "found");
    assert_eq!(outcome(&zone, "a.b", RecordType::A), "no such name");
}

/// The zone and the questions of RFC 4592 §2.2.1.
#[test]
fn wildcards_as_in_rfc_4592() {
    use RecordType as T;
    let text = Rrset::new(T::TXT, 5, [RecordData::txt(b"this is a wildcard").unwrap()]);
    let mx = Rrset::new(T::MX, 5, [RecordData::mx(10, &name("host1.example"))]);
    let srv = Rrset::new(
        T::SRV,
        5,
        [RecordData::srv(0, 0, 1, &name("host1.example"))],
    );
    let zone = zone(&[
        ("example", pointing(T::NS, "ns.example.com")),
        ("*.example", text.clone()),
        ("*.example", mx),
        ("sub.*.example", text),
        ("host1.example", a(1)),
        ("_ssh._tcp.host1.example", srv.clone()),
        ("_ssh._tcp.host2.example", srv),
        ("subdel.example", pointing(T::NS, "ns.example.com")),
    ]);
    for (asked, rtype, expected) in [
        ("host3.example", T::MX, "found"),
        ("host3.example", T::A, "no data"),
        ("foo.bar.example", T::TXT, "found"),
        ("host1.example", T::MX, "no data"),
        ("sub.*.example", T::MX, "no data"),
        ("_telnet._tcp.host1.example", T::SRV, "no such name"),
        ("host.subdel.example", T::A, "cut"),
        ("ghost.*.example", T::MX, "no such name"),
        // The next is not in the RFC: host2 is an empty non-terminal and stops the wildcard.
        ("x.host2.example", T::MX, "no such name"),
    ] {
        assert_eq!(outcome(&zone, asked, rtype), expected, "{asked} {rtype}");
    }
}

#[test]
fn below_a_cut_others_answer() {
    use RecordType as T;
    let ds = Rrset::new(T::DS, 5, [RecordData::raw(*b"\0\x01\x08\x02hash").unwrap()]);
    let zone = zone(&[
        ("ns.sub.example", a(1)),
        ("sub.example", pointing(T::NS, "ns.sub.example")),
        ("sub.example", ds),
        ("deep.sub.example", pointing(T::NS, "ns.sub.example")),
        ("*.sub.example", a(2)),
        ("here.example", a(3)),
    ]);
    for (asked, rtype, expected) in [
        ("sub.example", T::NS, "cut"),
        ("sub.example", T::DS, "found"),
        ("ns.sub.example", T::A, "cut"),
        ("ns.sub.example", T::DS, "cut"),
        ("nothing.sub.example", T::A, "cut"),
        ("x.deep.sub.example", T::A, "cut"),
        ("here.example", T::A, "found"),
        ("here.example", T::NS, "no data"),
        ("nowhere.example", T::A, "no such name"),
    ] {
        assert_eq!(outcome(&zone, asked, rtype), expected, "{asked} {rtype}");
    }
    let asked = LookupName::from(&name("x.deep.sub.example"));
    let Lookup::Cut(cut) = zone.lookup(&asked, T::A) else {
        panic!("no cut")
    };
    assert_eq!(
        asked.suffix(cut.label),
        name("sub.example").as_wire(),
        "the highest cut counts"
    );
    assert!(
        zone.glue(&LookupName::from(&name("ns.sub.example")), T::A)
            .is_some()
    );
    // Without the delegation the names are ours again.
    let mut edit = zone.edit();
    edit.remove(&name("sub.example"), T::NS).unwrap();
    edit.remove(&name("deep.sub.example"), T::NS).unwrap();
    assert_eq!(outcome(&edit.finish(), "ns.sub.example", T::A), "found");
}

/// If this fails, clients are told other addresses of a host than they get when they ask for it.
#[test]
fn the_addresses_of_a_host_are_those_that_lookups_find() {
    use RecordType as T;
    let data = [RecordData::aaaa("2001:db8::1".parse().unwrap())];
    let aaaa = Rrset::new(T::AAAA, 5, data);
    let zone = zone(&[
        ("both.example", aaaa.clone()),
        ("both.example", a(1)),
        ("alias.example", pointing(T::CNAME, "both.example")),
        ("*.wild.example", aaaa.clone()),
        ("sub.example", pointing(T::NS, "ns.sub.example")),
        ("ns.sub.example", a(2)),
        ("ns.sub.example", aaaa),
    ]);
    let types = |found: [Option<RrsetRef<'_>>; 2]| found.map(|it| it.map(|it| it.rtype()));
    for host in ["both", "alias", "x.wild", "wild", "none", "ns.sub", "x.sub"] {
        let host = LookupName::from(&name(&format!("{host}.example")));
        let looked_up = [T::A, T::AAAA].map(|rtype| match zone.lookup(&host, rtype) {
            Lookup::Found(rrset) => Some(rrset),
            _ => None,
        });
        assert_eq!(types(zone.addresses(&host)), types(looked_up), "{host:?}");
        let glue = [T::A, T::AAAA].map(|rtype| match zone.lookup(&host, rtype) {
            Lookup::Found(rrset) => Some(rrset),
            Lookup::Cut(_) => zone.glue(&host, rtype),
            _ => None,
        });
        assert_eq!(
            types(zone.addresses_or_glue(&host)),
            types(glue),
            "{host:?}"
        );
    }
}

#[test]
fn a_name_goes_with_its_last_record_and_takes_empty_ones_along() {
    let zone = zone(&[
        ("a.b.c.example", a(1)),
        ("c.example", a(2)),
        ("d.b.c.example", a(3)),
    ]);
    assert_eq!(zone.name_count(), 5);
    let mut edit = zone.edit();
    assert_eq!(edit.remove(&name("a.b.c.example"), RecordType::A), Ok(true));
    assert_eq!(
        edit.remove(&name("a.b.c.example"), RecordType::A),
        Ok(false)
    );
    assert_eq!(edit.remove(&name("c.example"), RecordType::A), Ok(true));
    let zone = edit.finish();
    assert_eq!(
        outcome(&zone, "a.b.c.example", RecordType::A),
        "no such name"
    );
    assert_eq!(outcome(&zone, "c.example", RecordType::A), "no data");
    let mut edit = zone.edit();
    edit.set(&name("d.b.c.example"), &Rrset::new(RecordType::A, 5, []))
        .unwrap();
    let zone = edit.finish();
    assert_eq!(outcome(&zone, "c.example", RecordType::A), "no such name");
    assert_eq!(zone.names(), [name("example")]);
    assert_eq!(zone.name_count(), 1);
}

/// Answers would stay right, but every later query would pay for what is gone.
#[test]
fn cuts_and_wildcards_are_forgotten_when_the_last_one_goes() {
    let zone = zone(&[
        ("sub.example", pointing(RecordType::NS, "ns.test")),
        ("a.*.example", a(1)),
        ("*.b.example", a(1)),
        ("example", pointing(RecordType::NS, "ns.test")),
    ]);
    assert_eq!((zone.0.borders, zone.0.wildcards), (1, 2));
    let mut edit = zone.edit();
    for (owner, rtype) in [
        ("sub.example", RecordType::NS),
        ("a.*.example", RecordType::A),
        ("*.b.example", RecordType::A),
    ] {
        assert_eq!(edit.remove(&name(owner), rtype), Ok(true));
    }
    let zone = edit.finish();
    assert_eq!((zone.0.borders, zone.0.wildcards), (0, 0));
}

#[test]
fn an_edit_leaves_the_zone_it_came_from_alone() {
    let before = zone(&[("a.example", a(1))]);
    let mut edit = before.edit();
    edit.set(&name("a.example"), &a(2)).unwrap();
    edit.set(&name("b.example"), &a(3)).unwrap();
    let after = edit.finish();
    let asked = LookupName::from(&name("a.example"));
    let data = |zone: &Zone| match zone.lookup(&asked, RecordType::A) {
        Lookup::Found(rrset) => rrset.records().next().unwrap().data.to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(data(&before), [192, 0, 2, 1]);
    assert_eq!(data(&after), [192, 0, 2, 2]);
    assert_eq!(before.names().len(), 2);
}

#[test]
fn mistakes_are_refused_and_change_nothing() {
    use RecordType as T;
    let zone = zone(&[
        ("a.example", a(1)),
        ("c.example", pointing(T::CNAME, "a.example")),
    ]);
    let mut edit = zone.edit();
    let two = Rrset::new(
        T::CNAME,
        5,
        ["a", "b"].map(|target| RecordData::cname(&name(target))),
    );
    let soa = Rrset::new(
        T::SOA,
        5,
        [RecordData::soa(&Soa::new(name("a"), name("b"), 1))],
    );
    let opt = Rrset::new(T::OPT, 5, [RecordData::raw(*b"").unwrap()]);
    let short = Rrset::new(T::AAAA, 5, [RecordData::raw(*b"1234").unwrap()]);
    for (owner, rrset, expected) in [
        (
            "a.com",
            a(1),
            "a.com. is not in the zone example.: put it in a zone that it ends with",
        ),
        (
            "a.example",
            pointing(T::CNAME, "b.example"),
            "a.example.: CNAME cannot stand beside A: a CNAME stands alone; remove one of them",
        ),
        (
            "c.example",
            a(1),
            "c.example.: A cannot stand beside CNAME: a CNAME stands alone; remove one of them",
        ),
        (
            "c.example",
            two,
            "c.example.: a name has one CNAME at most; keep one of them",
        ),
        (
            "a.example",
            soa,
            "a.example.: a zone has one SOA record, at its apex",
        ),
        (
            "o.example",
            opt,
            "o.example.: OPT is not a type of records that a zone can hold",
        ),
        (
            "s.example",
            short,
            "s.example.: 4 octets of data do not have the form of type AAAA",
        ),
    ] {
        assert_eq!(
            edit.set(&name(owner), &rrset).unwrap_err().to_string(),
            expected
        );
    }
    assert!(edit.remove(&name("example"), T::SOA).is_err());
    assert_eq!(edit.finish().names(), zone.names());
}

#[test]
fn a_negative_answer_holds_no_longer_than_the_soa_says() {
    let mut soa = Soa::new(name("ns.example"), name("host.example"), 1);
    let ttl = |zone: &Zone| zone.negative_soa()[6..10].to_vec();
    for (own, minimum, expected) in [(300, 1, 1), (5, 60, 5)] {
        soa.minimum = minimum;
        assert_eq!(
            ttl(&Zone::new(name("example"), own, &soa)),
            [0, 0, 0, expected]
        );
    }
    let mut edit = empty().edit();
    soa.minimum = 9;
    edit.set(
        &name("example"),
        &Rrset::new(RecordType::SOA, 99, [RecordData::soa(&soa)]),
    )
    .unwrap();
    assert_eq!(ttl(&edit.finish()), [0, 0, 0, 9]);
}

#[test]
fn a_change_copies_one_shard_and_a_new_name_that_of_its_parent_too() {
    let zone = many(20_000);
    let mut edit = zone.edit();
    edit.set(&name("worker7.tf.example"), &a(9)).unwrap();
    assert_eq!(shards_copied(&zone, &edit.finish()), 1);
    let mut edit = zone.edit();
    edit.set(&name("another.tf.example"), &a(9)).unwrap();
    assert!((1..=2).contains(&shards_copied(&zone, &edit.finish())));
    assert_eq!(shards_copied(&zone, &zone.edit().finish()), 0);
}

#[test]
fn a_zone_grows_and_shrinks_without_losing_a_name() {
    let zone = many(5_000);
    assert!(zone.0.shard_count >= 64);
    assert_eq!(zone.names().len(), 5_001);
    let mut edit = zone.edit();
    for number in 10..5_000 {
        let owner = name(&format!("worker{number}.tf.example"));
        assert_eq!(edit.remove(&owner, RecordType::A), Ok(true));
    }
    let zone = edit.finish();
    assert_eq!(zone.0.shard_count, 1);
    assert_eq!(zone.names().len(), 11);
    assert_eq!(outcome(&zone, "worker9.tf.example", RecordType::A), "found");
    assert_eq!(
        outcome(&zone, "worker10.tf.example", RecordType::A),
        "no such name"
    );
}

#[test]
fn a_name_with_an_address_takes_at_most_90_octets() {
    let count = 100_000;
    let each = many(count).memory() / count as usize;
    assert!(each <= 90, "{each} octets for each name");
}

/// If this fails, a zone keeps for ever the room that its file seemed to need.
#[test]
fn room_that_was_not_needed_is_given_back() {
    let names = || (0..200).map(|number| name(&format!("worker{number}.tf.example")));
    let filled = |room: usize| {
        let mut edit = empty().edit();
        edit.reserve(room);
        names().for_each(|owner| edit.set(&owner, &a(1)).unwrap());
        edit.finish()
    };
    let plain = filled(0).memory();
    for room in [100, 200, 1_000, 100_000] {
        let zone = filled(room);
        assert_eq!(zone.names().len(), 201);
        let memory = zone.memory();
        assert!(memory <= 2 * plain, "{room}: {memory} octets, not {plain}");
    }
    let mut edit = filled(1_000).edit();
    for owner in names() {
        edit.set(
            &owner,
            &Rrset::new(RecordType::AAAA, 5, [RecordData::aaaa(1.into())]),
        )
        .unwrap();
    }
    let zone = edit.finish();
    for shard in zone.0.shards() {
        let entries: usize = shard.written().map(|(_, entry)| entry.len()).sum();
        assert!(shard.memory() <= 3 * entries, "{entries}");
    }
}
