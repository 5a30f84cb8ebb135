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

/// Whether CoreDNS has a directive of this name.
#[must_use]
pub fn has(name: &str) -> bool {
    ALL.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::ALL;
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
}
