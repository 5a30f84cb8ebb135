//! Who gets which name.

mod bounds;
mod engines;

use std::net::IpAddr;
use std::sync::Arc;

use answer::{Lookup, LookupName, Name, RecordType, Zone};

use super::*;
use crate::docker::{Attachment, EngineState, Health, NetworkMode, Port};

/// A container in networks, given as `NETWORK=ADDRESS`.
fn container(name: &str, networks: &[&str]) -> Container {
    let id = format!(
        "{:0>64}",
        name.bytes().map(|it| format!("{it:x}")).collect::<String>()
    );
    let networks = networks.iter().map(|text| {
        let (network, address) = text.split_once('=').unwrap();
        let mut attachment = Attachment::default();
        match address.parse().unwrap() {
            IpAddr::V4(address) => attachment.ipv4 = Some(address),
            IpAddr::V6(address) => attachment.ipv6 = Some(address),
        }
        (network.to_owned(), attachment)
    });
    Container {
        hostname: id[..12].to_owned(),
        name: name.to_owned(),
        networks: networks.collect(),
        id,
        ..Container::default()
    }
}

fn composed(name: &str, service: &str, number: u32, networks: &[&str]) -> Container {
    let mut container = container(name, networks);
    for (key, value) in [
        ("project", "shop"),
        ("service", service),
        ("container-number", &number.to_string()),
    ] {
        let key = format!("com.docker.compose.{key}");
        container.labels.insert(key, value.to_owned());
    }
    container
}

fn label(mut container: Container, key: &str, value: &str) -> Container {
    container.labels.insert(key.to_owned(), value.to_owned());
    container
}

fn state(containers: Vec<Container>) -> EngineState {
    let containers = containers
        .into_iter()
        .map(|it| (it.id.clone(), Arc::new(it)));
    EngineState {
        containers: Arc::new(containers.collect()),
        ..EngineState::default()
    }
}

fn names(options: NameOptions, containers: Vec<Container>) -> Names {
    let mut names = Names::new(options, 1);
    names.update(
        &[state(containers)],
        &[true],
        &["192.0.2.1".parse().unwrap()],
    );
    names
}

fn usual(containers: Vec<Container>) -> Names {
    names(NameOptions::default(), containers)
}

/// What a zone says: addresses as text, or nothing where there is no such name.
fn addresses(zone: &Zone, name: &str) -> Option<Vec<String>> {
    let name = LookupName::from(&Name::parse(name).unwrap());
    let mut found = Vec::new();
    for rtype in [RecordType::A, RecordType::AAAA] {
        match zone.lookup(&name, rtype) {
            Lookup::Found(rrset) => found.extend(rrset.records().map(|record| match record.data {
                [a, b, c, d] => IpAddr::from([*a, *b, *c, *d]).to_string(),
                data => IpAddr::from(<[u8; 16]>::try_from(data).unwrap()).to_string(),
            })),
            Lookup::NoData => {}
            _ => return None,
        }
    }
    Some(found)
}

fn all(names: &Names, name: &str) -> Option<Vec<String>> {
    addresses(&names.all().zones()[0], name)
}

fn some(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// What an address points back to.
fn pointer(names: &Names, address: &str) -> Vec<String> {
    let name = LookupName::from(&Name::reverse(address.parse().unwrap()));
    match names.reverse().lookup(&name, RecordType::PTR) {
        Lookup::Found(rrset) => rrset
            .records()
            .map(|record| Name::from_wire(record.data).unwrap().to_string())
            .collect(),
        _ => Vec::new(),
    }
}

/// If this fails, a container is not found under a name that its user expects.
#[test]
fn a_replica_has_all_its_names() {
    let mut replica = composed("shop-web-2", "web", 2, &["shop_default=172.18.0.3"]);
    replica.hostname = "node".into();
    replica
        .networks
        .get_mut("shop_default")
        .unwrap()
        .aliases
        .push("www".into());
    let names = usual(vec![
        replica,
        composed("shop-web-1", "web", 1, &["shop_default=172.18.0.2"]),
    ]);
    for name in [
        "shop-web-2.docker",
        "shop_web_2.docker",
        "node.docker",
        "node-2.docker",
        "node_2.docker",
        "2.web.shop.docker",
        "web-2.docker",
        "web_2.docker",
        "www.docker",
        "shop-web-2.shop_default.docker",
        "0073686f702d.docker",
    ] {
        let expected = if name.starts_with("0073") {
            None
        } else {
            some(&["172.18.0.3"])
        };
        assert_eq!(all(&names, name), expected, "{name}");
    }
    let both = some(&["172.18.0.2", "172.18.0.3"]);
    for name in [
        "web.docker",
        "web.shop.docker",
        "shop.web.docker",
        "tasks.web.docker",
    ] {
        let mut found = all(&names, name);
        found.as_mut().unwrap().sort();
        assert_eq!(found, both, "{name}");
    }
    // What only has names below it exists and has no data.
    assert_eq!(all(&names, "shop.docker"), some(&[]));
    assert_eq!(all(&names, "nobody.docker"), None);
    assert_eq!(all(&names, "host.docker"), some(&["192.0.2.1"]));
}

/// If this fails, replicas that were given no hostname cannot make a cluster: RabbitMQ learns from
/// the pointers what they call themselves, and asks for that without a zone.
#[test]
fn what_a_container_calls_itself_by_default_is_found_without_a_zone() {
    let one = container("one", &["a=10.0.0.1"]);
    let hostname = one.hostname.clone();
    let options = NameOptions {
        bare: Source::USUAL_BARE.into(),
        ..NameOptions::default()
    };
    let names = names(options, vec![one]);
    let found = addresses(names.all().bare(), &format!("{hostname}."));
    assert_eq!(found, some(&["10.0.0.1"]));
    let found = all(&names, &format!("{hostname}.docker."));
    assert_eq!(found, some(&["10.0.0.1"]));
}

/// If this fails, a container takes another's name by calling itself that.
#[test]
fn the_stronger_claim_has_the_name() {
    let mut thief = container("thief", &["bridge=172.17.0.9"]);
    thief.hostname = "db".into();
    thief
        .networks
        .get_mut("bridge")
        .unwrap()
        .aliases
        .push("db".into());
    let thief = label(thief, "dns.name", "db");
    let names = usual(vec![container("db", &["bridge=172.17.0.2"]), thief.clone()]);
    assert_eq!(all(&names, "db.docker"), some(&["172.17.0.2"]));
    let hidden: Vec<_> = names
        .report()
        .into_iter()
        .filter(|line| line.name == "db.docker." && line.container == "thief")
        .map(|line| (line.source, line.standing))
        .collect();
    assert_eq!(hidden.len(), 2);
    for (source, standing) in hidden {
        assert_eq!(
            standing,
            Standing::Hidden("db has it as its name".into()),
            "{source}"
        );
    }
    // Once nobody has a stronger claim, it is the thief's.
    let names = usual(vec![thief]);
    assert_eq!(all(&names, "db.docker"), some(&["172.17.0.9"]));
}

/// If this fails, a container is sent to an address on a network that it is not in, or to another
/// project's service.
#[test]
fn a_client_sees_what_it_shares_networks_with() {
    let names = usual(vec![
        composed("a-web-1", "web", 1, &["a=10.1.0.2", "both=10.3.0.2"]),
        container("b-web", &["b=10.2.0.2"]),
        label(
            container("other", &["b=10.2.0.3"]),
            "com.docker.compose.project",
            "b",
        ),
        {
            let mut web = container("b-web-1", &["b=10.2.0.4"]);
            web.networks
                .get_mut("b")
                .unwrap()
                .aliases
                .push("web".into());
            web
        },
        container("outsider", &["c=10.4.0.2"]),
    ]);
    let views = names.views();
    let seen = |client: &str, name: &str| {
        let view = &views[&client.parse::<IpAddr>().unwrap()];
        addresses(&view.zones()[0], name)
    };
    assert_eq!(seen("10.2.0.2", "web.docker"), some(&["10.2.0.4"]));
    assert_eq!(
        seen("10.1.0.2", "web.docker"),
        some(&["10.1.0.2", "10.3.0.2"])
    );
    assert_eq!(
        seen("10.4.0.2", "web.docker"),
        None,
        "it is told what everybody is"
    );
    let everybody = all(&names, "web.docker");
    assert_eq!(
        everybody,
        some(&["10.2.0.4"]),
        "an alias is stronger than a service's name"
    );
    assert!(!views.contains_key(&"10.9.9.9".parse().unwrap()));
}

/// If this fails, names lead to containers whose health check fails or that are frozen.
#[test]
fn sets_leave_out_who_cannot_serve() {
    let mut sick = composed("web-1", "web", 1, &["n=10.0.0.1"]);
    sick.health = Health::Unhealthy;
    let mut young = composed("web-2", "web", 2, &["n=10.0.0.2"]);
    young.health = Health::Starting;
    let mut frozen = composed("web-3", "web", 3, &["n=10.0.0.3"]);
    frozen.paused = true;
    let well = composed("web-4", "web", 4, &["n=10.0.0.4"]);
    let containers = vec![sick.clone(), young, frozen, well];
    let with = |health: HealthPolicy, containers: &[Container]| {
        let options = NameOptions {
            health,
            ..NameOptions::default()
        };
        let names = names(options, containers.to_vec());
        let mut found = all(&names, "web.docker").unwrap();
        found.sort();
        assert_eq!(
            all(&names, "web-1.docker"),
            some(&["10.0.0.1"]),
            "its own name stays"
        );
        found
    };
    assert_eq!(
        with(HealthPolicy::Any, &containers),
        ["10.0.0.1", "10.0.0.2", "10.0.0.4"]
    );
    assert_eq!(
        with(HealthPolicy::NotUnhealthy, &containers),
        ["10.0.0.2", "10.0.0.4"]
    );
    assert_eq!(with(HealthPolicy::Healthy, &containers), ["10.0.0.4"]);
    assert_eq!(
        with(HealthPolicy::Healthy, &[sick]),
        ["10.0.0.1"],
        "better than nobody"
    );
}

/// If this fails, containers without networks of their own are not found.
#[test]
fn borrowed_networks_are_followed() {
    let mut host = container("exporter", &[]);
    host.mode = NetworkMode::Host;
    let mut sidecar = container("sidecar", &[]);
    sidecar.mode = NetworkMode::Of("app".into());
    let mut orphan = container("orphan", &[]);
    orphan.mode = NetworkMode::Of("gone".into());
    let names = usual(vec![
        host,
        sidecar,
        orphan,
        container("app", &["n=10.0.0.5"]),
    ]);
    assert_eq!(all(&names, "exporter.docker"), some(&["192.0.2.1"]));
    assert_eq!(all(&names, "sidecar.docker"), some(&["10.0.0.5"]));
    assert_eq!(all(&names, "orphan.docker"), None);
    let lines = names.report();
    let orphan = lines
        .iter()
        .find(|line| line.name == "orphan.docker.")
        .unwrap();
    let reason = "the container whose networks it uses does not run";
    assert_eq!(orphan.standing, Standing::Hidden(reason.into()));
}

/// If this fails, labels do not do what their page says.
#[test]
fn labels_are_obeyed() {
    let with = |labels: &[(&str, &str)]| {
        let mut it = container("it", &["n=10.0.0.5", "m=10.1.0.5"]);
        for (key, value) in labels {
            it = label(it, key, value);
        }
        let options = NameOptions {
            fqdn: vec![Name::parse("example.org").unwrap()],
            ..NameOptions::default()
        };
        names(options, vec![it])
    };
    assert_eq!(all(&with(&[("dns.ignore", "true")]), "it.docker"), None);
    let named = with(&[
        ("dns.name", "api, api.v1 www.example.org evil.test."),
        ("dns.wildcard", "yes"),
    ]);
    for name in ["api.docker", "api.v1.docker", "any.api.v1.docker"] {
        assert_eq!(all(&named, name), some(&["10.0.0.5", "10.1.0.5"]), "{name}");
    }
    let domain = &named.all().domains()[0];
    assert!(addresses(domain, "www.example.org").is_some());
    assert_eq!(addresses(domain, "other.org"), None);
    let problems: Vec<_> = named.problems().map(|(_, problem)| problem).collect();
    assert_eq!(
        problems,
        ["label name evil.test. lies below no domain of `fqdn`, so it is not answered"]
    );
    assert_eq!(
        all(&with(&[("dns.network", "n")]), "it.docker"),
        some(&["10.0.0.5"])
    );
    assert_eq!(
        all(&with(&[("dns.ip", "192.0.2.7")]), "it.docker"),
        some(&["192.0.2.7"])
    );
    let bad = with(&[("dns.name", "a..b"), ("dns.ttl", "soon"), ("dns.nmae", "x")]);
    assert_eq!(bad.problems().count(), 3);
    assert!(all(&bad, "it.docker").is_some(), "the rest of it works");
}

/// If this fails, a label gives the whole zone to one container, or containers without labels are
/// told of where only labels count.
#[test]
fn what_labels_do_not_say_is_not_done() {
    let one = label(container("one", &["n=10.0.0.5"]), "dns.name", "docker");
    let two = container("two-b", &["n=10.0.0.6"]);
    let labelled = NameOptions {
        labelled_only: true,
        ..NameOptions::default()
    };
    let some_names = names(labelled, vec![one.clone(), two.clone()]);
    assert_eq!(all(&some_names, "docker.docker"), some(&["10.0.0.5"]));
    assert_eq!(all(&some_names, "docker"), some(&[]), "the zone itself");
    assert_eq!(all(&some_names, "two-b.docker"), None);
    assert_eq!(pointer(&some_names, "10.0.0.6"), [""; 0]);
    assert_eq!(pointer(&some_names, "10.0.0.5").len(), 1);
    // Nor has a name a twin that does not count itself.
    let sources = [Source::Hostname, Source::Twin].into();
    let options = NameOptions {
        sources,
        ..NameOptions::default()
    };
    assert_eq!(all(&names(options, vec![two]), "two_b.docker"), None);
}

/// If this fails, Erlang, Kerberos and Cassandra do not accept the name that an address has.
#[test]
fn addresses_point_back_to_what_a_container_calls_itself() {
    let mut rabbit = container("app-rabbit-1", &["n=10.0.0.5"]);
    rabbit.hostname = "rabbit_1".into();
    let mut names = usual(vec![rabbit.clone()]);
    assert_eq!(pointer(&names, "10.0.0.5"), ["rabbit_1.docker."]);
    names.update(&[state(vec![])], &[true], &[]);
    assert_eq!(pointer(&names, "10.0.0.5"), [""; 0]);
}

/// If this fails, services are found without their ports, or with the wrong ones.
#[test]
fn ports_are_services() {
    let mut rabbit = label(
        container("rabbit", &["n=10.0.0.5"]),
        "dns.srv._prometheus._tcp",
        "15692",
    );
    rabbit.ports = vec![Port {
        number: 5672,
        protocol: "tcp".into(),
    }];
    let names = usual(vec![rabbit]);
    let zone = &names.all().zones()[0];
    let port = |name: &str| match zone.lookup(
        &LookupName::from(&Name::parse(name).unwrap()),
        RecordType::SRV,
    ) {
        Lookup::Found(rrset) => {
            let record = rrset.records().next().unwrap();
            assert_eq!(
                Name::from_wire(&record.data[6..]).unwrap().to_string(),
                "rabbit.docker."
            );
            Some(u16::from_be_bytes([record.data[4], record.data[5]]))
        }
        _ => None,
    };
    assert_eq!(port("_5672._tcp.rabbit.docker"), Some(5672));
    assert_eq!(port("_amqp._tcp.rabbit.docker"), Some(5672));
    assert_eq!(port("_prometheus._tcp.rabbit.docker"), Some(15692));
    assert_eq!(port("_80._tcp.rabbit.docker"), None);
}

/// If this fails, a change leaves something of what was before, so that names depend on history.
#[test]
fn changes_lead_to_the_same_as_a_fresh_start() {
    let mut random = 7_u64;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    let mut names = usual(Vec::new());
    for _ in 0..60 {
        let mut containers = Vec::new();
        for number in 0..8 {
            if below(3) == 0 {
                continue;
            }
            let address = format!("n{}=10.{}.0.{}", below(3), below(2), number + 1);
            let mut it = composed(
                &format!("c{number}"),
                &format!("s{}", below(3)),
                number as u32,
                &[&address],
            );
            it.hostname = format!("h{}", below(4));
            it.paused = below(4) == 0;
            if below(5) == 0 {
                it.mode = NetworkMode::Of(format!("c{}", below(8)));
            }
            containers.push(it);
        }
        names.update(
            &[state(containers.clone())],
            &[true],
            &["192.0.2.1".parse().unwrap()],
        );
        let fresh = usual(containers);
        for (one, two) in names.all().zones().iter().zip(fresh.all().zones()) {
            same(one, two);
        }
        same(names.reverse(), fresh.reverse());
        let (ours, theirs) = (names.views(), fresh.views());
        assert_eq!(ours.len(), theirs.len());
        for (address, view) in &ours {
            same(&view.zones()[0], &theirs[address].zones()[0]);
        }
    }
}

/// Compares two zones, the SOA aside, whose serial counts changes.
fn same(one: &Zone, two: &Zone) {
    assert_eq!(one.names(), two.names());
    for name in one.names() {
        let records = |zone: &Zone| {
            let rrsets = zone
                .rrsets(&name)
                .filter(|it| it.rtype() != RecordType::SOA);
            let mut records: Vec<_> = rrsets
                .flat_map(|rrset| {
                    let records = rrset.records();
                    records.map(move |it| (rrset.rtype(), it.ttl, it.data.to_vec()))
                })
                .collect();
            records.sort();
            records
        };
        assert_eq!(records(one), records(two), "{name}");
    }
}
