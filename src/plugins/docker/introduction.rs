//! What the user is told of an engine that has answered: what it is, and how containers and this
//! machine come to ask here.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use answer::Name;

use super::AnswerOptions;
use crate::config::{DNS_PORT, ListenAddress};
use crate::docker::{EngineState, Network};
use crate::networks;
use crate::plugins::bind::interfaces;

/// How long an address that the engine has just made may take until it is served.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where systemd-resolved keeps its files while it runs.
const RESOLVED: &str = "/run/systemd/resolve";

/// The networks that containers are in where nobody says otherwise, with the interface of this machine
/// and with what has all containers ask a name server.
const DEFAULT_NETWORKS: &[(&str, &str, &str)] = &[
    (
        "bridge",
        "docker0",
        "\"dns\": [\"{}\"] in /etc/docker/daemon.json",
    ),
    (
        "podman",
        "podman0",
        "dns_servers = [\"{}\"] below [containers] in containers.conf",
    ),
];

/// How far the user was told of one engine.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    /// When it was heard of first, which was said.
    since: Option<Instant>,
    /// Whether it was said how containers ask here.
    use_is_told: bool,
    /// Whether it was said that they cannot.
    trouble_is_told: bool,
}

impl Introduction {
    /// What is to be said now, a line each. `servers` is where the names are served; the engine is on
    /// this machine if it `is_local`.
    pub(super) fn lines(
        &mut self,
        state: &EngineState,
        answer: &AnswerOptions,
        is_local: bool,
        servers: &[ListenAddress],
        now: Instant,
    ) -> Vec<String> {
        let Some(engine) = &state.engine else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        if self.since.is_none() {
            self.since = Some(now);
            let zones: Vec<String> = answer.zones.iter().map(Name::to_string).collect();
            let bare = match answer.bare {
                true => ", and names without a zone",
                false => "",
            };
            lines.push(format!(
                "engine {} at {}, containers: {}, zones: {}{bare}, served at {}",
                engine.version,
                engine.endpoint,
                state.containers.len(),
                zones.join(" "),
                shown(servers),
            ));
        }
        if let Some((gateway, interface, setting)) = default_network(state).filter(|_| is_local) {
            let is_served = servers.iter().any(|server| has(*server, gateway));
            if is_served && !self.use_is_told {
                self.use_is_told = true;
                let setting = setting.replace("{}", &gateway.to_string());
                lines.push(format!(
                    "containers use these names with {setting}, or with --dns {gateway}"
                ));
                if Path::new(RESOLVED).exists() {
                    lines.push(format!(
                        "this machine uses them with: {}",
                        resolvectl(answer, interface, gateway)
                    ));
                }
            }
            if !is_served && self.is_late(now) && !self.trouble_is_told {
                self.trouble_is_told = true;
                lines.push(format!(
                    "containers cannot use these names: they ask port {DNS_PORT} of {gateway}, and \
                     served is {}; `ss -lunpt sport = :{DNS_PORT}` shows who has that port",
                    shown(servers)
                ));
            }
        }
        lines
    }

    /// How long until there may be something to say although nothing happens.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let since = self.since?;
        let told = self.use_is_told || self.trouble_is_told;
        let left = PATIENCE.saturating_sub(now.saturating_duration_since(since));
        (!told && !left.is_zero()).then_some(left)
    }

    fn is_late(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
    }
}

/// This machine's address in the default network, its interface there, and the setting.
fn default_network(state: &EngineState) -> Option<(IpAddr, &'static str, &'static str)> {
    DEFAULT_NETWORKS
        .iter()
        .find_map(|(name, interface, setting)| {
            let mut networks = state.networks.values();
            let network = networks.find(|network| network.name == *name)?;
            Some((gateway(network)?, *interface, *setting))
        })
}

/// This machine's address in a network. Docker does not always tell that of its default network.
fn gateway(network: &Network) -> Option<IpAddr> {
    network.gateways.first().copied().or_else(|| {
        let subnets = network.subnets.iter();
        let subnets: Vec<_> = subnets
            .map(|(address, length)| networks::Network::new(*address, *length))
            .collect();
        let own = interfaces().into_iter().map(|(_, address)| address.ip());
        let mut inside = own.filter(|own| subnets.iter().any(|subnet| subnet.contains(*own)));
        inside.next()
    })
}

/// Whether containers reach a server at an address of this machine.
fn has(server: ListenAddress, address: IpAddr) -> bool {
    server.port() == DNS_PORT
        && match server {
            ListenAddress::Every(_) => true,
            ListenAddress::One(one) if one.ip().is_unspecified() => {
                one.is_ipv6() || address.is_ipv4()
            }
            ListenAddress::One(one) => one.ip() == address,
        }
}

fn shown(servers: &[ListenAddress]) -> String {
    let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

/// What leads systemd-resolved here for these zones and no others.
fn resolvectl(answer: &AnswerOptions, interface: &str, gateway: IpAddr) -> String {
    let domains = answer.zones.iter().map(|zone| {
        let zone = zone.to_string();
        format!("'~{}'", zone.trim_end_matches('.'))
    });
    let domains: Vec<String> = domains.collect();
    format!(
        "resolvectl dns {interface} {gateway}; resolvectl domain {interface} {}",
        domains.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::{Audience, Fallthrough};
    use super::*;
    use crate::docker::{Endpoint, EngineInfo};

    fn engine(network: &str) -> EngineState {
        let network = Network {
            name: network.into(),
            driver: "bridge".into(),
            subnets: Vec::new(),
            gateways: vec![[172, 17, 0, 1].into()],
        };
        EngineState {
            engine: Some(EngineInfo {
                endpoint: Endpoint::Unix("/d.sock".into()),
                version: "20.10.24 (API 1.41)".into(),
            }),
            networks: Arc::new(BTreeMap::from([("n".to_owned(), network)])),
            ..EngineState::default()
        }
    }

    fn answer() -> AnswerOptions {
        AnswerOptions {
            zones: vec![Name::parse("docker").unwrap()],
            bare: true,
            bare_passed_on: false,
            audience: Audience::Clients,
            rotates: true,
            stale: Duration::MAX,
            fallthrough: Fallthrough::default(),
        }
    }

    /// If this fails, the line that the user copies names an address that nobody listens at, and
    /// containers have no DNS at all.
    #[test]
    fn containers_are_sent_only_where_they_are_served() {
        let all = ListenAddress::Every(53);
        let one = |text: &str| ListenAddress::One(text.parse().unwrap());
        for (server, is_served) in [
            (all, true),
            (one("172.17.0.1:53"), true),
            (one("0.0.0.0:53"), true),
            (one("[::]:53"), true),
            (ListenAddress::Every(1053), false),
            (one("127.0.0.1:53"), false),
            (one("172.17.0.1:1053"), false),
        ] {
            let mut introduction = Introduction::default();
            let start = Instant::now();
            let (state, answer) = (engine("bridge"), answer());
            let mut lines = introduction.lines(&state, &answer, true, &[server], start);
            assert_eq!(introduction.due_in(start).is_some(), !is_served);
            let later = start + PATIENCE;
            lines.extend(introduction.lines(&state, &answer, true, &[server], later));
            let lines = lines.join("\n");
            let line = "containers use these names with \"dns\": [\"172.17.0.1\"] in \
                        /etc/docker/daemon.json, or with --dns 172.17.0.1";
            assert_eq!(lines.contains(line), is_served, "{lines}");
            assert_eq!(lines.contains("cannot use"), !is_served, "{lines}");
            // An address that is served in the end is told, and nothing twice.
            let more = introduction.lines(&state, &answer, true, &[all], later);
            assert_eq!(more.is_empty(), is_served, "{more:?}");
            let more = introduction.lines(&state, &answer, true, &[server], later);
            assert!(more.is_empty(), "{more:?}");
        }
    }

    /// If this fails, nobody is told how containers ask here where a real Docker has just been
    /// installed: it says which subnet its network has, and not which address of it is the machine's.
    #[test]
    fn an_address_that_is_not_told_is_found() {
        let network = |subnet: [u8; 4]| Network {
            name: "bridge".into(),
            driver: "bridge".into(),
            subnets: vec![(subnet.into(), 16)],
            gateways: Vec::new(),
        };
        assert_eq!(
            gateway(&network([127, 0, 0, 0])),
            Some([127, 0, 0, 1].into())
        );
        assert_eq!(gateway(&network([203, 0, 113, 0])), None);
    }

    /// If this fails, users of Podman are sent to a file that it does not read, or an engine on
    /// another machine has its containers ask addresses of this one.
    #[test]
    fn it_depends_on_the_engine() {
        let all = [ListenAddress::Every(53)];
        let lines = |name: &str, is_local| {
            let mut introduction = Introduction::default();
            let now = Instant::now();
            introduction
                .lines(&engine(name), &answer(), is_local, &all, now)
                .join("\n")
        };
        let first = "engine 20.10.24 (API 1.41) at unix:///d.sock, containers: 0, zones: docker., \
                     and names without a zone, served at port 53";
        assert_eq!(lines("bridge", false), first);
        assert!(lines("podman", true).contains("containers.conf"));
        assert_eq!(lines("other", true), first);
    }

    /// If this fails, the command that the user copies sends all names here, or none.
    #[test]
    fn resolved_is_led_here_for_the_zones() {
        let command = resolvectl(&answer(), "docker0", [172, 17, 0, 1].into());
        assert_eq!(
            command,
            "resolvectl dns docker0 172.17.0.1; resolvectl domain docker0 '~docker'"
        );
    }
}
