//! The directives of CoreDNS that Callsign does not have, so that a Corefile that uses one gets a
//! clear answer instead of "unknown".

/// Every directive of CoreDNS 1.14, in the order of its `plugin.cfg`.
const ALL: &[&str] = &[
    "root",
    "metadata",
    "geoip",
    "cancel",
    "proxyproto",
    "quic",
    "grpc_server",
    "https",
    "https3",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "shed",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "rewrite",
    "autopath",
    "acl",
    "cache",
    "header",
    "dnssec",
    "tls",
    "minimal",
    "template",
    "transfer",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
    "nomad",
];

/// What there is to say of those that Callsign does not have: why, and what to do instead.
const MISSING: &[(&str, &str)] = &[
    (
        "geoip",
        "labels by country and city from a MaxMind database are not available; `acl` and `view` choose by network",
    ),
    (
        "proxyproto",
        "the PROXY protocol is not available yet: clients are seen by the address that they come from",
    ),
    (
        "quic",
        "DNS over QUIC is not available yet; without `quic://` keys the directive has nothing to set, so leave it out",
    ),
    (
        "grpc_server",
        "DNS over gRPC is not served; without `grpc://` keys the directive has nothing to set, so leave it out",
    ),
    (
        "https",
        "DNS over HTTPS is not served yet; without `https://` keys the directive has nothing to set, so leave it out",
    ),
    (
        "https3",
        "DNS over HTTP/3 is not served; without `https3://` keys the directive has nothing to set, so leave it out",
    ),
    (
        "trace",
        "traces of queries are not available; `prometheus` has their durations, and `log` each query",
    ),
    (
        "pprof",
        "it profiles CoreDNS's own runtime; here `perf` does, since release builds have line tables",
    ),
    (
        "shed",
        "it is always so: what waits is bounded everywhere, and what is too much is dropped and counted; leave it out",
    ),
    (
        "dnstap",
        "dnstap is not available yet; `log` writes a line for each query",
    ),
    ("tsig", "signed messages (TSIG) are not available yet"),
    (
        "autopath",
        "search paths are not tried on the server; set `ndots:1` in the clients' resolv.conf, or use names with a final dot",
    ),
    (
        "dnssec",
        "signing while answering is not available yet; `file` serves zones that are signed",
    ),
    (
        "tls",
        "DNS over TLS is not served yet; `forward` asks others over TLS by a `tls` option of its own",
    ),
    ("transfer", "zone transfers to others are not available yet"),
    (
        "route53",
        "zones of Amazon Route 53 are not read; `forward` can ask a resolver that has them, `file` serves an export",
    ),
    (
        "azure",
        "zones of Azure DNS are not read; `forward` can ask a resolver that has them, `file` serves an export",
    ),
    (
        "clouddns",
        "zones of Google Cloud DNS are not read; `forward` can ask a resolver that has them, `file` serves an export",
    ),
    (
        "k8s_external",
        "Kubernetes is not read: keep CoreDNS for it, and `forward` its zone there",
    ),
    (
        "kubernetes",
        "Kubernetes is not read: keep CoreDNS for the cluster's zone, and `forward` that zone to it",
    ),
    (
        "secondary",
        "zone transfers from others are not available yet; `file` serves a copy and notices when it changes",
    ),
    (
        "grpc",
        "others are not asked over gRPC; `forward` asks over UDP, TCP, TLS and HTTPS",
    ),
    (
        "on",
        "commands at the start and end of the server are the service manager's; `identity` runs commands with its own `on`",
    ),
    (
        "sign",
        "zones are not signed here yet; `file` serves zones that another program has signed",
    ),
    (
        "nomad",
        "services of Nomad are not read; `forward` can ask Consul, where they may be registered",
    ),
];

/// What there is to say of a directive that CoreDNS has, where Callsign has none of this name.
#[must_use]
pub fn missing(name: &str) -> Option<&'static str> {
    let known = MISSING.iter().find(|(missing, _)| *missing == name);
    match known {
        Some((_, instead)) => Some(instead),
        None => ALL.contains(&name).then_some("it is not available yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, MISSING, missing};
    use crate::plugins::DIRECTIVES;

    /// If this fails, queries meet our plugins in another order than CoreDNS's, and a Corefile
    /// that was moved from there answers differently.
    #[test]
    fn shared_directives_keep_the_order_of_coredns() {
        let place = |name: &str| ALL.iter().position(|it| *it == name);
        let shared: Vec<usize> = DIRECTIVES.iter().filter_map(|it| place(it.name)).collect();
        assert!(shared.is_sorted());
        let ours = DIRECTIVES
            .iter()
            .position(|it| it.name == "identity")
            .unwrap();
        let before = DIRECTIVES[..ours].iter().filter_map(|it| place(it.name));
        let after = DIRECTIVES[ours..].iter().filter_map(|it| place(it.name));
        assert!(before.max() <= place("hosts") && place("file") <= after.min());
    }

    /// If this fails, whoever moves from CoreDNS is told to leave out what is there, or learns
    /// nothing of what is not.
    #[test]
    fn what_is_missing_is_said_of_directives_that_are() {
        for (name, instead) in MISSING {
            assert!(ALL.contains(name), "{name}");
            assert!(DIRECTIVES.iter().all(|it| it.name != *name), "{name}");
            assert!(!instead.ends_with('.'), "{name}");
        }
        assert_eq!(missing("whoam"), None);
        assert!(missing("kubernetes").unwrap().contains("`forward`"));
    }
}
