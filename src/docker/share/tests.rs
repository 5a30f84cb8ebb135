//! From containers to values and back.

use std::net::IpAddr;
use std::sync::Arc;

use super::value::{LIMIT, read};
use super::{Own, ShareOptions};
use crate::docker::names::{Compat, NameOptions, NameTemplate, NetworkRule};
use crate::docker::{Attachment, Container, EngineState, Network, NetworkMode, Port, Published};
use crate::identity::pools::StoreConfig;

const HOST: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
];

fn own(names: NameOptions) -> Own {
    let share = ShareOptions {
        store: StoreConfig::Etcd(Default::default()),
        ttl: std::time::Duration::from_secs(10),
        routed: vec![NetworkRule::parse("lan"), NetworkRule::parse("10.9.0.0/16")],
    };
    Own::new(names, share)
}

fn container(name: &str) -> Container {
    Container {
        id: format!("{name:0>12}"),
        name: name.into(),
        ..Container::default()
    }
}

fn attached(mut container: Container, network: &str, address: &str) -> Container {
    let attachment = Attachment {
        ipv4: Some(address.parse().unwrap()),
        ..Attachment::default()
    };
    container.networks.insert(network.into(), attachment);
    container
}

fn published(mut container: Container, host_port: u16, address: Option<&str>) -> Container {
    let port = Port {
        number: 80,
        protocol: "tcp".into(),
    };
    container.published.push(Published {
        port,
        host_port,
        host_address: address.map(|it| it.parse().unwrap()),
    });
    container
}

fn engine(containers: Vec<Container>) -> EngineState {
    let containers = containers.into_iter();
    let bridge = Network {
        name: "bridge".into(),
        driver: "bridge".into(),
        subnets: vec![("172.17.0.0".parse().unwrap(), 16)],
        gateways: Vec::new(),
    };
    EngineState {
        networks: Arc::new([("n".to_owned(), bridge)].into()),
        containers: Arc::new(containers.map(|it| (it.id.clone(), Arc::new(it))).collect()),
        ..EngineState::default()
    }
}

/// What others make of one container of ours: where it is reached, or why not.
fn seen(own: &mut Own, containers: Vec<Container>) -> Result<Vec<String>, String> {
    let id = containers[0].id.clone();
    let values = own.values(&[engine(containers)], &HOST);
    let Some(value) = values.get(&id) else {
        let hidden = own.hidden().find(|it| it.id == id);
        return Err(hidden.map(|it| it.reason).unwrap_or_default());
    };
    let seen = read(&id, value).unwrap();
    let origin = seen.origin.as_ref().unwrap();
    let addresses = origin.addresses.iter().copied().chain(seen.addresses());
    let ports = seen.published.iter().map(|it| it.host_port.to_string());
    Ok(addresses.map(|it| it.to_string()).chain(ports).collect())
}

/// If this fails, other hosts are sent to an address that is somebody else's on their own bridge, to
/// a loopback address, or nowhere although there is a way.
#[test]
fn others_get_what_they_reach() {
    let mut own = own(NameOptions::default());
    let bridged = |name| attached(container(name), "bridge", "172.17.0.2");
    let mut see = |container: Container| seen(&mut own, vec![container]);
    assert!(see(bridged("a")).unwrap_err().contains("publishes no port"));
    assert_eq!(
        see(published(bridged("b"), 8080, None)),
        Ok(vec!["192.0.2.1".into(), "8080".into()])
    );
    assert_eq!(
        see(published(bridged("c"), 8080, Some("192.0.2.7"))),
        Ok(vec!["192.0.2.7".into(), "8080".into()])
    );
    for address in ["127.0.0.1", "172.17.0.1"] {
        let here = see(published(bridged("d"), 8080, Some(address)));
        assert!(here.unwrap_err().contains("this machine only"), "{address}");
    }
    let routed = attached(bridged("e"), "lan", "10.1.0.2");
    assert_eq!(
        see(published(routed, 8080, None)),
        Ok(vec!["10.1.0.2".into()])
    );
    assert_eq!(
        see(attached(bridged("f"), "other", "10.9.0.2")),
        Ok(vec!["10.9.0.2".into()])
    );
    let mut on_host = container("g");
    on_host.mode = NetworkMode::Host;
    assert_eq!(see(on_host), Ok(vec!["192.0.2.1".into()]));
    let mut alone = container("h");
    alone.mode = NetworkMode::None;
    assert_eq!(see(alone).unwrap_err(), "it has no network");
    let mut guest = container("i");
    guest.mode = NetworkMode::Of("nobody".into());
    assert!(see(guest.clone()).unwrap_err().contains("does not run"));
    guest.mode = NetworkMode::Of("j".into());
    let owner = attached(container("j"), "lan", "10.1.0.9");
    assert_eq!(
        seen(&mut own, vec![guest, owner]),
        Ok(vec!["10.1.0.9".into()])
    );
    let mut ignored = published(bridged("k"), 1, None);
    ignored.labels.insert("dns.ignore".into(), "true".into());
    assert_eq!(seen(&mut own, vec![ignored]), Err(String::new()));
}

/// If this fails, secrets of containers stand in etcd, or a label is missing there that a name is
/// made of.
#[test]
fn nothing_but_what_names_are_made_of_is_told() {
    let mut own = own(NameOptions {
        compat: [Compat::Dps, Compat::Coredns].into(),
        templates: vec![NameTemplate::parse("{label:team}").unwrap()],
        ..NameOptions::default()
    });
    let mut container = published(container("a"), 8080, None);
    container.environment = [("HOSTNAMES", "wished"), ("PASSWORD", "geheim")]
        .map(|(key, value)| (key.into(), value.into()))
        .into();
    container.labels = [
        ("dns.ttl", "7"),
        ("team", "blue"),
        ("com.docker.compose.project", "shop"),
        ("com.docker.compose.config-hash", "geheim"),
        ("coredns.dockerdiscovery.host", "old"),
        ("other", "geheim"),
    ]
    .map(|(key, value)| (key.into(), value.into()))
    .into();
    let id = container.id.clone();
    let values = own.values(&[engine(vec![container])], &HOST);
    let text = String::from_utf8_lossy(&values[&id]).into_owned();
    for missing in ["geheim", "PASSWORD", "config-hash", "other"] {
        assert!(!text.contains(missing), "{text}");
    }
    let seen = read(&id, &values[&id]).unwrap();
    assert_eq!(seen.labels["dns.names"].trim(), "wished");
    for label in [
        "dns.ttl",
        "team",
        "com.docker.compose.project",
        "coredns.dockerdiscovery.host",
    ] {
        assert!(seen.labels.contains_key(label), "{label}: {text}");
    }
    assert!(seen.environment.is_empty());
}

/// If this fails, whoever can write into the store fills our memory, our log, or our answers with
/// addresses of nobody.
#[test]
fn values_are_read_within_bounds() {
    let id = "0123456789ab";
    let good = r#"{"v":1,"name":"a","unknown":{"later":1}}"#;
    assert_eq!(read(id, good.as_bytes()).unwrap().name, "a");
    for bad in ["", "..", "0123", "0123456789a/", &"a".repeat(129)] {
        assert!(read(bad, good.as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        "",
        "[]",
        r#"{"v":2,"name":"a"}"#,
        r#"{"v":1}"#,
        r#"{"v":1,"name":"a\n"}"#,
        r#"{"v":1,"name":"a","through":["0.0.0.0"]}"#,
        r#"{"v":1,"name":"a","through":["224.0.0.1"]}"#,
        r#"{"v":1,"name":"a","networks":{"n":{"addresses":["::"]}}}"#,
        r#"{"v":1,"name":"a","ports":["x"]}"#,
        r#"{"v":1,"name":"a","published":[{"port":"0/tcp","host_port":1}]}"#,
        &format!(r#"{{"v":1,"name":"a","image":"{}"}}"#, "x".repeat(LIMIT)),
        &format!(
            r#"{{"v":1,"name":"a","ports":[{}"1"]}}"#,
            "\"1\",".repeat(200)
        ),
    ] {
        assert!(read(id, bad.as_bytes()).is_err(), "{bad}");
    }
}
