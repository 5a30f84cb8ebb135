use std::process::{Command, Stdio};
use std::time::Duration;

use super::select::{Assigned, Machine, select};
use super::system::{default_ipv4, default_ipv6, ipv6_flags};
use super::*;

fn selections(words: &str) -> Vec<AddressSelection> {
    let words = words.split(' ');
    words
        .map(|word| AddressSelection::parse(word).unwrap())
        .collect()
}

/// A machine from lines such as `eth0 10.0.0.5`, with `?` before a passing address.
fn machine(lines: &[&str], default_interfaces: &[&str]) -> Machine {
    let addresses = lines.iter().map(|line| {
        let (interface, address) = line.split_once(' ').unwrap();
        Assigned {
            interface: interface.to_owned(),
            loopback: interface == "lo",
            address: address.trim_start_matches('?').parse().unwrap(),
            passing: address.starts_with('?'),
        }
    });
    Machine {
        addresses: addresses.collect(),
        default_interfaces: default_interfaces
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
    }
}

fn listed(words: &str, machine: &Machine) -> String {
    let addresses = select(&selections(words), machine);
    let list: Vec<_> = addresses.list.iter().map(ToString::to_string).collect();
    list.join(" ")
}

/// Others must reach a node by what it publishes of itself without being told.
#[test]
fn auto_finds_what_people_mean_by_my_address() {
    let lines = [
        "lo 127.0.0.1",
        "lo ::1",
        "eth0 10.0.0.5",
        "eth0 fd00::5",
        "eth0 fe80::5",
        "eth1 192.168.7.5",
        "eth1 169.254.1.1",
        "docker0 172.17.0.1",
    ];
    for (count, defaults, expected) in [
        (8, &["eth0"][..], "10.0.0.5 fd00::5"),
        (8, &["eth1", "eth0"], "10.0.0.5 fd00::5 192.168.7.5"),
        (8, &[], "10.0.0.5 fd00::5 192.168.7.5"),
        // A default route over an interface without addresses of its own.
        (8, &["tun0"], "10.0.0.5 fd00::5 192.168.7.5"),
        (2, &[], "127.0.0.1 ::1"),
        (0, &[], ""),
    ] {
        assert_eq!(
            listed("auto", &machine(&lines[..count], defaults)),
            expected
        );
    }
    let bridges = ["lo 127.0.0.1", "br-1f2e 172.18.0.1", "docker0 172.17.0.1"];
    assert_eq!(
        listed("auto", &machine(&bridges, &[])),
        "172.18.0.1 172.17.0.1"
    );
    // In a container the one interface may be called veth0.
    let container = ["veth0 10.1.0.2", "eth0 10.2.0.2"];
    assert_eq!(listed("auto", &machine(&container, &["veth0"])), "10.1.0.2");
}

/// A temporary address is changed every few hours: names should not follow it.
#[test]
fn passing_addresses_are_published_only_where_there_is_no_other() {
    let both = ["eth0 ?2001:db8::1", "eth0 2001:db8::2", "eth0 10.0.0.5"];
    assert_eq!(listed("auto", &machine(&both, &[])), "2001:db8::2 10.0.0.5");
    let only = ["eth0 ?2001:db8::1", "eth0 10.0.0.5"];
    assert_eq!(listed("eth0", &machine(&only, &[])), "2001:db8::1 10.0.0.5");
}

#[test]
fn several_selections_keep_their_order_and_give_each_address_once() {
    let machine = machine(
        &[
            "eth0 10.0.0.5",
            "eth1 192.168.7.5",
            "eth1 10.1.0.5",
            "eth1 fe80::1",
        ],
        &["eth0"],
    );
    assert_eq!(
        listed("eth1 auto", &machine),
        "192.168.7.5 10.1.0.5 10.0.0.5"
    );
    assert_eq!(listed("10.0.0.0/8 auto", &machine), "10.0.0.5 10.1.0.5");
    assert_eq!(listed("fe80::/8", &machine), "", "never link-local");
    assert_eq!(listed("eth9", &machine), "");
    let addresses = select(&selections("203.0.113.9 10.0.0.5"), &machine);
    assert_eq!(addresses.list.len(), 2);
    assert_eq!(
        addresses.elsewhere,
        ["203.0.113.9".parse::<IpAddr>().unwrap()]
    );
}

/// The start says it when nobody else can use the name, and a record keeps its size.
#[test]
fn what_the_start_must_say_is_told() {
    let lonely = select(&selections("auto"), &machine(&["lo 127.0.0.1"], &[]));
    assert!(lonely.only_loopback);
    let connected = ["lo 127.0.0.1", "eth0 10.0.0.5"];
    assert!(!select(&selections("lo eth0"), &machine(&connected, &[])).only_loopback);
    assert!(!select(&selections("eth0"), &machine(&[], &[])).only_loopback);
    let lines: Vec<String> = (0..LIMIT + 3)
        .map(|host| format!("eth0 10.0.0.{host}"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let many = select(&selections("auto"), &machine(&lines, &[]));
    assert_eq!((many.list.len(), many.left_out), (LIMIT, 3));
}

#[test]
fn words_of_the_directive_are_read_or_refused_with_a_reason() {
    for word in [
        "auto",
        "eth0",
        "br-1f2e",
        "10.0.0.0/8",
        "fd00::/64",
        "10.0.0.5",
        "fd00::5",
        "0.0.0.0/0",
        "lo",
    ] {
        assert_eq!(AddressSelection::parse(word).unwrap().to_string(), word);
    }
    assert_eq!(
        AddressSelection::parse("::ffff:10.0.0.5")
            .unwrap()
            .to_string(),
        "10.0.0.5"
    );
    for (word, reason) in [
        ("10.0.0.300", "neither an address"),
        ("10.0.0.5:53", "neither an address"),
        ("", "neither an address"),
        ("an-interface-with-a-long-name", "neither an address"),
        ("fe80::1", "link-local"),
        ("169.254.0.0/16", "link-local"),
        ("fe80::/64", "link-local"),
        ("0.0.0.0", "one machine"),
        ("224.0.0.1", "one machine"),
        ("10.0.0.0/33", "at most 32"),
        ("fd00::/129", "at most 128"),
        ("eth0/8", "no network"),
        ("10.0.0.0/", "no network"),
    ] {
        let error = AddressSelection::parse(word).unwrap_err();
        assert!(error.contains(reason), "{word}: {error}");
    }
}

#[test]
fn networks_contain_what_shares_their_prefix() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
        ("10.1.2.3/0", "192.0.2.1", "fd00::1"),
        ("fd00::/64", "fd00::1", "fd00:0:0:1::1"),
        ("::/0", "fd00::1", "10.0.0.1"),
    ] {
        let network = Network::parse(network).unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{network}");
        assert!(!network.contains(outside.parse().unwrap()), "{network}");
    }
}

/// What Linux really prints, with a reject route that stands in every IPv6 table.
#[test]
fn files_of_the_kernel_are_read() {
    let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth1\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth2\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    assert_eq!(default_ipv4(routes).as_deref(), Some("eth0"));
    let zeros = "0".repeat(32);
    let route = |metric: &str, flags: &str, interface: &str| {
        format!(
            "{zeros} 00 {zeros} 00 fd000000000000000000000000000001 {metric} 00000001 00000000 {flags} {interface}\n"
        )
    };
    let routes = route("ffffffff", "00200200", "lo") + &route("00000400", "00000003", "eth0");
    assert_eq!(default_ipv6(&routes).as_deref(), Some("eth0"));
    assert_eq!(default_ipv6(&route("ffffffff", "00200200", "lo")), None);
    assert_eq!(default_ipv4("garbage\n\n00000000"), None);
    let flags = ipv6_flags("fd000000000000000000000000000002 04 40 00 21     eth0\nx y\n");
    assert_eq!(flags.get(&"fd00::2".parse().unwrap()), Some(&0x21));
}

/// Set for the test process that has a network of its own to change.
const IN_NAMESPACE: &str = "CALLSIGN_TEST_IN_NAMESPACE";

/// Runs [`follows_changes_in_a_namespace`] in a network namespace of its own.
#[test]
fn changes_are_followed_while_running() {
    let unshare = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--net", program])
            .args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let possible = unshare("ip", &["link", "add", "one", "type", "veth"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("skipped: needs unshare, ip and veth interfaces");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let test = "follows_changes_in_a_namespace";
    let output = unshare(
        program.to_str().unwrap(),
        &[test, "--ignored", "--nocapture"],
    )
    .env(IN_NAMESPACE, "1")
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "changes the network: run by changes_are_followed_while_running"]
fn follows_changes_in_a_namespace() {
    let ip = |arguments: &str| {
        let status = Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(status.success(), "ip {arguments}");
    };
    if std::env::var_os(IN_NAMESPACE).is_none() {
        eprintln!("skipped: this is the machine's own network");
        return;
    }
    ip("link set lo up");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut receiver = watch(selections("auto"));
        assert!(receiver.borrow_and_update().only_loopback);
        let mut expect = async |expected: &str| {
            let list = |addresses: &Addresses| {
                let list: Vec<_> = addresses.list.iter().map(ToString::to_string).collect();
                list.join(" ")
            };
            let found = receiver.wait_for(|addresses| list(addresses) == expected);
            let found = tokio::time::timeout(Duration::from_secs(40), found).await;
            assert!(found.is_ok(), "never saw {expected:?}");
        };
        ip("link add one type veth peer name two");
        ip("link set two up");
        ip("link set one up");
        ip("addr add 10.9.8.7/24 dev one");
        expect("10.9.8.7").await;
        ip("addr add fd00::7/64 dev one nodad");
        expect("10.9.8.7 fd00::7").await;
        ip("addr del 10.9.8.7/24 dev one");
        ip("addr add 10.9.8.8/24 dev one");
        expect("10.9.8.8 fd00::7").await;
        // A default route elsewhere: the other interface is "my address" now.
        ip("addr add 10.5.0.2/24 dev two");
        ip("route add default via 10.5.0.1");
        expect("10.5.0.2").await;
        ip("link del one");
        expect("127.0.0.1 ::1").await;
    });
}
