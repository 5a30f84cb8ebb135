//! What belongs to which engine.

use super::*;
use crate::docker::Network;

fn network(name: &str, driver: &str, subnets: &[(&str, u8)]) -> Network {
    let subnets = subnets.iter();
    Network {
        name: name.into(),
        driver: driver.into(),
        subnets: subnets
            .map(|(address, length)| (address.parse().unwrap(), *length))
            .collect(),
        gateways: Vec::new(),
    }
}

/// If this fails, addresses that no container has are asked of the world, or those of the machines
/// of the network at hand, which `macvlan` is a part of, are nobody's.
#[test]
fn the_networks_of_the_engine_are_ours_backwards() {
    let networks = [
        network("bridge", "bridge", &[("172.17.0.0", 16), ("fd00::", 64)]),
        network("lan", "macvlan", &[("192.168.1.0", 24)]),
        network("lan6", "ipvlan", &[("fd01::", 64)]),
    ];
    let networks = networks.map(|it| (it.name.clone(), it));
    let state = EngineState {
        networks: Arc::new(networks.into()),
        ..EngineState::default()
    };
    let mut names = Names::new(NameOptions::default(), 1);
    names.update(&[state], &[true], &[]);
    let zones: Vec<String> = names
        .subnets()
        .map(|zone| zone.apex().to_string())
        .collect();
    assert_eq!(
        zones,
        [
            "17.172.in-addr.arpa.",
            "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa."
        ]
    );
}

/// If this fails, a container is sent to one of another machine, whose address it does not reach,
/// because both are in a network that is called `bridge`.
#[test]
fn networks_of_two_engines_with_one_name_are_two() {
    let here = composed("here", "web", 1, &["bridge=172.17.0.2"]);
    let there = composed("there", "web", 1, &["bridge=172.17.0.9"]);
    let mut names = Names::new(NameOptions::default(), 1);
    names.update(
        &[state(vec![here]), state(vec![there])],
        &[true, false],
        &[],
    );
    let views = names.views();
    let view = &views[&"172.17.0.2".parse::<IpAddr>().unwrap()];
    let seen = addresses(&view.zones()[0], "web.docker");
    assert_eq!(seen, some(&["172.17.0.2"]));
    let both = some(&["172.17.0.2", "172.17.0.9"]);
    assert_eq!(all(&names, "web.docker"), both);
    assert_eq!(addresses(&view.zones()[0], "there.docker"), None);
}
